"""Stored answers."""

import pytest

from parley_sidecar.answers import Entry, Failed, Passed, failed, pack, unpack
from parley_sidecar.errors import (
    CircuitOpen,
    DeadlinePassed,
    InvalidParameters,
    Overloaded,
    ParleyError,
    ProviderGarbled,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    StoreUnavailable,
    ToolNotCalled,
    Unforeseen,
)
from parley_sidecar.model import Answer, Choice, ToolCall, Usage

ENTRY = Entry(
    12.5, 72.5, Answer((Choice("grüezi", "stop", "end_turn"), Choice("", "length")), Usage(3, 2, 1, 1), "m-1")
)


def test_an_answer_survives_the_store() -> None:
    """Every field comes back, and the times between which it is good."""
    assert ENTRY == unpack(pack(ENTRY))


@pytest.mark.parametrize(
    "data",
    [b"", pack(ENTRY)[:-3], b"\x93\x01\x02\x03", pack(ENTRY).replace("ü".encode(), b"\xff\xff"), b"\x91" * 100_000],
    ids=["nothing", "cut", "foreign", "no UTF-8", "deep"],
)
def test_what_another_version_wrote_is_a_miss(data: bytes) -> None:
    """Bytes of another form, cut or broken, are not an error."""
    assert unpack(data) is None


def test_an_answer_for_those_who_wait_survives_too() -> None:
    """With who answered, and with tool calls that are not kept."""
    passed = Passed(Answer((Choice("", "tool_calls", "", (ToolCall("1", "weather", "{}"),)),)), "other")

    assert passed == unpack(pack(passed))


@pytest.mark.parametrize(
    "error",
    [
        RateLimited("slow down", retry_after_s=2.5),
        ProviderTimeout("late"),
        ProviderUnavailable("down"),
        ProviderRefused("bad key"),
        ProviderGarbled("noise"),
        ToolNotCalled("no call"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_providers_fault_survives_as_what_it_was(error: ParleyError) -> None:
    """Its kind, its sentence and how long to wait."""
    told = failed(error)
    assert told
    read = unpack(pack(told))
    assert isinstance(read, Failed)
    raised = read.error()

    assert raised
    assert (type(error), error.message, error.retry_after_s) == (type(raised), raised.message, raised.retry_after_s)


@pytest.mark.parametrize(
    "error",
    [
        Overloaded("full"),
        CircuitOpen("open"),
        DeadlinePassed("late"),
        StoreUnavailable("gone"),
        InvalidParameters("no"),
        Unforeseen("bug"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_a_processes_own_is_not_told(error: ParleyError) -> None:
    """Another process may have a slot, a closed circuit, or no such fault."""
    assert failed(error) is None


def test_a_fault_of_another_version_is_none() -> None:
    """What cannot be raised here is as if nobody had said anything."""
    assert Failed("FromTheFuture", "what?").error() is None
