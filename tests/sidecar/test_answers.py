"""Stored answers."""

import pytest

from parley_sidecar.answers import Entry, pack, unpack
from parley_sidecar.model import Answer, Choice, Usage

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
