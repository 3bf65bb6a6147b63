"""A sidecar that is a plain container: `parley wait`, as the kubelet runs it, and its end by the application."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from parley_sidecar.cli import main
from tests.conftest import free_port
from tests.injector.job_page import job
from tests.sidecar.processes import COMMAND, examples, parley_run


def test_it_ends_when_the_sidecar_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begun beside it, on the port of its environment, it lasts until the sidecar answers."""
    with parley_run(tmp_path, "--components", str(examples(tmp_path))) as parley:
        monkeypatch.setenv("PARLEY_METRICS_PORT", str(parley.metrics_port))

        assert 0 == main(["wait", "--seconds", "60"])
        assert 204 == parley.request(parley.http_port, "/v1.0/healthz").status


def test_it_does_not_wait_for_ever(capsys: pytest.CaptureFixture[str]) -> None:
    """Where no sidecar comes, it says so."""
    port = free_port()

    assert 1 == main(["wait", "--metrics-port", str(port), "--seconds", "0.2"])
    assert f"parley: no sidecar answered on port {port} within 0.2 s\n" == capsys.readouterr().err


def test_something_else_is_no_sidecar() -> None:
    """A program that speaks no HTTP, on a port that is open, is none."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        words = [*COMMAND, "wait", "--metrics-port", str(listener.getsockname()[1]), "--seconds", "0"]
        with subprocess.Popen(words) as waiting:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"220 mail\r\n")
                code = waiting.wait(60)

    assert 1 == code


@pytest.mark.parametrize("token", ["", "open sesame"])
def test_the_job_of_the_page_ends_its_sidecar(token: str, tmp_path: Path) -> None:
    """Its own exit code stays the program's, the sidecar's is 0; the header is right with a token and without."""
    (container,) = job()["spec"]["template"]["spec"]["containers"]
    program = tmp_path / "report"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    environ = {"DAPR_API_TOKEN": token}
    with parley_run(tmp_path, "--components", str(examples(tmp_path)), environ=environ) as parley:
        parley.until_up()
        told = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "DAPR_HTTP_PORT": str(parley.http_port), **environ}
        done = subprocess.run([*container["command"], *container["args"]], env=told, check=False)

        assert (3, 0) == (done.returncode, parley.ended())
