"""What a provider's answer means when it is not the one that was asked for: our errors, each in one safe sentence.

Every provider uses it. Nothing of a body is kept: it may hold a part of the key, or of the prompt.
"""

from typing import Final, TypeVar

import msgspec

from parley_sidecar.errors import ParleyError, ProviderGarbled, ProviderRefused, ProviderUnavailable, RateLimited

T = TypeVar("T")

OK: Final = 200
_NOT_FOUND: Final = 404
_REQUEST_TIMEOUT: Final = 408
_TOO_MANY_REQUESTS: Final = 429
_SERVER_FAULT: Final = 500


def fault(status: int, retry_after_s: float | None = None) -> ParleyError:
    """Return what a status other than 200 means."""
    if status == _TOO_MANY_REQUESTS:
        return RateLimited("the provider limits the rate of requests", retry_after_s=retry_after_s)
    if status >= _SERVER_FAULT or status == _REQUEST_TIMEOUT:
        return ProviderUnavailable(f"the provider answered with status {status}", retry_after_s=retry_after_s)
    if status in {401, 403}:
        return ProviderRefused(f"the provider refused the key (status {status})")
    if status == _NOT_FOUND:
        return ProviderRefused("the provider does not know the model or the path (status 404)")
    return ProviderRefused(f"the provider refused the request (status {status})")


def understood(decoder: msgspec.json.Decoder[T], body: bytes, form: str) -> T:
    """Decode a provider's JSON; `form` names what it should be, such as "a chat completion".

    Raises:
        ProviderGarbled: when it is not JSON, not UTF-8, nested too deep, or not of the decoder's type.
    """
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderGarbled(f"the provider's answer is not {form}") from error


def cut_off() -> ProviderUnavailable:
    """Return what a stream means that stops before its end."""
    return ProviderUnavailable("the provider's answer was cut off")
