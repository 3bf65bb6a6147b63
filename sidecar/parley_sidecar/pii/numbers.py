"""Runs of digits: what they are by their shape, their check digits, and the words around them.

Each run is read from each of its groups on, by an ordered list of rules; the first that holds takes what it matched.
"""

import re
from collections.abc import Iterator
from typing import Final

from parley_sidecar.pii import cards, nationals, phones
from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.label_words import Label
from parley_sidecar.pii.runs import Rule, Run, runs
from parley_sidecar.pii.view import View

_SSN: Final = re.compile(r"([0-9]{3})( ?[-. ] ?|)([0-9]{2})\2([0-9]{4})(?![0-9]|[-.][0-9])")
_AREAS: Final = frozenset({3, 9})
"""Digits of the first group, with and without separators."""
_TABLE: Final = 8
_LONG_TABLE: Final = 40
_TELLING: Final = re.compile(
    r"[+(]|00?[1-9]|[0-9]{3}[-. ][0-9]{2,3}[-. ][0-9]{4}|[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}|[0-9]{4}[ -][0-9]{6}|[0-9]{9}"
    r"|[0-9]{6}-[0-9]{4}|[0-9]{3}\.[0-9]{3}\.[0-9]{3}-|[12] [0-9]{2} [0-9]{2} [0-9]{2} [0-9]{3}"
)
"""Behind its first groups, a long table of numbers is read on only where one of these begins."""
_FEWEST: Final = 5
_ATTACHED: Final = re.compile(r"[0-9](?<=[a-z:][0-9])[0-9]{2}-[0-9]{2}-[0-9]{4}(?![0-9-])")
_NO_AREA: Final = frozenset({"000", "666"})
_ZIP: Final = re.compile(r"[0-9]{5}(?:-[0-9]{4})?(?![0-9])")
_ISBN: Final = re.compile(r"(?:97[89][ -]?)?[0-9](?:[ -]?[0-9]){8}[ -]?[0-9Xx](?![0-9])")


def numbers(view: View) -> Iterator[Span]:
    """Return the values that are digits with separators."""
    if not view.has_digits:
        return
    if "ssn" in view.words:
        yield from (Span(found.start(), found.end(), "US_SSN") for found in _ATTACHED.finditer(view.text))
    for run in runs(view):
        index = 0
        while index < len(run.starts) and run.left(index) >= _FEWEST:
            if index >= _TABLE and len(run.starts) > _LONG_TABLE and not _TELLING.match(view.text, run.lead(index)):
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
                while index < len(run.starts) and run.starts[index] < found.end:
                    index += 1


def _first(run: Run, index: int) -> Span | None:
    left = run.left(index)
    for fewest, rule in LABELLED.get(run.label, UNLABELLED):
        if left >= fewest:
            found = rule(run, index)
            if found is not None:
                return found
    return None


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


Rules = tuple[tuple[int, Rule], ...]
"""Rules in their order, and the fewest characters with which each has anything to read."""
INTERNATIONAL: Final = (7, phones.international)
CARD: Final = (12, cards.card)
UNLABELLED: Final[Rules] = (
    INTERNATIONAL, (9, ssn), (9, nationals.national), CARD, (8, phones.shaped), (8, phones.zero),
)  # fmt: skip
LABELLED: Final[dict[Label | None, Rules]] = {
    "phone": (INTERNATIONAL, CARD, (9, ssn), (6, phones.labelled)),
    "id": (INTERNATIONAL, (9, ssn), (6, nationals.labelled), CARD),
    "isbn": ((10, book), *UNLABELLED),
    "zip": ((5, postcode), *UNLABELLED),
}
"""THE ORDER: what a word says comes before what a shape says."""
