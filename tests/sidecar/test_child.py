"""The application beside the sidecar: its environment, its signals, its end."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from parley_sidecar.child import Child, environment
from parley_sidecar.command_error import CommandError
from parley_sidecar.settings import Settings
from parley_sidecar.signals import Signals

SETTINGS = Settings(components=Path("here"), http_port=4000, grpc_port=4001)


def test_the_application_finds_the_sidecar() -> None:
    """Ports as Dapr's SDKs read them, over whatever was inherited; a token only where there is one."""
    plain = environment(SETTINGS, {"HOME": "/", "DAPR_HTTP_PORT": "1"})
    guarded = environment(Settings(components=Path("here"), api_token="open sesame"), {})
    silent = environment(Settings(components=Path("here"), grpc_port=0), {})

    assert {"HOME": "/", "DAPR_HTTP_PORT": "4000", "DAPR_GRPC_PORT": "4001"} == plain
    assert {"DAPR_HTTP_PORT": "3500"} == silent
    assert "open sesame" == guarded["DAPR_API_TOKEN"]


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
async def test_the_exit_code_is_a_shells(script: str, code: int) -> None:
    """Its own, or 128 and the signal that killed it."""
    child = await Child.start(["sh", "-c", script], os.environ)

    assert code == await child.ended()


@pytest.mark.parametrize(
    ("command", "sentence", "code"),
    [
        ("no-such-command-here", "no-such-command-here: command not found", 127),
        ("/", "/: Permission denied", 126),
    ],
)
async def test_a_command_that_cannot_be_started_is_told(command: str, sentence: str, code: int) -> None:
    """With a shell's exit codes."""
    with pytest.raises(CommandError, match=f"^{sentence}$") as caught:
        await Child.start([command], os.environ)

    assert code == caught.value.exit_code


TRAP = """
import signal, sys, time
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGTERM):
    signal.signal(number, lambda number, _: sys.exit(number))
print("up", flush=True)
time.sleep(60)
"""


async def trapping(tmp_path: Path) -> Child:
    """Start an application that exits with the number of the first signal it gets, once it listens for signals."""
    out = tmp_path / "out"
    child = await Child.start(["sh", "-c", f'exec {sys.executable} -c "$0" > {out}', TRAP], os.environ)
    async with asyncio.timeout(30):
        while not (out.exists() and out.read_text()):
            await asyncio.sleep(0.02)
    return child


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT])
async def test_signals_reach_the_application(tmp_path: Path, number: signal.Signals) -> None:
    """Every forwarded signal arrives as itself, and the application's end asks the sidecar to stop."""
    signals, child = Signals(), await trapping(tmp_path)
    with signals.owned():
        ended = asyncio.create_task(signals.ended(child))
        await asyncio.sleep(0)
        os.kill(os.getpid(), number)

        assert number == await ended
    assert (True, False) == (signals.stop.is_set(), signals.hurry.is_set())


async def test_a_signal_that_came_too_early_is_not_lost(tmp_path: Path) -> None:
    """One that arrived while the application was being started is given to it then."""
    signals, child = Signals(), await trapping(tmp_path)
    signals.receive(signal.SIGTERM)

    assert signal.SIGTERM == await signals.ended(child)


async def test_after_its_end_signals_are_for_the_sidecar(tmp_path: Path) -> None:
    """The next one means: at once; and the application that is gone gets none."""
    signals, child = Signals(), await trapping(tmp_path)
    child.forward(signal.SIGTERM)
    await signals.ended(child)
    child.forward(signal.SIGTERM)
    signals.receive(signal.SIGTERM)

    assert signals.hurry.is_set()


async def test_alone_the_first_signal_stops_and_the_second_hurries() -> None:
    """And the sidecar knows which one it was."""
    signals = Signals()
    with signals.owned():
        os.kill(os.getpid(), signal.SIGINT)
        await signals.stop.wait()
        first = (signals.last, signals.hurry.is_set())
        os.kill(os.getpid(), signal.SIGTERM)
        await signals.hurry.wait()

    assert (signal.SIGINT, False) == first
