"""Codes of letters and digits: IBANs, identity codes, ZIP codes behind a state. Shapes find where they may be.

Each is looked for at the first of its digits, and only where the text's shape has the digits that all codes have.
"""

import re
from collections.abc import Iterator
from typing import Final

from parley_sidecar.pii.accounts import iban
from parley_sidecar.pii.identity_codes import is_hetu, labelled_codes, shaped_codes
from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.places import is_state
from parley_sidecar.pii.view import View

_CODES: Final = re.compile(
    r"[0-9](?<![0-9].)(?:"
    # Finland, with its century's sign
    r"(?P<hetu>[0-9]{5}[-+A-FU-Y][0-9]{3}[0-9A-Y](?![A-Za-z0-9])(?<![A-Za-z].{11}))"
    # a DNI or RUT with its dots or dash
    r"|(?P<dotted>(?<![A-Za-z].)(?:[0-9]?(?:\.[0-9]{3}){2}-?[A-Zk]|[0-9]{7}-[A-Z])(?![A-Za-z0-9]))"
    # what begins with letters
    r"|(?:(?<=[A-Za-z].)|(?<=[A-Za-z,][ .-].))(?:"
    # United Kingdom's NINO in groups
    r"(?P<nino>[0-9] [0-9]{2} [0-9]{2} ?[A-D](?![A-Za-z0-9]))"
    # an NIE with dashes, Hong Kong's identity card
    r"|(?P<card>(?:[0-9]{6}-[A-Z](?<=[XYZ]-.{9})|[0-9]{5} ?\([0-9A]\))(?![A-Za-z0-9]))"
    r"|(?P<zip>[0-9]{4}(?:-[0-9]{4}(?![0-9-])(?<=[A-Z,] .{10})|(?![0-9-])(?<=[A-Z,] .{5})))"
    r"))"
)
_LONG: Final = re.compile(rb"00000(?<!000000)(?:(?!0)(?<=[a|]-00000)|0(?:[-a|]000|00?-a|-?\[))")
"""The shapes of those that begin with five digits or more: behind a state, or before a sign, a letter or a bracket."""
_THREES: Final = b"-000-000"
_DOTTED: Final = re.compile(rb"-000-000-?a")
"""The shape of those with dots."""
_REST: Final = rb"(?=(?:-?[a0]){11}|-00-00-?a)"
"""The shape of the rest of the shortest IBAN, and of a NINO."""
_PAIR: Final = re.compile(rb"00(?:(?<=aa00)(?<![a0]aa00)|(?<=aa-00)(?<![a0]aa-00))" + _REST)
"""The shape of check digits behind a country, and of what follows."""
_TWOS: Final = b"-00-00"
_BEFORE: Final = {
    "nino": re.compile(r"(?<![A-Za-z0-9])[A-Z]{2} ?\Z"),
    "card": re.compile(r"(?<![A-Za-z0-9])(?:[A-Z]{1,2}|[XYZ]-)\Z"),
}
"""What stands before the digits."""
_LETTERS_REACH: Final = 4


def codes(view: View) -> Iterator[Span]:
    """Return the codes."""
    if not view.has_digits:
        return
    text, shape = view.text, view.shape
    for start in _starts(shape):
        span = _code(text, start)
        if span is not None:
            yield span
    for pair in _PAIR.finditer(shape):
        start = pair.start()
        span = _code(text, start) if shape.startswith(_TWOS, start + 2) else None
        span = span or iban(view, shape.rindex(b"aa", 0, start))
        if span is not None:
            yield span
    yield from shaped_codes(view)
    yield from labelled_codes(view)


def _starts(shape: bytes) -> Iterator[int]:
    """Return where a code may begin with a digit."""
    for long in _LONG.finditer(shape):
        yield long.start()
    if _THREES in shape:
        for dotted in _DOTTED.finditer(shape):
            start = dotted.start()
            yield max(0, start - 2 if shape[start - 2 : start - 1] == b"0" else start - 1)


def _code(text: str, start: int) -> Span | None:
    """Judge what begins at a digit by more than its shape."""
    found = _CODES.match(text, start)
    if found is None:
        return None
    sort = found.lastgroup
    if sort in _BEFORE:
        letters = _BEFORE[sort].search(text, max(0, start - _LETTERS_REACH), start)
        return Span(letters.start(), found.end(), "NATIONAL_ID") if letters else None
    if sort == "zip":
        return Span(start, found.end(), "ZIP_CODE") if is_state(text, start) else None
    return Span(start, found.end(), "NATIONAL_ID") if sort == "dotted" or is_hetu(found.group()) else None
