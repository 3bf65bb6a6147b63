"""What is sealed can be read only as what it is, where it belongs, with the key that sealed it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_sidecar.errors import RoomSealed
from parley_sidecar.rooms.room import tag_of
from parley_sidecar.rooms.sealing import Keys, Sealing, key_check

OLD, NEW, OTHER = bytes(32), bytes(range(32)), b"k" * 32
TAG = tag_of("default", "shop", "gpt", "room")
META = Keys((OLD,), b"p").meta()


def sealing(*context_keys: bytes, tag: bytes = TAG, meta: bytes = META) -> Sealing:
    """Return the room's sealing under these keys."""
    return Keys(context_keys, b"process").sealing(tag, meta)


@given(st.binary(), st.binary())
def test_what_was_sealed_is_read_again(what: bytes, data: bytes) -> None:
    """Any bytes."""
    assert data == sealing(OLD).unseal(what, sealing(OLD).seal(what, data))


@given(st.binary(min_size=1), st.binary(), st.binary())
def test_nothing_can_stand_for_something_else(data: bytes, what: bytes, other: bytes) -> None:
    """Neither as another thing nor in another room."""
    blob = sealing(OLD).seal(what, data)

    assert (None if what != other else data) == sealing(OLD).unseal(other, blob)
    assert sealing(OLD, tag=tag_of("default", "shop", "gpt", "other")).unseal(what, blob) is None


@given(st.binary(), st.data())
def test_a_changed_blob_is_not_read(data: bytes, draws: st.DataObject) -> None:
    """Not one bit of it."""
    blob = bytearray(sealing(OLD).seal(b"what", data))
    blob[draws.draw(st.integers(0, len(blob) - 1))] ^= 1 << draws.draw(st.integers(0, 7))

    assert sealing(OLD).unseal(b"what", bytes(blob)) is None


@pytest.mark.parametrize("blob", [b"", b"\x01", b"\x01" + bytes(12), b"plain text"])
def test_what_was_never_sealed_is_not_read(blob: bytes) -> None:
    """However short."""
    assert sealing(OLD).unseal(b"what", blob) is None


def test_equal_data_does_not_look_equal() -> None:
    """Nobody learns that two turns are the same."""
    assert sealing(OLD).seal(b"what", b"data") != sealing(OLD).seal(b"what", b"data")


def test_a_room_keeps_its_key_while_that_is_valid() -> None:
    """During a rotation the former key still opens what it sealed, and new rooms get the new one."""
    blob = sealing(OLD).seal(b"what", b"data")

    assert b"data" == sealing(NEW, OLD).unseal(b"what", blob)
    assert key_check(NEW) in Keys((NEW, OLD), b"p").meta()


def test_a_room_whose_key_is_gone_says_so() -> None:
    """It is not taken for an empty one."""
    with pytest.raises(RoomSealed, match="a key that is not valid any more"):
        sealing(NEW, OTHER)


@pytest.mark.parametrize("meta", [b"", b"\x01", b"\x02" + META[1:], META + b"x"])
def test_a_room_of_an_unknown_form_says_so(meta: bytes) -> None:
    """As a newer version may have made it."""
    with pytest.raises(RoomSealed, match="a form that this version cannot read"):
        sealing(OLD, meta=meta)


def test_each_room_has_an_epoch_of_its_own() -> None:
    """Also one that is made anew under the same id."""
    assert sealing(OLD).epoch != sealing(OLD, meta=Keys((OLD,), b"p").meta()).epoch


def test_values_are_named_without_being_shown() -> None:
    """The same in every process, another name in another room."""
    other = sealing(OLD, tag=tag_of("default", "shop", "gpt", "other"))

    assert sealing(NEW, OLD).name("ann@example.com") == sealing(OLD).name("ann@example.com")
    assert other.name("ann@example.com") != sealing(OLD).name("ann@example.com")
    assert sealing(OLD).name("bob@example.com") != sealing(OLD).name("ann@example.com")


def test_without_a_key_nothing_is_sealed_and_values_have_names() -> None:
    """In the process's own store."""
    keys = Keys((), b"process")
    own = keys.sealing(TAG, keys.meta())

    assert b"data" == own.seal(b"what", b"data")
    assert b"data" == own.unseal(b"what", b"data")
    assert own.name("a") != own.name("b")


def test_a_sealed_room_is_not_read_without_a_key() -> None:
    """Nor the other way round."""
    with pytest.raises(RoomSealed):
        sealing()
    with pytest.raises(RoomSealed):
        sealing(OLD, meta=Keys((), b"p").meta())


def test_keys_are_not_shown() -> None:
    """Neither those of the namespace nor a room's."""
    shown = repr(Keys((b"hush",), b"hush")) + repr(sealing(OLD))

    assert "hush" not in shown
    assert "_key" not in shown


@given(st.lists(st.text(), min_size=4, max_size=4), st.lists(st.text(), min_size=4, max_size=4))
def test_a_tag_belongs_to_one_room(parts: list[str], others: list[str]) -> None:
    """However its parts are cut."""
    assert (parts == others) == (tag_of(*parts) == tag_of(*others))
    assert tag_of("a", "bc") != tag_of("ab", "c")
