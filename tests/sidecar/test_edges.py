"""What nobody foresaw becomes one error; its text reaches neither caller nor log."""

import asyncio
import logging

import pytest

from parley_crds.logs import JsonLines
from parley_sidecar.edges import contained, survived
from parley_sidecar.errors import ProviderTimeout, Unforeseen


async def answering() -> str:
    """Go well."""
    return "fine"


async def refusing() -> None:
    """Fail as foreseen."""
    raise ProviderTimeout("no answer within 1 s")


async def breaking() -> None:
    """Fail as nobody foresaw."""
    raise KeyError("sk-secret")


async def test_what_goes_well_passes() -> None:
    """A result passes through, and an event that went well is told."""
    assert ("fine", True) == (await contained(answering(), "event"), await survived(answering(), "event"))


async def test_our_errors_pass() -> None:
    """An error of the tree is not touched."""
    with pytest.raises(ProviderTimeout, match="no answer within 1 s"):
        await contained(refusing(), "event")


async def test_a_fault_becomes_unforeseen(caplog: pytest.LogCaptureFixture) -> None:
    """A fault of our own becomes one error, and the log has its type and place without its text."""
    with pytest.raises(Unforeseen) as raised:
        await contained(breaking(), "reload failed")

    (record,) = caplog.records
    line = JsonLines().format(record)
    assert "sk-secret" not in line + raised.value.message
    assert '"event": "reload failed"' in line
    assert '"exception": "KeyError"' in line


@pytest.mark.parametrize(
    ("work", "level", "facts"),
    [
        (refusing, logging.WARNING, {"reason": "timeout", "detail": "no answer within 1 s"}),
        (breaking, logging.ERROR, {}),
    ],
)
async def test_background_work_is_survived(
    work: object, level: int, facts: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Work that nobody waits for is logged once when it fails, and nothing is raised."""
    assert callable(work)
    assert not await survived(work(), "write failed")

    (record,) = caplog.records
    assert ("write failed", level) == (record.getMessage(), record.levelno)
    assert facts == {name: getattr(record, name) for name in facts}


async def test_cancellation_passes() -> None:
    """Whoever cancels is obeyed."""
    task = asyncio.create_task(survived(asyncio.sleep(60), "event"))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
