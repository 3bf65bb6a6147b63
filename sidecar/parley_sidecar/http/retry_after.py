"""How long an answer asks its caller to wait. Pure; used by `http_client`, `websocket` and the SDK's transport."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

MAX_RETRY_AFTER_S: Final = 3600.0
"""The longest wait that is believed."""
_MILLISECONDS: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?", re.ASCII)


def asked_wait_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Return the seconds that an answer asks its caller to wait; None when it does not, or cannot be read.

    `now_s` is Unix time. `retry-after-ms` is finer and goes first. Source: OpenAI's and Azure's published SDKs.
    """
    finer = headers.get("retry-after-ms")
    if finer and _MILLISECONDS.fullmatch(finer):
        return min(float(finer) / 1000, MAX_RETRY_AFTER_S)
    text = headers.get("Retry-After")
    return wait_s(text, now_s) if text else None


def wait_s(retry_after: str, now_s: float) -> float | None:
    """Return the seconds that Retry-After asks for, within an hour; None when it cannot be read.

    `now_s` is Unix time, for its date form. Source: RFC 9110 10.2.3.
    """
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), MAX_RETRY_AFTER_S)
    try:
        asked_s = parsedate_to_datetime(retry_after).timestamp() - now_s
    except (ValueError, OverflowError):
        return None
    return min(max(asked_s, 0.0), MAX_RETRY_AFTER_S)
