"""National identity numbers made of digits: by a shape that nothing else has, by check digits, or by their word.

Source of the shapes and check digits: each authority's own description, as collected in the OECD's list of tax
identification numbers.
"""

import re
from collections.abc import Callable
from typing import Final

from parley_sidecar.pii.check_digits import luhn, verhoeff, weighted
from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.runs import Run

Check = Callable[[str], bool]


def _month_day(month: str, day: str) -> bool:
    return 1 <= int(month) <= 12 and 1 <= int(day) <= 31  # noqa: PLR2004 - the calendar


def _year_first(digits: str) -> bool:
    return _month_day(digits[2:4], digits[4:6])


def _day_first(digits: str) -> bool:
    return _month_day(digits[2:4], digits[:2])


def _either(digits: str) -> bool:
    """A date of six digits, in either order; women's months begin at 51, coordination days at 61."""
    month, day = int(digits[2:4]), int(digits[4:6])
    first = 1 <= month % 50 <= 12 and 1 <= day % 60 <= 31  # noqa: PLR2004
    return first or _day_first(digits) or (1 <= month <= 12 and 41 <= int(digits[:2]) <= 71)  # noqa: PLR2004


def _any(_digits: str) -> bool:
    return True


def _french(digits: str) -> bool:
    return 97 - int(digits[:13]) % 97 == int(digits[13:]) and digits[0] in "123478"


def _chinese(digits: str) -> bool:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return _month_day(digits[10:12], digits[12:14]) and "10X98765432"[weighted(digits[:17], weights) % 11] == digits[17]


def _polish(digits: str) -> bool:
    month = int(digits[2:4]) % 20
    dated = 1 <= month <= 12 and 1 <= int(digits[4:6]) <= 31  # noqa: PLR2004
    return dated and weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def _belgian(digits: str) -> bool:
    number, check = int(digits[:9]), int(digits[9:])
    return _year_first(digits) and check in {97 - number % 97, 97 - (number + 2_000_000_000) % 97}


def _norwegian(digits: str) -> bool:
    first = weighted(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11
    second = weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11
    return _day_first(digits) and first == 0 == second


def _turkish(digits: str) -> bool:
    numbers = [int(digit) for digit in digits]
    tenth = (sum(numbers[0:9:2]) * 7 - sum(numbers[1:8:2])) % 10
    return digits[0] != "0" and tenth == numbers[9] and sum(numbers[:10]) % 10 == numbers[10]


def _baltic(digits: str) -> bool:
    first = weighted(digits, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    check = first if first < 10 else weighted(digits, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10  # noqa: PLR2004
    return digits[0] in "3456" and _year_first(digits[1:]) and check == int(digits[10])


def _brazilian(digits: str) -> bool:
    def check(part: str) -> int:
        rest = weighted(part, range(len(part) + 1, 1, -1)) * 10 % 11
        return rest % 10

    return len(set(digits)) > 1 and check(digits[:9]) == int(digits[9]) and check(digits[:10]) == int(digits[10])


def _romanian(digits: str) -> bool:
    rest = weighted(digits, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return digits[0] in "125678" and _year_first(digits[1:]) and (1 if rest == 10 else rest) == int(digits[12])  # noqa: PLR2004


def _balkan(digits: str) -> bool:
    check = 11 - weighted(digits, (7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return _day_first(digits) and digits[4] in "90" and (check if check < 10 else 0) == int(digits[12])  # noqa: PLR2004


def _south_african(digits: str) -> bool:
    return _year_first(digits) and digits[10] in "012" and luhn(digits)


def _eleven(digits: str) -> bool:
    return (
        _polish(digits)
        or _belgian(digits)
        or _norwegian(digits)
        or _turkish(digits)
        or _baltic(digits)
        or _brazilian(digits)
    )


def _thirteen(digits: str) -> bool:
    return _romanian(digits) or _balkan(digits) or _south_african(digits)


_END: Final = r"(?![0-9A-Za-z]|[-.][0-9])"
SHAPES: Final[tuple[tuple[tuple[int, ...], str, Check], ...]] = (
    ((3,), r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", _any),  # Brazil, CPF
    ((2,), r"[0-9]{2}\.[0-9]{3}\.[0-9]{3}/[0-9]{4}-[0-9]{2}", _any),  # Brazil, CNPJ
    ((3, 7, 11, 13), r"756\.?[0-9]{4}\.?[0-9]{4}\.?[0-9]{2}", _any),  # Switzerland, AHV
    ((2,), r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}", _any),  # Belgium
    ((6,), r"[0-9]{6}-[1-8][0-9]{6}", _year_first),  # Korea
    ((6,), r"[0-9]{6}[-+][0-9]{4}", _either),  # Sweden, Denmark
    ((8,), r"(?:19|20)[0-9]{6}[-+][0-9]{4}", lambda digits: _either(digits[2:])),  # Sweden, with its century
    ((6,), r"[0-9]{6}-[0-9]{5}", _day_first),  # Latvia
    ((6, 9, 10), r"[0-9]{6} ?/ ?[0-9]{3,4}", _either),  # Czechia, Slovakia
    ((3,), r"[0-9]{3}-[0-9]{3}-[0-9]{3}[ -][0-9]{2}", _any),  # Russia, SNILS
    ((1,), r"[0-9]-[0-9]{4}-[0-9]{5}-[0-9]{2}-[0-9]", _any),  # Thailand
    ((2,), r"(?:2[03467]|3[034])-[0-9]{8}-[0-9]", _any),  # Argentina, CUIT
    ((1, 2), r"[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-[0-9kK]", _any),  # Chile
    ((5,), r"[1-7][0-9]{4}-[0-9]{7}-[0-9]", _any),  # Pakistan
    ((6,), r"[0-9]{6}-[0-9]{2}-[0-9]{4}", _year_first),  # Malaysia
    ((3,), r"[0-9]{3}-[0-9]{4}-[0-9]{7}-[0-9]", _any),  # United Arab Emirates
    ((1,), r"[1278] [0-9]{2} (?:0[1-9]|1[0-2]|[2-9][0-9]) [0-9]{2} [0-9]{3} [0-9]{3}(?: [0-9]{2})?", _any),  # France
    ((15,), r"[12][0-9]{2}(?:0[1-9]|1[0-2]|[2-9][0-9])[0-9]{10}", _french),
    ((17, 18), r"[1-9][0-9]{5}(?:19|20)[0-9]{9}[0-9Xx]", lambda digits: _chinese(digits.upper())),  # China
    ((4,), r"[2-9][0-9]{3}[ -][0-9]{4}[ -][0-9]{4}(?! ?[0-9A-F]{4}(?![0-9A-Za-z]))", verhoeff),  # India, Aadhaar
    ((11,), r"[0-9]{11}", _eleven),
    ((6,), r"[0-9]{6} [0-9]{5}", _norwegian),
    ((13,), r"[0-9]{13}", _thirteen),
)
"""How many digits the first group has, the shape, and its check; no two shapes match the same text."""


def _beginning_with(digits: int) -> tuple[re.Pattern[str], tuple[Check, ...]]:
    shapes = [(shape, check) for firsts, shape, check in SHAPES if digits in firsts]
    return re.compile(f"(?:{'|'.join(f'({shape})' for shape, _ in shapes)}){_END}"), tuple(check for _, check in shapes)


_BY_FIRST: Final = {digits: _beginning_with(digits) for firsts, _, _ in SHAPES for digits in firsts}
"""The shapes as one pattern, and their checks, by the digits of the first group."""
FIRSTS: Final = frozenset(_BY_FIRST)
_LABELLED: Final = re.compile(r"[0-9](?:[ \-./]{0,2}[0-9]){4,19}(?:[ -]?[A-Za-z](?![A-Za-z0-9]))?(?![0-9])")
_NOT_DIGITS: Final = re.compile(r"[^0-9Xx]")
_FEWEST_LABELLED: Final = 6


def national(run: Run, index: int) -> Span | None:
    """Read a number of a shape, or with check digits, that only a national number has."""
    first = len(run.digits[index])
    if first not in _BY_FIRST or (first > 10 and run.glued):  # noqa: PLR2004 - part of a name
        return None
    pattern, checks = _BY_FIRST[first]
    found = pattern.match(run.view.text, run.starts[index])
    if found is None or found.lastindex is None:
        return None
    if not checks[found.lastindex - 1](_NOT_DIGITS.sub("", found.group())) or run.is_nothing(index):
        return None
    return Span(found.start(), found.end(), "NATIONAL_ID")


def labelled(run: Run, index: int) -> Span | None:
    """Read any digits after the word for a national number."""
    found = _LABELLED.match(run.view.text, run.starts[index])
    if found is None or sum(map(str.isdigit, found.group())) < _FEWEST_LABELLED:
        return None
    return Span(found.start(), found.end(), "NATIONAL_ID")
