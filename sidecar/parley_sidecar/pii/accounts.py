"""IBANs: country, length and check digits, or the right length after the word."""

import re
from collections.abc import Iterator
from typing import Final

from parley_sidecar.pii.check_digits import mod97
from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.view import View

_CHECK: Final = re.compile(r"[0-9](?<=[A-Za-z][A-Za-z .-][0-9])[0-9](?=[ .-]?[A-Za-z0-9])")
_COUNTRY: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[ .-]?\Z")
_COUNTRY_REACH: Final = 4
_BETWEEN: Final = frozenset(" .-")
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
_WORD_REACH: Final = 32


def ibans(view: View) -> Iterator[Span]:
    """Return the IBANs, printed in groups or not."""
    text = view.text
    for check in _CHECK.finditer(text):
        country = _COUNTRY.search(text, max(0, check.start() - _COUNTRY_REACH), check.start())
        length = _LENGTHS.get(country.group()[:2].upper()) if country else None
        if country is None or length is None:
            continue
        start = country.start()
        end, account = _taken(text, start, length)
        if len(account) != length or (text[end : end + 1].isalnum() and text[end].isascii()):
            continue
        if mod97(account) or "iban" in view.lower[max(0, start - _WORD_REACH) : start]:
            yield Span(start, end, "IBAN")


def _taken(text: str, start: int, length: int) -> tuple[int, str]:
    """Return where so many letters and digits end, and what they are without what separates them."""
    characters: list[str] = []
    end = start
    for end in range(start, min(len(text), start + 2 * length)):
        character = text[end]
        if character.isalnum() and character.isascii():
            characters.append(character)
            if len(characters) == length:
                return end + 1, "".join(characters).upper()
        elif character not in _BETWEEN or text[end - 1] in _BETWEEN:
            break
    return end, ""
