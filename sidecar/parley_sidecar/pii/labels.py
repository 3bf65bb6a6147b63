"""What the words before a value say it is: the evidence that its shape cannot give. Used by the detectors of numbers.

The nearest word that means something decides; one such as "order" or "timestamp" says that it is nothing personal.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

from parley_sidecar.pii.label_words import ABBREVIATIONS, CAPITALS, IDEOGRAPHS, PAIRS, STEMS, WORDS, Label
from parley_sidecar.pii.view import View

REACH: Final = 42
"""How many characters before a value are read: a label, a verb and a little more."""
_WORD: Final = re.compile(r"[^\W\d_]+")
_SECONDS: Final = frozenset(second for _, second in PAIRS)
_TELLING: Final = (
    frozenset(word for word, label in WORDS.items() if label != "none") | _SECONDS | {word.lower() for word in CAPITALS}
)
_BEGINNING: Final = 4
_BEGINNINGS: Final = {
    beginning: tuple((stem, label) for stem, label in STEMS.items() if stem.startswith(beginning))
    for beginning in {stem[:_BEGINNING] for stem in STEMS}
}
"""The stems by their first letters."""
_NOTHING: Final = frozenset(word for word, label in WORDS.items() if label == "none")
_IDEOGRAPHS: Final = dict(IDEOGRAPHS)
_IDEOGRAPH: Final = re.compile("|".join(map(re.escape, sorted(_IDEOGRAPHS, key=len, reverse=True))))
_PREVIOUS: Final = re.compile(r"([^\W\d_]+)[\W\d_]{0,3}\Z")
_PREVIOUS_REACH: Final = 20
_AFTER: Final = re.compile(
    r"[\"'”]?\s{0,2}(?:\(|,? ?(?:is|was|are|as|ist|est|es|è) "
    r"(?:my|his|her|the|our|your|their|its|a|meine?|mon|ma|mi|la|el|il)?"
    r" ?)([^\W\d_]+)(?: ([^\W\d_]+))?"
)
"""What follows a value and names it: "(mobile)", "is my number"."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The telling words of a text: where each begins and ends, in the order of their ends, and what it says."""

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    labels: tuple[Label, ...]


def before(view: View, start: int) -> Label | None:
    """Return what the nearest telling word before `start` says; None if none does."""
    marks = _marks(view)
    index = bisect_right(marks.ends, start) - 1
    if index < 0 or marks.ends[index] <= start - REACH:
        return None
    said = marks.labels[index]
    return "none" if said != "none" and is_nothing(view, start, start - marks.ends[index]) else said


def is_nothing(view: View, start: int, reach: int) -> bool:
    """Say whether a word in so many characters before `start` says that a number is nothing personal."""
    return not _NOTHING.isdisjoint(_WORD.findall(view.lower, max(0, start - reach), start))


def after(view: View, end: int) -> Label | None:
    """Return what the words right behind a value say it is."""
    match = _AFTER.match(view.lower, end)
    if match is None:
        return None
    first, second = match.groups()
    return (
        (PAIRS.get((first, second)) or WORDS.get(second) if second else None)
        or WORDS.get(first)
        or PAIRS.get(("my", first))
    )


def around(view: View, start: int, end: int) -> Label | None:
    """Return what the words before a value say, or else those behind it."""
    return before(view, start) or after(view, end)


def places(view: View, label: Label) -> list[int]:
    """Return where the words end that say `label`."""
    marks = _marks(view)
    return [end for end, said in zip(marks.ends, marks.labels, strict=True) if said == label]


def _marks(view: View) -> Marks:
    if not isinstance(view.marks, Marks):
        view.marks = _marked(view)
    return view.marks


def _marked(view: View) -> Marks:
    found: dict[int, tuple[int, Label]] = {}
    inflected = [word for word in view.words if word[:_BEGINNING] in _BEGINNINGS and _inflected(word)]
    for word in (view.words & _TELLING).union(inflected):
        at = view.lower.find(word)
        while at >= 0:
            end = at + len(word)
            label = _label(view, word, at, end) if _is_word(view.text, at, end) else None
            if label:
                found[end] = (at, label)
            at = view.lower.find(word, end)
    for short, said in ABBREVIATIONS:
        at = view.text.find(short)
        while at >= 0:
            if not view.text[at + len(short) : at + len(short) + 1].isalpha():
                found[at + len(short)] = (at, said)
            at = view.text.find(short, at + len(short))
    if not view.text.isascii():
        for sign in _IDEOGRAPH.finditer(view.text):
            found[sign.end()] = (sign.start(), _IDEOGRAPHS[sign.group()])
    ends = sorted(found)
    return Marks(tuple(found[end][0] for end in ends), tuple(ends), tuple(found[end][1] for end in ends))


def _label(view: View, word: str, start: int, end: int) -> Label | None:
    """Return what a word says where it stands: with the word before it, or alone."""
    paired = None
    if word in _SECONDS:
        previous = _PREVIOUS.search(view.lower, max(0, start - _PREVIOUS_REACH), start)
        paired = PAIRS.get((previous.group(1), word)) if previous else None
    alone = not view.text[start - 1 : start].isalpha()
    return paired or (CAPITALS.get(view.text[start:end]) if alone else None) or WORDS.get(word) or _inflected(word)


def _inflected(word: str) -> Label | None:
    stems = _BEGINNINGS.get(word[:_BEGINNING], ())
    return next((label for stem, label in stems if word.startswith(stem)), None)


def _is_word(text: str, start: int, end: int) -> bool:
    """Say whether no word goes on here: a hump of camelCase ends one; letters among a hash's digits are none."""
    before, behind = text[start - 1 : start], text[end : end + 2]
    if before.isdigit() or (behind[:1].isdigit() and behind[1:].isalnum() and not behind[1:] > "f"):
        return False
    begins = not before.isalpha() or (before.islower() and text[start].isupper())
    return begins and (not behind[:1].isalpha() or (text[end - 1].islower() and behind[0].isupper()))
