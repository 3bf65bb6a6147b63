"""The context layer: history in front, the turn stored before the reply is over, the room given back in any case.

The inner Converse follows a script; rooms lie in the process and in a real Redis.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest

from parley_sidecar.errors import (
    DeadlinePassed,
    InvalidParameters,
    ProviderRefused,
    ProviderUnavailable,
    RoomBusy,
    RoomLost,
    StoreUnavailable,
)
from parley_sidecar.layers.context import ContextLayer, Waits
from parley_sidecar.model import Answer, Converse, ConverseRequest, Reply
from parley_sidecar.rooms import ComponentRooms, Rooms
from parley_sidecar.rooms.records import MAX_TURN_BYTES
from parley_sidecar.stores import Stores
from tests.sidecar.layers.inner import Act, Scripted, Streaming, read, streamed
from tests.sidecar.rooms.places import Counted, rooms_of, stores_in
from tests.sidecar.rooms.saying import answer, assistant, request, result, system, user

WAITS = Waits(5, 60)


@pytest.fixture(params=["memory", "redis"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    """Where rooms lie: in the process, or in Redis."""
    async with stores_in("" if request.param == "memory" else request.getfixturevalue("redis_url")) as opened:
        yield opened


@pytest.fixture
def counted() -> Counted:
    """What was told of turns."""
    return Counted()


@pytest.fixture
def rooms(stores: Stores, counted: Counted) -> ComponentRooms:
    """The rooms of a component."""
    return rooms_of(Rooms(stores), counted)


def layer(rooms: ComponentRooms, inner: Converse, waits: Waits = WAITS) -> ContextLayer:
    """Put the layer around what is inside of it."""
    return ContextLayer(inner, rooms, waits)


async def said(rooms: ComponentRooms) -> list[str]:
    """Return what the room holds, as a turn finds it: so that it is known to be free, too."""
    turn = await rooms.room("room").begin(5, 60)
    turn.release()
    return [message.text for message in turn.history.messages]


async def test_without_a_context_id_a_request_passes_untouched(rooms: ComponentRooms) -> None:
    """Rooms cost nothing to who does not use them."""
    inner, asked = Scripted(answer("A")), request(user("a"), context_id=None)

    assert answer("A") == await layer(rooms, inner)(asked)
    assert asked is inner.asked[0]
    assert asked.trace.deadline_s is None


async def test_the_provider_gets_the_history_and_the_caller_the_answer(rooms: ComponentRooms) -> None:
    """The instructions of a request go first, and with it alone."""
    inner = Scripted(answer("A"), answer("B"))
    converse = layer(rooms, inner)
    await converse(request(system("be nice"), user("a")))

    assert answer("B") == await converse(request(user("b")))
    assert [(system("be nice"), user("a")), (user("a"), assistant("A"), user("b"))] == [
        asked.messages for asked in inner.asked
    ]
    assert ["a", "A", "b", "B"] == await said(rooms)


async def test_answers_are_cached_in_the_room_alone(rooms: ComponentRooms, stores: Stores) -> None:
    """Its partition seals what it keeps, where there is a key, and is another one after erasing."""
    inner = Scripted(answer("A"))
    await layer(rooms, inner)(request(user("a")))
    await rooms.erase("room")
    await layer(rooms, inner)(request(user("a")))
    first, second = [asked.partition for asked in inner.asked]

    assert first
    assert second
    sealed = first.seal(b"answer")
    assert (rooms.room("room").tag, b"answer") == (first.tag, first.unseal(sealed))
    assert first.epoch != second.epoch
    assert (b"answer" == sealed) == (stores.shared is None)
    assert stores.shared is None or second.unseal(sealed) is None


async def test_a_tool_s_result_is_sent_with_the_stored_call(rooms: ComponentRooms) -> None:
    """A client sends only what is new; a result of nothing is refused before the provider is asked."""
    inner = Scripted(answer("", "1"), answer("A"))
    converse = layer(rooms, inner)
    await converse(request(user("a")))
    await converse(request(result("1")))
    with pytest.raises(InvalidParameters):
        await converse(request(result("2")))

    assert (user("a"), assistant("", "1"), result("1")) == inner.asked[-1].messages
    assert ["a", "", "found", "A"] == await said(rooms)


async def test_a_stream_is_stored_before_it_ends(rooms: ComponentRooms) -> None:
    """Not before its last delta was read, and not after the caller was told that it is whole."""
    converse = layer(rooms, Scripted(Streaming("A", "B")))
    stream = streamed(await converse(request(user("a"))))
    deltas = aiter(stream)
    first = await anext(deltas)
    before = (await rooms.read("room")).messages
    rest = [delta.text async for delta in deltas]
    await stream.aclose()

    assert ("A", (), ["B"]) == (first.text, before, rest)
    assert "AB" == stream.answer.choices[0].text
    assert ["a", "AB"] == await said(rooms)


async def test_a_stream_that_breaks_stores_nothing(rooms: ComponentRooms, counted: Counted) -> None:
    """The error is the provider's, and the room is free again."""
    converse = layer(rooms, Scripted(Streaming("A", ProviderUnavailable("it broke"))))
    reply = await converse(request(user("a")))
    with pytest.raises(ProviderUnavailable, match="it broke"):
        await read(reply)

    assert [] == await said(rooms)
    assert ["unstored", "unstored"] == counted.outcomes


@pytest.mark.parametrize("deltas", [0, 1, 2])
async def test_a_stream_that_its_caller_leaves_stores_nothing(rooms: ComponentRooms, deltas: int) -> None:
    """However much of it was read, short of its end."""
    inner = Streaming("A", "B", "C")
    stream = streamed(await layer(rooms, Scripted(inner))(request(user("a"))))
    iterator = aiter(stream)
    for _ in range(deltas):
        await anext(iterator)
    await stream.aclose()

    assert [] == await said(rooms)
    assert 1 == inner.closed


@pytest.mark.parametrize("fault", [ProviderRefused("no"), RuntimeError("a fault of ours")])
async def test_a_request_that_fails_stores_nothing(rooms: ComponentRooms, fault: Exception) -> None:
    """And keeps nobody waiting."""
    with pytest.raises(type(fault)):
        await layer(rooms, Scripted(fault))(request(user("a")))

    assert [] == await said(rooms)


async def test_a_caller_who_leaves_stores_nothing(rooms: ComponentRooms) -> None:
    """Whether the provider is being asked or the turn awaited."""
    inner = Scripted(3600.0)
    converse = layer(rooms, inner)
    asking = asyncio.create_task(converse(request(user("a"))))
    while not inner.asked:
        await asyncio.sleep(0.001)
    waiting = asyncio.create_task(converse(request(user("b"))))
    await asyncio.sleep(0)
    for task in (waiting, asking):
        task.cancel()
    left = await asyncio.gather(asking, waiting, return_exceptions=True)

    assert [asyncio.CancelledError] * 2 == [type(one) for one in left]
    assert [] == await said(rooms)


async def test_a_question_that_is_too_long_is_not_asked(rooms: ComponentRooms) -> None:
    """Its turn could not be stored; an answer that makes it too long fails the request, too."""
    inner = Scripted(answer("x" * MAX_TURN_BYTES))
    for question in ("x" * (MAX_TURN_BYTES + 1), "a"):
        with pytest.raises(InvalidParameters, match="a turn of a chat room has at most"):
            await layer(rooms, inner)(request(user(question)))

    assert ["a"] == [asked.messages[-1].text for asked in inner.asked]
    assert [] == await said(rooms)


class Meanwhile:
    """Answers, after something else happened."""

    def __init__(self, happens: Callable[[], Awaitable[object]], reply: Reply) -> None:
        self._happens = happens
        self._reply = reply

    async def __call__(self, _: ConverseRequest, /) -> Reply:
        """Let it happen, and answer."""
        await self._happens()
        return self._reply


@pytest.mark.parametrize("act", [answer("A"), Streaming("A")])
async def test_a_turn_that_cannot_be_stored_fails_its_request(redis_url: str, act: Answer | Streaming) -> None:
    """A stream fails at its end, after its deltas: its caller gets an error event."""
    async with stores_in(redis_url) as stores:
        assert stores.shared
        inner = Meanwhile(stores.shared.aclose, act)
        with pytest.raises(StoreUnavailable):
            await read(await layer(rooms_of(Rooms(stores), Counted()), inner)(request(user("a"))))


async def test_a_store_that_is_gone_fails_the_request_before_the_provider_is_asked(redis_url: str) -> None:
    """Nothing is spent, and nothing forgotten in silence."""
    async with stores_in(redis_url) as stores:
        inner = Scripted(answer("A"))
        assert stores.shared
        await stores.shared.aclose()
        with pytest.raises(StoreUnavailable):
            await layer(rooms_of(Rooms(stores), Counted()), inner)(request(user("a")))

    assert [] == inner.asked


@pytest.mark.parametrize("act", [answer("A"), Streaming("A")])
async def test_a_turn_whose_room_is_erased_meanwhile_is_lost(rooms: ComponentRooms, act: Answer | Streaming) -> None:
    """The room stays empty."""
    inner = Meanwhile(partial(rooms.erase, "room"), act)
    with pytest.raises(RoomLost):
        await read(await layer(rooms, inner)(request(user("a"))))

    assert [] == await said(rooms)


async def test_who_waits_too_long_for_a_turn_gets_room_busy(rooms: ComponentRooms) -> None:
    """Its provider is not asked."""
    turn = await rooms.room("room").begin(5, 60)
    inner = Scripted(answer("A"))
    with pytest.raises(RoomBusy):
        await layer(rooms, inner, Waits(0.02, 60))(request(user("a")))
    turn.release()

    assert [] == inner.asked


async def test_the_caller_s_deadline_bounds_the_wait_for_a_turn_too(rooms: ComponentRooms) -> None:
    """And says whose it was."""
    turn = await rooms.room("room").begin(5, 60)
    asked = request(user("a"))
    asked.trace.deadline_s = asyncio.get_running_loop().time() + 0.02
    with pytest.raises(DeadlinePassed):
        await layer(rooms, Scripted(answer("A")))(asked)
    turn.release()

    assert not asked.trace.deadline_is_own


async def test_the_time_for_the_whole_request_runs_from_before_the_wait(rooms: ComponentRooms) -> None:
    """What the turns before it took is not there for the provider."""
    inner = Scripted(answer("A"))
    began_s = asyncio.get_running_loop().time()
    await layer(rooms, inner, Waits(5, 60))(request(user("a")))
    trace = inner.asked[0].trace

    assert trace.deadline_is_own
    assert trace.deadline_s is not None
    assert began_s + 60 <= trace.deadline_s <= asyncio.get_running_loop().time() + 60


@pytest.mark.parametrize("acts", [[answer(str(at)) for at in range(20)], [Streaming(str(at)) for at in range(20)]])
async def test_turns_at_once_are_one_after_the_other(rooms: ComponentRooms, acts: list[Act]) -> None:
    """Each sees all before it, whole; in order of arrival."""
    converse = layer(rooms, Scripted(*acts))

    async def ask(at: int) -> None:
        reply = await converse(request(user(f"q{at}")))
        if not isinstance(reply, Answer):
            await read(reply)

    await asyncio.gather(*map(ask, range(20)))

    assert [text for at in range(20) for text in (f"q{at}", str(at))] == await said(rooms)
