"""Long tokens: wallets, credentials of a known form, keys in PEM, and the links that are credentials themselves."""

import re
from collections.abc import Iterator
from typing import Final

from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.secret_formats import credential
from parley_sidecar.pii.view import View
from parley_sidecar.pii.wallets import is_wallet

_SIGNS: Final = b"_.-"
"""What may be in a token, but not at its beginning."""
_TOKEN: Final = bytes(ord("a") if chr(code).isalnum() or code in _SIGNS else ord(" ") for code in range(128)).ljust(256)
_SHORTEST: Final = 16
_LONG: Final = b"a" * _SHORTEST
_FIRST: Final = re.compile(rb"[A-Za-z0-9]+[_.-]+")
"""What may be glued to a text's first token."""
_WORD: Final = re.compile(r"[A-Za-z0-9_-]{26,110}(?=\.?\Z|[^A-Za-z0-9_-])")
_SHORTEST_WALLET: Final = 26
_PREFIX_REACH: Final = 16
_PEM: Final = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:(?!-----)[\s\S]){0,16000}"
    r"(?:-----END [A-Z0-9 ]{3,40}-----)?"
)
_PUTTY: Final = re.compile(r"PuTTY-User-Key-File-[0-9]:[\s\S]{0,8000}?Private-MAC: ?[0-9a-f]{40,64}")
_HOOK: Final = re.compile(
    r"(?:https?://)?(?:hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/[A-Za-z0-9/+_-]{20,120}"
    r"|(?:ptb\.|canary\.)?discord(?:app)?\.com/api/webhooks/[0-9]{15,22}/[A-Za-z0-9_-]{40,90}"
    r"|[a-z0-9-]{1,60}\.webhook\.office\.com/webhookb2/[A-Za-z0-9@/-]{60,250}"
    r"|hooks\.zapier\.com/hooks/catch/[0-9]{4,10}/[A-Za-z0-9]{5,10})"
)
_BLOCK_WORDS: Final = frozenset(
    "begin putty hooks webhook webhooks ssws flyv endpoint endpoints defaultendpointsprotocol".split()
)
"""What all of these have in them."""
_HOOKS: Final = ("hooks.", "/webhooks/", ".webhook.")
_SCHEMES: Final = re.compile(r"(?:SSWS|FlyV1) [A-Za-z0-9_+/=-]{24,400}")
_AZURE: Final = re.compile(
    r"(?:DefaultEndpointsProtocol=|Endpoint=sb://)[A-Za-z0-9=;:/+._-]{40,400}Key=[A-Za-z0-9+/=]{40,100}[A-Za-z0-9=;:/+._-]{0,120}"
)


def tokens(view: View) -> Iterator[Span]:
    """Return wallets and credentials."""
    text = view.text
    for start, end in _places(view.ascii):
        secret = credential(text, start, end)
        if secret:
            yield Span(*secret, "SECRET")
            continue
        word = _WORD.match(text, start, end) if end - start >= _SHORTEST_WALLET else None
        if word and is_wallet(word.group(), text[max(0, start - _PREFIX_REACH) : start]):
            yield Span(start, word.end(), "CRYPTO_WALLET")
    if not view.words.isdisjoint(_BLOCK_WORDS):
        yield from _blocks(text)


def _places(text: bytes) -> Iterator[tuple[int, int]]:
    """Return where the tokens stand."""
    shape = text.translate(_TOKEN)
    at = shape.find(_LONG)
    while at >= 0:
        end = shape.find(b" ", at)
        end = len(shape) if end < 0 else end
        start = end - len(text[at:end].lstrip(_SIGNS))
        if end - start >= _SHORTEST:
            yield start, end
        glued = None if at else _FIRST.match(text)
        if glued and end - glued.end() >= _SHORTEST:
            yield glued.end(), end
        at = shape.find(_LONG, end)


def _blocks(text: str) -> Iterator[Span]:
    patterns = []
    if "-----BEGIN" in text:
        patterns.append(_PEM)
    if "PuTTY-User" in text:
        patterns.append(_PUTTY)
    if any(hook in text for hook in _HOOKS):
        patterns.append(_HOOK)
    if "SSWS " in text or "FlyV1 " in text:
        patterns.append(_SCHEMES)
    if "Endpoint" in text:
        patterns.append(_AZURE)
    for pattern in patterns:
        for found in pattern.finditer(text):
            yield Span(found.start(), found.end(), "SECRET")
