"""From a component to its pipeline."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from parley_crds.resource import Cache, Resilience
from parley_sidecar.errors import InvalidComponent, ParleyError, ProviderRefused, RateLimited
from parley_sidecar.layers.attempt import AttemptLayer
from parley_sidecar.layers.breaker import BreakerLayer
from parley_sidecar.layers.cache import CacheLayer
from parley_sidecar.layers.context import ContextLayer
from parley_sidecar.layers.deadline import DeadlineLayer
from parley_sidecar.layers.fallback import FallbackLayer
from parley_sidecar.layers.health import HealthLayer
from parley_sidecar.layers.limit import LimitLayer
from parley_sidecar.layers.observe import ObserveLayer
from parley_sidecar.layers.retry import RetryLayer
from parley_sidecar.layers.scrub import ScrubLayer
from parley_sidecar.model import Answer, Choice, ConverseRequest, Delta, Message, Reply, Trace
from parley_sidecar.pipeline import Pipeline, build
from tests.sidecar.running import by_hand, component, surroundings


def asking(text: str = "one two three", *, wants_stream: bool = False) -> ConverseRequest:
    """Return a request."""
    return ConverseRequest((Message("user", text),), Trace("1"), wants_stream=wants_stream)


def each(*texts: str) -> list[ConverseRequest]:
    """Return a request for each text."""
    return [asking(text) for text in texts]


async def test_a_component_answers() -> None:
    """A pipeline is built around the component's provider with its settings."""
    async with surroundings() as shared:
        built = await build(component(settings={"maxtokens": "2"}), shared)

        answer = await built.answer(asking())

    assert ("one two", "length") == (answer.choices[0].text, answer.choices[0].finish_reason)


def kinds_of(layer: Any) -> list[type]:
    """Return the classes of the layers, from the outermost."""
    kinds: list[type] = []
    while type(layer).__module__.startswith("parley_sidecar.layers"):
        kinds.append(type(layer))
        layer = vars(layer)["_inner"]
    return kinds


async def test_the_layers_stand_in_their_order() -> None:
    """From the outermost, with everything configured; the core is the inner half, which others fall back to."""
    everything = Resilience(retries=2, breaker_faults=5, concurrency=8, fallback=["b"])
    inner = [HealthLayer, RetryLayer, BreakerLayer, LimitLayer, AttemptLayer]
    async with surroundings() as shared:
        built = await build(component(resilience=everything, context={"ttl": "1h"}), shared)

    outer = [ObserveLayer, ScrubLayer, ContextLayer, CacheLayer, DeadlineLayer, FallbackLayer]
    assert [*outer, *inner] == kinds_of(built.converse)
    assert inner == kinds_of(built.core)


async def test_what_is_not_configured_is_left_out() -> None:
    """A component without retries, breaker, limit and fallback does not pay for them."""
    async with surroundings() as shared:
        built = await build(component(resilience=Resilience(retries=0, breaker_faults=0)), shared)

    outer = [ObserveLayer, ScrubLayer, ContextLayer, CacheLayer, DeadlineLayer]
    assert [*outer, HealthLayer, AttemptLayer] == kinds_of(built.converse)


@pytest.mark.parametrize(
    ("given", "first_s", "idle_s"),
    [
        ({}, 60.0, None),
        ({"timeout": "10s"}, 10.0, None),
        ({"attempt_timeout": "5s", "idle_timeout": "500ms"}, 5.0, 0.5),
    ],
)
async def test_an_attempt_has_the_whole_time_unless_given(
    given: dict[str, Any], first_s: float, idle_s: float | None
) -> None:
    """Limits on an attempt are the component's, and where it has none, the whole's."""
    async with surroundings() as shared:
        layer: Any = (await build(component(resilience=Resilience(retries=0, breaker_faults=0, **given)), shared)).core
        layer = layer._inner

    assert (first_s, idle_s) == (layer._limits.first_s, layer._limits.idle_s)


@pytest.mark.parametrize(("kind", "has"), [("conversation.openai", True), ("conversation.echo", False)])
async def test_a_pipeline_knows_whether_there_is_an_endpoint(kind: str, has: bool) -> None:  # noqa: FBT001 - a column
    """Whether an override of the endpoint means something is told by the provider's settings."""
    async with surroundings() as shared:
        built = await build(component(kind=kind, settings={"key": "k"}), shared)

    assert has is built.has_endpoint


async def test_settings_come_from_the_environment() -> None:
    """An envRef is looked up where the sidecar runs."""
    async with surroundings({"ECHO_WORDS": "1"}) as shared:
        built = await build(component(environment={"maxtokens": "ECHO_WORDS"}), shared)

        answer = await built.answer(asking())

    assert "one" == answer.choices[0].text


async def test_processes_with_other_environments_do_not_share_answers() -> None:
    """What an envRef stands for is part of the cache's key: the shared store serves sidecars of many Deployments."""
    asked = component(environment={"maxtokens": "ECHO_WORDS"}, cache=Cache(ttl="10m"))
    async with surroundings({"ECHO_WORDS": "1"}) as shared:
        other = replace(shared, environ={"ECHO_WORDS": "2"})
        answers = [await (await build(asked, place)).answer(asking()) for place in (shared, other, shared)]

    assert ["one", "one two", "one"] == [answer.choices[0].text for answer in answers]


@pytest.mark.parametrize("variable", ["APP_API_TOKEN", "DAPR_API_TOKEN", "PARLEY_REDIS"])
async def test_reserved_variables_are_not_read(variable: str) -> None:
    """A component may not read what belongs to Dapr, to us or to the application's token."""
    async with surroundings({variable: "secret"}) as shared:
        with pytest.raises(
            InvalidComponent, match=f"maxtokens may not read the environment variable {variable}"
        ) as raised:
            await build(component(environment={"maxtokens": variable}), shared)

    assert "secret" not in raised.value.message


async def test_an_unset_variable_is_named() -> None:
    """A component that needs a variable which is not set cannot be built, and says which."""
    async with surroundings() as shared:
        with pytest.raises(InvalidComponent, match="key needs the environment variable OPENAI_KEY, which is not set"):
            await build(component(kind="conversation.openai", environment={"key": "OPENAI_KEY"}), shared)


async def test_a_stream_is_read_to_its_end() -> None:
    """For doors that do not stream, a stream becomes the answer it ends in."""
    async with surroundings() as shared:
        built = await build(component(), shared)

        answer = await built.answer(asking(wants_stream=True))

    assert "one two three" == answer.choices[0].text


class Closing:
    """A stream that fails, and knows whether it was closed."""

    closed = False

    @property
    def answer(self) -> Answer:
        """There is one, though nobody gets to it."""
        return Answer((Choice("hi"),))

    async def __aiter__(self) -> AsyncIterator[Delta]:
        """Give one delta, then fail."""
        yield Delta("hi")
        raise RateLimited("slow down")

    async def aclose(self) -> None:
        """Take note."""
        self.closed = True


async def test_a_stream_that_breaks_is_closed() -> None:
    """A stream that fails on the way frees what it holds."""
    stream = Closing()

    async def converse(_: ConverseRequest, /) -> Reply:
        return stream

    with pytest.raises(RateLimited):
        await by_hand(converse).answer(asking())

    assert stream.closed


def pipeline_of(answer: Callable[[str], Awaitable[str]]) -> Pipeline:
    """Return a pipeline that answers with what `answer` makes of a text."""

    async def converse(request: ConverseRequest, /) -> Reply:
        return Answer((Choice(await answer(request.messages[0].text)),))

    return by_hand(converse)


async def test_several_are_asked_eight_at_a_time() -> None:
    """Not more than eight inputs of one request are asked at a time, and answers keep their order."""
    running, most = 0, 0

    async def answer(text: str) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return text.upper()

    texts = [f"t{number}" for number in range(20)]
    answers = await pipeline_of(answer).answers(each(*texts), 8)

    assert ([text.upper() for text in texts], 8) == ([answer.choices[0].text for answer in answers], most)


async def test_the_first_failure_in_order_fails_all() -> None:
    """The failure of the earlier input is told, though the later one failed first; what is under way ends."""
    ended: list[str] = []

    async def answer(text: str) -> str:
        try:
            if text == "late":
                await asyncio.sleep(0.01)
                raise RateLimited("late")
            if text == "early":
                raise ProviderRefused("early")
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append(text)
            raise
        return text

    with pytest.raises(ParleyError, match="late"):
        await pipeline_of(answer).answers(each("late", "early", "endless"), 8)

    assert ["endless"] == ended


async def test_surroundings_hide_the_environment() -> None:
    """What pipelines share can be printed without the environment's secrets."""
    async with surroundings({"OPENAI_KEY": "sk-secret"}) as shared:
        shown = repr(shared)

    assert "sk-secret" not in shown
