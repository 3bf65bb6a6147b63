"""A text as the detectors read it: foreign digits, invisible characters and escapes made plain, with the way back.

Built once for each text by `pii.spans`. For plain ASCII text without escapes it is the text itself.
"""

import re
import sys
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from html.entities import html5
from typing import Final, NamedTuple

from parley_sidecar.pii.kinds import Span

_CASES: Final = bytes(
    ord("a") if chr(code).islower() else ord("A") if chr(code).isupper() else ord(" ") for code in range(128)
).ljust(256)
"""What shows the humps of camelCase."""
_SHAPES: Final = {"0": "0123456789", "-": " .-", "[": "[({<", "]": "])}>"}
_SIGNS: Final = {sign: shape for shape, signs in _SHAPES.items() for sign in signs}
_SHAPED: Final = bytes(ord(_SIGNS.get(chr(code), "a" if chr(code).isalpha() else "|")) for code in range(128)).ljust(
    256, b"|"
)
"""A digit is 0, an ASCII letter is a, what divides groups is -, a bracket is [ or ], and anything else is |."""
_UNUSUAL: Final = (
    "\u00a0\u00ad\u034f\u061c\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u09e6-\u09ef\u0e50-\u0e59\u115f\u1160"
    "\u17b4\u17b5\u180b-\u180e\u2000-\u2015\u2024-\u202f\u205f-\u206f\u2070-\u209c\u2212\u2460-\u249b\u3000\u3164"
    "\ufe00-\ufe0f\ufe52\ufe58\ufe63\ufe6b\ufeff\uff01-\uff9f\U0001d400-\U0001d7ff\U000e0000-\U000e01ef"
)
"""What is worth a normalised copy: digits and letters of compatibility, spaces, dashes, and what cannot be seen."""
_ESCAPES: Final = (
    r"(?<=&)(?:#(\d{2,6})|#[xX]([0-9a-fA-F]{2,5})|(commat|period|plus|hyphen|dash|nbsp|colon|num|lowbar|lpar|rpar|sol"
    r"|quot|apos|amp|equals|lt|gt|shy|ZeroWidthSpace));"
    r"|(?<=%)([2-7][0-9a-fA-F])|(?<=\\)\\{0,3}(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([nrt\"'/]))"
)
"""Escapes of HTML, of URLs, and of strings in JSON and most languages, behind their first character."""
_ODD: Final = re.compile(rf"[&%\\{_UNUSUAL}](?:{_ESCAPES}|(?<![&%\\]))")
_ESCAPED: Final = tuple(re.compile(rf"{sign}(?:{_ESCAPES})") for sign in ("&", "%", r"\\"))
"""The escapes alone; each begins with what can be skipped to."""
_COMPATIBLE: Final = re.compile(f"[{_UNUSUAL}]")
_PLAIN_ESCAPES: Final = {"n": "\n", "r": "\n", "t": "\t"}
_DASHES: Final = frozenset("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d")
_SURROGATES: Final = range(0xD800, 0xE000)
_FILLERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Seen as nothing though they are letters or marks. Source: Default_Ignorable_Code_Point."""
_NO_LETTERS: Final = frozenset({0xC2, 0xE2, 0xF0})
"""First bytes of signs in UTF-8: Latin's, typography's and mathematics', and pictures."""
_SPACED: Final = bytes(
    32 if code in _NO_LETTERS or (code < 128 and not chr(code).isalpha()) else code  # noqa: PLR2004 - ASCII
    for code in range(256)
)
"""Spaces for all that is no letter, and the letters in UTF-8 as they are: the fast way to words."""
_EASTERN_SIGNS: Final = b"\xe3\x80"
_ASCII: Final = bytes(range(128))
_HUMP: Final = re.compile(rb"A(?:a{1,24}|A{0,23})")
_LOWER: Final = "abcdefghijklmnopqrstuvwxyz"
_LONGEST_PART: Final = 24


class Change(NamedTuple):
    """A place where the view differs: from where to where in it, and in the original."""

    start: int
    end: int
    original_start: int
    original_end: int


@dataclass(slots=True)
class View:
    """What is scanned. `lower` has the same length as `text`; `words` are its lower-case words."""

    text: str
    lower: str
    words: set[str]
    """Of a name in camelCase also its parts."""
    has_digits: bool
    ascii: bytes
    """The text with a question mark for each other character."""
    shape: bytes
    """What each of its characters is, so that some bytes lead to all that may be a value; see `_SHAPED`."""
    spaced: list[str]
    """The lower-case words in their order."""
    letters: str
    """All of `lower` that is not ASCII."""
    changes: tuple[Change, ...] = ()
    marks: object = None
    """What `labels` made of the words, for the next detector that asks."""
    foreign: tuple[tuple[int, int, str], ...] | None = None
    """What `foreign_words` found, in the same way."""
    _changed: list[int] = field(default_factory=list)

    def original(self, spans: Iterable[Span]) -> list[Span]:
        """Return spans of `text` as spans of the original text."""
        if not self.changes:
            return list(spans)
        self._changed = [change.start for change in self.changes]
        return [Span(self._place(span.start)[0], self._place(span.end - 1)[1], span.kind) for span in spans]

    def _place(self, index: int) -> tuple[int, int]:
        """Return where the character at `index` begins and ends in the original."""
        last = bisect_right(self._changed, index) - 1
        if last < 0:
            return index, index + 1
        change = self.changes[last]
        if index < change.end:
            return change.original_start, change.original_end
        at = change.original_end + index - change.end
        return at, at + 1


def view(text: str) -> View:
    """Return the view of a text."""
    changes: tuple[Change, ...] = ()
    if not text.isascii() or "&" in text or "%" in text or "\\" in text:
        text, changes = _plain(text)
    lower = text.lower()
    if len(lower) != len(text):
        lower = "".join(one if len(one := character.lower()) == 1 else character for character in text)
    ascii_text = text.encode("ascii", "replace")
    shape = ascii_text.translate(_SHAPED)
    encoded = lower.encode("utf-8", "ignore")
    spaced = encoded.replace(_EASTERN_SIGNS, b" ").translate(_SPACED).decode("utf-8", "ignore").split()
    words = set(spaced)
    words.update(_parts(text, lower, ascii_text))
    letters = "" if text.isascii() else encoded.translate(None, _ASCII).decode("utf-8", "ignore")
    return View(text, lower, words, b"0" in shape, ascii_text, shape, spaced, letters, changes)


def _parts(text: str, lower: str, ascii_text: bytes) -> list[str]:
    """Return the parts of names in camelCase."""
    parts: list[str] = []
    cases = ascii_text.translate(_CASES)
    at = cases.find(b"aA")
    while at >= 0:
        start = at + 1
        before = text[max(0, start - _LONGEST_PART) : start]
        rest = before.rstrip(_LOWER)
        parts.append(lower[start - len(before) + len(rest) - rest[-1:].isupper() : start])
        hump = _HUMP.match(cases, start)
        parts.append(lower[start : hump.end() if hump else start])
        at = cases.find(b"aA", start)
    return parts


def _plain(text: str) -> tuple[str, tuple[Change, ...]]:
    """Return the text with escapes decoded and characters made plain, and where that changed it."""
    others = text.encode("utf-8", "surrogatepass").translate(None, _ASCII).decode("utf-8", "surrogatepass")
    if not _COMPATIBLE.search(others) and not any(escaped.search(text) for escaped in _ESCAPED):
        return text, ()
    pieces: list[str] = []
    changes: list[Change] = []
    at = length = 0
    for odd in _ODD.finditer(text):
        start, end = odd.span()
        character = odd.group()
        plain = _folded(character) if odd.lastindex is None else _folded(_decoded(odd))
        pieces += text[at:start], plain
        length += start - at
        changes.append(Change(length, length + len(plain), start, end))
        length += len(plain)
        at = end
    pieces.append(text[at:])
    return "".join(pieces), tuple(changes)


def _folded(character: str) -> str:
    """Return what a character stands for: nothing, a digit, a dash, a space, or its compatibility form."""
    if character < "\u007f":
        return character
    if character in _DASHES:
        return "-"
    if character in _FILLERS or unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f":
        return ""
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit)
    if character.isspace():
        return character if character in "\u0085\u2028\u2029" else " "
    return unicodedata.normalize("NFKC", character) if _COMPATIBLE.match(character) else character


def _decoded(escape: re.Match[str]) -> str:
    decimal, hexadecimal, name, percent, unicode, byte, plain = escape.groups()
    if plain is not None:
        return _PLAIN_ESCAPES.get(plain, plain)
    if name is not None:
        return html5[name + ";"]
    code = int(decimal) if decimal else int(hexadecimal or percent or unicode or byte, 16)
    return "\ufffd" if code in _SURROGATES or code > sys.maxunicode else chr(code)
