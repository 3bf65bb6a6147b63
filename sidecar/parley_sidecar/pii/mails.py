"""E-mail addresses: around each @, in any script, and with words or brackets in place of @ and dot."""

import re
from collections.abc import Iterator
from typing import Final

from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.view import View

_AT_WORDS: Final = "at|ät|arroba|arobase|chiocciola|klammeraffe|małpa|собака"
_DOT_WORDS: Final = "dot|punkt|punto|point|ponto|kropka|nokta|точка"
_SIGN: Final = re.compile(r"\s?[\[({<]?\s?@\s?[\])}>]?\s?")
_SIGN_LEFT: Final = re.compile(r"\s?[\[({<]?\s?\Z")
_SIGN_REACH: Final = 3
_BRACKETED: Final = re.compile(rf"[\[({{<]\s?(?:{_AT_WORDS})\s?[\])}}>]\s?")
_BRACKETED_SHAPE: Final = re.compile(rb"\[[-|]?[a|]{2,12}[-|]?\]")
"""How that looks in a text's shape; begins with what can be skipped to."""
_GATE: Final = frozenset(_AT_WORDS.split("|"))
_DOT: Final = (
    rf"(?:\.|\s?[\[({{<]\s?(?:{_DOT_WORDS}|\.)\s?[\])}}>]\s?|\s(?:{_DOT_WORDS})\s|[_-]dot[_-]|\s\.\s|\s\.(?=[a-z]))"
)
_LABEL: Final = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:{_DOT}{_LABEL}){{1,7}}", re.IGNORECASE)
_TIGHT_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL}){{1,7}}")
_LOCALHOST: Final = re.compile(r"localhost(?![\w.-])")
_DOTS: Final = re.compile(_DOT, re.IGNORECASE)
_LOCAL: Final = re.compile(
    rf"(?:[\w+'~-]{{1,64}}(?:\.|\s?[\[({{<]\s?(?:{_DOT_WORDS}|\.)\s?[\])}}>]\s?|\s(?:{_DOT_WORDS})\s|[_-]dot[_-]))"
    rf"{{0,4}}[\w.+'~-]{{1,64}}\Z",
    re.IGNORECASE,
)
_TIGHT_LOCAL: Final = re.compile(r"[\w.+'~-]{1,64}")
"""Read from the @ on to the left."""
_LOCAL_REACH: Final = 96
_TOP_LEVEL: Final = frozenset(
    """com org net edu gov mil int info biz name pro aero coop museum jobs mobi travel tel cat asia post xyz online site
    store shop app dev tech cloud digital email mail agency group world today life live news media blog wiki design
    studio academy school university health care clinic bank finance money capital ventures company solutions services
    systems network software tools codes club team space website page link click one top vip work works global
    international consulting engineering company ltd gmbh inc llc law legal swiss berlin hamburg paris london nyc tokyo
    amsterdam brussels wien koeln bayern eus gal bzh quebec africa example test invalid local localhost localdomain
    internal corp lan home intranet onion art energy games gallery guru house photo photos press pub social video zone
    expert events fund community center church chat cafe build bio auction city dental directory education family farm
    fitness foundation fun garden gift green holiday host immo insure land lat lease management market marketing menu
    moe ninja observer organic partners parts party pet pizza place plus productions property pw realty recipes red
    rent repair report rest review reviews rocks run sale science security show ski soccer style supply support tax taxi
    tips tours town toys trade training vet vision vote voyage watch wine wtf xn""".split()
)
"""Besides all of two letters and those in other scripts; a few hundred rare ones are left out."""
_PLAIN_DOMAIN: Final = re.compile(r"[^\W_][\w.-]*")
_CONFIDENT: Final = re.compile(r"[._+\d-]")
_MAIL_WORDS: Final = re.compile(r"mail|write|contact|reach|schreib|correo|courriel|escri|posta|почт", re.IGNORECASE)
_MAIL_REACH: Final = 48
_REPOSITORY_USERS: Final = frozenset({"git", "hg", "svn"})


def mails(view: View) -> Iterator[Span]:
    """Return the addresses, also those that spell out what is between their parts."""
    floor = 0
    for start, end in sorted(_signs(view)):
        span = _address(view, start, end, floor) if start >= floor else None
        if span is not None:
            floor = span.end
            yield span


def _signs(view: View) -> Iterator[tuple[int, int]]:
    """Return what stands between the parts of addresses: @, or its words, in brackets or between spaces."""
    text = view.text
    at = text.find("@")
    while at >= 0:
        if text.startswith("@", at + 1):  # of several only the last may be one
            at += 1
            continue
        if text[at - 1 : at].isalnum() and text[at + 1 : at + 2].isalnum():
            yield at, at + 1
        else:
            left = _SIGN_LEFT.search(text, max(0, at - _SIGN_REACH), at)
            start = left.start() if left else at
            sign = _SIGN.match(text, start)
            yield start, sign.end() if sign else at + 1
        at = text.find("@", at + 1)
    for word in view.words & _GATE:
        at = view.lower.find(f" {word} ")
        while at >= 0:
            yield at, at + len(word) + 2
            at = view.lower.find(f" {word} ", at + 1)
    if not view.words.isdisjoint(_GATE):
        for shape in _BRACKETED_SHAPE.finditer(view.shape):
            found = _BRACKETED.match(view.lower, shape.start())
            if found:
                yield found.start() - (text[found.start() - 1 : found.start()] == " "), found.end()


def _address(view: View, left: int, right: int, floor: int) -> Span | None:
    text, sign = view.text, view.text[left:right]
    spelled = sign != "@"
    end = _domain_end(text, right, spelled=spelled)
    if end is None:
        return None
    before = text[max(floor, left - _LOCAL_REACH) : left]
    local = _LOCAL.search(before) if spelled else _TIGHT_LOCAL.match(before[::-1])
    name = (local.group() if spelled else local.group()[::-1]).lstrip(".'+~-") if local else ""
    start = left - len(name)
    if not name or _is_user_of_link(text, start, end, name) or text[end : end + 1] == "(":
        return None
    before = text[max(0, start - _MAIL_REACH) : start]
    if spelled and not _is_plausible(before, text[start:left], sign, text[right:end]):
        return None
    return Span(start, end, "EMAIL_ADDRESS")


def _domain_end(text: str, start: int, *, spelled: bool) -> int | None:
    """Return where the domain ends: behind the last label that is a top-level domain."""
    local = _LOCALHOST.match(text, start)
    if local and not spelled:
        return local.end()
    tight = None if spelled else _TIGHT_DOMAIN.match(text, start)
    if tight and _is_top_level(tight.group().rpartition(".")[2].lower()) and not _DOTS.match(text, tight.end()):
        return tight.end()
    found = _DOMAIN.match(text, start)
    if found is None:
        return None
    domain = found.group()
    while True:
        dots = [dot.span() for dot in _DOTS.finditer(domain)]
        if not dots:
            return None
        last, top = dots[-1]
        if _is_top_level(domain[top:].lower()):
            return start + len(domain)
        domain = domain[:last]


def _is_top_level(label: str) -> bool:
    if label.isascii():
        return (len(label) == 2 and label.isalpha()) or label in _TOP_LEVEL or label.startswith("xn--")  # noqa: PLR2004
    return label.isalpha()


def _is_user_of_link(text: str, start: int, end: int, name: str) -> bool:
    """Say whether this is the user of a repository, or what stands before the host of a link."""
    if name.lower() in _REPOSITORY_USERS and text[end : end + 1] in {":", "/"}:
        return True
    scheme = text.rfind("://", max(0, start - _LOCAL_REACH), start)
    return scheme >= 0 and not re.search(r"[/\s?#]", text[scheme + 3 : start])


def _is_plausible(before: str, local: str, sign: str, domain: str) -> bool:
    """Say whether spelled-out parts are an address: "look at example.com" is not."""
    word = sign.strip().lower()
    if word not in _GATE and "." in domain and " . " not in domain:
        return True
    if not _PLAIN_DOMAIN.fullmatch(domain):
        return True
    if word == "@":
        return len(local) > 1
    return bool(_CONFIDENT.search(local) or _MAIL_WORDS.search(before))
