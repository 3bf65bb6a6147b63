"""A provider under test with its vendor, and the requests that the suite asks it."""

from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from parley_sidecar import providers
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import (
    Answer,
    Choice,
    Converse,
    ConverseRequest,
    Message,
    Overrides,
    ResponseFormat,
    Stream,
    Tool,
    ToolCall,
    Trace,
)
from tests.conftest import Vendors, vendor_modules
from tests.sidecar.providers.lacks import LACKS

ALL = tuple(LACKS)
TYPES = tuple(providers.component_types())
VENDORS = tuple(mount for mount in ALL if "a vendor" not in LACKS[mount])
PROJECT = Tool(
    "get_project_name",
    "Get the name of an open source project",
    {
        "type": "object",
        "properties": {"repo_link": {"type": "string", "description": "The repository"}},
        "required": ["repo_link"],
    },
)
PAYMENT = Tool(
    "retrieve_payment_status",
    "Get payment status of a transaction",
    {
        "type": "object",
        "properties": {
            "transaction_id": {"type": "string"},
            "items": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["transaction_id", "items"],
    },
)
SUM = ResponseFormat(
    {
        "type": "object",
        "properties": {
            "calculation": {"type": "string"},
            "result": {"type": "number"},
            "explanation": {"type": "string"},
            "confidence": {"type": "string", "enum": ["low", "medium", "high"]},
        },
        "required": ["calculation", "result", "explanation", "confidence"],
        "additionalProperties": False,
    },
    name="sum",
    strict=True,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One vendor's provider."""

    mount: str
    vendors: Vendors
    http: HttpClient

    def connect(self, **settings: str) -> Converse:
        """Return the provider, with some settings in the place of those that reach the vendor."""
        if "a vendor" in LACKS[self.mount]:
            return providers.connect(self.mount, settings, self.http)
        return providers.connect(self.type, self.vendors.settings(self.mount) | settings, self.http)

    @property
    def type(self) -> str:
        """The component's type."""
        return type_of(self.mount)

    async def whole(self, request: ConverseRequest) -> Answer:
        """Return a complete answer to a request."""
        reply = await self.connect()(request)
        assert isinstance(reply, Answer)
        return reply

    async def choice(self, request: ConverseRequest) -> Choice:
        """Return the only choice of a complete answer."""
        (choice,) = (await self.whole(request)).choices
        return choice

    def sent(self) -> Any:
        """Return the body that the vendor got last."""
        return self.vendors.last(self.mount)["body"]


def type_of(mount: str) -> str:
    """Return the component type of a vendor."""
    module = vendor_modules().get(mount)
    return str(module.TYPE) if module else mount


def asking(*messages: Message | str, model: str | None = None, **fields: Any) -> ConverseRequest:
    """Return a request; a text is a user's message."""
    said = tuple(Message("user", one) if isinstance(one, str) else one for one in messages or ("hello there",))
    return ConverseRequest(said, Trace("1"), overrides=Overrides(model=model), **fields)


def calling(name: str = "testfunc", arguments: str = '{"test":"value"}', text: str = "") -> Message:
    """Return an assistant's turn that asked for a tool, with an id that no vendor gave."""
    return Message("assistant", text, tool_calls=(ToolCall("tool_id", name, arguments),))


def result(text: str, name: str | None = "testfunc", call_id: str = "tool_id") -> Message:
    """Return a tool's result."""
    return Message("tool", text, name, tool_call_id=call_id)


def after(request: ConverseRequest, *messages: Message) -> ConverseRequest:
    """Return a request that goes on, without tools."""
    return replace(request, messages=request.messages + messages, tools=())


async def streamed(converse: Converse, request: ConverseRequest) -> Answer:
    """Ask for a stream, read it to its end, check that its deltas are its answer, and return that."""
    reply = await converse(replace(request, wants_stream=True))
    if isinstance(reply, Answer):
        return reply
    texts: dict[int, str] = {}
    arguments: dict[tuple[int, int], str] = {}
    async for delta in reply:
        texts[delta.index] = texts.get(delta.index, "") + delta.text
        for piece in delta.tool_calls:
            place = (delta.index, piece.place)
            arguments[place] = arguments.get(place, "") + piece.arguments
    await closed(reply)
    whole = reply.answer
    assert [choice.text for choice in whole.choices] == [texts.get(i, "") for i, _ in enumerate(whole.choices)]
    assert [call.arguments for choice in whole.choices for call in choice.tool_calls] == list(arguments.values())
    return whole


async def closed(stream: Stream) -> None:
    """Close a stream, twice: that must be allowed."""
    await stream.aclose()
    await stream.aclose()
