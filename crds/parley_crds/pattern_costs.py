"""What a part of a pattern can match and cost, whatever the text is: the arithmetic behind `patterns`.

A backtracking search tries every way in which a part can match with all that follows. Where a run of characters is
followed by what none of them can begin, such as letters by a hyphen, only the run's end can go on.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

LIMIT: Final = 1_000_000
"""Numbers from here on are not told apart; every limit is far below."""
OTHER: Final = "\x80"
"""Stands in a set for all characters beyond ASCII."""

Characters = frozenset[str]
"""ASCII characters, and OTHER."""
ANY: Final[Characters] = frozenset([*map(chr, range(128)), OTHER])
SETS: Final[dict[str, Characters]] = {
    "d": frozenset([*"0123456789", OTHER]),
    "w": frozenset(one for one in ANY if one.isalnum() or one in {"_", OTHER}),
    "s": frozenset(one for one in ANY if one.isspace() or one == OTHER),
}
"""What stands for a set in a pattern, as Python's `re` reads it."""


class Part(NamedTuple):
    """A part of a pattern, tried at one place of a text."""

    shortest: int
    """Characters."""
    longest: int
    """Characters, with those that a lookahead reads."""
    ways: int
    """In how many ways it can match."""
    steps: int
    """Of all these ways together."""
    first: Characters
    """What it can begin with, if it reads anything."""
    entry: int
    """Steps until it fails where the text goes on with something else, for a part that has to read something."""
    run: Characters | None = None
    """Of a repeated character: which ones."""


NO_CHARACTER: Final[Characters] = frozenset()
NOTHING: Final = Part(0, 0, 1, 0, NO_CHARACTER, 0)
PLACE: Final = Part(0, 0, 1, 1, NO_CHARACTER, 1)
"""A test that reads no character of its own, such as a word's boundary."""


def character(of: Characters) -> Part:
    """Return the part that matches one of these characters."""
    return Part(1, 1, 1, 1, of, 1, of)


def lookaround(inner: Part, *, ahead: bool) -> Part:
    """Return the part that makes sure of what stands before or behind; it can match in one way only."""
    steps = inner.steps + 1
    return Part(0, inner.longest if ahead else 0, 1, steps, NO_CHARACTER, steps)


def one_of(parts: Sequence[Part]) -> Part:
    """Return the part that matches what one of these does."""
    if len(parts) == 1:
        return parts[0]
    return Part(
        min(part.shortest for part in parts),
        max(part.longest for part in parts),
        _sum(part.ways for part in parts),
        _sum(part.steps for part in parts),
        frozenset().union(*(part.first for part in parts)),
        _sum(part.entry for part in parts),
    )


def followed(part: Part, rest: Part) -> Part:
    """Return the part that matches `part` and then `rest`."""
    if rest is NOTHING:
        return part
    if part.run is not None and part.ways > 1 and rest.shortest and part.run.isdisjoint(rest.first):
        ways, steps = rest.ways, part.steps + part.ways * rest.entry + rest.steps
    else:
        ways, steps = part.ways * rest.ways, part.steps + part.ways * rest.steps
    reads = part.shortest > 0
    return Part(
        part.shortest + rest.shortest,
        part.longest + rest.longest,
        min(ways, LIMIT),
        min(steps, LIMIT),
        part.first if reads else (part.first | rest.first),
        part.entry if reads else min(part.steps + part.ways * rest.entry, LIMIT),
    )


def repeated(part: Part, low: int, high: int) -> Part:
    """Return the part that matches `part` so many times."""
    ways = steps = 0
    power = 1
    for times in range(high + 1):
        ways += power if times >= low else 0
        steps += power * part.steps if times < high else 0
        power = min(power * part.ways, LIMIT)
    return Part(
        part.shortest * low,
        part.longest * high,
        min(ways, LIMIT),
        min(steps, LIMIT),
        part.first,
        part.entry if low and part.shortest else min(steps, LIMIT),
        part.run if part.run is not None and part.ways == 1 else None,
    )


def _sum(numbers: Iterable[int]) -> int:
    return min(sum(numbers), LIMIT)
