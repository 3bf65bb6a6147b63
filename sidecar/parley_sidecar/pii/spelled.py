"""Numbers that are spelled digit by digit, such as "four one five, double five". Used by `pii.spans`."""

import re
from collections.abc import Iterator
from typing import Final

from parley_sidecar.pii import labels
from parley_sidecar.pii.cards import is_card
from parley_sidecar.pii.kinds import Kind, Span
from parley_sidecar.pii.view import View

_LANGUAGES: Final = (
    "zero one two three four five six seven eight nine",
    "null eins zwei drei vier fünf sechs sieben acht neun",
    "zéro un deux trois quatre cinq six sept huit neuf",
    "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "zero uno due tre quattro cinque sei sette otto nove",
    "zero um dois três quatro cinco seis sete oito nove",
    "nul een twee drie vier vijf zes zeven acht negen",
    "noll ett två tre fyra fem sex sju åtta nio",
    "zero jeden dwa trzy cztery pięć sześć siedem osiem dziewięć",
    "ноль один два три четыре пять шесть семь восемь девять",
)
_DIGITS: Final = {word: str(digit) for language in _LANGUAGES for digit, word in enumerate(language.split())} | {
    "oh": "0",
    "o": "0",
    "nought": "0",
    "niner": "9",
    "eine": "1",
    "une": "1",
    "zwo": "2",
    "meia": "6",
    "нуль": "0",
}
_TIMES: Final = {"double": 2, "doppel": 2, "doble": 2, "triple": 3}
_NAMES: Final = frozenset(_DIGITS) | frozenset(_TIMES)
_GATE: Final = _NAMES - {"o", "oh"}
_FEW_IN_A_ROW: Final = b"\1\1\1"
_NAME: Final = "|".join(sorted(_NAMES, key=len, reverse=True))
_SPELLED: Final = re.compile(rf"(?:{_NAME})(?:[\s,.\-–—/]{{0,3}}(?:{_NAME}|[0-9])){{4,}}(?![^\W\d_])")
_TOKEN: Final = re.compile(r"[^\W\d_]+|[0-9]")
_BETWEEN: Final = re.compile(r"[\s,.\-–—/]{0,3}\Z")
_FEWEST_DISTINCT: Final = 2
_FEWEST: Final = 7
_FEWEST_ALONE: Final = 9
_MOST: Final = 19
_COUNTING: Final = "01234567890123456789"
_KINDS: Final[dict[str, Kind]] = {"card": "CREDIT_CARD", "ssn": "US_SSN", "id": "NATIONAL_ID", "phone": "PHONE_NUMBER"}


def spelled(view: View) -> Iterator[Span]:
    """Return the numbers."""
    if len(view.words & _GATE) < _FEWEST_DISTINCT:
        return
    if _FEW_IN_A_ROW not in bytes(map(_NAMES.__contains__, view.spaced)):
        return
    for found in _SPELLED.finditer(view.lower):
        yield from _numbers(view, *found.span())


def _numbers(view: View, low: int, high: int) -> Iterator[Span]:
    """Return the numbers in a row of digits' names."""
    start, end, digits, words, times = 0, 0, "", 0, 1
    for token in _TOKEN.finditer(view.lower, low, high):
        word = token.group()
        digit = _DIGITS.get(word) or (word if word.isdigit() else None)
        joined = bool(digits) or times > 1
        if joined and (not _BETWEEN.match(view.text, end, token.start()) or not (digit or word in _TIMES)):
            yield from _judged(view, start, end, digits, words)
            digits, words, times, joined = "", 0, 1, False
        if not joined:
            start = token.start()
        if digit:
            digits, words, times = digits + digit * times, words + (word != digit), 1
        elif word in _TIMES:
            times = _TIMES[word]
        end = token.end()
    yield from _judged(view, start, end, digits, words)


def _judged(view: View, start: int, end: int, digits: str, words: int) -> Iterator[Span]:
    """Return the number if it is somebody's: named by a word, or long and no mere counting."""
    if not _FEWEST <= len(digits) <= _MOST or words * 2 < len(digits):
        return
    label = labels.around(view, labels.marks(view), start, end)
    if label in _KINDS:
        yield Span(start, end, _KINDS[label])
    elif len(digits) >= _FEWEST_ALONE and label != "none" and digits not in _COUNTING and digits not in _COUNTING[::-1]:
        yield Span(start, end, "CREDIT_CARD" if is_card(digits, grouped=True) else "PHONE_NUMBER")
