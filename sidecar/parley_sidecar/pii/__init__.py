"""Personal data in text: found by evidence, not by shape alone, and replaced by tokens. Used by `layers.scrub`.

`spans` says the same of a text each time, on the standard library alone; its time grows with the text's length and with
nothing else. Each module knows the values of one sort; all of them read the same `View`.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from parley_sidecar.pii.births import births
from parley_sidecar.pii.codes import codes
from parley_sidecar.pii.kinds import Kind, Span, merged
from parley_sidecar.pii.mails import mails
from parley_sidecar.pii.networks import networks
from parley_sidecar.pii.numbers import numbers
from parley_sidecar.pii.places import places
from parley_sidecar.pii.secret_commands import secret_commands
from parley_sidecar.pii.secret_words import secret_words
from parley_sidecar.pii.seen import SHORTEST, Seen
from parley_sidecar.pii.spelled import spelled
from parley_sidecar.pii.tokens import tokens
from parley_sidecar.pii.view import View, view

Detector = Callable[[View], Iterator[Span]]
Naming = Callable[[Kind, str], str]
"""From a value's kind and the value to what stands in its place."""

Choice = Callable[[View, str, list[Span]], tuple[list[Span], list[Span]]]
"""From a text's view, the text, and what was found in it: to values of further kinds, and what counts of the found."""

DETECTORS: Final[tuple[Detector, ...]] = (
    mails, networks, codes, numbers, tokens, secret_words, secret_commands, births, places, spelled,
)  # fmt: skip
_SEEN: Final = Seen()
_UUID: Final = re.compile(r"-(?<=[0-9A-Fa-f]{8}-)(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\b")
"""From its first dash on, which is what can be skipped to."""
_BEFORE_DASH: Final = 8

WINDOW_CHARACTERS: Final = 256 * 1024
"""What is read at once; a longer text is read in windows, so that memory does not grow with it."""
OVERLAP_CHARACTERS: Final = 40 * 1024
"""What two windows share: on both sides of its middle there is room for the longest value, a private key."""


def spans(text: str, choice: Choice | None = None) -> list[Span]:
    """Return where personal data stands in a text, in order and without overlaps."""
    if len(text) <= WINDOW_CHARACTERS:
        return _scanned(text, choice)
    found: list[Span] = []
    for start in range(0, len(text) - OVERLAP_CHARACTERS, WINDOW_CHARACTERS - OVERLAP_CHARACTERS):
        end = start + WINDOW_CHARACTERS
        low = start + OVERLAP_CHARACTERS // 2 if start else 0
        high = end - OVERLAP_CHARACTERS // 2 if end < len(text) else len(text)
        here = (Span(span.start + start, span.end + start, span.kind) for span in _scanned(text[start:end], choice))
        found += [span for span in here if low <= span.start < high]
    return merged(found)


def _scanned(text: str, choice: Choice | None) -> list[Span]:
    if choice is None:
        return _beside_uuids(text, merged(_known(text, None)))
    seen = view(text)
    own, counted = choice(seen, text, _known(text, seen))
    return merged([*own, *_beside_uuids(text, merged(counted))])


def _known(text: str, seen: View | None) -> list[Span]:
    """Return what all detectors find, not yet merged; a text that they saw lately they need not see again."""
    if len(text) < SHORTEST:
        return detected(seen or view(text))
    digest = _SEEN.digest(text)
    known = _SEEN.get(digest)
    if known is None:
        known = tuple(detected(seen or view(text)))
        _SEEN.keep(digest, known)
    return list(known)


def detected(seen: View) -> list[Span]:
    """Return what all detectors find in a view, as places in its text; overlaps are not yet merged."""
    found: list[Span] = []
    for detect in DETECTORS:
        found += detect(seen)
    return seen.original(found)


def _beside_uuids(text: str, found: list[Span]) -> list[Span]:
    uuids = [(one.start() - _BEFORE_DASH, one.end()) for one in _UUID.finditer(text)] if found else []
    return [span for span in found if not _is_part(span, uuids)] if uuids else found


def _is_part(span: Span, uuids: list[tuple[int, int]]) -> bool:
    """Say whether a value is but some digits of a UUID; a whole one may be a secret, for the words before it."""
    return any(
        start <= span.start and span.end <= end and (start, end) != (span.start, span.end) for start, end in uuids
    )


def replaced(text: str, found: list[Span], naming: Naming) -> str:
    """Return the text with each span replaced by what `naming` says."""
    pieces: list[str] = []
    at = 0
    for span in found:
        pieces += text[at : span.start], naming(span.kind, text[span.start : span.end])
        at = span.end
    return "".join((*pieces, text[at:]))


def token(kind: Kind, _value: str) -> str:
    """Return Dapr's token: the kind, without a number."""
    return f"<{kind}>"


def mask(text: str) -> str:
    """Return the text with tokens in place of personal data."""
    return replaced(text, spans(text), token)
