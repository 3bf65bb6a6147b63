"""Chat rooms among the other layers: what is stored is scrubbed, hits are turns, and a reload changes nothing."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from parley_crds.component import Component
from parley_crds.stream import StoreSection
from parley_sidecar.errors import InvalidComponent, StoreUnavailable
from parley_sidecar.model import ConverseRequest, Message, Trace
from parley_sidecar.pii.vault import Named
from parley_sidecar.pipeline import Pipeline, Surroundings, build
from tests.sidecar.rooms.places import KEY, section
from tests.sidecar.running import component, surroundings


@pytest.fixture
async def shared() -> AsyncIterator[Surroundings]:
    """What the pipelines of a process share."""
    async with surroundings() as opened:
        yield opened


def keeping(**fields: Any) -> Component:
    """Return an echo that keeps rooms."""
    return component(**({"context": {"ttl": "1h"}} | fields))


async def ask(built: Pipeline, text: str) -> tuple[str, Trace]:
    """Have a turn, and return the answer and what was noted of it."""
    trace = Trace("1")
    answer = await built.answer(ConverseRequest((Message("user", text),), trace, context_id="room"))
    return answer.choices[0].text, trace


async def test_a_room_needs_no_lifetime_of_the_component(shared: Surroundings) -> None:
    """Where a request asks for one there is one, for a day."""
    built = await build(component(), shared)
    await ask(built, "one")
    await ask(built, "two")

    assert (2, False) == ((await built.rooms.read("room")).turns, built.keeps_rooms)


async def test_what_is_stored_holds_tokens(shared: Surroundings) -> None:
    """A person has one token over all turns, and comes back into each answer."""
    built = await build(keeping(privacy={"mode": "reversible"}), shared)
    first, _ = await ask(built, "I am ann@example.com")
    second, _ = await ask(built, "bob@example.com knows ann@example.com")
    reading = await built.rooms.read("room")

    assert "I am ann@example.com" == first
    assert second.endswith("bob@example.com knows ann@example.com")
    stored = [held.message.text for held in reading.messages]
    assert ["I am <EMAIL_ADDRESS_1>"] * 2 == stored[:2]
    assert "<EMAIL_ADDRESS_2> knows <EMAIL_ADDRESS_1>" == stored[2]
    assert {Named("EMAIL_ADDRESS", "ann@example.com", 1), Named("EMAIL_ADDRESS", "bob@example.com", 2)} == set(
        reading.values
    )


async def test_turns_at_once_restore_each_other_s_values(shared: Surroundings) -> None:
    """Also what one hid while the other waited: nobody gets to see a token."""
    built = await build(keeping(privacy={"mode": "reversible"}), shared)
    names = [f"{name}@example.com" for name in ("ann", "bob", "eve", "kim")]

    answers = await asyncio.gather(*(ask(built, f"I am {name}") for name in names))

    assert all(name in text for name, (text, _) in zip(names, answers, strict=True))
    assert [] == [text for text, _ in answers if "<" in text]


async def test_a_hit_is_a_turn(shared: Surroundings) -> None:
    """Though the provider was not asked; the room's answers are cached for itself alone."""
    built = await build(keeping(cache={"ttl": "10m"}, context={"ttl": "1h", "maxMessages": 1}), shared)
    other = ConverseRequest((Message("user", "one"),), Trace("1"), context_id="other")
    await ask(built, "one")
    _, second = await ask(built, "one")
    await built.answer(other)
    reading = await built.rooms.read("room")

    assert second.cache
    assert other.trace.cache
    assert (True, False) == (second.cache.hit, other.trace.cache.hit)
    assert ["one"] * 2 == [held.message.text for held in reading.messages]


async def test_erasing_forgets_what_the_cache_kept_for_the_room(shared: Surroundings) -> None:
    """The same question in the room that is made anew is asked again."""
    built = await build(keeping(cache={"ttl": "10m"}), shared)
    await ask(built, "one")
    await built.rooms.erase("room")
    _, trace = await ask(built, "one")

    assert trace.cache
    assert not trace.cache.hit


async def test_turns_keep_their_order_while_their_component_is_reloaded(shared: Surroundings) -> None:
    """Those who wait belong to the process, not to the pipeline that was replaced."""
    before, after = await build(keeping(), shared), await build(keeping(version="2"), shared)
    turn = await before.rooms.room("room").begin(5, 60)
    asked = [asyncio.create_task(ask(built, text)) for built, text in ((before, "one"), (after, "two"))]
    await asyncio.sleep(0.01)
    turn.release()

    assert ["one", "one\none\ntwo"] == [text for text, _ in await asyncio.gather(*asked)]


async def test_turns_are_counted(shared: Surroundings) -> None:
    """By what became of them, with the time they waited."""
    built = await build(keeping(), shared)
    await ask(built, "one")
    turn = await built.rooms.room("room").begin(5, 60)
    turn.release()

    turns = {labels: value.value for labels, value in shared.metrics.room_turns.children.items()}
    assert {("echo", "stored"): 1, ("echo", "unstored"): 1} == turns
    assert [("echo",)] == list(shared.metrics.room_wait.children)


async def test_rooms_in_redis_without_a_key_are_a_problem_at_load(shared: Surroundings, redis_url: str) -> None:
    """Not a vault in memory that nobody notices, nor one in Redis that everybody can read."""
    await shared.stores.use(StoreSection(url=redis_url, version="1"))
    with pytest.raises(InvalidComponent, match="needs a context key"):
        await build(keeping(), shared)
    assert not (await build(component(), shared)).keeps_rooms
    await shared.stores.use(section(redis_url, KEY))

    assert (await build(keeping(), shared)).keeps_rooms


async def test_a_key_that_goes_away_fails_the_turns(shared: Surroundings, redis_url: str) -> None:
    """A component that is loaded already stays; its rooms say what is missing."""
    await shared.stores.use(section(redis_url, KEY))
    built = await build(keeping(), shared)
    await shared.stores.use(StoreSection(url=redis_url, version="2"))

    with pytest.raises(StoreUnavailable, match="need a context key"):
        await ask(built, "one")
