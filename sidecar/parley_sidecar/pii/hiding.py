"""Personal data out of a prompt: found in all its texts, named, and replaced. Used by `layers.scrub`.

All texts are gathered first, so that one question to the store names all new values before anything is sent.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, get_args

from msgspec.structs import replace

from parley_crds.resource import PersonalDataType, Privacy
from parley_sidecar.model import ConverseRequest
from parley_sidecar.pii import replaced, token
from parley_sidecar.pii.covered import KEY_CHARACTERS, occurrences, within
from parley_sidecar.pii.finder import Finder
from parley_sidecar.pii.glued import glued
from parley_sidecar.pii.kinds import Kind, Span, merged
from parley_sidecar.pii.off_loop import scanned
from parley_sidecar.pii.reach import in_request
from parley_sidecar.pii.restore import kind_of, tokens_in
from parley_sidecar.pii.vault import SECRET, Numbers, Vault

REPEATED_CHARACTERS: Final = KEY_CHARACTERS
"""The length from which on a value is replaced wherever it occurs; shorter ones are parts of too much."""
TYPED: Final = "TOKEN"
"""The kind of a typed `<SECRET_1>`: it is no secret, and must come back."""

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
"""No tokens yet."""
_WORD: Final = re.compile(r"[^\s\"'`,;()<>\[\]{}]{5,}")
_ENDS: Final = ".:!?"
_MOST_LOOKS: Final = 4
"""How often a text is looked through; one that has more to show then was made for it."""


class Piece(NamedTuple):
    """A text of the request, the name under which it stands, and whether its caller wants nothing of it put back."""

    text: str
    name: str
    is_marked: bool


class Prompt:
    """A request's texts, and where personal data stands in them: of marked messages only, or `whole`."""

    def __init__(self, request: ConverseRequest, *, whole: bool) -> None:
        self._request = request
        self._whole = whole
        self._found: dict[Piece, list[Span]] = {}
        self._walk(self._gather)

    async def find(self, finder: Finder) -> None:
        """Look for personal data."""
        pieces = list(self._found)
        found = await found_in(finder, [(piece.text, piece.name) for piece in pieces])
        self._found = dict(zip(pieces, found, strict=True))

    def cover_tokens(self, kinds: Collection[Kind]) -> None:
        """Count what looks like a token of these kinds as a value, so that a typed one means nothing but itself."""
        for piece, spans in self._found.items():
            if "<" not in piece.text:
                continue
            typed = [
                Span(one.start, one.end, TYPED if one.kind == SECRET else one.kind)
                for one in tokens_in(piece.text)
                if one.kind in kinds and not (piece.is_marked and one.kind == SECRET)
            ]
            if typed:
                is_typed = within(typed)
                self._found[piece] = merged([*typed, *(span for span in spans if not is_typed(span))])

    def settle(self, tokens: Mapping[str, str], look: Callable[[str], list[Span]]) -> None:
        """Count values that were found here, or have a token already, wherever they occur; and what shows beside them.

        `look` finds personal data in what is left.
        """
        for _ in range(_MOST_LOOKS):
            self._cover_repeats(tokens)
            more = {piece: glued(piece.text, spans, look) for piece, spans in self._found.items()}
            if not any(more.values()):
                break
            for piece, spans in more.items():
                self._found[piece] = merged([*self._found[piece], *spans])

    def _cover_repeats(self, tokens: Mapping[str, str]) -> None:
        kinds = dict(_backwards(self.values()))
        find = occurrences([value for value in {**tokens, **kinds} if len(value) >= REPEATED_CHARACTERS])
        for piece, spans in self._found.items():
            covered = {(start, end) for start, end, _ in spans}
            repeats = [
                Span(start, start + len(value), kind_of(tokens[value][1:-1]) if value in tokens else kinds[value])
                for start, value in find(piece.text)
                if (start, start + len(value)) not in covered
            ]
            if repeats:
                self._found[piece] = merged([*spans, *repeats])

    @property
    def characters(self) -> int:
        """How long the texts are together."""
        return sum(len(piece.text) for piece in self._found)

    def values(self) -> Iterator[tuple[Kind, str]]:
        """Yield each value with its kind, in order of appearance, as often as it stands there."""
        for piece, spans in self._found.items():
            for start, end, kind in spans:
                yield kind, piece.text[start:end]

    def words(self) -> set[str]:
        """Return the words that are long enough to be known again, with and without what ends a sentence."""
        found = {word for piece in self._found for word in _WORD.findall(piece.text)}
        return found | {word.rstrip(_ENDS) for word in found}

    def counts(self) -> Counter[Kind]:
        """Return how many values of which kind there are; typed tokens are none."""
        return Counter(kind for kind, value in self.values() if not _is_token(value))

    def unnamed(self, tokens: Mapping[str, str]) -> list[tuple[Kind, str]]:
        """Return the values that need a number, each once.

        The bare tokens of marked messages are among them: then the kind has more than one value, and a bare token in
        the answer is nobody's.
        """
        new: dict[str, Kind] = {}
        for piece, spans in self._found.items():
            for start, end, kind in spans:
                value = token(kind, "") if piece.is_marked else piece.text[start:end]
                if value not in tokens and not (piece.is_marked and kind == SECRET):
                    new.setdefault(value, kind)
        return [(kind, value) for value, kind in new.items()]

    def rewritten(self, tokens: Mapping[str, str] | None = None) -> ConverseRequest:
        """Return the request with a token for each value: its kind's bare one in marked messages, or if it has none.

        The very request where there is no value.
        """
        if not any(self._found.values()):
            return self._request

        def numbered(_: Kind, value: str) -> str:
            return known[value]

        known = tokens or NOTHING
        texts = {
            piece: replaced(piece.text, spans, token if piece.is_marked or tokens is None else numbered)
            for piece, spans in self._found.items()
        }
        return self._walk(texts.__getitem__)

    def _walk(self, rewrite: Callable[[Piece], str]) -> ConverseRequest:
        def marked(text: str, name: str) -> str:
            return rewrite(Piece(text, name, True)) if text else text

        def others(text: str, name: str) -> str:
            return rewrite(Piece(text, name, False)) if text else text

        rest = others if self._whole else None
        return in_request(self._request, lambda message: marked if message.scrub else rest, rest)

    def _gather(self, piece: Piece) -> str:
        self._found[piece] = []
        return piece.text


async def read(request: ConverseRequest, finder: Finder, *, whole: bool) -> Prompt:
    """Return a request's texts with the personal data in them: of marked messages only, or `whole`.

    Raises:
        RecognizerUnavailable: when there is a recognizer, and it gives no good answer.
    """
    said = sum(len(one.text) + sum(len(call.arguments) for call in one.tool_calls) for one in request.messages)
    prompt = await scanned(said, finder.off_loop_characters, Prompt, request, whole=whole)
    await prompt.find(finder)
    return prompt


async def masked(prompt: Prompt, finder: Finder) -> ConverseRequest:
    """Return the request with bare tokens."""
    limit = finder.off_loop_characters
    await scanned(prompt.characters, limit, prompt.settle, NOTHING, finder.spans)
    return await scanned(prompt.characters, limit, prompt.rewritten, None)


async def numbered(
    prompt: Prompt, finder: Finder, numbers: Numbers, kinds: Collection[Kind]
) -> tuple[ConverseRequest, Vault]:
    """Return the request with numbered tokens, and the vault that has one for each value.

    Raises:
        StoreUnavailable: when a room's numbers cannot be had.
    """
    names, limit = await numbers.known(), finder.off_loop_characters
    vault = Vault(names, numbers.epoch)
    if SECRET in vault.kinds:
        vault.add(numbers.repeats(prompt.words()))
    prompt.cover_tokens({*kinds, *vault.kinds})
    await scanned(prompt.characters, limit, prompt.settle, vault.tokens, finder.spans)
    if new := prompt.unnamed(vault.tokens):
        vault.add(await numbers.assign(new))
    hidden = await scanned(prompt.characters, limit, prompt.rewritten, vault.tokens)
    return replace(hidden, vault=vault), vault


def kinds_of(privacy: Privacy) -> frozenset[Kind]:
    """Return the kinds that may be found for a component."""
    asked = privacy.recognizer.entities if privacy.recognizer else ()
    return frozenset((*get_args(PersonalDataType), TYPED, *(own.type for own in privacy.patterns), *asked))


async def found_in(finder: Finder, texts: Sequence[tuple[str, str]]) -> list[list[Span]]:
    """Return the spans of each text; the name that comes with it counts as the words before it."""
    heads = [f"{name}: " if name else "" for _, name in texts]
    found = await finder.find([head + text for head, (text, _) in zip(heads, texts, strict=True)])
    return [behind(len(head), spans) if head else spans for head, spans in zip(heads, found, strict=True)]


def behind(offset: int, spans: Iterable[Span]) -> list[Span]:
    """Return what of the spans lies behind an offset, counted from there."""
    return [Span(max(start - offset, 0), end - offset, kind) for start, end, kind in spans if end > offset]


def _backwards(values: Iterator[tuple[Kind, str]]) -> Iterator[tuple[str, Kind]]:
    """Yield values with their kinds, the first kind of each last."""
    return ((value, kind) for kind, value in reversed(list(values)))


def _is_token(value: str) -> bool:
    return "<" in value and any(one.start == 0 and one.end == len(value) for one in tokens_in(value))
