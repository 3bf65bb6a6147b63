"""What every store must do with chat rooms: turns in order, numbers given once, all of it gone together."""

import asyncio

import pytest

from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.stores.protocol import Keep, Numbered, RoomRecord, Store
from tests.sidecar.either_store import Either

KEEP = Keep(ttl_s=60, turns=100)


async def test_a_room_is_made_once(either: Either) -> None:
    """Whoever opens it finds what the first one said of it, all at once or one by one."""
    store = either.store
    metas = [b"\x00meta-%d" % number for number in range(20)]
    opened = await asyncio.gather(*(store.open_room(b"tag", meta, 60) for meta in metas))
    again = await store.open_room(b"tag", b"other", 60)

    assert [again] * 20 == opened
    assert again.meta in metas
    assert RoomRecord(again.meta) == await store.read_room(b"tag")


async def test_a_room_that_nobody_opened_is_none(either: Either) -> None:
    """Neither reading nor appending nor numbering makes one."""
    store = either.store
    await store.take(b"tag/turn", b"me", 60)

    assert await store.read_room(b"tag") is None
    assert not await store.append(b"tag", b"me", 0, b"turn", KEEP)
    with pytest.raises(StoreUnavailable):
        await store.number(b"tag", [numbered(b"name")], 60)
    assert await store.read_room(b"tag") is None


async def test_turns_are_appended_in_order(either: Either) -> None:
    """Any bytes; the revision counts them."""
    store = either.store
    turns = [b"\x00turn-%d\xff" % number for number in range(12)]
    await store.open_room(b"tag", b"meta", 60)
    await store.take(b"tag/turn", b"me", 60)
    appended = [await store.append(b"tag", b"me", number, turn, KEEP) for number, turn in enumerate(turns)]

    assert all(appended)
    assert RoomRecord(b"meta", 12, tuple(turns)) == await store.read_room(b"tag")
    assert RoomRecord(b"meta", 12, tuple(turns)) == await store.open_room(b"tag", b"", 60)


async def test_only_so_many_turns_are_kept(either: Either) -> None:
    """The oldest go, also several at once where fewer are kept than before; the revision goes on."""
    store = either.store
    await store.open_room(b"tag", b"meta", 60)
    await store.take(b"tag/turn", b"me", 60)
    for number in range(5):
        await store.append(b"tag", b"me", number, b"%d" % number, Keep(60, turns=3))
    three = await store.read_room(b"tag")
    await store.append(b"tag", b"me", 5, b"5", Keep(60, turns=1))
    one = await store.read_room(b"tag")
    await store.append(b"tag", b"me", 6, b"6", Keep(60, turns=3))

    assert three == RoomRecord(b"meta", 5, (b"2", b"3", b"4"))
    assert one == RoomRecord(b"meta", 6, (b"5",))
    assert RoomRecord(b"meta", 7, (b"5", b"6")) == await store.read_room(b"tag")


async def test_a_turn_of_who_lost_the_lease_is_not_appended(either: Either) -> None:
    """Another token's, one whose time is over, and one that was given back."""
    store = either.store
    await store.open_room(b"tag", b"meta", 60)
    await store.take(b"tag/turn", b"me", 60)
    of_another = await store.append(b"tag", b"you", 0, b"turn", KEEP)
    await store.finish(b"tag/turn", b"me")
    of_nobody = await store.append(b"tag", b"me", 0, b"turn", KEEP)
    await store.take(b"tag/turn", b"late", 0.05)
    await either.until(lambda: is_taken(store, b"tag/turn", b"next"))
    of_a_late_one = await store.append(b"tag", b"late", 0, b"turn", KEEP)

    assert (False, False, False) == (of_another, of_nobody, of_a_late_one)
    assert RoomRecord(b"meta") == await store.read_room(b"tag")
    assert await store.append(b"tag", b"next", 0, b"turn", KEEP)


async def test_a_turn_for_another_revision_is_not_appended(either: Either) -> None:
    """Neither for one that is over nor for one to come, nor twice."""
    store = either.store
    await store.open_room(b"tag", b"meta", 60)
    await store.take(b"tag/turn", b"me", 60)
    both = await asyncio.gather(*(store.append(b"tag", b"me", 0, turn, KEEP) for turn in (b"a", b"b")))

    assert [False, True] == sorted(both)
    assert not await store.append(b"tag", b"me", 0, b"turn", KEEP)
    assert not await store.append(b"tag", b"me", 2, b"turn", KEEP)
    room = await store.read_room(b"tag")
    assert room
    assert (1, 1) == (room.revision, len(room.turns))


async def test_values_are_numbered_by_their_counters(either: Either) -> None:
    """In the order given; the same name has one number, whatever is said of it later."""
    store = either.store
    await store.open_room(b"tag", b"meta", 60)
    first = await store.number(b"tag", [numbered(b"a"), numbered(b"b"), numbered(b"c", b"PHONE")], 60)
    second = await store.number(b"tag", [numbered(b"b", b"PHONE", b"new"), numbered(b"d"), numbered(b"d")], 60)
    room = await store.read_room(b"tag")

    assert [b"1:sealed a", b"2:sealed b", b"1:sealed c"] == first
    assert [b"2:sealed b", b"3:sealed d", b"3:sealed d"] == second
    assert room
    assert {b"a": first[0], b"b": first[1], b"c": first[2], b"d": second[1]} == room.values


async def test_names_and_counters_are_apart(either: Either) -> None:
    """A value may be named like a counter, a turn or the room's own data, in any bytes."""
    store = either.store
    names = [b"EMAIL", b"meta", b"revision", b"turn:1", b"count:EMAIL", b"value:EMAIL", b"\x00\xff"]
    await store.open_room(b"tag", b"meta", 60)
    await store.number(b"tag", [numbered(name, b"EMAIL") for name in names], 60)
    room = await store.read_room(b"tag")

    assert room
    assert (b"meta", 0, ()) == (room.meta, room.revision, room.turns)
    assert {name: b"%d:sealed %b" % (at, name) for at, name in enumerate(names, 1)} == room.values


async def test_nothing_to_number_is_no_fault(either: Either) -> None:
    """It renews the room."""
    await either.store.open_room(b"tag", b"meta", 60)

    assert not await either.store.number(b"tag", [], 60)


async def test_of_many_who_number_at_once_no_two_values_share_a_number(either: Either) -> None:
    """And no value gets two."""
    store = either.store
    await store.open_room(b"tag", b"meta", 60)
    wanted = [[numbered(b"%d" % ((start + step) % 40)) for step in range(10)] for start in range(40)]
    answers = await asyncio.gather(*(store.number(b"tag", values, 60) for values in wanted))
    given = {
        (value.name, answer)
        for values, said in zip(wanted, answers, strict=True)
        for value, answer in zip(values, said, strict=True)
    }

    assert 40 == len(given)
    assert set(range(1, 41)) == {int(answer.partition(b":")[0]) for _, answer in given}


async def test_erasing_forgets_the_room_and_all_that_is_kept_under_its_tag(either: Either) -> None:
    """History, vault, answers, results and leases; what others have stays."""
    store = either.store
    for tag in (b"tag", b"tag2", b"ta"):
        await store.open_room(tag, b"meta", 60)
        await store.number(tag, [numbered(b"name")], 60)
        await store.set(tag + b"/set", b"value", 60)
        await store.agree(tag + b"/agreed", b"value", 60)
        await finish(store, tag + b"/kept", 60)
        await finish(store, tag + b"/told", 0)
        await store.take(tag + b"/lease", b"me", 60)
        await store.take(tag + b"/turn", b"me", 60)
    was_there = await store.erase(b"tag")

    assert was_there
    assert await left(store, b"tag") == [None, None, None, None, None, False, False]
    full = [RoomRecord(b"meta", 0, (), {b"name": b"1:sealed name"}), b"value", b"value", b"result", b"result"]
    for other in (b"tag2", b"ta"):
        assert [*full, True, True] == await left(store, other)


async def test_erasing_without_a_room_forgets_what_is_kept(either: Either) -> None:
    """The room's time may be over before that of its answers; it says that there was none."""
    store = either.store
    await store.open_room(b"tag", b"meta", 0.05)
    await store.set(b"tag/answer", b"value", 60)
    await either.until(lambda: gone(store, b"tag"))
    was_there = await store.erase(b"tag")

    assert not was_there
    assert await store.get(b"tag/answer") is None
    assert not await store.erase(b"nothing")


async def test_a_short_lived_name_does_not_hide_a_long_lived_one_from_erasing(either: Either) -> None:
    """The list of names lives as long as the longest of them."""
    store = either.store
    await store.set(b"tag/long", b"value", 60)
    await store.set(b"tag/short", b"value", 0.05)
    await either.until(lambda: no_value(store, b"tag/short"))
    await store.set(b"tag/shortest", b"value", 0.01)
    await either.until(lambda: no_value(store, b"tag/shortest"))
    await store.erase(b"tag")

    assert await store.get(b"tag/long") is None


async def test_a_turn_that_is_under_way_when_its_room_is_erased_leaves_nothing(either: Either) -> None:
    """Neither its turn nor its answer comes into the room that is made anew."""
    store = either.store
    await store.open_room(b"tag", b"old", 60)
    await store.take(b"tag/turn", b"me", 60)
    await store.take(b"tag/answer", b"me", 60)
    await store.erase(b"tag")
    await store.open_room(b"tag", b"new", 60)

    assert not await store.append(b"tag", b"me", 0, b"turn", KEEP)
    assert not await store.finish(b"tag/answer", b"me", b"value", 60)
    assert RoomRecord(b"new") == await store.read_room(b"tag")
    assert await store.get(b"tag/answer") is None


@pytest.mark.parametrize("renewal", ["open", "append", "number"])
async def test_whatever_is_done_in_a_room_renews_all_of_it(either: Either, renewal: str) -> None:
    """Turns and values live as long as each other; reading alone renews nothing."""
    store = either.store
    await store.open_room(b"tag", b"meta", 0.3)
    await store.take(b"tag/turn", b"me", 60)
    await store.append(b"tag", b"me", 0, b"turn", Keep(0.3, 10))
    await store.number(b"tag", [numbered(b"name")], 0.3)
    if renewal == "open":
        await store.open_room(b"tag", b"meta", 3600)
    elif renewal == "append":
        await store.append(b"tag", b"me", 1, b"turn", Keep(3600, 1))
    else:
        await store.number(b"tag", [], 3600)
    await store.set(b"clock", b"", 0.5)
    await either.until(lambda: no_value(store, b"clock"))
    kept = await store.read_room(b"tag")
    await store.open_room(b"tag", b"meta", 0.05)

    assert kept
    assert (b"meta", (b"turn",), {b"name": b"1:sealed name"}) == (kept.meta, kept.turns, kept.values)
    await either.until(lambda: gone(store, b"tag"))


def numbered(name: bytes, counter: bytes = b"EMAIL", sealed: bytes = b"") -> Numbered:
    """Return a value that wants a number."""
    return Numbered(name, counter, sealed or b"sealed " + name)


async def finish(store: Store, key: bytes, keep_s: float) -> None:
    """Let a flight end with a result."""
    await store.take(key, b"flight", 60)
    await store.finish(key, b"flight", b"result", keep_s)


async def left(store: Store, tag: bytes) -> list[object]:
    """Return what is there of a room and its values, and whether its leases are held."""
    values = [await store.get(tag + name) for name in (b"/set", b"/agreed", b"/kept")]
    told = (await store.take(tag + b"/told", b"you", 60, b"flight")).value
    held = [not await is_taken(store, tag + name, b"you") for name in (b"/lease", b"/turn")]
    return [await store.read_room(tag), *values, told, *held]


async def gone(store: Store, tag: bytes) -> bool:
    """Say whether a room is not there any more."""
    return await store.read_room(tag) is None


async def no_value(store: Store, key: bytes) -> bool:
    """Say whether a value is not there any more."""
    return await store.get(key) is None


async def is_taken(store: Store, key: bytes, token: bytes) -> bool:
    """Try to take a lease, and say whether it was free."""
    return token == (await store.take(key, token, 60)).holder
