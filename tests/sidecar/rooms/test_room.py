"""A chat room in each store: its turns, its vault, reading it, and its end."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from parley_sidecar.errors import InvalidParameters, RoomBusy, RoomLost, RoomNotFound, RoomSealed, StoreUnavailable
from parley_sidecar.pii.vault import Named, Vault
from parley_sidecar.rooms import ComponentRooms, Rooms, StoredMessage, Turn
from parley_sidecar.stores import Stores
from parley_sidecar.stores.protocol import Keep, Numbered
from tests.sidecar.rooms.places import KEY, OTHER_KEY, Counted, rooms_of, section, stores_in
from tests.sidecar.rooms.saying import answer, assistant, request, user


@pytest.fixture(params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> str:
    """Where rooms lie: in the process, or in Redis."""
    return "" if request.param == "memory" else str(request.getfixturevalue("redis_url"))


@pytest.fixture
async def stores(url: str) -> AsyncIterator[Stores]:
    """The stores of a process."""
    async with stores_in(url) as opened:
        yield opened


@pytest.fixture
def counted() -> Counted:
    """What was told of turns."""
    return Counted()


@pytest.fixture
def process(stores: Stores) -> Rooms:
    """The rooms of a process."""
    return Rooms(stores)


@pytest.fixture
def rooms(process: Rooms, counted: Counted) -> ComponentRooms:
    """The rooms of a component."""
    return rooms_of(process, counted)


async def say(rooms: ComponentRooms, question: str, context_id: str = "room") -> list[str]:
    """Have a turn, and return the texts that the provider would get."""
    turn = await rooms.room(context_id).begin(5, 60)
    try:
        asked = request(user(question))
        sent = turn.request(asked)
        await turn.append(asked, sent, answer(question.upper()))
    finally:
        turn.release()
    return [message.text for message in sent.messages]


async def begun(rooms: ComponentRooms, limit_s: float = 5) -> Turn:
    """Begin a turn."""
    return await rooms.room("room").begin(limit_s, 60)


async def test_each_turn_sees_those_before_it(rooms: ComponentRooms, counted: Counted) -> None:
    """And is counted as stored."""
    assert ["a"] == await say(rooms, "a")
    assert ["a", "A", "b"] == await say(rooms, "b")
    assert ["a", "A", "b", "B", "c"] == await say(rooms, "c")
    assert ["stored"] * 3 == counted.outcomes
    assert 3 == len(counted.waits_s)


async def test_rooms_do_not_see_each_other(process: Rooms, counted: Counted) -> None:
    """Another id, another component and another application have each a room of their own."""
    await say(rooms_of(process, counted), "a")

    assert ["b"] == await say(rooms_of(process, counted), "b", "other")
    assert ["b"] == await say(rooms_of(process, counted, name="backup"), "b")
    assert ["b"] == await say(rooms_of(process, counted, app_id="billing"), "b")


async def test_turns_are_served_in_order_of_arrival(rooms: ComponentRooms) -> None:
    """One at a time."""
    first = await begun(rooms)
    others = [asyncio.create_task(say(rooms, question)) for question in "bcd"]
    await asyncio.sleep(0)
    asked = request(user("a"))
    await first.append(asked, first.request(asked), answer("A"))
    first.release()
    await asyncio.gather(*others)

    assert ["a", "A", "b", "B", "c", "C", "d", "D", "e"] == await say(rooms, "e")


async def test_who_waits_too_long_is_refused(rooms: ComponentRooms, counted: Counted) -> None:
    """The one that has the turn goes on; the next one after it is served."""
    turn = await begun(rooms)
    with pytest.raises(RoomBusy, match="took longer than"):
        await begun(rooms, 0.02)
    turn.release()

    assert ["a"] == await say(rooms, "a")
    assert ["busy", "unstored", "stored"] == counted.outcomes


async def test_who_gives_up_waiting_leaves_no_trace(rooms: ComponentRooms) -> None:
    """The turn goes to the next in line."""
    turn = await begun(rooms)
    leaver = asyncio.create_task(begun(rooms))
    patient = asyncio.create_task(say(rooms, "b"))
    await asyncio.sleep(0)
    leaver.cancel()
    turn.release()

    assert ["b"] == await patient
    assert leaver.cancelled()


async def test_a_turn_that_is_given_up_stores_nothing(rooms: ComponentRooms, counted: Counted) -> None:
    """However often it is released."""
    turn = await begun(rooms)
    turn.release()
    turn.release()

    assert ["a"] == await say(rooms, "a")
    assert ["unstored", "stored"] == counted.outcomes


async def test_a_turn_that_nobody_gives_back_ends_by_itself(rooms: ComponentRooms) -> None:
    """When its time is over, so that a room is not blocked for ever."""
    forgotten = await rooms.room("room").begin(5, 0.01)

    assert ["a"] == await say(rooms, "a")
    with pytest.raises(RoomLost):
        await forgotten.append(request(user("x")), request(user("x")), answer("X"))


async def test_a_process_that_ends_gives_its_turns_back(process: Rooms, rooms: ComponentRooms) -> None:
    """Others need not wait for the lease to run out."""
    await begun(rooms)
    await process.aclose()

    assert ["a"] == await say(rooms, "a")


async def test_a_turn_whose_room_was_erased_is_lost(rooms: ComponentRooms, counted: Counted) -> None:
    """What was to be forgotten does not come back with its answer."""
    turn = await begun(rooms)
    asked = request(user("a"))
    sent = turn.request(asked)
    assert await rooms.erase("room")
    with pytest.raises(RoomLost, match="erased, or taken over"):
        await turn.append(asked, sent, answer("A"))
    turn.release()

    assert ["b"] == await say(rooms, "b")
    assert ["lost", "stored"] == counted.outcomes


async def test_a_prompt_with_tokens_of_an_erased_vault_is_not_sent(rooms: ComponentRooms, counted: Counted) -> None:
    """In the room that was made anew they would stand for other values."""
    numbers = rooms.room("room").numbers()
    vault = Vault(await numbers.known(), numbers.epoch)
    await rooms.erase("room")
    turn = await begun(rooms)
    asked = request(user("I am <EMAIL_ADDRESS_1>"), vault=vault)

    with pytest.raises(RoomLost):
        turn.request(asked)

    turn.release()
    assert ["lost"] == counted.outcomes


async def test_a_turn_learns_what_those_before_it_hid(rooms: ComponentRooms) -> None:
    """Also what they hid while it waited: its answer may speak of that."""
    early, late = rooms.numbers("room"), rooms.numbers("room")
    vault = Vault(await early.known(), early.epoch)
    await late.known()
    await late.assign([("EMAIL_ADDRESS", "ann@example.com")])
    turn = await begun(rooms)
    turn.request(request(user("who is it?"), vault=vault))
    turn.release()

    assert {"EMAIL_ADDRESS_1": "ann@example.com", "EMAIL_ADDRESS": "ann@example.com"} == vault.restored
    assert 1 == vault.size


async def test_only_so_many_messages_are_kept(process: Rooms, counted: Counted) -> None:
    """By whole turns, the newest ones."""
    rooms = rooms_of(process, counted, maxMessages=3)
    for question in "abcd":
        await say(rooms, question)

    kept = (await rooms.read("room")).messages

    assert ["c", "C", "d", "D"] == [stored.message.text for stored in kept]
    assert ["d", "D", "e"] == await say(rooms, "e")


async def test_a_room_is_read_as_it_is_stored(rooms: ComponentRooms, stores: Stores) -> None:
    """Oldest first, with times, and with the vault."""
    before_s = stores.clock()
    numbers = rooms.numbers("room")
    await numbers.known()
    await numbers.assign([("EMAIL_ADDRESS", "ann@example.com")])
    await say(rooms, "i am <email_address_1>")

    reading = await rooms.read("room")

    at_s = reading.messages[0].at_s
    expected = (user("i am <email_address_1>"), assistant("I AM <EMAIL_ADDRESS_1>"))
    assert tuple(StoredMessage(at_s, message) for message in expected) == reading.messages
    assert before_s <= at_s <= stores.clock()
    assert (Named("EMAIL_ADDRESS", "ann@example.com", 1),) == reading.values
    assert "ann" not in repr(reading)


async def test_a_room_that_is_not_there_cannot_be_read(rooms: ComponentRooms) -> None:
    """Looking does not make one."""
    with pytest.raises(RoomNotFound):
        await rooms.read("room")
    with pytest.raises(RoomNotFound):
        await rooms.read("room")


async def test_erasing_forgets_everything(rooms: ComponentRooms) -> None:
    """History and vault; it says whether there was something."""
    numbers = rooms.numbers("room")
    await numbers.known()
    await numbers.assign([("EMAIL_ADDRESS", "ann@example.com")])
    await say(rooms, "a")

    assert await rooms.erase("room")
    assert not await rooms.erase("room")
    assert () == await rooms.numbers("room").known()
    assert ["b"] == await say(rooms, "b")


async def test_the_vault_numbers_values_by_kind(rooms: ComponentRooms) -> None:
    """One value, one number, whatever its kind is now; a secret is known again, but not kept."""
    first, second = rooms.numbers("room"), rooms.numbers("room")
    assert () == await first.known()
    await first.assign([("EMAIL_ADDRESS", "ann@example.com"), ("SECRET", "hush")])
    named = await second.assign([("ISBN", "ann@example.com"), ("EMAIL_ADDRESS", "bob@example.com"), ("SECRET", "hush")])

    ann, bob = Named("EMAIL_ADDRESS", "ann@example.com", 1), Named("EMAIL_ADDRESS", "bob@example.com", 2)
    assert [ann, bob, Named("SECRET", "hush", 1)] == named
    assert {ann, bob, Named("SECRET", "", 1)} == set(await second.known())


async def test_a_secret_is_known_again_by_its_name(rooms: ComponentRooms) -> None:
    """Its value is not kept, and need not be: who brings it again is told its number."""
    early, late = rooms.room("room").numbers(), rooms.room("room").numbers()
    assert () == early.repeats(["hush"])
    await early.assign([("SECRET", "hush"), ("ISBN", "word")])
    await late.known()

    assert [Named("SECRET", "hush", 1)] == late.repeats(["word", "hush", "other"])


async def test_the_vault_is_shared_by_the_processes(url: str, rooms: ComponentRooms, counted: Counted) -> None:
    """Many that assign at once agree."""
    if not url:
        return
    async with stores_in(url) as other:
        vaults = [rooms.numbers("room"), rooms_of(Rooms(other), counted).numbers("room")]
        for numbers in vaults:
            await numbers.known()
        values = [("EMAIL_ADDRESS", f"{at}@example.com") for at in range(20)]
        assigned = await asyncio.gather(*(vaults[at % 2].assign([value]) for at, value in enumerate(values + values)))

    names = [name for (name,) in assigned]
    assert names[:20] == names[20:]
    assert set(range(1, 21)) == {name.number for name in names}


@pytest.mark.parametrize("context_id", ["", "x" * 257])
async def test_an_id_that_is_none_is_refused(rooms: ComponentRooms, context_id: str) -> None:
    """It has 1 to 256 characters, whichever."""
    with pytest.raises(InvalidParameters, match="1 to 256 characters"):
        rooms.room(context_id)
    assert 64 == len(rooms.room("\x00\n😀 " * 50).tag)


async def test_a_room_keeps_its_key_during_a_rotation(redis_url: str, counted: Counted) -> None:
    """A process that does not know the key says so and changes nothing; erasing needs none."""
    async with stores_in(redis_url, KEY) as stores:
        rooms = rooms_of(Rooms(stores), counted)
        await say(rooms, "a")
        before = stores.shared
        await stores.use(section(redis_url, OTHER_KEY, KEY))
        assert stores.shared is before
        assert ["a", "A", "b"] == await say(rooms, "b")
        await say(rooms, "n", "new")
        await stores.use(section(redis_url, OTHER_KEY))
        for refused in (rooms.read("room"), say(rooms, "c"), rooms.numbers("room").known()):
            with pytest.raises(RoomSealed, match="it can be erased"):
                await refused

        assert ["n", "N", "o"] == await say(rooms, "o", "new")
        assert await rooms.erase("room")
        assert ["d"] == await say(rooms, "d")


async def test_a_store_without_a_key_keeps_no_rooms(redis_url: str, counted: Counted) -> None:
    """Nor do they lie in the process meanwhile."""
    async with stores_in(redis_url) as stores:
        await stores.use(section(redis_url))
        rooms = rooms_of(Rooms(stores), counted)
        for refused in (rooms.read("room"), say(rooms, "c"), rooms.numbers("room").known(), rooms.erase("room")):
            with pytest.raises(StoreUnavailable, match="need a context key"):
                await refused

        assert stores.lacks_key


async def test_what_was_moved_or_changed_in_redis_is_not_believed(redis_url: str, counted: Counted) -> None:
    """Turns in another order, and values under another name."""
    async with stores_in(redis_url) as stores:
        rooms = rooms_of(Rooms(stores), counted)
        await say(rooms, "a")
        await say(rooms, "b")
        store, tag = stores.rooms().store, rooms.room("room").tag
        record = await store.read_room(tag)
        assert record
        await store.erase(tag)
        await store.open_room(tag, record.meta, 60)
        for revision, blob in enumerate(reversed(record.turns)):
            await put(stores, tag, revision, blob)

        with pytest.raises(RoomSealed, match="it was changed"):
            await rooms.read("room")
        with pytest.raises(RoomSealed, match="it was changed"):
            await say(rooms, "c")


async def put(stores: Stores, tag: bytes, revision: int, blob: bytes) -> None:
    """Put a turn into a room, as somebody does who can write to the store."""
    store = stores.rooms().store
    await store.take(tag + b"/turn", b"thief", 60)
    assert await store.append(tag, b"thief", revision, blob, Keep(60, 10))
    await store.finish(tag + b"/turn", b"thief")


async def test_a_value_under_another_name_is_not_believed(redis_url: str, counted: Counted) -> None:
    """Nobody gets to see what somebody else's token stands for."""
    async with stores_in(redis_url) as stores:
        rooms = rooms_of(Rooms(stores), counted)
        await rooms.numbers("room").known()
        await stores.rooms().store.number(rooms.room("room").tag, [Numbered(b"name", b"ISBN", b"sealed")], 60)

        with pytest.raises(RoomSealed, match="vault cannot be read"):
            await rooms.numbers("room").known()
