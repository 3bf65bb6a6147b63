"""Peers' requests: whether they were answered the way that their kind says."""

import pytest

from bench.peers.asked import Counts, check
from bench.peers.kinds import Kind
from bench.processes import BenchError


@pytest.mark.parametrize(
    ("kind", "counts"),
    [
        (Kind.PASS, Counts(10, 0)),
        (Kind.STREAM, Counts(12, 0)),  # with calls that were tried again
        (Kind.MEMORY, Counts(0, 0)),
        (Kind.REDIS, Counts(0, 8)),
        (Kind.ECHO, Counts(0, 5)),
    ],
)
def test_the_way_that_a_kind_says_is_accepted(kind: Kind, counts: Counts) -> None:
    """Ten requests: as many calls or none, and most hits from Redis."""
    check(kind, 10, counts)


@pytest.mark.parametrize(
    ("kind", "counts", "why"),
    [
        (Kind.PASS, Counts(9, 0), "the stand-in was asked 9 times for 10 requests"),
        (Kind.MEMORY, Counts(1, 0), "the stand-in was asked 1 times for 10 requests"),
        (Kind.REDIS, Counts(0, 7), "Redis answered 7 times for 10 requests"),
        (Kind.GRPC_ECHO, Counts(10, 0), "the stand-in was asked 10 times"),
    ],
)
def test_another_way_is_a_failure(kind: Kind, counts: Counts, why: str) -> None:
    """A cache where none should be, none where one should be, or a memory before Redis."""
    with pytest.raises(BenchError, match=why):
        check(kind, 10, counts)


def test_counts_are_of_one_job() -> None:
    """What was counted before does not count."""
    assert Counts(3, 4) == Counts(10, 5) - Counts(7, 1)
