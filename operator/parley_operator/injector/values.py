"""The forms of annotation values: how each is read, beside the words for what it may be.

A reader raises a bare ValueError for anything else; options.py adds the annotation's name and the words.
"""

import re
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Final

from parley_crds import names

_MAX_NAME_CHARS: Final = 253
_MAX_IMAGE_CHARS: Final = 480
"""Enough for a name of 255 characters, a tag of 128 and a digest. Source: distribution's reference."""
_NEXT_VARIABLE: Final = re.compile(r",\s*(?=[A-Za-z_][A-Za-z0-9_]*=)")
_PORTS: Final = range(1024, 65536)
_HOST: Final = r"[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*"
_PATH: Final = r"[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*"
_TAG: Final = r":[A-Za-z0-9_][-A-Za-z0-9_.]{0,127}"
_DIGEST: Final = r"@sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})"
_VARIABLE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Form:
    """What a value may be."""

    words: str
    read: Callable[[str], object]
    """Raises ValueError for anything else."""


def _matching(form: str, max_chars: int = _MAX_NAME_CHARS) -> Callable[[str], str]:
    whole = re.compile(form)

    def read(text: str) -> str:
        if len(text) > max_chars or not whole.fullmatch(text):
            raise ValueError
        return text

    return read


def _number(allowed: Container[int]) -> Callable[[str], int]:
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
IMAGE: Final = Form(
    "an image with its tag or digest, such as `registry.example.com/parley-sidecar:1.2.0`",
    _matching(rf"({_HOST}(:[0-9]{{1,5}})?/)?{_PATH}(/{_PATH})*({_TAG}|({_TAG})?{_DIGEST})", _MAX_IMAGE_CHARS),
)
"""Without either it would be whatever `latest` is on that node and day. Source: distribution's reference."""
SECONDS: Final = Form("a whole number of seconds from 0 to 3600", _number(range(3601)))
START: Final = Form("a whole number of seconds from 1 to 3600", _number(range(1, 3601)))
PROBE_PERIOD: Final = Form("a whole number of seconds from 1 to 300", _number(range(1, 301)))
PROBE_TIMEOUT: Final = Form("a whole number of seconds from 1 to 60", _number(range(1, 61)))
PROBE_FAILURES: Final = Form("a whole number from 1 to 100", _number(range(1, 101)))
PORT: Final = Form("a port from 1024 to 65535", _number(_PORTS))
"""A process without rights may not be allowed lower ones; that is a setting of the node."""
PORT_OR_NONE: Final = Form("a port from 1024 to 65535, or `0` for none", _number({0, *_PORTS}))
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
