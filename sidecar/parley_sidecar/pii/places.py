"""Places: street addresses and PO boxes; and the states before a ZIP code, for `codes`."""

import re
from collections.abc import Iterator
from typing import Final

from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.view import View

_BOX: Final = re.compile(
    r"\b(?:P\. ?O\.?|PO|Post(?:al)? Office|Post) ?Box:? ?#?[0-9]{1,6}(?:-[0-9]{1,4})?(?![0-9])", re.IGNORECASE
)
_SUFFIXES: Final = (
    "Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Drive|Dr|Lane|Ln|Court|Ct|Place|Pl|Square|Sq|Terrace|Ter|Way|Parkway|Pkwy"
    "|Highway|Hwy|Circle|Cir|Crescent|Close|Trail|Mews|Alley|Row|Walk|Quay"
)
_STREET: Final = re.compile(
    rf"[0-9](?<![\w.,/$€£-][0-9])[0-9]{{0,4}}[A-Za-z]?(?:-[0-9]{{1,4}})?,? (?:[NSEW]\.? |North |South |East |West )?"
    rf"(?:[A-Z0-9][\w'’.-]{{0,24}} ){{1,4}}(?:{_SUFFIXES})\b\.?(?:,? (?:Apt|Suite|Unit|Ste|#)\.? ?#?[A-Z0-9]{{1,6}}\b)?"
)
_LOWER_STREET: Final = re.compile(
    r"[0-9](?<![\w.,/$€£-][0-9])[0-9]{0,4}[a-z]? [a-z]{3,20} (?:street|avenue|boulevard)\b(?!\s+[a-z]{2,}s\b)"
)
_STREET_REACH: Final = 70
_STREET_END: Final = 40
"""What is read before and behind a word such as "Street"."""
_NAME: Final = r"[A-ZÀ-ÖØ-ÞŁŚŻ][\w'’.-]{1,24}"
_OF: Final = r"(?: (?:de|del|della|di|da|do|dos|la|las|los|le|les|el|des|du|l['’])){0,3}"
_ENDED: Final = re.compile(
    r"[A-ZÄÖÜ](?<![^\W_][A-ZÄÖÜ])[a-zäöüß-]{2,24}"
    r"(?:straße|strasse|str\.|gasse|weg|platz|allee|damm|ufer|gatan|vägen|gata|straat|laan) [0-9]{1,4} ?[a-z]?(?!\w)"
)
_ENDINGS: Final = (
    "straße ", "strasse ", "str. ", "gasse ", "weg ", "platz ", "allee ", "damm ", "ufer ", "gatan ", "vägen ",
    "straat ", "laan ",
)  # fmt: skip
_ENDED_SHAPE: Final = re.compile(rb"-0(?:(?<=aaa-0)|(?<=\|a-0)|(?<=aa--0))")
"""How these and the number look in a text's shape; begins with what can be skipped to."""
_ENDED_REACH: Final = 34
_ENDED_END: Final = 8
"""What is read before and behind an ending and its space."""
_NAMED: Final = re.compile(
    r"(?:Via|Viale|Piazza|Corso|Calle|Avenida|Plaza|Paseo|Rua|Travessa|Praça|ul\.|ulica|Ulica|Rue|rue)"
    rf"{_OF} ?{_NAME}(?: {_NAME}){{0,2}},? (?:n[.º°]? ?)?[0-9]{{1,4}}(?!\w)"
)
_NUMBERED: Final = re.compile(
    r"[0-9](?<![\w.,][0-9])[0-9]{0,3}(?: ?(?:bis|ter))?,? "
    r"(?:rue|avenue|boulevard|place|chemin|quai|impasse|allée|cours)"
    rf"{_OF} ?{_NAME}(?: {_NAME}){{0,2}}"
)
"""The number behind the street's name, or, as in France, before it."""
_NUMBER: Final = re.compile(r"[0-9](?<![\w.,][0-9])[0-9]{0,3}(?: ?(?:bis|ter))?,? \Z")
_NUMBER_REACH: Final = 11
_STREET_WORDS: Final = frozenset(
    """via viale piazza corso calle avenida plaza paseo rua travessa praça ul ulica rue avenue boulevard place chemin
    quai impasse allée cours""".split()
)
_SUFFIX_WORDS: Final = frozenset(_SUFFIXES.lower().split("|"))
_STATES: Final = (
    "A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|V[AT]|"
    "W[AIVY]"
)
_STATE: Final = re.compile(rf"\b(?:{_STATES}),? \Z")
_STATE_REACH: Final = 5


def places(view: View) -> Iterator[Span]:
    """Return the addresses."""
    if not view.has_digits:
        return
    if "box" in view.words:
        for box in _BOX.finditer(view.text):
            yield Span(box.start(), box.end(), "PO_BOX")
    yield from _streets(view)


def is_state(text: str, end: int) -> bool:
    """Say whether the name of a US state ends there, with what divides it from a ZIP code."""
    return _STATE.search(text, max(0, end - _STATE_REACH), end) is not None


def _streets(view: View) -> Iterator[Span]:
    for word in view.words & _SUFFIX_WORDS:
        for at in _ends(view.lower, f" {word}"):
            pattern = _STREET if view.text[at + 1].isupper() else _LOWER_STREET
            street = pattern.search(view.text, max(0, at - _STREET_REACH), at + _STREET_END)
            if street and street.end() > at:
                yield Span(street.start(), street.end(), "STREET_ADDRESS")
    yield from (Span(street.start(), street.end(), "STREET_ADDRESS") for street in _european(view))


def _ends(lower: str, word: str) -> Iterator[int]:
    """Return where a word begins behind which no letter follows."""
    at = lower.find(word)
    while at >= 0:
        if not lower[at + len(word) : at + len(word) + 1].isalpha():
            yield at
        at = lower.find(word, at + 1)


def _european(view: View) -> Iterator[re.Match[str]]:
    text, lower = view.text, view.lower
    for shape in _ENDED_SHAPE.finditer(view.shape):
        digit = shape.end() - 1
        if lower.endswith(_ENDINGS, 0, digit):
            yield from _ENDED.finditer(text, max(0, digit - _ENDED_REACH), digit + _ENDED_END)
    for word in view.words & _STREET_WORDS:
        for at in _ends(lower, word):
            number = _NUMBER.search(text, max(0, at - _NUMBER_REACH), at)
            street = _NAMED.match(text, at) or (_NUMBERED.match(text, number.start()) if number else None)
            if street and not text[at - 1 : at].isalpha():
                yield street
