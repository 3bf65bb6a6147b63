"""Tokens in text that arrives in pieces: what may become one waits until it has, or cannot. Used by `streams`.

No more than `MAX_TOKEN_CHARACTERS` wait, so that a stream with values put back is as quick as one without.
"""

import re
from typing import Final

from parley_sidecar.pii.restore import MAX_TOKEN_CHARACTERS, Restorer

_BEGUN: Final = re.compile(r"<(?:[A-Z][A-Z_\\]{0,44}(?:[1-9][0-9]{0,8}\\?)?)?")
"""A token's beginning."""
_BEGUN_IN_JSON: Final = re.compile(
    r"(?:\\\\)?(?:<|\\u003[cC])(?:[A-Z](?:[A-Z_]|\\\\_){0,44}(?:[1-9][0-9]{0,8})?)?(?:\\\\)?(?:\\(?:u(?:00?3?)?)?)?\Z"
    r"|(?:\\\\)?\\(?:u[0-9a-fA-F]{0,3})?\Z"
    r"|\\\\\Z"
    r"|(?P<escape>\\(?:u[0-9a-fA-F]{4}|[^u]))"
)
"""A token's beginning, or an escape's, at the end of JSON text; or a whole escape, which is passed over."""


class HeldText:
    """One choice's text: `add` takes a piece and returns what may be shown, `finish` the rest."""

    __slots__ = ("_held", "_restore")

    def __init__(self, restorer: Restorer) -> None:
        self._restore = restorer.text
        self._held = ""

    def add(self, piece: str) -> str:
        """Return what can be shown now."""
        if not self._held and "<" not in piece and "\\" not in piece:
            return piece
        text = self._held + piece
        end = _complete(text)
        self._held = text[end:]
        return self._restore(text[:end]) if end else ""

    def finish(self) -> str:
        """Return what has waited: it became no token."""
        rest, self._held = self._held, ""
        return rest


class HeldArguments:
    """The arguments of one tool call, as the JSON text that they are; see `HeldText`."""

    __slots__ = ("_held", "_restore")

    def __init__(self, restorer: Restorer) -> None:
        self._restore = restorer.within_json
        self._held = ""

    def add(self, piece: str) -> str:
        """Return what can be shown now."""
        if not self._held and "<" not in piece and "\\" not in piece:
            return piece
        text = self._held + piece
        end = _complete_in_json(text)
        self._held = text[end:]
        return self._restore(text[:end])

    def finish(self) -> str:
        """Return what has waited: it became no token."""
        rest, self._held = self._held, ""
        return rest


def _complete(text: str) -> int:
    """Return where what may still become a token begins, a backslash before it included."""
    start = text.rfind("<", 1 - MAX_TOKEN_CHARACTERS)
    if start >= 0 and _BEGUN.fullmatch(text, start):
        if start and text[start - 1] == "\\":
            start -= 1
        if len(text) - start < MAX_TOKEN_CHARACTERS:
            return start
    return len(text) - (text[-1:] == "\\")


def _complete_in_json(text: str) -> int:
    """Return where what may still become a token, or an escape, begins."""
    at = 0
    while found := _BEGUN_IN_JSON.search(text, at):
        start = found.start()
        if found["escape"]:
            at = found.end()
        elif len(text) - start < MAX_TOKEN_CHARACTERS:
            return start
        else:
            at = start + (1 if text[start] == "<" else 6 if text[start + 1] == "u" else 2)
    return len(text)
