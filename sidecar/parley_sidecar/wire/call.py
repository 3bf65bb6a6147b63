"""What every converse door knows of a request besides its body."""

from collections.abc import Mapping
from typing import TypedDict, Unpack

from msgspec import Struct

from parley_sidecar.model import NO_PARAMETERS, Api, ConverseRequest, Message, ResponseFormat, Tool, ToolChoice, Trace
from parley_sidecar.wire.headers import cache_policy
from parley_sidecar.wire.json import check_depth
from parley_sidecar.wire.overrides import ALL_ALLOWED, Asked, Terms


class Wishes(TypedDict, total=False):
    """What a body asks for besides its messages and overrides; what it leaves out keeps the model's default."""

    temperature: float | None
    max_tokens: int | None
    tools: tuple[Tool, ...]
    tool_choice: ToolChoice | None
    response_format: ResponseFormat | None
    prompt_cache_retention_s: float | None
    scrub_answer: bool
    context_id: str | None
    parameters: Mapping[str, object]


def _check_depths(wishes: Wishes) -> None:
    for value in wishes.get("parameters", NO_PARAMETERS).values():
        check_depth(value)
    for tool in wishes.get("tools", ()):
        check_depth(tool.parameters)
    if wanted := wishes.get("response_format"):
        check_depth(wanted.schema)


class Call(Struct, frozen=True):
    """One request at a door, and what its component lets it replace."""

    api: Api
    request_id: str
    terms: Terms = ALL_ALLOWED
    cache_control: bytes | None = None
    """The Cache-Control header."""
    wants_stream: bool = False
    """Whether the answer is wanted in pieces; a door that has this in its body says it there."""

    def request(self, messages: tuple[Message, ...], asked: Asked, **wishes: Unpack[Wishes]) -> ConverseRequest:
        """Return what a component is asked, with a trace of its own.

        Raises:
            MalformedBody: when parameters or schemas are nested too deep.
        """
        if wishes:
            _check_depths(wishes)
        return ConverseRequest(
            messages=messages,
            trace=Trace(self.request_id, self.api),
            overrides=asked.overrides,
            cache=cache_policy(self.cache_control, asked.cache_ttl_s),
            wants_stream=self.wants_stream,
            **wishes,
        )
