"""Places: street addresses, PO boxes, and US ZIP codes behind a state."""

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
_SUFFIX_WORDS: Final = frozenset(_SUFFIXES.lower().split("|"))
_STATES: Final = (
    "A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|V[AT]|"
    "W[AIVY]"
)
_STATE: Final = re.compile(rf"\b(?:{_STATES}),? \Z")
_STATE_REACH: Final = 5
_ZIP: Final = re.compile(r"[0-9](?<=[A-Z,] [0-9])[0-9]{4}(?:-[0-9]{4})?(?![0-9-])")


def places(view: View) -> Iterator[Span]:
    """Return the addresses."""
    if not view.has_digits:
        return
    if "box" in view.words:
        for box in _BOX.finditer(view.text):
            yield Span(box.start(), box.end(), "PO_BOX")
    if not view.words.isdisjoint(_SUFFIX_WORDS):
        for pattern in (_STREET, _LOWER_STREET):
            for street in pattern.finditer(view.text):
                yield Span(street.start(), street.end(), "STREET_ADDRESS")
    for code in _ZIP.finditer(view.text):
        if _STATE.search(view.text, max(0, code.start() - _STATE_REACH), code.start()):
            yield Span(code.start(), code.end(), "ZIP_CODE")
