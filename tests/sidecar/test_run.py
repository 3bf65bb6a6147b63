"""`parley run` as a process: from the first line on the terminal to the exit code.

Aspects: start, reload, the cluster's way, what it prints. How it ends is in test_run_end.py.
"""

import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from socket import create_connection, create_server

import pytest

from parley_crds.stream import StoreSection, snapshot
from parley_sidecar.run import COLLECT_AFTER
from tests.conftest import Standin, eventually, free_port, until
from tests.sidecar.processes import EXAMPLES, Process, examples, gpt, parley_run
from tests.sidecar.running import component
from tests.sidecar.sources.small_operator import SmallOperator, anchors, authority

REFERENCE = {
    "inputs": ["what is Dapr", "Why use Dapr"],
    "parameters": {},
    "metadata": {
        "model": "model-ID-string-based-on-component-used",
        "key": "key1",
        "cacheTTL": "10m",
        "endpoint": "http://localhost:3500",
    },
}


def test_the_request_of_the_api_reference_is_answered(tmp_path: Path) -> None:
    """Without Redis and without a cluster: 202 with two outputs, and what to try stands on the terminal."""
    with parley_run(tmp_path, "--components", str(EXAMPLES)) as parley:
        parley.until_up()
        reply = parley.ask(body=REFERENCE)
        command = next(line.strip() for line in parley.stderr.splitlines() if "/echo/converse" in line)
        tried = subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout

    outputs = [{"result": text, "parameters": {}} for text in REFERENCE["inputs"]]
    assert (202, {"outputs": outputs}) == (reply.status, reply.body)
    assert '{"outputs":[{"result":"hello","parameters":{}}]}' == tried.strip()


def test_what_cannot_be_used_is_named_and_the_others_serve(tmp_path: Path) -> None:
    """The example that needs a key says which variable to set, on the terminal and in the log."""
    with parley_run(tmp_path, "--components", str(EXAMPLES)) as parley:
        parley.until_up()
        replies = [parley.ask("dapr-echo").status, parley.ask("gpt").status]

    (left_out,) = parley.events("component left out")
    assert [202, 400] == replies
    assert ("gpt", "gpt.yaml") == (left_out["component"], left_out["source"])
    assert "gpt in gpt.yaml is left out: the setting key needs the environment variable OPENAI_API_KEY" in parley.stderr


def test_health_and_metrics_are_on_a_port_of_their_own(tmp_path: Path) -> None:
    """And the log shows once what the process was told, without what is secret."""
    environ = {"DAPR_API_TOKEN": "sk-hush", "PARLEY_LOG_LEVEL": "debug"}
    with parley_run(tmp_path, "--components", str(EXAMPLES), environ=environ) as parley:
        parley.until_up()
        statuses = [parley.get(path).status for path in ("/healthz", "/readyz", "/metrics")]
        refused, taken = parley.ask(), parley.ask(headers={"dapr-api-token": "sk-hush"})

    (up,) = parley.events("sidecar is up")
    assert [200, 200, 200] == statuses
    assert (401, 202) == (refused.status, taken.status)
    assert (True, parley.http_port, "debug") == (
        up["settings"]["api_token"],
        up["settings"]["http_port"],
        up["settings"]["log_level"],
    )
    assert "sk-hush" not in parley.stdout + parley.stderr


def test_a_component_may_not_send_requests_back_here(tmp_path: Path, standin: Standin) -> None:
    """None of our own ports is an endpoint for a provider."""
    components = gpt(tmp_path, standin)
    with parley_run(tmp_path, "--components", str(components), "--secrets", str(tmp_path / "secrets.yaml")) as parley:
        parley.until_up()
        ports = (parley.http_port, parley.metrics_port, parley.grpc_port)
        override = [{"endpoint": f"http://127.0.0.1:{port}/v1", "key": "k"} for port in ports]
        statuses = [parley.ask("gpt", {"inputs": ["hi"], "metadata": metadata}).status for metadata in override]

    assert [400, 400, 400] == statuses


@pytest.mark.parametrize(
    ("arguments", "sentence", "code"),
    [
        (["--components", "/nowhere"], "parley: --components: /nowhere does not exist", 1),
        (["--components", str(EXAMPLES), "--redis", "redis://:sk-hush@h:port"], "parley: --redis must name", 2),
        (["--components", str(EXAMPLES), "--secrets", "/nowhere"], "parley: --secrets: /nowhere: cannot be read", 1),
    ],
)
def test_a_slip_is_told_in_one_sentence(tmp_path: Path, arguments: list[str], sentence: str, code: int) -> None:
    """And the process ends before it serves."""
    with parley_run(tmp_path, *arguments) as parley:
        assert code == parley.ended()

    assert parley.stderr.startswith(sentence)
    assert 1 == len(parley.stderr.splitlines())
    assert "sk-hush" not in parley.stdout + parley.stderr


@pytest.mark.parametrize("flag", ["--http-port", "--grpc-port", "--metrics-port"])
def test_a_taken_port_is_told(tmp_path: Path, flag: str) -> None:
    """With the flag that chooses another."""
    with closing(create_server(("127.0.0.1", 0))) as other:
        port = str(other.getsockname()[1])
        with parley_run(tmp_path, "--components", str(EXAMPLES), flag, port) as parley:
            assert 1 == parley.ended()

    assert f"parley: port {port} is taken by another program; choose another with {flag}\n" == parley.stderr


def test_changed_files_are_used(tmp_path: Path) -> None:
    """A component that is added, broken, mended or taken away, while others are asked."""
    components = examples(tmp_path)
    with parley_run(tmp_path, "--components", str(components)) as parley:
        parley.until_up()
        text = (components / "echo.yaml").read_text()
        (components / "new.yaml").write_text(text.replace("name: echo", "name: new"))
        until("the new component", lambda: parley.ask("new").status == 202)
        (components / "new.yaml").write_text("spec: {")
        until("the word about it", lambda: parley.events("last good version stays in use"))
        broken = parley.ask("new").status
        (components / "new.yaml").unlink()
        until("its end", lambda: parley.ask("new").status == 400)

    assert 202 == broken
    assert 1 == len(parley.events("last good version stays in use"))


def test_a_new_key_is_used(tmp_path: Path, standin: Standin) -> None:
    """The file of Secrets is read anew, and no key is in what the process prints."""
    components, secrets = gpt(tmp_path, standin), tmp_path / "secrets.yaml"
    with parley_run(tmp_path, "--components", str(components), "--secrets", str(secrets)) as parley:
        parley.until_up()
        parley.ask("gpt", {"inputs": ["first"]})
        first = standin.last()["headers"]["authorization"]
        secrets.write_text("openai: {apiKey: sk-hush-2}")

        def uses_it() -> bool:
            parley.ask("gpt", {"inputs": ["again"], "metadata": {"cacheTTL": "0"}})
            return bool(standin.last()["headers"]["authorization"] == "Bearer sk-hush-2")

        until("the new key", uses_it)

    assert "Bearer sk-hush" == first
    assert "sk-hush" not in parley.stdout + parley.stderr


def test_two_sidecars_share_a_redis(tmp_path: Path, standin: Standin, redis_url: str) -> None:
    """What one asked and was told to stop right after, the other one knows: the write is finished first."""
    components = gpt(tmp_path, standin)
    flags = ["--components", str(components), "--secrets", str(tmp_path / "secrets.yaml"), "--redis", redis_url]
    with parley_run(tmp_path, *flags) as parley:
        parley.until_up()
        parley.ask("gpt")
        parley.signal(signal.SIGINT)
        first = parley.ended()
    with parley_run(tmp_path, *flags) as parley:
        parley.until_up()
        reply = parley.ask("gpt")

    assert 0 == first
    assert "hit" in reply.headers["cache-status"]
    assert "detail=redis" in reply.headers["cache-status"]


async def test_in_a_cluster_it_starts_before_its_operator(tmp_path: Path) -> None:
    """It is ready, says 503, and answers as soon as the operator is there; a container after it needs none."""
    ca, operator, port = authority(tmp_path / "ca"), SmallOperator(), free_port()
    operator.message = snapshot([component("echo")], StoreSection(), anchors(ca)).model_dump_json()
    environ = injected(tmp_path, anchors(ca), port)
    with parley_run(tmp_path, environ=environ) as parley:
        parley.until_up()
        early, ready = parley.ask(), parley.get("/readyz")
        async with operator.serving(ca, port):
            await eventually(lambda: operator.acknowledged)
            reply = parley.ask()
        parley.signal()
        code = parley.ended()
    with parley_run(tmp_path, environ=environ) as parley:
        parley.until_up()
        after = parley.ask()

    assert (503, "ERR_CONVERSATION_NOT_READY") == (early.status, early.body["errorCode"])
    assert (200, 202, 0, 202) == (ready.status, reply.status, code, after.status)
    assert "" == parley.stderr


def injected(directory: Path, trust: str, port: int) -> Mapping[str, str]:
    """Return the environment that the injector gives to a sidecar."""
    (directory / "token").write_text("token")
    return {
        "PARLEY_OPERATOR_URL": f"https://127.0.0.1:{port}",
        "PARLEY_TOKEN_FILE": str(directory / "token"),
        "PARLEY_TRUST_ANCHORS": trust,
        "PARLEY_LAST_GOOD_FILE": str(directory / "last-good.json"),
        "PARLEY_APP_ID": "shop",
        "PARLEY_NAMESPACE": "default",
    }


def test_the_api_is_on_loopback_alone(tmp_path: Path) -> None:
    """Metrics and health are for others too, the API is not."""
    with parley_run(tmp_path, "--components", str(EXAMPLES)) as parley:
        parley.until_up()
        with create_connection(("127.0.0.2", parley.metrics_port), 10) as connection:
            public = connection.getpeername()[1]
        with pytest.raises(OSError, match="refused"):
            create_connection(("127.0.0.2", parley.http_port), 10)

    assert parley.metrics_port == public


def test_every_line_on_stdout_is_an_event(tmp_path: Path) -> None:
    """So that a log collector can read all of it; what is for a person is on stderr."""
    with parley_run(tmp_path, "--components", str(EXAMPLES)) as parley:
        parley.until_up()
        parley.signal()
        parley.ended()

    assert_events(parley)


def assert_events(parley: Process) -> None:
    """Check that every line on stdout is JSON with a time, a level and an event."""
    assert len(parley.stdout.splitlines()) == len(parley.log)
    assert all({"time", "level", "event"} <= set(entry) for entry in parley.log)


def test_a_sidecar_that_serves_collects_garbage() -> None:
    """The start does without; afterwards it is collected, but for what the start made."""
    settle = "import gc; from parley_sidecar import run; gc.disable(); run._settle()"
    told = "print(gc.isenabled(), gc.get_threshold())"
    done = subprocess.run([sys.executable, "-c", f"{settle}; {told}"], capture_output=True, text=True, check=True)

    assert f"True {COLLECT_AFTER}\n" == done.stdout
