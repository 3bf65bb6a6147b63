"""What is kept of answers, and what is for those only who asked for it, with the reason counted."""

from collections.abc import AsyncIterator

import pytest

from parley_sidecar.caching.shelves import MAX_KEPT_BYTES, Skip, why_not_kept
from parley_sidecar.errors import ProviderRefused
from parley_sidecar.model import Answer, CacheStatus, Choice, ConverseRequest, FinishReason, Reply, ToolCall
from tests.sidecar.layers.cached import Counted, Process, asking, component, process

CALL = ToolCall("1", "weather", "{}")


@pytest.fixture
async def alone() -> AsyncIterator[Process]:
    """A process with its own tier only."""
    async with process() as made:
        yield made


@pytest.mark.parametrize(
    ("text", "reason", "expected"),
    [
        ("hi", "stop", None),
        ("hi", "length", None),
        ("hi", "unknown", None),
        ("", "stop", "empty"),
        ("hi", "content_filter", "filtered"),
        ("", "content_filter", "filtered"),
        ("hi", "tool_calls", "tool_calls"),
    ],
)
def test_only_good_answers_are_kept(text: str, reason: FinishReason, expected: Skip | None) -> None:
    """Empty and filtered ones, and tool calls, are for the one who asked; one that was cut for length is whole."""
    assert expected == why_not_kept(Answer((Choice(text, reason),)), tool_calls=False)


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ((), "empty"),
        ((Choice("hi"), Choice("")), "empty"),
        ((Choice("", "tool_calls", tool_calls=(CALL,)),), None),
        ((Choice("hi"), Choice("", "tool_calls", tool_calls=(CALL,))), None),
        ((Choice("", "tool_calls"),), "empty"),
        ((Choice("", "content_filter", tool_calls=(CALL,)),), "filtered"),
    ],
)
def test_tool_calls_are_kept_where_the_component_says_so(choices: tuple[Choice, ...], expected: Skip | None) -> None:
    """With or without text; nothing else changes by that."""
    assert expected == why_not_kept(Answer(choices), tool_calls=True)


@pytest.mark.parametrize("tool_calls", [False, True])
async def test_a_component_says_whether_tool_calls_are_kept(alone: Process, *, tool_calls: bool) -> None:
    """Its `cache.toolCalls`; without it each one is counted."""
    calls = 0

    async def calling(_: ConverseRequest, /) -> Reply:
        nonlocal calls
        calls += 1
        return Answer((Choice("", "tool_calls", tool_calls=(CALL,)),))

    layer = alone.layer(calling, component(tool_calls=tool_calls))
    statuses = [await alone.ask(layer, asking()) for _ in range(2)]

    assert (1 if tool_calls else 2) == calls
    assert CacheStatus(hit=False, stored=tool_calls) == statuses[0]
    assert ([] if tool_calls else ["tool_calls", "tool_calls"]) == alone.skips


async def test_an_error_is_not_kept(alone: Process) -> None:
    """The next request tries again."""
    calls = 0

    async def failing(_: ConverseRequest, /) -> Reply:
        nonlocal calls
        calls += 1
        raise ProviderRefused("no")

    layer = alone.layer(failing)
    for _ in range(2):
        with pytest.raises(ProviderRefused):
            await layer(asking())

    assert 2 == calls


async def test_an_answer_beyond_all_measure_is_not_kept(alone: Process) -> None:
    """It goes to its caller, and the many small ones stay."""
    layer = alone.layer(Counted())
    await alone.ask(layer, asking("small"))
    status = await alone.ask(layer, asking("x" * MAX_KEPT_BYTES))
    small = await alone.ask(layer, asking("small"))

    assert CacheStatus(hit=False) == status
    assert small
    assert small.hit
    assert ["too_large"] == alone.skips
