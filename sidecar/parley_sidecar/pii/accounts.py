"""IBANs: country, length and check digits, or the right length after the word."""

import re
from typing import Final

from parley_sidecar.pii.check_digits import mod97
from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.view import View

_SEPARATOR: Final = re.compile("[ .-]")
_LENGTHS: Final = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28,
    "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20,
    "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25,
    "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27,
    "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip
"""Characters by country. Source: SWIFT's IBAN registry."""
_SHAPES: Final = {
    length: re.compile(rf"[A-Za-z0-9](?:[ .-]?[A-Za-z0-9]){{{length - 1}}}") for length in set(_LENGTHS.values())
}
_WORD_REACH: Final = 32


def iban(view: View, start: int) -> Span | None:
    """Return the IBAN that begins there with two letters, printed in groups or not."""
    text = view.text
    length = _LENGTHS.get(text[start : start + 2].upper())
    if length is None:
        return None
    end, account = _taken(text, start, length)
    if len(account) != length or (text[end : end + 1].isalnum() and text[end].isascii()):
        return None
    if mod97(account) or "iban" in view.lower[max(0, start - _WORD_REACH) : start]:
        return Span(start, end, "IBAN")
    return None


def _taken(text: str, start: int, length: int) -> tuple[int, str]:
    """Return where so many letters and digits end, and what they are without what separates them."""
    found = _SHAPES[length].match(text, start)
    return (found.end(), _SEPARATOR.sub("", found.group()).upper()) if found else (start, "")
