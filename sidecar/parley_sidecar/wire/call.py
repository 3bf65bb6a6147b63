"""What every converse door knows of a request besides its body."""

from collections.abc import Mapping
from dataclasses import dataclass

from parley_sidecar.model import NO_PARAMETERS, Api, ConverseRequest, Message, Trace
from parley_sidecar.wire.headers import cache_policy
from parley_sidecar.wire.overrides import ALL_ALLOWED, Asked, Terms


@dataclass(frozen=True, slots=True)
class Call:
    """One request at a door, and what its component lets it replace."""

    api: Api
    request_id: str
    terms: Terms = ALL_ALLOWED
    cache_control: bytes | None = None
    """The Cache-Control header."""

    def request(
        self,
        messages: tuple[Message, ...],
        asked: Asked,
        *,
        parameters: Mapping[str, object] = NO_PARAMETERS,
        temperature: float | None = None,
        max_tokens: int | None = None,
    ) -> ConverseRequest:
        """Return what a component is asked, with a trace of its own."""
        return ConverseRequest(
            messages=messages,
            trace=Trace(self.request_id, self.api),
            temperature=temperature,
            max_tokens=max_tokens,
            parameters=parameters,
            overrides=asked.overrides,
            cache=cache_policy(self.cache_control, asked.cache_ttl_s),
        )
