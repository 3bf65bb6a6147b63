"""Texts inside a tool call's arguments: JSON text stays JSON text. Used to hide what is in them and to put it back.

Strings keep their quotes, keys stay what they are unless they hold a value themselves, and a number that is somebody's
becomes a string. What is not JSON is treated as any text.
"""

import json
import re
from collections.abc import Callable
from typing import Final

Rewrite = Callable[[str, str], str]
"""Takes a text, and the name under which it stands, which counts as the words before it; returns the new text."""

_PART: Final = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*', re.DOTALL)
_KEY: Final = re.compile(r"[ \t\r\n]*:")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def in_json(text: str, rewrite: Rewrite) -> str:
    """Return a tool call's arguments with each string, key and number rewritten."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return rewrite(text, "")
    pieces: list[str] = []
    key, at = "", 0
    for part in _PART.finditer(text):
        is_key = _KEY.match(text, part.end()) is not None
        written = part.group()
        value = json.loads(written) if written[0] == '"' else written
        if _SURROGATE.search(value):
            value = _SURROGATE.sub("\ufffd", value)  # half a character: nobody could store or send it
        new = rewrite(value, "" if is_key else key)
        if is_key:
            key = value
        if new != value:
            pieces += text[at : part.start()], literal(new)
            at = part.end()
    return "".join((*pieces, text[at:]))


def literal(text: str) -> str:
    """Return a text as JSON writes it, in quotes."""
    return json.dumps(text, ensure_ascii=False)
