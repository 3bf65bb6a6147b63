"""Numbers and durations as protobuf's JSON mapping has them, also as text. Source: protobuf's ProtoJSON format."""

import math
import re
from typing import Annotated, Final

from msgspec import Meta

from parley_sidecar.errors import InvalidParameters, MalformedBody

MAX_TOKENS: Final = 2147483647
"""The largest maxTokens. Source: dapr/dapr#10322."""
MAX_DURATION_S: Final = 315_576_000_000
"""The longest Duration, in seconds: some 10,000 years. Source: google/protobuf/duration.proto."""

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE: Final = frozenset({"NaN", "Infinity", "-Infinity"})
_DURATION: Final = re.compile(r"([+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]{0,9})?|\.[0-9]{1,9}))s")

Number = int | float | str
"""How a number may arrive. The names below are the same to a decoder, and tell the OpenAPI document more."""
Temperature = Annotated[
    float | str,
    Meta(description="A finite number, or its text.", extra_json_schema={"pattern": f"^{_NUMBER.pattern}$"}),
]
Limit = Annotated[
    Number,
    Meta(
        description="The most tokens to answer with: a whole number, or its text.",
        extra_json_schema={"minimum": 1, "maximum": MAX_TOKENS, "multipleOf": 1, "pattern": "^[1-9][0-9]{0,8}$"},
    ),
]
Duration = Annotated[
    str,
    Meta(
        description='Seconds, such as "86400s".',
        extra_json_schema={"pattern": r"^(0|[1-9][0-9]{0,10})(\.[0-9]{1,9})?s$"},
    ),
]


def temperature(given: float | str | None) -> float | None:
    """Read a temperature.

    Raises:
        MalformedBody: when a text is no number.
        InvalidParameters: when it is not finite, for no provider's JSON can carry it.
    """
    if given is None:
        return None
    if isinstance(given, str) and given not in _NOT_FINITE and not _NUMBER.fullmatch(given):
        raise MalformedBody("temperature must be a number")
    value = float(given)
    if not math.isfinite(value):
        raise InvalidParameters("temperature must be a finite number")
    return value


def max_tokens(given: Number | None) -> int | None:
    """Read a limit of tokens.

    Raises:
        MalformedBody: when it is not a whole number.
        InvalidParameters: when it is out of range.
    """
    if given is None:
        return None
    if isinstance(given, str):
        given = float(given) if _NUMBER.fullmatch(given) else math.nan
    if isinstance(given, float) and not math.isinf(given) and not given.is_integer():
        raise MalformedBody("maxTokens must be a whole number")
    if not 0 < given <= MAX_TOKENS:
        raise InvalidParameters(f"max_tokens must be greater than 0 and at most {MAX_TOKENS}")
    return int(given)


def duration_s(text: str) -> float:
    """Read a Duration, such as "86400s" or "1.5s", into seconds, which may be negative.

    Raises:
        MalformedBody: when it is none: "24h" is not protobuf's form.
    """
    found = _DURATION.fullmatch(text)
    value = float(found[1]) if found else math.inf
    if abs(value) > MAX_DURATION_S:
        raise MalformedBody('a duration is a number of seconds such as "86400s"')
    return value
