"""Runs of digits and their groups: what the rules for numbers read. Used by `numbers` and by those rules."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Protocol

from parley_sidecar.pii import labels
from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.label_words import Label
from parley_sidecar.pii.view import View

_SHAPES: Final = dict.fromkeys(b"0123456789", ord("0")) | dict.fromkeys(b" -./()", ord("-"))
_SHAPED: Final = bytes(
    _SHAPES.get(code, ord("a" if code < 128 and chr(code).isalpha() else "|"))  # noqa: PLR2004 - ASCII
    for code in range(256)
)
_RUN: Final = re.compile(rb"0(?<![a0]0)(?:-{0,3}+0){4,}+")
"""The shape of five digits or more, with at most three separators between two; begins with what can be skipped to."""
_FEWEST_UNLABELLED: Final = 7
_FEWEST_BARE: Final = 11
"""Digits of the shortest number that is known by its check digits alone."""
_FEWEST_BEHIND_DATE: Final = 6
_SAYS_NOTHING: Final = frozenset({None, "none"})
_CHECK_LETTER: Final = re.compile(r"[Xx](?![A-Za-z0-9_])")
_COLOURS: Final = frozenset({6, 8})
_FRACTION: Final = re.compile(r"(?!756\.)[0-9]+\.[0-9]+")
"""Not of Switzerland's insurance numbers."""
_GROUP: Final = re.compile(r"([0-9]+)")
_DATE: Final = re.compile(
    r"(?:(?:19|20)[0-9]{2}([-/.])(?:0?[1-9]|1[0-2])\1(?:[0-2]?[0-9]|3[01])|(?:[0-2]?[0-9]|3[01])([-/.])"
    r"(?:[0-2]?[0-9]|3[01])\2(?:(?:19|20)[0-9]{2}|[0-9]{2})|(?:19|20)[0-9]{2} ?- ?(?:19|20)[0-9]{2})"
    r"(?![0-9]|[-/.][0-9])"
)


@dataclass(slots=True)
class Run:
    """A run of digits in a view, as groups: digits without anything between them."""

    view: View
    label: Label | None
    """What the words around say it is."""
    digits: list[str]
    separators: list[str]
    """What stands before each group and behind the one before it; nothing before the first."""
    starts: list[int]
    ends: list[int]

    @property
    def glued(self) -> bool:
        """Whether it is a part of a longer name, as in `web-2024-01-abc`."""
        return _is_glued(self.view.text, self.lead(0), self.ends[-1])

    def lead(self, index: int) -> int:
        """Return where a + or a bracket before that group begins, or else the group."""
        text, lead = self.view.text, self.starts[index]
        floor = self.ends[index - 1] if index else max(0, lead - 2)
        while lead > floor and text[lead - 1] in "+(":
            lead -= 1
        return lead

    def is_nothing(self, index: int) -> bool:
        """Say whether a word right before says that it is nothing personal."""
        return labels.is_nothing(self.view, self.lead(index), _NEAR)

    def joined(self, first: int, last: int) -> str:
        """Return the digits of these groups, both included."""
        return "".join(self.digits[first : last + 1])

    def behind_date(self, index: int) -> int:
        """Return the index of the group behind the date that begins with that group, or that index if none does."""
        if self.separators[index + 1 : index + 2] not in _OF_DATE or len(self.digits[index]) > _LONGEST_OF_DATE:
            return index
        start = self.starts[index]
        date = _DATE.match(self.view.text, start)
        if date is None or self.lead(index) < start:
            return index
        end = date.end()
        while index < len(self.starts) and self.starts[index] < end:
            index += 1
        return index


_NEAR: Final = 18
_LONGEST_OF_DATE: Final = 4
_OF_DATE: Final = [["-"], ["/"], ["."], [" -"], ["- "], [" - "]]
"""What may stand behind the first group of a date."""


class Rule(Protocol):
    """Reads a run from one of its groups on."""

    def __call__(self, run: Run, index: int, /) -> Span | None:
        """Return the value that begins there, if there is one."""
        ...


def runs(view: View) -> Iterator[Run]:
    """Return the runs of a text."""
    text, marks = view.text, labels.marks(view)
    for found in _RUN.finditer(view.ascii.translate(_SHAPED)):
        start, end = found.span()
        if text[end : end + 1] == ")":
            end += 1
        value = text[start:end]
        if end - start in _COLOURS and text[start - 1 : start] == "#" and value.isdigit():
            continue  # a colour
        label = labels.around(view, marks, start, end)
        if label in _SAYS_NOTHING and _is_plain(text, value, start, found[0].count(b"0")):
            continue
        run = _run(view, label, start, value)
        behind = text[end : end + 1]
        if behind.isalpha() and behind.isascii() and not _CHECK_LETTER.match(text, end):
            for part in (run.digits, run.separators, run.starts, run.ends):
                part.pop()
        if run.digits:
            yield run


def _run(view: View, label: Label | None, start: int, value: str) -> Run:
    if value.isdigit():
        return Run(view, label, [value], [""], [start], [start + len(value)])
    parts = _GROUP.split(value)
    edges = list(accumulate(map(len, parts), initial=start))
    return Run(view, label, parts[1::2], parts[0:-1:2], edges[1:-1:2], edges[2::2])


def _is_plain(text: str, value: str, start: int, digits: int) -> bool:
    """Say whether a run without a label is nothing: too short, a date or a fraction, or few digits in one group."""
    length = len(value)
    if length < _FEWEST_UNLABELLED:
        return True
    if length == digits:
        return length < _FEWEST_BARE and text[start - 1 : start] != "+"
    if (length < _FEWEST_BARE and digits < _FEWEST_UNLABELLED) or _FRACTION.fullmatch(value):
        return True
    date = _DATE.match(text, start)
    return date is not None and start + length - date.end() < _FEWEST_BEHIND_DATE


def _is_glued(text: str, start: int, end: int) -> bool:
    before, behind = text[max(0, start - 2) : start], text[end : end + 2]
    return (
        (len(before) > 1 and before[1] in "-_." and before[0].isalnum() and before[0].isascii())
        or (len(behind) > 1 and behind[0] in "-_" and behind[1].isalpha())
        or before[-1:] == "_"
    )
