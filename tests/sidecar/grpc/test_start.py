"""gRPC as a part of `parley run`: on and off, its ports, and the end of the process."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from socket import create_connection, create_server
from typing import Any

import grpc
import pytest

from parley_sidecar.grpc_calls import SERVICE
from parley_sidecar.rpc import ai_pb2
from tests.conftest import Vendors, free_port, until
from tests.sidecar.processes import EXAMPLES, Process, parley_run

OPENAI = "conversation.openai"
APPLICATION = """
import os, sys
print("application", os.environ.get("DAPR_GRPC_PORT"), os.environ.get("GRPC_VERBOSITY"), flush=True)
"""
OFF = """
import sys
from parley_sidecar.cli import main
code = main(["run", "--components", sys.argv[1], "--grpc-port", "0", "--", sys.executable, "-c", sys.argv[2]])
print("loaded", code, sorted({"grpc", "google", "grpc_health", "grpc_reflection"} & set(sys.modules)))
"""


def ask(port: int, name: str, text: str, host: str = "127.0.0.1") -> ai_pb2.ConversationResponse:
    """Ask over alpha1; raises grpc.RpcError."""
    request = ai_pb2.ConversationRequest(name=name, inputs=[ai_pb2.ConversationInput(content=text)])
    with grpc.insecure_channel(f"{host}:{port}") as channel:
        method: Any = channel.unary_unary(f"/{SERVICE}/ConverseAlpha1")
        return ai_pb2.ConversationResponse.FromString(method(request.SerializeToString(), timeout=60))


def manifest(vendors: Vendors, directory: Path, model: str) -> tuple[str, ...]:
    """Write a component of the stand-in, and return the flags that name it."""
    settings = vendors.settings(OPENAI)
    (directory / "components").mkdir()
    (directory / "components/gpt.yaml").write_text(
        f"""
apiVersion: parley.dev/v1alpha1
kind: ConversationComponent
metadata: {{name: gpt}}
spec:
  type: {OPENAI}
  metadata:
  - {{name: key, secretKeyRef: {{name: openai, key: apiKey}}}}
  - {{name: endpoint, value: "{settings["endpoint"]}"}}
  - {{name: model, value: {model}}}
"""
    )
    (directory / "secrets.yaml").write_text(f"openai: {{apiKey: {settings['key']}}}")
    return ("--components", str(directory / "components"), "--secrets", str(directory / "secrets.yaml"))


def asking(parley: Process, outcomes: list[str]) -> threading.Thread:
    """Ask for gpt in a thread, which notes the answer or the code."""

    def asked() -> None:
        try:
            outcomes.append(ask(parley.grpc_port, "gpt", "slow").outputs[0].result)
        except grpc.RpcError as error:
            outcomes.append(error.code().name)

    thread = threading.Thread(target=asked)
    thread.start()
    return thread


def refused(parley: Process) -> str:
    """Ask for the echo, and return the code of its refusal, if it is one."""
    try:
        ask(parley.grpc_port, "gpt", "late")
    except grpc.RpcError as error:
        return str(error.code().name)
    return ""


def test_it_answers_on_both_addresses_of_loopback_and_in_silence(tmp_path: Path) -> None:
    """Nowhere else; gRPC's own words about its work appear nowhere, and its switches do not reach the application."""
    command = [sys.executable, "-c", APPLICATION + "import time; time.sleep(60)"]
    with parley_run(tmp_path, "--components", str(EXAMPLES), command=command) as parley:
        parley.until_up()
        until("the application", lambda: "application" in parley.stdout)
        hosts = ["127.0.0.1", *(["[::1]"] if has_ipv6() else [])]
        results = {ask(parley.grpc_port, "echo", "hello", host).outputs[0].result for host in hosts}
        with pytest.raises(OSError, match="refused"):
            create_connection(("127.0.0.2", parley.grpc_port), 10)
        greeting = parley.stderr
        parley.signal()
        parley.ended()

    assert {"hello"} == results
    assert f"application {parley.grpc_port} None" in parley.stdout
    assert f"on localhost:{parley.grpc_port}." in greeting
    assert greeting == parley.stderr


def test_grpc_s_own_thread_does_not_interrupt_the_event_loop(tmp_path: Path) -> None:
    """It waits for its turn when it wakes up; the loop's thread is scheduled as always."""
    with parley_run(tmp_path, "--components", str(EXAMPLES)) as parley:
        parley.until_up()
        ask(parley.grpc_port, "echo", "hello")
        tasks = {int(task.name) for task in Path(f"/proc/{parley.popen.pid}/task").iterdir()}
        patient = {task for task in tasks if os.sched_getscheduler(task) == os.SCHED_BATCH}

    assert 1 == len(patient)
    assert parley.popen.pid in tasks - patient


def has_ipv6() -> bool:
    """Say whether this machine has an IPv6 loopback."""
    try:
        create_server(("::1", 0), family=10).close()
    except OSError:
        return False
    return True


def test_switched_off_it_is_never_imported(tmp_path: Path) -> None:
    """Nor is its port opened, nor told to the application."""
    code = [sys.executable, "-c", OFF, str(EXAMPLES), APPLICATION]
    ports = {"PARLEY_HTTP_PORT": str(free_port()), "PARLEY_METRICS_PORT": str(free_port())}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DAPR_", "PARLEY_"))}
    done = subprocess.run(
        code, env={**inherited, **ports}, capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path
    )

    assert "application None None" in done.stdout
    assert "loaded 0 []" == done.stdout.splitlines()[-1]
    assert "gRPC" not in done.stderr


def test_a_running_call_is_finished(tmp_path: Path, vendors: Vendors) -> None:
    """Though the drain time is over; what comes then is UNAVAILABLE, over a connection that was there before."""
    outcomes: list[str] = []
    flags = manifest(vendors, tmp_path, "slow-3000")
    with parley_run(tmp_path, *flags, environ={"PARLEY_DRAIN_SECONDS": "0.1"}) as parley:
        parley.until_up()
        before = vendors.count(OPENAI)
        thread = asking(parley, outcomes)
        until("the request at the provider", lambda: vendors.count(OPENAI) > before)
        parley.signal()
        until("the closed door", lambda: refused(parley) == "UNAVAILABLE")
        thread.join()
        code = parley.ended()

    assert (["slow"], 0) == (outcomes, code)


def test_a_second_signal_waits_for_no_call(tmp_path: Path, vendors: Vendors) -> None:
    """The call is cut, the process ends."""
    outcomes: list[str] = []
    with parley_run(tmp_path, *manifest(vendors, tmp_path, "hang")) as parley:
        parley.until_up()
        before = vendors.count(OPENAI)
        thread = asking(parley, outcomes)
        until("the request at the provider", lambda: vendors.count(OPENAI) > before)
        parley.signal()
        until("its stopping", lambda: parley.events("sidecar is stopping"))
        parley.signal()
        code = parley.ended()
        thread.join()

    assert (1, 0) == (len(outcomes), code)
    assert outcomes[0] in {"UNAVAILABLE", "CANCELLED"}
