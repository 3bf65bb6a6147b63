"""The forms of annotation values: how each is read, beside the words for what it may be.

A reader raises a bare ValueError for anything else; options.py adds the annotation's name and the words.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from parley_crds import names

_MAX_NAME_CHARS: Final = 253
_NEXT_VARIABLE: Final = re.compile(r",\s*(?=[A-Za-z_][A-Za-z0-9_]*=)")
_VARIABLE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Form:
    """What a value may be."""

    words: str
    read: Callable[[str], object]
    """Raises ValueError for anything else."""


def _matching(form: str) -> Callable[[str], str]:
    whole = re.compile(form)

    def read(text: str) -> str:
        if len(text) > _MAX_NAME_CHARS or not whole.fullmatch(text):
            raise ValueError
        return text

    return read


def _number(allowed: range) -> Callable[[str], int]:
    digits = _matching(r"[0-9]{1,5}")

    def read(text: str) -> int:
        if int(digits(text)) not in allowed:
            raise ValueError
        return int(text)

    return read


def _switch(text: str) -> bool:
    """Read true or false, in any case, as Dapr does."""
    return {"true": True, "false": False}[_matching("true|false")(text.lower())]


def _environment(text: str) -> dict[str, str]:
    """Read variables: Dapr's form, but a comma inside a value is one unless `NAME=` follows it."""
    pairs = [_VARIABLE.fullmatch(part) for part in _NEXT_VARIABLE.split(text.strip())]
    read = {pair[1]: pair[2] for pair in pairs if pair}
    if len(read) != len(pairs) or any(name.startswith(names.RESERVED_VARIABLES) for name in read):
        raise ValueError
    return read


SWITCH: Final = Form("`true` or `false`", _switch)
APP_ID: Final = Form(
    "at most 63 letters, digits, `-`, `_` and `.`, beginning and ending with a letter or a digit",
    _matching(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"),
)
"""As a label's value, because that is where an application id comes from otherwise."""
SECRET: Final = Form(
    "the name of a Secret in the pod's namespace",
    _matching(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"),
)
LOG_LEVEL: Final = Form("`debug`, `info`, `warning` or `error`", _matching("debug|info|warning|error"))
SECONDS: Final = Form("a whole number of seconds from 0 to 3600", _number(range(3601)))
PORT: Final = Form("a port from 1024 to 65535", _number(range(1024, 65536)))
"""A process without rights may not be allowed lower ones; that is a setting of the node."""
CPU: Final = Form(
    "a number of cores above 0, such as `250m` or `0.5`",
    _matching(r"(?=[0-9.]*[1-9])([0-9]+m|[0-9]+(\.[0-9]{1,3})?)"),
)
MEMORY: Final = Form(
    "an amount of memory above 0 with its unit, such as `256Mi` or `1Gi`",
    _matching(r"(?=[0-9.]*[1-9])[0-9]+(\.[0-9]+)?(k|[MGT]|[KMGT]i)"),
)
"""A unit is required: `256` would be bytes, and nothing starts in those."""
ENVIRONMENT: Final = Form(
    "`NAME=value` pairs with commas between them, no name beginning with `DAPR_`, `PARLEY_` or `APP_API_TOKEN`",
    _environment,
)
