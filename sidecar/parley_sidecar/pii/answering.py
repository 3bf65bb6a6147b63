"""An answer's texts where new personal data in them is hidden; tokens give way to values. Used by `layers.scrub`.

Both in one pass: a token that the model wrote is no personal data, and what is put back is not hidden again.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from itertools import islice, takewhile
from typing import Final

from parley_sidecar.model import Answer
from parley_sidecar.pii import replaced, token
from parley_sidecar.pii.counted import CountPii, Direction
from parley_sidecar.pii.finder import Finder
from parley_sidecar.pii.glued import glued
from parley_sidecar.pii.hiding import behind, found_in
from parley_sidecar.pii.kinds import Kind, Span, merged
from parley_sidecar.pii.reach import in_answer
from parley_sidecar.pii.restore import Token, tokens_in
from parley_sidecar.pii.vault import Vault

_OF_THE_MODEL: Final = "<>"
"""Stands for the kind of a token that the model wrote."""


class Masking:
    """Hides what is new; a vault's tokens give way to their values, or lose their number if nothing may come back."""

    def __init__(self, finder: Finder, vault: Vault | None = None, *, restores: bool = False) -> None:
        self._finder = finder
        self._vault = vault or Vault(())
        self._restores = restores
        self.counts: Counter[tuple[Direction, Kind]] = Counter()

    @property
    def off_loop_characters(self) -> int:
        """From how many characters on a scan belongs into a thread."""
        return self._finder.off_loop_characters

    def __call__(self, kind: Kind, value: str) -> str:
        """Return what stands in a span's place."""
        if kind == _OF_THE_MODEL:
            return self._of_token(value)
        self.counts["answer", kind] += 1
        return token(kind, value)

    def report(self, count: CountPii) -> None:
        """Tell how many values were hidden, and how many came back."""
        for (direction, kind), times in self.counts.items():
            count(direction, kind, times)

    def spans(self, text: str) -> list[Span]:
        """Return the places of a text that change; asks no recognizer."""
        return self._apart(text, self._whole(text, self._finder.spans(text)))

    def rewrite(self, text: str, name: str) -> str:
        """Return a text that stands under a name as it may be shown; asks no recognizer."""
        head = f"{name}: " if name else ""
        found = behind(len(head), self._finder.spans(head + text))
        return self._replaced(text, found)

    async def answer(self, answer: Answer) -> Answer:
        """Return a complete answer as it may be shown."""
        texts: dict[tuple[str, str], str] = {}

        def gather(text: str, name: str) -> str:
            texts[text, name] = text
            return text

        in_answer(answer, gather)
        for key, found in zip(texts, await found_in(self._finder, list(texts)), strict=True):
            texts[key] = self._replaced(key[0], found)
        return in_answer(answer, lambda text, name: texts[text, name])

    def _replaced(self, text: str, found: list[Span]) -> str:
        return replaced(text, self._apart(text, self._whole(text, found)), self)

    def _whole(self, text: str, found: list[Span]) -> list[Span]:
        more = glued(text, found, self._finder.spans)
        return merged([*found, *more]) if more else found

    def _apart(self, text: str, found: list[Span]) -> list[Span]:
        """Return the spans with the model's tokens among them, and without what is nothing but a token."""
        tokens = [one for one in tokens_in(text) if one.kind in self._vault.kinds] if self._vault.kinds else []
        if not tokens:
            return found
        ends = [one.end for one in tokens]
        beside = (
            part for span in found for part in _beside(text, span, islice(tokens, bisect_right(ends, span.start), None))
        )
        return sorted([*beside, *(Span(one.start, one.end, _OF_THE_MODEL) for one in tokens)])

    def _of_token(self, text: str) -> str:
        (found,) = tokens_in(text)
        kind = found.kind
        value = self._vault.restored.get(found.key)
        if self._restores:
            if value is None:
                return text
            self.counts["restored", kind] += 1
            return value
        is_known = found.key == kind or int(found.key[len(kind) + 1 :]) in self._vault.kinds[kind]
        return token(kind, text) if is_known else text


def _beside(text: str, span: Span, tokens: Iterable[Token]) -> list[Span]:
    """Return the parts of a span outside of tokens that hold a letter or a digit."""
    parts: list[Span] = []
    at = span.start
    for one in takewhile(lambda one: one.start < span.end, tokens):
        parts.append(Span(at, one.start, span.kind))
        at = one.end
    parts.append(Span(at, span.end, span.kind))
    return [part for part in parts if any(map(str.isalnum, text[part.start : part.end]))]
