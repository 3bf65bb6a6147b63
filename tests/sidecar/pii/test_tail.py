"""Text in pieces: however it is cut, it leaves as a complete text would, and no value in two halves."""

import json
from pathlib import Path
from random import Random

import pytest

from parley_sidecar.pii import mask, token
from parley_sidecar.pii.tail import HOLD, Tail

CORPUS = Path(__file__).parent / "corpus" / "known.jsonl"
KEY = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 60 + "-----END PRIVATE KEY-----"


def released(text: str, size: int) -> list[str]:
    """Return what comes out, piece by piece, when `text` goes in by `size` characters."""
    tail = Tail(token)
    return [*(tail.add(text[at : at + size]) for at in range(0, len(text), size)), tail.finish()]


@pytest.mark.parametrize("size", [1, 5, 64, 10_000])
def test_pieces_add_up_to_the_masked_text(size: int) -> None:
    """Texts of all sorts in one long answer."""
    texts = [json.loads(line)["text"] for line in CORPUS.read_text("utf-8").splitlines()]
    text = "\n\n".join(Random(size).sample(texts, 60))

    assert mask(text) == "".join(released(text, size))


def test_a_value_longer_than_what_is_held_is_held_whole() -> None:
    """A private key of many lines does not leave line by line."""
    pieces = released(f"Here it is:\n{KEY}\nbye " + "and more words " * 40, 16)

    assert not any("MII" in piece for piece in pieces)
    assert "Here it is:\n<SECRET>\nbye and more" in "".join(pieces)


def test_a_text_without_boundaries_waits() -> None:
    """A long token is one value, or none, only when it is over."""
    pieces = released("x" * 4 * HOLD, 16)

    assert [""] * (len(pieces) - 1) + ["x" * 4 * HOLD] == pieces


def test_scripts_without_spaces_do_not_wait() -> None:
    """Between ideographs no value goes on."""
    pieces = released("我的电话是 13812345678。" + "今天天气很好" * 100, 8)

    assert "我的电话是 <PHONE_NUMBER>。" in "".join(pieces[:-1])


def test_what_is_shown_lags_no_more_than_it_must() -> None:
    """Plain words leave once they are far enough behind."""
    tail = Tail(token)
    shown = "".join(tail.add("word ") for _ in range(400))

    assert 2000 - 2 * HOLD < len(shown) <= 2000 - HOLD
    assert 2000 - len(shown) <= tail.waiting
