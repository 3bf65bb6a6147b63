"""IP and MAC addresses, with the defanged forms of the first; versions, times and loopback are not personal."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.view import View

_DOT: Final = r"(?:\.|\s?[\[({]\s?(?:\.|dot)\s?[\])}]\s?|\sdot\s|\[?\.\]?)"
_IPV4: Final = re.compile(
    rf"[0-9](?<![0-9A-Za-z][0-9])(?<![0-9]\.[0-9])[0-9]{{0,2}}(?:{_DOT}[0-9]{{1,3}}){{3}}(?![0-9A-Za-z]|\.[0-9])",
    re.IGNORECASE,
)
_DEFANGED: Final = (b"0[-", b"0-[-", b"0-]")
"""The shapes of a bracket beside a dot behind a digit."""
_PLAIN_IPV4: Final = re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9A-Za-z]|\.[0-9])")
"""From its first dot on, which is what can be skipped to."""
_OCTET: Final = re.compile(r"[0-9](?<![0-9A-Za-z][0-9])(?<![0-9]\.[0-9])[0-9]{0,2}\Z")
_OCTETS: Final = re.compile(r"[0-9]+")
_OCTET_REACH: Final = 3
_MOST: Final = 255
_PREFIX: Final = re.compile(r"/[0-9]{1,2}(?![0-9])")
_VERSIONED: Final = re.compile(
    r"(?:\b(?:v|ver|versions?|assemblyversion|fileversion|release|build|firmware|driver|assembly|oid|section|chapter|sdk"
    r"|rev)[ .:=\"'(]{0,4}(?:is |to |from )?|[A-Za-z]/|==|~=|>=|[A-Za-z]-)\Z",
    re.IGNORECASE,
)
_VERSION_REACH: Final = 20
_HEADING: Final = re.compile(r" +[A-Z][a-z]")
_MACS: Final = (
    re.compile(
        r":[0-9A-Fa-f]{2}:(?<=[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:)(?:[0-9A-Fa-f]{2}:){3}[0-9A-Fa-f]{2}(?![0-9A-Za-z:])"
    ),
    re.compile(
        r"-[0-9A-Fa-f]{2}-(?<=[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-)(?:[0-9A-Fa-f]{2}-){3}[0-9A-Fa-f]{2}(?![0-9A-Za-z-])"
    ),
    re.compile(r"\.[0-9A-Fa-f]{4}\.(?<=[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.)[0-9A-Fa-f]{4}(?![0-9A-Za-z.])"),
)
"""Each from its first separator on, which is what can be skipped to."""
_SIX_CHARACTERS: Final = re.compile(r"[0-9A-Fa-f:.]{2,50}")
_SIX_REACH: Final = 5
_COLONS: Final = re.compile(r":(?:(?:[0-9A-Fa-f]{1,4}:){0,6}:|(?:[0-9A-Fa-f]{1,4}:){5})")
"""What an address has and a time has not."""
_COLONS_UNABBREVIATED: Final = 6
_PORT: Final = re.compile(r":[0-9]{2,5}\Z")
_HEX: Final = frozenset("0123456789abcdefABCDEF")
_NOBODY: Final = (0, 127, 255)
"""First octets of nobody's address: unspecified, loopback, netmasks; and all of multicast. Source: RFC 6890."""
_MULTICAST: Final = range(224, 240)
_HEX_NAME: Final = 3
"""An abbreviated address of fewer groups must begin like one: `a::b` is a name in C++."""


def networks(view: View) -> Iterator[Span]:
    """Return the addresses."""
    if not view.has_digits:
        return
    if view.text.count(".") > 2 or "dot" in view.words:  # noqa: PLR2004 - an address has three
        yield from _fours(view)
    if view.text.count(":") > 1:
        yield from _sixes(view.text)
    yield from _hardware(view.text)


def _hardware(text: str) -> Iterator[Span]:
    for found in (found for pattern in _MACS for found in pattern.finditer(text)):
        width = 4 if text[found.start()] == "." else 2
        start = found.start() - width
        value = text[start : found.end()]
        glued = text[start - 1 : start] if start else ""
        if not (glued.isalnum() or glued in {":", "-", "."} - {""}) and any(map(str.isdigit, value)):
            yield Span(start, found.end(), "MAC_ADDRESS")


def _fours(view: View) -> Iterator[Span]:
    for start, end in _of_four(view):
        octets = [int(octet) for octet in _OCTETS.findall(view.text, start, end)]
        if max(octets) > _MOST or octets[0] in _NOBODY or octets[0] in _MULTICAST:
            continue
        if _VERSIONED.search(view.text, max(0, start - _VERSION_REACH), start):
            continue
        if not _is_heading(view.text, start, end, octets) and not _is_network(view.text, end, octets):
            yield Span(start, end, "IP")


def _of_four(view: View) -> Iterator[tuple[int, int]]:
    """Return where four numbers stand with dots between them, or with what is written for dots."""
    text = view.text
    if "dot" in view.words or any(defanged in view.shape for defanged in _DEFANGED):
        yield from (found.span() for found in _IPV4.finditer(text))
        return
    for found in _PLAIN_IPV4.finditer(text):
        first = _OCTET.search(text, max(0, found.start() - _OCTET_REACH), found.start())
        if first:
            yield first.start(), found.end()


def _is_heading(text: str, start: int, end: int, octets: list[int]) -> bool:
    """Say whether a numbered heading begins here."""
    begins = start == 0 or text[start - 1] == "\n" or text[max(0, start - 2) : start] == "# "
    return begins and max(octets) < 30 and _HEADING.match(text, end) is not None  # noqa: PLR2004 - sections count up


def _is_network(text: str, end: int, octets: list[int]) -> bool:
    """Say whether a whole network is meant: a prefix length follows, and no bit of a host is set."""
    prefix = _PREFIX.match(text, end)
    if prefix is None:
        return False
    length = int(prefix.group()[1:])
    return length < 32 and int.from_bytes(octets, "big") & ((1 << (32 - length)) - 1) == 0  # noqa: PLR2004 - its bits


def _sixes(text: str) -> Iterator[Span]:
    """Return the addresses around colons; a word may stand before the first one."""
    floor = 0
    for colons in _COLONS.finditer(text):
        at = start = colons.start()
        while start > max(floor, at - _SIX_REACH) and text[start - 1] in _HEX:
            start -= 1
        if start and text[start - 1].isalnum():  # the word before, as in `addr:fe80::1`
            start = at + 1
        found = _SIX_CHARACTERS.match(text, start)
        if found is None or at < floor or (start and text[start - 1] == "."):
            continue
        floor = found.end()
        value = found.group().rstrip(".")
        value = value[:-1] if value.endswith(":") and not value.endswith("::") else value
        end = start + len(value)
        if not _is_six(value) and _PORT.search(value):
            value = value[: value.rindex(":")]
            end = start + len(value)
        if _is_six(value) and not text[end : end + 1].isalnum():
            yield Span(start, end, "IP")


def _is_six(text: str) -> bool:
    colons = text.count(":")
    if colons < 2 or ("::" not in text and colons < _COLONS_UNABBREVIATED):  # noqa: PLR2004 - the fewest there are
        return False
    groups = [group for group in text.split(":") if group]
    if "::" in text and len(groups) < _HEX_NAME and "." not in text and not _begins(text, groups):
        return False
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def _begins(text: str, groups: list[str]) -> bool:
    """Say whether the first group is one of an address that is in use."""
    return bool(groups) and len(groups[0]) > 2 and groups[0][0] in "23fF" and any(map(str.isdigit, text))  # noqa: PLR2004
