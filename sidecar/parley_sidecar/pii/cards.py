"""Payment cards: a known prefix with its length and the right check digit, or any such number after a card's word."""

from itertools import pairwise
from typing import Final

from parley_sidecar.pii.check_digits import luhn
from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.runs import Run

_BRANDS: Final[tuple[tuple[int, int, frozenset[int]], ...]] = (
    (340000, 349999, frozenset({15})),  # American Express
    (370000, 379999, frozenset({15})),
    (400000, 499999, frozenset({13, 16, 19})),  # Visa, Elo
    (510000, 559999, frozenset({16})),  # Mastercard
    (222100, 272099, frozenset({16})),
    (601100, 601199, frozenset({16, 19})),  # Discover
    (644000, 659999, frozenset({16, 19})),  # Discover, RuPay, Troy, Elo
    (300000, 305999, frozenset({14, 16, 19})),  # Diners Club
    (309500, 309599, frozenset({14, 16, 19})),
    (360000, 369999, frozenset({14, 16, 19})),
    (380000, 399999, frozenset({14, 16, 19})),
    (352800, 358999, frozenset({16, 17, 18, 19})),  # JCB
    (620000, 629999, frozenset({16, 17, 18, 19})),  # UnionPay
    (810000, 829999, frozenset({16, 17, 18, 19})),  # UnionPay, RuPay
    (500000, 509999, frozenset({13, 14, 15, 16, 17, 18, 19})),  # Maestro, Verve, Elo, RuPay
    (560000, 589999, frozenset({13, 14, 15, 16, 17, 18, 19})),
    (600000, 600999, frozenset({16})),  # RuPay, Hipercard
    (606000, 608999, frozenset({16})),
    (630000, 639999, frozenset({13, 14, 15, 16, 17, 18, 19})),  # Maestro, InstaPayment
    (670000, 679999, frozenset({13, 14, 15, 16, 17, 18, 19})),
    (220000, 220499, frozenset({16, 17, 18, 19})),  # Mir
    (979200, 979299, frozenset({16})),  # Troy
    (860000, 860099, frozenset({16})),  # Uzcard
    (986000, 986099, frozenset({16})),  # Humo
    (190000, 199999, frozenset({15})),  # UATP
)
"""First and last issuer number of six digits, and the lengths. Source: the schemes' published ranges (ISO/IEC 7812)."""
_BY_TWO: Final = {
    f"{two:02d}": tuple(brand for brand in _BRANDS if brand[0] // 10000 <= two <= brand[1] // 10000)
    for two in range(100)
}
"""The ranges by the number's first two digits."""
_SHORTEST_BARE: Final = 14
"""Ungrouped numbers of fewer digits are barcodes and timestamps as often as cards."""


def is_card(digits: str, *, grouped: bool) -> bool:
    """Say whether digits are a card's by prefix, length and check digit."""
    if not grouped and len(digits) < _SHORTEST_BARE:
        return False
    issuer = int(digits[:6])
    for low, high, lengths in _BY_TWO.get(digits[:2], ()):
        if low <= issuer <= high and len(digits) in lengths:
            return luhn(digits)
    return False


_QUARTET: Final = 4
_STEP: Final = 32
_FEWEST: Final = 12
_MOST: Final = 19
_USUAL: Final = (16, 15, 14, 19, 13, 18, 17, 12)
"""Lengths in the order of how many cards have them."""
_SEPARATORS: Final = frozenset({"", " ", "-", ".", "  ", " - ", "/"})


def _is_table(run: Run, first: int, last: int) -> bool:
    """Say whether groups count up, as in a table, or are a decimal fraction."""
    if last == first:
        return False
    if run.separators[first + 1] == "." and len(run.digits[first]) != _QUARTET:
        return True
    numbers = [int(digits) for digits in run.digits[first : last + 1][:3]]
    steps = [behind - before for before, behind in pairwise(numbers)]
    return len(steps) > 1 and all(0 < step < _STEP for step in steps)


def _lengths(run: Run, index: int) -> dict[int, int]:
    """Return the numbers of digits that a card may have here, and the last group of each; separators are all alike."""
    lengths: dict[int, int] = {}
    between, total = None, 0
    for last in range(index, len(run.digits)):
        total += len(run.digits[last])
        if last > index:
            separator = run.separators[last]
            if separator != between and (between is not None or separator not in _SEPARATORS):
                break
            between = separator
        if total > _MOST:
            break
        if total >= _FEWEST:
            lengths[total] = last
    return lengths


def card(run: Run, index: int) -> Span | None:
    """Read a card's number."""
    first = run.digits[index]
    if run.label != "card" and len(first) > 1 and not _BY_TWO[first[:2]]:
        return None
    lengths = _lengths(run, index)
    lasts = [lengths[digits] for digits in _USUAL if digits in lengths] if lengths else []
    for last in lasts:
        if is_card(run.joined(index, last), grouped=last > index) and not _is_table(run, index, last):
            return Span(run.starts[index], run.ends[last], "CREDIT_CARD")
    return Span(run.starts[index], run.ends[lasts[0]], "CREDIT_CARD") if lasts and run.label == "card" else None
