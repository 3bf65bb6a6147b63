"""Durations as this field writes them: Go's notation, or a bare number of seconds.

Used by the resource's models, the checks and the sidecar's request decoding.
"""

import re
from typing import Final

_UNITS_S: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
PATTERN: Final = r"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$|^[0-9]+$"
"""What a duration looks like, as the CRD's schema says it. Source: time.ParseDuration, without a sign."""
_WHOLE: Final = re.compile(PATTERN)
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h)")
MAX_LENGTH: Final = 32


def seconds(text: str | int) -> float:
    """Return a duration in seconds: "10m", "1h30m", "250ms", or a bare whole number of seconds.

    Raises:
        ValueError: with a sentence, when it is none of these.
    """
    if isinstance(text, bool) or (isinstance(text, int) and text < 0):
        raise ValueError(f"{text!r} is not a duration such as 10m, 1h30m or 90")
    plain = str(text)
    if len(plain) > MAX_LENGTH or not _WHOLE.match(plain):
        raise ValueError(f"{plain[:MAX_LENGTH]!r} is not a duration such as 10m, 1h30m or 90")
    if plain.isdigit():
        return float(plain)
    return sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(plain))
