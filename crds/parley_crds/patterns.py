"""The regular expressions that a component may bring along: a part of Python's, in which nothing is without a bound.

`bounds` proves from the pattern alone how long a match can be and what a place in a text can cost, whatever the text.
The operator, `parley check` and the sidecar judge by this same code, and the sidecar searches only with what passed.
See docs/adr/0015.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from parley_crds.pattern_costs import (
    ANY,
    NO_CHARACTER,
    NOTHING,
    OTHER,
    PLACE,
    SETS,
    Characters,
    Part,
    character,
    followed,
    lookaround,
    one_of,
    repeated,
)
from parley_crds.resource import Pattern

LONGEST: Final = 256
"""Characters of a match: streams hold as many back, so that no value leaves in two halves."""
MOST_STEPS: Final = 256
"""Steps of the search at one place of a text, of some 10 ns each."""
MOST_STEPS_TOGETHER: Final = 1024
"""The same for all patterns of a component."""
DEEPEST: Final = 8
"""Groups within groups."""

_INSENSITIVE: Final = "(?i)"
_QUANTIFIER: Final = re.compile(r"\?|\{([0-9]{1,3})\}|\{([0-9]{0,3}),([0-9]{1,3})\}", re.ASCII)
_BEHIND: Final = ("(?<=", "(?<!")
_AHEAD: Final = ("(?=", "(?!")
_OPENINGS: Final = (*_BEHIND, *_AHEAD, "(?:", "(")
_CONTROLS: Final = {"n": "\n", "t": "\t", "r": "\r"}
_UNBOUNDED: Final = frozenset("*+")
_ANCHORS: Final = frozenset("^$")
_REPETITIONS: Final = frozenset("?*+{")
_ODD_IN_CLASS: Final = frozenset(("--", "&&", "~~", "||"))
"""What Python may read as operations on sets one day. Source: re's docs, FutureWarning."""


class Bounds(NamedTuple):
    """What holds for a pattern on any text."""

    longest: int
    """Characters of a match, with those that a lookahead reads behind it."""
    steps: int
    """Of the search at one place of the text, at most."""


def bounds(regex: str) -> Bounds:
    """Return the bounds of a pattern.

    Raises:
        ValueError: when it cannot be used; the message says why, and where, and holds nothing of it.
    """
    whole = _Reader(regex).whole()
    if whole.shortest == 0:
        raise ValueError("it could match nothing at all")
    if whole.longest > LONGEST:
        raise ValueError(f"it could match {whole.longest} characters, more than {LONGEST}")
    if whole.steps > MOST_STEPS:
        raise ValueError(
            f"it could take more than {MOST_STEPS} steps at each character of a text; give repetitions smaller bounds,"
            " or put between them what neither can match"
        )
    try:
        re.compile(regex)
    except re.error:  # another version of Python may refuse what this one takes
        raise ValueError("it is not a regular expression of Python") from None
    return Bounds(whole.longest, whole.steps)


def bounds_of(patterns: Sequence[Pattern]) -> list[Bounds]:
    """Return the bounds of a component's patterns; raises ValueError with a sentence on one that cannot be used."""
    found: list[Bounds] = []
    for pattern in patterns:
        try:
            found.append(bounds(pattern.regex))
        except ValueError as error:
            raise ValueError(f"the pattern of {pattern.type} cannot be used: {error}") from None
    steps = sum(one.steps for one in found)
    if steps > MOST_STEPS_TOGETHER:
        raise ValueError(f"the patterns together could take {steps} steps at a character, over {MOST_STEPS_TOGETHER}")
    return found


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, regex: str) -> None:
        self._regex = regex
        self._folds = regex.startswith(_INSENSITIVE)
        self._at = len(_INSENSITIVE) if self._folds else 0

    def whole(self) -> Part:
        part = self._alternatives(0)
        if self._at < len(self._regex):
            raise self._fault("a ) without its (")
        return part

    def _alternatives(self, depth: int) -> Part:
        """Read up to the end of the group."""
        found = [self._sequence(depth)]
        while self._takes("|"):
            found.append(self._sequence(depth))
        return one_of(found)

    def _sequence(self, depth: int) -> Part:
        parts: list[Part] = []
        while self._next() not in {"", "|", ")"}:
            parts.append(self._maybe_repeated(self._atom(depth)))
        whole = NOTHING
        for part in reversed(parts):
            whole = followed(part, whole)
        return whole

    def _maybe_repeated(self, part: Part) -> Part:
        if self._next() in _UNBOUNDED:
            raise self._fault("* and + have no bound; say how often at most, such as {1,64}")
        found = _QUANTIFIER.match(self._regex, self._at)
        if found is None:
            return part
        if not part.first:
            raise self._fault("there is nothing to repeat")
        times, fewest, most = found.groups()
        low, high = (0, 1) if found.group() == "?" else (int(times or fewest or 0), int(times or most))
        if low > high:
            raise self._fault("the fewest are more than the most")
        self._at = found.end()
        self._takes("?")
        if self._next() in _REPETITIONS:
            raise self._fault("a repetition of a repetition")
        return repeated(part, low, high)

    def _atom(self, depth: int) -> Part:
        sign = self._next()
        if sign == "(":
            return self._group(depth)
        if sign == "[":
            return character(self._class())
        if sign == "\\":
            return self._escape()
        if sign in _ANCHORS:
            raise self._fault("^ and $ mean nothing for a value within a text; use \\b")
        if sign in _REPETITIONS:
            raise self._fault("there is nothing to repeat; a sign that is meant needs a \\ before it")
        self._at += 1
        return character(ANY - {"\n"} if sign == "." else self._cases(sign))

    def _group(self, depth: int) -> Part:
        if depth >= DEEPEST:
            raise self._fault(f"more than {DEEPEST} groups within groups")
        begin = self._at
        opening = next(one for one in _OPENINGS if self._takes(one))
        if self._next() == "?":
            raise self._fault("such groups are not supported")
        inner = self._alternatives(depth + 1)
        if not self._takes(")"):
            raise self._fault("a ( without its )", begin)
        if opening in _AHEAD:
            return lookaround(inner, ahead=True)
        if opening in _BEHIND and inner.shortest != inner.longest:
            raise self._fault("what a lookbehind reads must be of one length", begin)
        return lookaround(inner, ahead=False) if opening in _BEHIND else inner

    def _class(self) -> Characters:
        begin = self._at
        self._at += 1
        negated = self._takes("^")
        of = self._member(begin)
        while not self._takes("]"):
            of |= self._member(begin)
        if not negated:
            return of
        # With cases folded, `of` has letters that may match all the same.
        return ANY - {sign for sign in of if sign < OTHER and not (self._folds and sign.isalpha())}

    def _member(self, begin: int) -> Characters:
        """Read one character of a class, one set, or a range."""
        if not self._next():
            raise self._fault("a class without its ]", begin)
        if self._next() in {"[", "]"} or self._regex[self._at : self._at + 2] in _ODD_IN_CLASS:
            raise self._fault("a sign within a class that needs a \\ before it")
        start = self._single()
        is_range = self._next() == "-" and self._regex[self._at + 1 : self._at + 2] not in {"", "]"}
        if isinstance(start, frozenset) or not is_range:
            return start if isinstance(start, frozenset) else self._cases(start)
        self._at += 1
        end = self._single()
        if isinstance(end, frozenset) or end < start:
            raise self._fault("a range that ends before it begins")
        low, high = (min(ord(sign), ord(OTHER)) for sign in (start, end))
        return NO_CHARACTER.union(*(self._cases(chr(code)) for code in range(low, high + 1)))

    def _single(self) -> str | Characters:
        if self._next() == "\\":
            return self._escaped()
        self._at += 1
        return self._regex[self._at - 1]

    def _escape(self) -> Part:
        if self._takes("\\b") or self._takes("\\B"):
            return PLACE
        of = self._escaped()
        return character(of if isinstance(of, frozenset) else self._cases(of))

    def _escaped(self) -> str | Characters:
        name = self._regex[self._at + 1 : self._at + 2]
        if not name or (name.isalnum() and name.lower() not in SETS and name not in _CONTROLS):
            raise self._fault("this use of \\ is not supported")
        self._at += 2
        if name.lower() in SETS:
            return SETS[name] if name in SETS else (ANY - SETS[name.lower()]) | {OTHER}
        return _CONTROLS.get(name, name)

    def _cases(self, sign: str) -> Characters:
        """Return a character as the search compares it: beyond ASCII there are more cases of some letters."""
        if sign >= OTHER:
            return frozenset({OTHER}) if not self._folds else frozenset({OTHER, *"iIkKsS"})
        return frozenset({sign, sign.swapcase(), OTHER}) if self._folds and sign.isalpha() else frozenset({sign})

    def _next(self) -> str:
        return self._regex[self._at : self._at + 1]

    def _takes(self, text: str) -> bool:
        taken = self._regex.startswith(text, self._at)
        self._at += len(text) if taken else 0
        return taken

    def _fault(self, what: str, at: int | None = None) -> ValueError:
        return ValueError(f"at character {(self._at if at is None else at) + 1}: {what}")
