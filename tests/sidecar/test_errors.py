"""The tree of errors is the one that its module draws, and each has a face of its own."""

import re
from typing import get_args

import pytest

from parley_sidecar import errors
from parley_sidecar.errors import Face, ParleyError, Reason, RetryMayHelp, RetryWillNotHelp


def descendants(family: type[ParleyError]) -> list[type[ParleyError]]:
    """Return every class of ours below a family."""
    below = [child for child in family.__subclasses__() if child.__module__ == errors.__name__]
    return below + [other for child in below for other in descendants(child)]


def drawn() -> list[tuple[int, str]]:
    """Return depth and name of each class in the drawing, from top to bottom."""
    lines = re.findall(r"^    ([│├└─ ]*)([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE)
    return [(len(branch) // 4, name) for branch, name in lines]


def built(error: type[ParleyError], depth: int = 0) -> list[tuple[int, str]]:
    """Return depth and name of each class as they are."""
    below = [child for child in error.__subclasses__() if child.__module__ == errors.__name__]
    return [(depth, error.__name__), *(line for child in below for line in built(child, depth + 1))]


LEAVES = descendants(RetryMayHelp) + descendants(RetryWillNotHelp)


def test_the_tree_is_the_one_drawn() -> None:
    """Every class stands once in the drawing, below its family."""
    assert sorted(built(ParleyError)) == sorted(drawn())
    assert len(drawn()) == len(set(drawn()))


def test_the_order_is_the_one_drawn() -> None:
    """The classes follow each other as in the drawing."""
    assert [name for _, name in drawn()] == [name for _, name in built(ParleyError)]


@pytest.mark.parametrize("error", LEAVES)
def test_an_error_has_a_face_of_its_own(error: type[ParleyError]) -> None:
    """Each error has a code, a reason of the closed set and statuses that exist."""
    face = error.__dict__["face"]

    assert isinstance(face, Face)
    assert re.fullmatch(r"ERR_[A-Z_]+", face.code)
    assert face.reason in get_args(Reason)
    assert {400 <= status < 600 for status in (face.status, face.precise_status)} == {True}


@pytest.mark.parametrize("error", LEAVES)
def test_dapr_knows_few_statuses(error: type[ParleyError]) -> None:
    """Unless precise, statuses are Dapr's: 400 and 500, the door's own, and 503 while not ready."""
    assert error.face.status in {400, 401, 403, 404, 500, 503}


def test_every_reason_is_used() -> None:
    """The closed set of reasons has none that no error gives."""
    assert set(get_args(Reason)) == {error.face.reason for error in LEAVES}


def test_an_error_carries_its_sentence() -> None:
    """Message and wait are there for whoever renders it."""
    error = errors.RateLimited("slow down", retry_after_s=7.0)

    assert ("slow down", 7.0, "slow down") == (error.message, error.retry_after_s, str(error))
