"""Phone numbers: a country code, a grouping that only phones have, or a phone's word before any digits."""

import re
from typing import Final

from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.runs import Run

_COUNTRY: Final = re.compile(
    r"1|7|2[07]|3[0123469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
    r"|21[1-368]|22[0-9]|23[0-9]|24[0-9]|25[0-8]|26[0-9]|29[0179]|35[0-9]|37[0-8]|38[0-35-79]|42[013]|50[0-9]|59[0-9]"
    r"|67[02-9]|68[0-35-9]|69[0-2]|800|808|85[02356]|87[0-46]|88[0-368]|96[0-8]|97[0-79]|99[2-689]"
)
"""Country calling codes. Source: ITU-T E.164, list of assigned codes."""
_LONGEST: Final = {
    "1": 11, "7": 11, "33": 11, "34": 11, "31": 11, "32": 11, "41": 11, "45": 10, "47": 10, "48": 11, "30": 12,
    "44": 12, "46": 12, "61": 11, "65": 10, "91": 12, "90": 12, "86": 13, "82": 12, "81": 12, "27": 11, "51": 11,
    "56": 11, "57": 12,
}  # fmt: skip
"""Digits with the country code, where the plan has one length."""
_ANY_LENGTH: Final = 13
_AREA: Final = re.compile(r"0[1-9][0-9]{0,4}")
_POSTCODE: Final = re.compile(r"[0-9]{5}-[0-9]{4}(?![-0-9])|[0-9]+\.[0-9]+(?![-. ]?[0-9])")
"""A ZIP code and a decimal fraction, which have a leading zero too."""
_FRACTION: Final = re.compile(r"(?:[1-9][0-9]*\.[0-9]+|[0-9]{1,3}(?:\.[0-9]{1,3}){3})(?![-. ]?[0-9])")
"""A decimal fraction, or an IP address."""
_SIGNS: Final = frozenset("+(")
_FEWEST: Final = 7
_TABLE: Final = 5
"""More groups than this, all of one length, are a table or a dump."""
_NOT_DIGITS: Final = re.compile(r"[^0-9]")
_EXTENSION: Final = re.compile(
    r"[ ,;/-]{0,3}(?:ext(?:ension)?\.?|x|доб\.?|poste|durchwahl|int\.?)[ :.]?[0-9]{1,6}(?![0-9])", re.IGNORECASE
)
_SHAPED: Final = re.compile(
    r"(?:1[-. ])?(?:(?:\([2-9][0-9]{2}\)[-. ]{0,2}|[2-9][0-9]{2}[- /])[0-9]{3}[- ]?|[2-9][0-9]{2}\.[0-9]{3}\.)[0-9]{4}"
    r"(?![0-9]|[-.][0-9])"  # the Americas
    r"|[78][ -]?\(?[3-9][0-9]{2}\)?[ -]?[0-9]{3}[ -][0-9]{2}[ -]?[0-9]{2}(?![0-9])"  # Russia
    r"|1[3-9][0-9][ -][0-9]{4}[ -][0-9]{4}(?![0-9])"  # China
    r"|\([08]-[0-9]{2,3}\) ?[0-9]{5,6}(?![0-9])"  # Lithuania
    r"|\([0-9]{2,5}\)[ -]?[0-9]{2,5}(?:[ .-][0-9]{2,5}){0,3}(?![0-9])"  # an area code in brackets
)
SHAPED_FIRSTS: Final = frozenset({1, 3, 4, 7})
"""How many digits the first group of these may have when no bracket is before it."""
_SEPARATORS: Final = frozenset(" -./") | {
    " (",
    ") ",
    "(",
    ")",
    ")-",
    "-(",
    " - ",
    "  ",
    ". ",
    ") (",
    "/ ",
    " / ",
    " (0",
    ")(",
}


def international(run: Run, index: int) -> Span | None:
    """Read a + (or 00) and a country code."""
    first, start = run.digits[index], run.starts[index]
    doubled = first.startswith("00") and len(first) > 2  # noqa: PLR2004 - 00 alone is in `zero`
    signed = run.view.text[start - 1 : start] in _SIGNS and "+" in run.view.text[run.lead(index) : start]
    if not signed and not doubled:
        return None
    if _FRACTION.match(run.view.text, start) or (doubled and _is_zero_table(run, index)):
        return None
    digits = run.joined(index, min(index + 7, len(run.digits) - 1))[2 if doubled else 0 :]
    code = _COUNTRY.match(digits)
    if code is None:
        return None
    longest = _longest(digits) + (2 if doubled else 0)
    end = _extent(run, index, longest)
    total = len(run.joined(index, end))
    if total < _FEWEST + (3 if doubled else 0) or (doubled and end == index and run.label != "phone"):
        return None
    return _span(run, index, end)


def shaped(run: Run, index: int) -> Span | None:
    """Read a grouping of one country: the Americas', Russia's, China's, an area code in brackets."""
    lead = run.lead(index)
    if lead == run.starts[index] and len(run.digits[index]) not in SHAPED_FIRSTS:
        return None
    found = _SHAPED.match(run.view.text, lead)
    if found is None or run.glued or (index and run.view.text[lead - 1] in "-."):
        return None
    digits = _NOT_DIGITS.sub("", found.group())
    if len(digits) <= _FEWEST or not digits.strip("0") or run.is_nothing(index):
        return None
    return Span(lead, _with_extension(run, found.end()), "PHONE_NUMBER")


def _is_in_pairs(run: Run, index: int) -> bool:
    """Say whether a number is written two digits at a time, as in France."""
    return [len(digits) for digits in run.digits[index : index + 3]] == [2, 2, 2]


def _is_zero_table(run: Run, index: int) -> bool:
    """Say whether groups of one length all begin with a zero, as code points do."""
    groups = run.digits[index : index + _TABLE]
    lengths = {len(digits) for digits in groups}
    return (
        len(groups) > 1
        and lengths not in ({2}, {1})
        and len(lengths) == 1
        and all(digits[0] == "0" for digits in groups)
    )


def zero(run: Run, index: int) -> Span | None:
    """Read a national number: a leading zero, and two to five groups that are no date."""
    digits, start = run.digits[index], run.starts[index]
    if digits[0] != "0" or not _AREA.fullmatch(digits) or run.glued or _POSTCODE.match(run.view.text, start):
        return None
    near = run.digits[max(0, index - _TABLE) : index + _TABLE + 1]
    if len(near) > _TABLE and len(set(map(len, near))) == 1:
        return None
    if _is_zero_table(run, index) or run.view.text[run.lead(index) - 1 : run.lead(index)] in {".", "-"}:
        return None
    end = _extent(run, index, 10 if _is_in_pairs(run, index) else 12)
    total = len(run.joined(index, end))
    fewest = 8 if end > index + 1 else 9
    if end == index or total < fewest or min(map(len, run.digits[index + 1 : end + 1])) < 2:  # noqa: PLR2004
        return None
    return None if run.is_nothing(index) else _span(run, index, end)


def labelled(run: Run, index: int) -> Span | None:
    """Read any digits after a phone's word."""
    if _FRACTION.match(run.view.text, run.starts[index]):
        return None
    end = _extent(run, index, _ANY_LENGTH)
    digits = run.joined(index, end)
    if len(digits) < (_FEWEST if end == index else _FEWEST - 1) or not digits.strip("0"):
        return None
    return _span(run, index, end)


def _longest(digits: str) -> int:
    return _LONGEST.get(digits[:1]) or _LONGEST.get(digits[:2]) or _ANY_LENGTH


def _extent(run: Run, first: int, most: int) -> int:
    """Return the last group of a number: no more digits than that, and separators that belong together."""
    end, seen, total = first, "", len(run.digits[first])
    for index in range(first + 1, len(run.digits)):
        total += len(run.digits[index])
        separator = run.separators[index]
        if total > most or separator not in _SEPARATORS:
            break
        if separator == " " and seen[-1:] in {"-", "."} and total > 9:  # noqa: PLR2004 - another number follows
            break
        end, seen = index, seen + separator
    return end


def _span(run: Run, first: int, last: int) -> Span:
    return Span(run.lead(first), _with_extension(run, run.ends[last]), "PHONE_NUMBER")


def _with_extension(run: Run, end: int) -> int:
    extension = _EXTENSION.match(run.view.text, end)
    return extension.end() if extension else end
