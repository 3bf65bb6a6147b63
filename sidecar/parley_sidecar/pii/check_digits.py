"""Check digits: the arithmetic that tells a number from a number of that kind. Used by the detectors of numbers."""

import hashlib
from collections.abc import Iterable
from operator import mul
from typing import Final

_VERHOEFF_D: Final = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 4, 0, 6, 7, 8, 9, 5), (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7), (4, 0, 1, 2, 3, 9, 5, 6, 7, 8), (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2), (7, 6, 5, 9, 8, 2, 1, 0, 4, 3), (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)  # fmt: skip
_VERHOEFF_P: Final = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 5, 7, 6, 2, 8, 3, 0, 9, 4), (5, 8, 0, 3, 7, 9, 6, 1, 4, 2),
    (8, 9, 1, 6, 0, 4, 3, 5, 2, 7), (9, 4, 5, 3, 1, 2, 6, 8, 7, 0), (4, 2, 8, 6, 5, 7, 3, 9, 0, 1),
    (2, 7, 9, 3, 8, 0, 6, 4, 1, 5), (7, 0, 4, 6, 9, 1, 3, 2, 5, 8),
)  # fmt: skip
_DOUBLED: Final = str.maketrans("0123456789", "0246813579")
"""Each digit to the sum of the digits of its double."""
_NUMBERED: Final = {ord("A") + place: str(place + 10) for place in range(26)}
_BASE58: Final = {c: n for n, c in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")}
_RIPPLE: Final = {c: n for n, c in enumerate("rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz")}


def luhn(digits: str) -> bool:
    """Say whether the last digit is right. Source: ISO/IEC 7812-1, annex B."""
    read = (digits[-1::-2] + digits[-2::-2].translate(_DOUBLED)).encode()  # their codes, which are summed in one go
    return (sum(read) - len(read) * ord("0")) % 10 == 0


def mod97(account: str) -> bool:
    """Say whether an IBAN's two digits are right. Source: ISO 7064 MOD 97-10, ISO 13616."""
    return int((account[4:] + account[:4]).translate(_NUMBERED)) % 97 == 1


def verhoeff(digits: str) -> bool:
    """Say whether the last digit is right, by Verhoeff's dihedral scheme."""
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = _VERHOEFF_D[check][_VERHOEFF_P[place % 8][int(digit)]]
    return check == 0


def weighted(digits: str, weights: Iterable[int]) -> int:
    """Return the sum of each digit times its weight."""
    return sum(map(mul, map(int, digits), weights))


def base58_bytes(text: str, *, ripple: bool = False) -> bytes | None:
    """Return what base 58 stands for, in Bitcoin's alphabet or Ripple's; None if it is not base 58."""
    alphabet = _RIPPLE if ripple else _BASE58
    value = 0
    for character in text:
        digit = alphabet.get(character)
        if digit is None:
            return None
        value = value * 58 + digit
    zero = "r" if ripple else "1"
    leading = len(text) - len(text.lstrip(zero))
    return b"\0" * leading + value.to_bytes((value.bit_length() + 7) // 8, "big")


def base58_check(text: str, *, ripple: bool = False) -> bool:
    """Say whether the last four bytes are the double SHA-256 of those before. Source: Bitcoin's Base58Check."""
    raw = base58_bytes(text, ripple=ripple)
    if raw is None or len(raw) != 25:  # noqa: PLR2004 - version, hash of 20 bytes, check of 4
        return False
    return hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()[:4] == raw[-4:]
