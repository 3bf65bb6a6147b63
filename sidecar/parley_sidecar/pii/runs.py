"""Runs of digits and their groups: what the rules for numbers read. Used by `numbers` and by those rules."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from parley_sidecar.pii import labels
from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.label_words import Label
from parley_sidecar.pii.view import View

_RUN: Final = re.compile(r"[0-9](?<![A-Za-z0-9][0-9])(?:[ \-./()]{0,3}[0-9]){4,}\)?")
"""Five digits or more, with at most three separators between two of them; begins with what can be skipped to."""
_FEWEST_UNLABELLED: Final = 7
_FEWEST_BARE: Final = 11
"""Digits of the shortest number that is known by its check digits alone."""
_FEWEST_BEHIND_DATE: Final = 6
_SAYS_NOTHING: Final = frozenset({None, "none"})
_CHECK_LETTER: Final = re.compile(r"[Xx](?![A-Za-z0-9_])")
_COLOURS: Final = frozenset({6, 8})
_GROUP: Final = re.compile(r"[0-9]+")
_DATE: Final = re.compile(
    r"(?:(?:19|20)[0-9]{2}([-/.])(?:0?[1-9]|1[0-2])\1(?:[0-2]?[0-9]|3[01])|(?:[0-2]?[0-9]|3[01])([-/.])"
    r"(?:[0-2]?[0-9]|3[01])\2(?:(?:19|20)[0-9]{2}|[0-9]{2})|(?:19|20)[0-9]{2} ?- ?(?:19|20)[0-9]{2})"
    r"(?![0-9]|[-/.][0-9])"
)


class Group(NamedTuple):
    """Digits without anything between them; `lead` is where a + or a bracket before them begins."""

    lead: int
    start: int
    end: int
    digits: str


@dataclass(slots=True)
class Run:
    """A run of digits in a view."""

    view: View
    groups: tuple[Group, ...]
    label: Label | None
    """What the words around say it is."""

    @property
    def glued(self) -> bool:
        """Whether it is a part of a longer name, as in `web-2024-01-abc`."""
        return _is_glued(self.view.text, self.groups[0].lead, self.groups[-1].end)

    def left(self, index: int) -> int:
        """Return how many characters there are from that group on."""
        return self.groups[-1].end - self.groups[index].start

    def is_nothing(self, index: int) -> bool:
        """Say whether a word right before says that it is nothing personal."""
        return labels.is_nothing(self.view, self.groups[index].lead, _NEAR)

    def separator(self, index: int) -> str:
        """Return what stands before that group, and behind the one before it."""
        return self.view.text[self.groups[index - 1].end : self.groups[index].start]

    def joined(self, first: int, last: int) -> str:
        """Return the digits of these groups, both included."""
        return "".join(group.digits for group in self.groups[first : last + 1])

    def totals(self, first: int, most: int) -> Iterator[tuple[int, int]]:
        """Return the index of each further group and how many digits there are up to it, `most` at most."""
        total = 0
        for index in range(first, len(self.groups)):
            total += len(self.groups[index].digits)
            if total > most:
                return
            yield index, total

    def behind_date(self, index: int) -> int:
        """Return the index of the group behind the date that begins with that group, or that index if none does."""
        group = self.groups[index]
        if len(group.digits) > _LONGEST_OF_DATE or group.lead < group.start:
            return index
        date = _DATE.match(self.view.text, group.start)
        end = date.end() if date else 0
        while index < len(self.groups) and self.groups[index].start < end:
            index += 1
        return index


_NEAR: Final = 18
_LONGEST_OF_DATE: Final = 4


class Rule(Protocol):
    """Reads a run from one of its groups on."""

    def __call__(self, run: Run, index: int, /) -> Span | None:
        """Return the value that begins there, if there is one."""
        ...


def runs(view: View) -> Iterator[Run]:
    """Return the runs of a text."""
    text = view.text
    for found in _RUN.finditer(text):
        start, end = found.span()
        label = labels.before(view, start) or labels.after(view, end)
        if text[start - 1 : start] == "#" and end - start in _COLOURS and found.group().isdigit():
            continue  # a colour
        if label in _SAYS_NOTHING and _is_plain(text, start, end):
            continue
        groups: list[Group] = []
        last = max(0, start - 2)
        for digits in _GROUP.finditer(text, start, end):
            lead = digits.start()
            while lead > last and text[lead - 1] in "+(":
                lead -= 1
            last = digits.end()
            groups.append(Group(lead, digits.start(), last, digits.group()))
        if text[end : end + 1].isascii() and text[end : end + 1].isalpha() and not _CHECK_LETTER.match(text, end):
            groups.pop()
        if groups:
            yield Run(view, tuple(groups), label)


def _is_plain(text: str, start: int, end: int) -> bool:
    """Say whether a run without a label is nothing: too short, a date, or few digits without anything between them."""
    length = end - start
    if length < _FEWEST_UNLABELLED:
        return True
    if length >= _FEWEST_BARE and not text[start:end].isdigit():
        date = _DATE.match(text, start)
        return date is not None and end - date.end() < _FEWEST_BEHIND_DATE
    return length < _FEWEST_BARE and text[start:end].isdigit() and text[start - 1 : start] != "+"


def _is_glued(text: str, start: int, end: int) -> bool:
    before, behind = text[max(0, start - 2) : start], text[end : end + 2]
    return (
        (len(before) > 1 and before[1] in "-_." and before[0].isalnum() and before[0].isascii())
        or (len(behind) > 1 and behind[0] in "-_" and behind[1].isalpha())
        or before[-1:] == "_"
    )
