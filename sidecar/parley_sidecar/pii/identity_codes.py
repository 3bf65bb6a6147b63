"""National identity codes of letters and digits: by shape and check letter, or by their word. Used by `codes`."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from parley_sidecar.pii import labels
from parley_sidecar.pii.check_digits import weighted
from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.view import View

_SPANISH: Final = "TRWAGMYFPDXBNJZSQVHLCKE"
_FINNISH: Final = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_NOT_NINO: Final = frozenset({"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"})
_TAIWANESE: Final = "ABCDEFGHJKLMNPQRSTUVXYWZIO"
"""Letters in the order of their numbers, from 10 on."""
_ITALIAN_ODD: Final = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", (
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22,
    25, 24, 23,
), strict=True))  # fmt: skip


def _dni(code: str) -> bool:
    return _SPANISH[int(code[:8]) % 23] == code[8]


def _nie(code: str) -> bool:
    return _SPANISH[int(str("XYZ".index(code[0])) + code[1:8]) % 23] == code[8]


def _nric(code: str) -> bool:
    total = weighted(code[1:8], (2, 7, 6, 5, 4, 3, 2)) + (4 if code[0] in "TG" else 3 if code[0] == "M" else 0)
    letters = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "M": "XWUTRQPNJLK"}.get(code[0], "XWUTRQPNMLK")
    return code[8] in {letters[total % 11], letters[10 - total % 11]}


def _nino(code: str) -> bool:
    return code[:2] not in _NOT_NINO and code[0] not in "DFIQUV" and code[1] not in "DFIQUVO"


def _taiwan(code: str) -> bool:
    number = _TAIWANESE.index(code[0]) + 10
    return (number // 10 + number % 10 * 9 + weighted(code[1:], (8, 7, 6, 5, 4, 3, 2, 1, 1))) % 10 == 0


def _italian(code: str) -> bool:
    total = sum(_ITALIAN_ODD[character] for character in code[0:15:2])
    total += sum(int(c) if c.isdigit() else ord(c) - ord("A") for c in code[1:15:2])
    return chr(total % 26 + ord("A")) == code[15]


def _dated(at: int) -> Callable[[str], bool]:
    """Return a check of a year, a month and a day at a place of the code."""
    return lambda code: 1 <= int(code[at + 2 : at + 4]) <= 12 and 1 <= int(code[at + 4 : at + 6]) <= 31  # noqa: PLR2004


def _licence(code: str) -> bool:
    return 1 <= int(code[6:8]) % 50 <= 12 and 1 <= int(code[8:10]) <= 31  # noqa: PLR2004


def _pension(code: str) -> bool:
    return 1 <= int(code[2:4]) <= 31 and 1 <= int(code[4:6]) <= 12  # noqa: PLR2004


def _any(_code: str) -> bool:
    return True


SHAPES: Final[dict[int, tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...]]] = {
    9: (
        (re.compile(r"[0-9]{8}[A-Z]"), _dni),
        (re.compile(r"[XYZ][0-9]{7}[A-Z]"), _nie),
        (re.compile(r"[STFGM][0-9]{7}[A-Z]"), _nric),
        (re.compile(r"[A-Z]{2}[0-9]{6}[A-D]"), _nino),
    ),
    10: (
        (re.compile(r"[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]"), _any),  # India, PAN
        (re.compile(r"[A-Z][1289][0-9]{8}"), _taiwan),
    ),
    12: ((re.compile(r"[0-9]{8}[A-Z][0-9]{3}"), _pension),),  # Germany, pension insurance
    13: ((re.compile(r"[A-Z]{4}[0-9]{6}[A-Z0-9]{3}"), _dated(4)),),  # Mexico, RFC
    16: (
        (re.compile(r"[A-Z]{6}[0-9LMNPQRSTUV]{2}[A-EHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]"), _italian),
        (re.compile(r"[A-Z9]{5}[0-9]{6}[A-Z9]{2}[A-Z0-9]{3}"), _licence),  # United Kingdom, driving licence
    ),
    18: ((re.compile(r"[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[A-Z0-9][0-9]"), _dated(4)),),  # Mexico, CURP
}
"""By length. A code with check letters or a date is one without any word."""
_CODE: Final = bytes(
    ord("A")
    if chr(code).isdigit() or chr(code).isupper()
    else ord("a")
    if chr(code).islower() or chr(code) == "_"
    else 32
    for code in range(128)
).ljust(256)
"""A is what may be in a code, a what may not stand beside one."""
_SHORTEST_CODE: Final = b"A" * min(SHAPES)
_LONGEST_CODE: Final = max(SHAPES)
_BESIDE: Final = frozenset({b"", b" "})
_LETTERS: Final = re.compile(r"[A-Za-z]")
_LABELLED: Final = re.compile(
    r"[A-Z0-9](?<![A-Za-z0-9][A-Z0-9])(?<![0-9A-Fa-f]{4}-[A-Z0-9])"  # not from the middle of a UUID
    r"(?=[A-Za-z]{0,4}[ -]?[A-Za-z]{0,2}[0-9]|[0-9]{0,12}[A-Za-z -])"
    r"(?:[A-Za-z0-9]|[ -](?=[A-Z0-9]{0,8}[0-9])|-(?=[A-Z0-9])){4,22}(?![A-Za-z0-9])"
    r"(?: ?\([0-9A]\))?"
)
_FEWEST_DIGITS: Final = 4
_LONGEST: Final = 26
_CAPITALS: Final = re.compile(r"[A-Z0-9]{8,12}")


def labelled_codes(view: View) -> Iterator[Span]:
    """Return the codes behind their word."""
    if view.has_digits:
        for end in labels.places(view, "id"):
            yield from _labelled(view, end)


def is_hetu(code: str) -> bool:
    """Say whether the check letter of Finland's code is right."""
    return _FINNISH[int(code[:6] + code[7:10]) % 31] == code[10]


def shaped_codes(view: View) -> Iterator[Span]:
    """Return the codes that have a shape that only codes have."""
    shape = view.ascii.translate(_CODE)
    at = shape.find(_SHORTEST_CODE)
    while at >= 0:
        block = shape[at : at + _LONGEST_CODE + 1]
        end = at + len(block) - len(block.lstrip(b"A"))
        if end - at in SHAPES and shape[at - 1 : at] in _BESIDE and shape[end : end + 1] in _BESIDE:
            code = view.text[at:end]
            if _is_shaped(code):
                yield Span(at, end, "NATIONAL_ID")
        at = shape.find(_SHORTEST_CODE, end)


def _is_shaped(code: str) -> bool:
    shapes = () if code.isalpha() or code.isdigit() else SHAPES[len(code)]
    return any(shape.fullmatch(code) and check(code) for shape, check in shapes)


def _labelled(view: View, end: int) -> Iterator[Span]:
    """Return the codes behind a word that ends there; several letters and few digits are one in capitals only."""
    for found in _LABELLED.finditer(view.text, end, end + labels.REACH + _LONGEST):
        value = found.group()
        digits = sum(map(str.isdigit, value))
        if not _LETTERS.search(value) or (digits < _FEWEST_DIGITS and not (digits > 1 and _CAPITALS.fullmatch(value))):
            continue
        if labels.before(view, found.start()) == "id":
            yield Span(found.start(), found.end(), "NATIONAL_ID")
