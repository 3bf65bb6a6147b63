"""What the words before a value say it is: the evidence that its shape cannot give. Used by the detectors of numbers.

The nearest word that means something decides; one such as "order" or "timestamp" says that it is nothing personal.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from parley_sidecar.pii.foreign_words import foreign_words
from parley_sidecar.pii.label_words import ABBREVIATIONS, CAPITALS, PAIRS, STEMS, WORDS, Label
from parley_sidecar.pii.view import View

REACH: Final = 42
"""How many characters before a value are read: a label, a verb and a little more."""
_WORD: Final = re.compile(r"[^\W\d_]+")
_SECONDS: Final = frozenset(second for _, second in PAIRS)
_FIRSTS: Final = {
    second: {first: label for (first, other), label in PAIRS.items() if other == second} for second in _SECONDS
}
"""The words that give a second one its meaning."""
_TELLING: Final = frozenset(word for word, label in WORDS.items() if label != "none")
_ABBREVIATIONS: Final = {capitals.lower(): capitals for capitals in CAPITALS}
_BEGINNING: Final = 4
_SHORTEST_INFLECTED: Final = 5
_BEGINNINGS: Final = {
    beginning: tuple(stem for stem in STEMS if stem.startswith(beginning))
    for beginning in {stem[:_BEGINNING] for stem in STEMS}
}
"""The stems by their first letters."""
_NOTHING: Final = frozenset(word for word, label in WORDS.items() if label == "none")
_LABELS: Final = frozenset(WORDS.values())
_ABBREVIATED: Final = re.compile(r"\.(?<=[A-Za-z]\.)(?:[A-Zk]\.|č|IVA)|\. č")
"""What all of the abbreviations have in them."""
_PREVIOUS: Final = re.compile(r"[\W\d_]{0,3}([^\W\d_]+)")
"""The word before, read to the left."""
_PREVIOUS_REACH: Final = 20
_SHORTEST_GAP: Final = 3
"""In fewer characters there is no word and what divides it from the next."""
_AFTER: Final = re.compile(
    r"[\"'”]?\s{0,2}(?:\(|,? ?(?:is|was|are|as|ist|est|es|è) "
    r"(?:my|his|her|the|our|your|their|its|a|meine?|mon|ma|mi|la|el|il)?"
    r" ?)([^\W\d_]+)(?: ([^\W\d_]+))?"
)
"""What follows a value and names it: "(mobile)", "is my number"."""
_LEADS: Final = frozenset("\"'”(, \t\n\r")
"""What it begins with."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The telling words of a text: where each ends, in order, and what it says."""

    ends: list[int]
    labels: list[Label]


def before(view: View, start: int) -> Label | None:
    """Return what the nearest telling word before `start` says; None if none does."""
    return _before(view, marks(view), start)


def _before(view: View, found: Marks, start: int) -> Label | None:
    index = bisect_right(found.ends, start) - 1
    if index < 0 or (gap := start - found.ends[index]) >= REACH:
        return None
    said = found.labels[index]
    return "none" if said != "none" and gap >= _SHORTEST_GAP and is_nothing(view, start, gap) else said


def is_nothing(view: View, start: int, reach: int) -> bool:
    """Say whether a word in so many characters before `start` says that a number is nothing personal."""
    return not _NOTHING.isdisjoint(_WORD.findall(view.lower, max(0, start - reach), start))


def after(view: View, end: int) -> Label | None:
    """Return what the words right behind a value say it is."""
    if view.lower[end : end + 1] not in _LEADS:
        return None
    match = _AFTER.match(view.lower, end)
    if match is None:
        return None
    first, second = match.groups()
    return (
        (PAIRS.get((first, second)) or WORDS.get(second) if second else None)
        or WORDS.get(first)
        or PAIRS.get(("my", first))
    )


def around(view: View, found: Marks, start: int, end: int) -> Label | None:
    """Return what the words before a value say, or else those behind it; `found` are the view's `marks`."""
    return _before(view, found, start) or after(view, end)


def places(view: View, label: Label) -> list[int]:
    """Return where the words end that say `label`."""
    found = marks(view)
    return [end for end, said in zip(found.ends, found.labels, strict=True) if said == label]


def marks(view: View) -> Marks:
    """Return the telling words of a view; found once for all that ask."""
    if not isinstance(view.marks, Marks):
        view.marks = _marked(view)
    return view.marks


def _marked(view: View) -> Marks:
    found: dict[int, Label] = {}
    for word in sorted(_told(view), key=len):
        found.update(_said(view, word))
    for word in view.words.intersection(_ABBREVIATIONS):
        short = _ABBREVIATIONS[word]
        for at in _places(view, word):
            if view.text.startswith(short, at) and not view.text[at - 1 : at].isalpha():
                found[at + len(short)] = CAPITALS[short]
    if _ABBREVIATED.search(view.text):
        found.update(_abbreviated(view.text))
    found.update((end, said) for _, end, said in foreign_words(view) if said in _LABELS)
    ends = sorted(found)
    return Marks(ends, [found[end] for end in ends])


def _said(view: View, word: str) -> Iterator[tuple[int, Label]]:
    """Return where a word ends, and what it says there: with the word before it, or alone."""
    alone = WORDS.get(word) or _inflected(word)
    firsts = _FIRSTS.get(word)
    if firsts and view.words.isdisjoint(firsts):
        firsts = None
    for at in _places(view, word):
        label = (_paired(view, firsts, at) if firsts else None) or alone
        if label:
            yield at + len(word), label


def _told(view: View) -> set[str]:
    """Return the words of a text that tell something, alone or behind another."""
    words = view.words
    told = {
        word
        for word in words
        if len(word) >= _SHORTEST_INFLECTED and (stems := _BEGINNINGS.get(word[:_BEGINNING])) and word.startswith(stems)
    }
    told.update(words & _TELLING, (word for word in words & _SECONDS if not words.isdisjoint(_FIRSTS[word])))
    return told


def _abbreviated(text: str) -> Iterator[tuple[int, Label]]:
    for short, said in ABBREVIATIONS:
        at = text.find(short)
        while at >= 0:
            end = at + len(short)
            if not text[end : end + 1].isalpha():
                yield end, said
            at = text.find(short, end)


def _places(view: View, word: str) -> Iterator[int]:
    """Return where a word begins that is no part of another; what a hump of camelCase divides are two."""
    text, lower, length = view.text, view.lower, len(word)
    at = lower.find(word)
    while at >= 0:
        end = at + length
        begins = not at or not (before := text[at - 1]).isalnum() or (text[at].isupper() and before.islower())
        if begins and (not text[end : end + 1].isalnum() or _ends(text, end)):
            yield at
        at = lower.find(word, end)


def _ends(text: str, end: int) -> bool:
    """Say whether a word ends here although a letter or digit follows: no hash goes on, or a hump begins."""
    behind = text[end : end + 2]
    if behind[0].isdigit():
        return not behind[1:].isalnum() or behind[1:] > "f"
    return not behind[0].isalpha() or (text[end - 1].islower() and behind[0].isupper())


def _paired(view: View, firsts: dict[str, Label], start: int) -> Label | None:
    """Return what a word says together with the word before it."""
    previous = _PREVIOUS.match(view.lower[max(0, start - _PREVIOUS_REACH) : start][::-1])
    return firsts.get(previous.group(1)[::-1]) if previous else None


def _inflected(word: str) -> Label | None:
    stems = _BEGINNINGS.get(word[:_BEGINNING])
    if stems is None or not word.startswith(stems):
        return None
    return next(STEMS[stem] for stem in stems if word.startswith(stem))
