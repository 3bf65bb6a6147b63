"""Numbers as protobuf's JSON mapping allows them: also as text. Source: protobuf's ProtoJSON format."""

import math
from typing import Final

from parley_sidecar.errors import InvalidParameters, MalformedBody

MAX_TOKENS: Final = 2147483647
"""The largest maxTokens. Source: dapr/dapr#10322."""

Number = int | float | str
"""How a number may arrive."""


def temperature(given: float | str | None) -> float | None:
    """Read a temperature.

    Raises:
        MalformedBody: when a text is no number.
        InvalidParameters: when it is not finite, for no provider's JSON can carry it.
    """
    if given is None:
        return None
    try:
        value = float(given)
    except ValueError:
        raise MalformedBody("temperature must be a number") from None
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
    try:
        value = int(given)
        whole = not isinstance(given, float) or given == value
    except ValueError:
        whole, value = False, 0
    if not whole:
        raise MalformedBody("maxTokens must be a whole number")
    if not 0 < value <= MAX_TOKENS:
        raise InvalidParameters(f"max_tokens must be greater than 0 and at most {MAX_TOKENS}")
    return value
