"""Personal data inside a tool call's arguments: JSON text stays JSON text. Used by `layers.scrub`.

Strings keep their quotes, keys stay what they are unless they hold a value themselves, and a number that is somebody's
becomes a string. What is not JSON is treated as any text.
"""

import json
import re
from typing import Final

from parley_sidecar.pii import Naming, replaced, spans
from parley_sidecar.pii.kinds import Span

_PART: Final = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*', re.DOTALL)
_KEY: Final = re.compile(r"[ \t\r\n]*:")


def replaced_in_json(text: str, naming: Naming) -> str:
    """Return a tool call's arguments with each value named by `naming`; the key counts as the words before a value."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return replaced(text, spans(text), naming)
    pieces: list[str] = []
    key, at = "", 0
    for part in _PART.finditer(text):
        is_key = _KEY.match(text, part.end()) is not None
        literal = part.group()
        value = json.loads(literal) if literal[0] == '"' else literal
        new = _renamed("" if is_key else key, value, naming)
        if is_key:
            key = value
        if new is not None:
            pieces += text[at : part.start()], json.dumps(new, ensure_ascii=False)
            at = part.end()
    return "".join((*pieces, text[at:]))


def _renamed(key: str, value: str, naming: Naming) -> str | None:
    """Return the value with tokens, or None if nothing in it is personal."""
    prefix = f"{key}: " if key else ""
    offset = len(prefix)
    found = [
        Span(max(span.start - offset, 0), span.end - offset, span.kind)
        for span in spans(prefix + value)
        if span.end > offset
    ]
    return replaced(value, found, naming) if found else None
