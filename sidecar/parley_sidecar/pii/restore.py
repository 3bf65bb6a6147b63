r"""What a token looks like, and how values come back in its place. Used by `layers.scrub` and `hiding`.

What can be put back is exactly what is hidden when a caller types it, so that nobody gets another's value by typing a
token. Models write tokens with markdown's escapes as well: `<EMAIL\_ADDRESS\_1>`, `\<EMAIL_ADDRESS_1\>`.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from msgspec.structs import replace

from parley_sidecar.model import Answer
from parley_sidecar.pii.arguments import in_json, literal
from parley_sidecar.pii.counted import CountPii
from parley_sidecar.pii.kinds import Kind

MAX_TOKEN_CHARACTERS: Final = 48
"""The longest text that is taken for a token, escapes included."""
_TOKEN: Final = re.compile(r"<([A-Z][A-Z_\\]{0,44}(?:[1-9][0-9]{0,8})?\\?)>")
_RAW_TOKEN: Final = re.compile(
    r"(\\\\)?(?:<|\\u003[cC])([A-Z](?:[A-Z_]|\\\\_){0,44}(?:[1-9][0-9]{0,8})?)(?(1)\\\\)(?:>|\\u003[eE])"
    r"|\\(?:u[0-9a-fA-F]{4}|[^u])"
)
"""A token within JSON text, or an escape, so that what follows an escaped backslash is not misread."""


class Token(NamedTuple):
    """A token within a text: `text[start:end]`; `key` is what stands in it, without escapes."""

    start: int
    end: int
    key: str

    @property
    def kind(self) -> Kind:
        """The word of it, without the number."""
        return kind_of(self.key)


def kind_of(key: str) -> Kind:
    """Return the word of a token of which `key` is what stands in it."""
    word, _, number = key.rpartition("_")
    return word if number.isdigit() else key


def tokens_in(text: str) -> Iterator[Token]:
    """Yield all that looks like a token of some kind, with or without a number."""
    return filter(None, map(_token, _TOKEN.finditer(text)))


def _token(found: re.Match[str]) -> Token | None:
    """Return what was found, without escapes; None if only one of its brackets has one, or if it is too long."""
    start, key = found.start(), found[1]
    if "\\" in key:
        if key.endswith("\\"):
            if not start or found.string[start - 1] != "\\":
                return None
            start, key = start - 1, key[:-1]
        key = key.replace("\\_", "_")
    return Token(start, found.end(), key) if found.end() - start <= MAX_TOKEN_CHARACTERS else None


class Restorer:
    """Puts the values of one vault back, and counts them by what stood in their tokens."""

    __slots__ = ("_values", "counts")

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.counts: dict[str, int] = {}

    def report(self, count: CountPii) -> None:
        """Tell how many values of which kind came back."""
        by_kind: Counter[Kind] = Counter()
        for key, times in self.counts.items():
            by_kind[kind_of(key)] += times
        for kind, times in by_kind.items():
            count("restored", kind, times)

    def apart(self) -> "Restorer":
        """Return one that counts anew."""
        return Restorer(self._values)

    def answer(self, answer: Answer, arguments: Callable[[str], str]) -> Answer:
        """Return an answer with its values; `arguments` is one of the two ways to treat those of tool calls."""
        choices = tuple(
            replace(
                choice,
                text=self.text(choice.text),
                tool_calls=tuple(replace(call, arguments=arguments(call.arguments)) for call in choice.tool_calls),
            )
            for choice in answer.choices
        )
        return answer if choices == answer.choices else replace(answer, choices=choices)

    def text(self, text: str) -> str:
        """Return a text with its values; tokens that are not known stay."""
        if "<" not in text:
            return text
        if "\\" in text:
            return self._unescaped(text)
        parts, values, counts = _TOKEN.split(text), self._values, self.counts
        for place in range(1, len(parts), 2):
            key = parts[place]
            value = values.get(key)
            if value is None:
                parts[place] = f"<{key}>"
            else:
                counts[key] = counts.get(key, 0) + 1
                parts[place] = value
        return "".join(parts) if len(parts) > 1 else text

    def _unescaped(self, text: str) -> str:
        """Return a text in which tokens may have escapes with its values."""
        pieces: list[str] = []
        at = 0
        for found in _TOKEN.finditer(text):
            start, key = found.start(), found[1]
            if "\\" in key and (token := _token(found)):
                start, _, key = token
            value = self._values.get(key)
            if value is not None:
                self.counts[key] = self.counts.get(key, 0) + 1
                pieces += text[at:start], value
                at = found.end()
        return "".join((*pieces, text[at:])) if pieces else text

    def arguments(self, raw: str) -> str:
        """Return a complete tool call's arguments with their values: inside the strings, where they are JSON."""
        return raw if "<" not in raw and "\\u003" not in raw else in_json(raw, self.rewrite)

    def within_json(self, raw: str) -> str:
        """Return a part of JSON text with its values, escaped as JSON wants it; it must not begin within an escape."""
        return _RAW_TOKEN.sub(self._escaped, raw)

    def rewrite(self, text: str, _name: str) -> str:
        """Return a text with its values, whatever stands before it; as `arguments.Rewrite`."""
        return self.text(text)

    def _escaped(self, found: re.Match[str]) -> str:
        inner = found[2]
        if inner is None or found.end() - found.start() > MAX_TOKEN_CHARACTERS:
            return found[0]
        key = inner.replace("\\\\_", "_")
        value = self._values.get(key)
        if value is None:
            return found[0]
        self.counts[key] = self.counts.get(key, 0) + 1
        return literal(value)[1:-1]
