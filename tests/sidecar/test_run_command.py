"""`parley run -- COMMAND` as a process: the application beside the sidecar, its signals and its end."""

import os
import pty
import subprocess
import sys
from pathlib import Path

from tests.conftest import free_port, until
from tests.sidecar.processes import COMMAND, EXAMPLES, parley_run

CALLER = """
import json, os, urllib.request
url = f"http://127.0.0.1:{os.environ['DAPR_HTTP_PORT']}/v1.0-alpha1/conversation/echo/converse"
request = urllib.request.Request(url, json.dumps({"inputs": ["from the application"]}).encode())
print(json.load(urllib.request.urlopen(request))["outputs"][0]["result"], os.environ["DAPR_GRPC_PORT"])
raise SystemExit(7)
"""


def test_the_application_asks_and_its_end_is_the_end(tmp_path: Path) -> None:
    """The sidecar is up before it, tells it the ports, and ends with its exit code."""
    command = [sys.executable, "-c", CALLER]
    with parley_run(tmp_path, "--components", str(EXAMPLES), command=command) as parley:
        assert 7 == parley.ended()

    assert f"from the application {parley.grpc_port}" in parley.stdout.splitlines()


def test_an_application_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    """With a shell's exit code."""
    with parley_run(tmp_path, "--components", str(EXAMPLES), command=["no-such-program"]) as parley:
        assert 127 == parley.ended()

    assert parley.stderr.endswith("parley: no-such-program: command not found\n")


def test_sigterm_goes_to_the_application_first(tmp_path: Path) -> None:
    """The sidecar serves until the application, which asks it while ending, is done."""
    farewell = "import signal, time\ndef end(*_):\n" + "".join(f"    {line}\n" for line in CALLER.strip().splitlines())
    script = farewell + "signal.signal(signal.SIGTERM, end)\nprint('waiting', flush=True)\ntime.sleep(60)"
    with parley_run(tmp_path, "--components", str(EXAMPLES), command=[sys.executable, "-c", script]) as parley:
        until("the application", lambda: "waiting" in parley.stdout)
        parley.signal()
        assert 7 == parley.ended()

    assert f"from the application {parley.grpc_port}" in parley.stdout.splitlines()


COUNTER = """
import signal, sys, time
count = 0
def interrupted(*_):
    global count
    count += 1
signal.signal(signal.SIGINT, interrupted)
print("waiting", flush=True)
end = time.monotonic() + 60
while not count and time.monotonic() < end:
    time.sleep(0.01)
time.sleep(0.5)
print(f"interrupted {count}", flush=True)
"""


def test_an_interrupt_at_the_terminal_reaches_the_application_once(tmp_path: Path) -> None:
    """The terminal gives it to both; what the sidecar forwarded would be the second one."""
    words = [*COMMAND, "run", "--components", str(EXAMPLES), "--", sys.executable, "-c", COUNTER]
    ports = {f"PARLEY_{door}_PORT": str(free_port()) for door in ("HTTP", "GRPC", "METRICS")}
    keyboard, terminal = pty.openpty()
    # A new session whose first terminal becomes the controlling one, as at a login.
    login = "import fcntl, os, sys, termios\nfcntl.ioctl(0, termios.TIOCSCTTY)\nos.execv(sys.argv[1], sys.argv[1:])"
    with (tmp_path / "out").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", login, *words],
            stdin=terminal,
            stdout=out,
            stderr=out,
            start_new_session=True,
            env={**os.environ, **ports},
        )
    os.close(terminal)
    until("the application", lambda: "waiting" in (tmp_path / "out").read_text())
    os.write(keyboard, b"\x03")
    code = process.wait(60)
    os.close(keyboard)

    assert 0 == code
    assert "interrupted 1" in (tmp_path / "out").read_text().splitlines()
