"""Runs of digits: what they are by their shape, their check digits, and the words around them.

Each run is read from each of its groups on, by an ordered list of rules; the first that holds takes what it matched.
"""

import re
from collections.abc import Iterator
from typing import Final

from parley_sidecar.pii import cards, nationals, phones
from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.runs import Rule, Run, runs
from parley_sidecar.pii.view import View

_SSN: Final = re.compile(r"([0-9]{3})( ?[-. ] ?|)([0-9]{2})\2([0-9]{4})(?![0-9]|[-.][0-9])")
_FEWEST: Final = 5
_SSN_LENGTH: Final = 9
_NO_AREA: Final = frozenset({"000", "666"})
_ZIP: Final = re.compile(r"[0-9]{5}(?:-[0-9]{4})?(?![0-9])")
_ISBN: Final = re.compile(r"(?:97[89][ -]?)?[0-9](?:[ -]?[0-9]){8}[ -]?[0-9Xx](?![0-9])")


def numbers(view: View) -> Iterator[Span]:
    """Return the values that are digits with separators."""
    if not view.has_digits:
        return
    for run in runs(view):
        index = 0
        while index < len(run.groups):
            if run.left(index) < _FEWEST:
                break
            found = _first(run, index)
            if found is None:
                index += 1
                continue
            yield found
            while index < len(run.groups) and run.groups[index].start < found.end:
                index += 1


def _first(run: Run, index: int) -> Span | None:
    for rule in RULES:
        found = rule(run, index)
        if found is not None:
            return found
    return None


def ssn(run: Run, index: int) -> Span | None:
    """Read a US social security number: 3-2-4 digits, or any nine after its word. Source: SSA's assignment rules."""
    found = _SSN.match(run.view.text, run.groups[index].start) if run.left(index) >= _SSN_LENGTH else None
    if found is None:
        return None
    area, separator, group, serial = found.groups()
    assigned = area not in _NO_AREA and group != "00" and serial != "0000"
    alone = separator.strip() == "-" or (separator.isspace() and len(run.groups) == 3)  # noqa: PLR2004 - its groups
    if (alone and assigned and not run.glued) or run.label == "ssn":
        return Span(run.groups[index].lead, found.end(), "US_SSN")
    return None


def book(run: Run, index: int) -> Span | None:
    """Read an ISBN after its word."""
    found = _ISBN.match(run.view.text, run.groups[index].start) if run.label == "isbn" else None
    return Span(found.start(), found.end(), "ISBN") if found else None


def postcode(run: Run, index: int) -> Span | None:
    """Read a US ZIP code after its word."""
    found = _ZIP.match(run.view.text, run.groups[index].start) if run.label == "zip" else None
    return Span(found.start(), found.end(), "ZIP_CODE") if found else None


RULES: Final[tuple[Rule, ...]] = (
    phones.international, ssn, nationals.labelled, nationals.national, cards.card, book, phones.shaped, phones.zero,
    phones.labelled, postcode,
)  # fmt: skip
"""THE ORDER."""
