"""Runs of digits: what they are by their shape, their check digits, and the words around them.

Each run is read from each of its groups on, by an ordered list of rules; the first that holds takes what it matched.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from parley_sidecar.pii import cards, nationals, phones
from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.label_words import Label
from parley_sidecar.pii.runs import Rule, Run, runs
from parley_sidecar.pii.view import View

_SSN: Final = re.compile(r"([0-9]{3})( ?[-. ] ?|)([0-9]{2})\2([0-9]{4})(?![0-9]|[-.][0-9])")
_AREAS: Final = frozenset({3, 9})
"""Digits of the first group, with and without separators."""
_SIGNS: Final = frozenset("+(")
_SIGNED: Final = 0
"""Stands for a group behind one of these, however many digits it has."""
_LONGEST: Final = 20
"""Stands for all groups of as many digits and more, which no shape of the first group has."""
_TABLE: Final = 8
_LONG_TABLE: Final = 40
_TELLING: Final = re.compile(
    r"[+(]|00?[1-9]|[0-9]{3}[-. ][0-9]{2,3}[-. ][0-9]{4}|[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}|[0-9]{4}[ -][0-9]{6}|[0-9]{9}"
    r"|[0-9]{6}-[0-9]{4}|[0-9]{3}\.[0-9]{3}\.[0-9]{3}-|[12] [0-9]{2} [0-9]{2} [0-9]{2} [0-9]{3}"
)
"""Behind its first groups, a long table of numbers is read on only where one of these begins."""
_FEWEST: Final = 5
_ATTACHED: Final = re.compile(r"[0-9](?<=[a-z:][0-9])[0-9]{2}-[0-9]{2}-[0-9]{4}(?![0-9-])")
_ATTACHED_SHAPE: Final = b"000-00-0000"
_NO_AREA: Final = frozenset({"000", "666"})
_ZIP: Final = re.compile(r"[0-9]{5}(?:-[0-9]{4})?(?![0-9])")
_ISBN: Final = re.compile(r"(?:97[89][ -]?)?[0-9](?:[ -]?[0-9]){8}[ -]?[0-9Xx](?![0-9])")


def numbers(view: View) -> Iterator[Span]:
    """Return the values that are digits with separators."""
    if not view.has_digits:
        return
    if "ssn" in view.words and _ATTACHED_SHAPE in view.shape:
        yield from (Span(found.start(), found.end(), "US_SSN") for found in _ATTACHED.finditer(view.text))
    for run in runs(view):
        starts, last = run.starts, run.ends[-1] - _FEWEST
        index, groups = 0, len(starts)
        while index < groups and starts[index] <= last:
            if index >= _TABLE and groups > _LONG_TABLE and not _TELLING.match(view.text, run.lead(index)):
                index += 1
                continue
            behind = run.behind_date(index)
            if behind > index:
                index = behind
                continue
            found = _first(run, index)
            index += 1
            if found is not None:
                yield found
                while index < groups and starts[index] < found.end:
                    index += 1


def _first(run: Run, index: int) -> Span | None:
    group, start = run.digits[index], run.starts[index]
    left = run.ends[-1] - start
    for reading in _READINGS.get(run.label, _UNLABELLED)[_first_group(run.view.text, group, start)]:
        if left >= reading.fewest:
            found = reading.rule(run, index)
            if found is not None:
                return found
    return None


def _first_group(text: str, group: str, start: int) -> int:
    """Return what decides on the rules: how many digits a group has, less than nothing if it begins with a zero."""
    if start and text[start - 1] in _SIGNS:
        return _SIGNED
    digits = min(len(group), _LONGEST)
    return -digits if group[0] == "0" else digits


def ssn(run: Run, index: int) -> Span | None:
    """Read a US social security number: 3-2-4 digits, or any nine after its word. Source: SSA's assignment rules."""
    found = _SSN.match(run.view.text, run.starts[index]) if len(run.digits[index]) in _AREAS else None
    if found is None:
        return None
    area, separator, group, serial = found.groups()
    assigned = area not in _NO_AREA and group != "00" and serial != "0000"
    alone = separator.strip() == "-" or (separator.isspace() and len(run.starts) == 3)  # noqa: PLR2004 - its groups
    if (alone and assigned and not run.glued) or run.label == "ssn":
        return Span(run.lead(index), found.end(), "US_SSN")
    return None


def book(run: Run, index: int) -> Span | None:
    """Read an ISBN after its word."""
    found = _ISBN.match(run.view.text, run.starts[index])
    return Span(found.start(), found.end(), "ISBN") if found else None


def postcode(run: Run, index: int) -> Span | None:
    """Read a US ZIP code after its word."""
    found = _ZIP.match(run.view.text, run.starts[index])
    return Span(found.start(), found.end(), "ZIP_CODE") if found else None


class Reading(NamedTuple):
    """A rule, and when it has anything to read."""

    rule: Rule
    fewest: int
    """Characters that are left of the run."""
    firsts: frozenset[int] = frozenset(range(1, _LONGEST + 1))
    """Digits of the first group, where neither a + nor a bracket is before it."""
    is_of_zeros: bool = False
    """Whether the first group must then begin with a zero."""


INTERNATIONAL: Final = Reading(phones.international, 7, is_of_zeros=True)
CARD: Final = Reading(cards.card, 12)
SSN: Final = Reading(ssn, 9, _AREAS)
UNLABELLED: Final = (
    INTERNATIONAL, SSN, Reading(nationals.national, 9, nationals.FIRSTS), CARD,
    Reading(phones.shaped, 8, phones.SHAPED_FIRSTS), Reading(phones.zero, 8, is_of_zeros=True),
)  # fmt: skip
LABELLED: Final[dict[Label | None, tuple[Reading, ...]]] = {
    "phone": (INTERNATIONAL, CARD, SSN, Reading(phones.labelled, 6)),
    "id": (INTERNATIONAL, SSN, Reading(nationals.labelled, 6), CARD),
    "isbn": (Reading(book, 10), *UNLABELLED),
    "zip": (Reading(postcode, 5), *UNLABELLED),
}
"""THE ORDER: what a word says comes before what a shape says."""


def _by_first_group(readings: tuple[Reading, ...]) -> dict[int, tuple[Reading, ...]]:
    """Return the readings by what `_first_group` says."""
    chosen = {
        sign * digits: tuple(one for one in readings if digits in one.firsts and (sign < 0 or not one.is_of_zeros))
        for digits in range(1, _LONGEST + 1)
        for sign in (1, -1)
    }
    return {**chosen, _SIGNED: readings}


_UNLABELLED: Final = _by_first_group(UNLABELLED)
_READINGS: Final = {label: _by_first_group(readings) for label, readings in LABELLED.items()}
