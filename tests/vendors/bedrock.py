"""Amazon Bedrock's Converse and ConverseStream: signatures verified, bodies judged by AWS's own service model.

The model's rules on a conversation come from Bedrock's user guide and the sentences that its ValidationException has.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any, Final

import msgspec
from botocore.model import ServiceModel
from botocore.session import Session
from botocore.validate import ParamValidator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.vendors import faults, sigv4
from tests.vendors.schemas import plausible

TYPE: Final = "conversation.aws.bedrock"
REGION: Final = "eu-central-1"
ACCOUNTS: Final = {
    "AKIAVENDORFIXED": sigv4.Account("vendor/secret+fixed", None),
    "ASIAVENDORTEMP": sigv4.Account("vendor/secret+temp", "vendor-session-token=="),
}
"""Access keys that the vendor knows; the second one is temporary and comes with its session token."""
CACHED_TOKENS: Final = 3
TYPES: Final = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
STOPS: Final = {"length": "max_tokens", "filtered": "content_filtered"}


def settings(url: str) -> dict[str, str]:
    """Return the settings of a component that reaches this vendor at `url`."""
    key = "AKIAVENDORFIXED"
    return {"endpoint": url, "region": REGION, "accessKey": key, "secretKey": ACCOUNTS[key].secret}


class Refused(Exception):
    """The vendor's own error."""

    def __init__(self, status: int, message: str, error_type: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type or TYPES[status]


def error(status: int, message: str) -> dict[str, Any]:
    """Return an error's body, which names its type as some of AWS's services do."""
    return {"message": message, "__type": TYPES.get(status, "")}


async def converse(request: Request) -> Response:
    """Answer Converse."""
    return await _answered(request, streams=False)


async def converse_stream(request: Request) -> Response:
    """Answer ConverseStream."""
    return await _answered(request, streams=True)


async def _answered(request: Request, *, streams: bool) -> Response:
    model = request.path_params["model"]
    body = await request.body()
    try:
        sigv4.verify(request, body, ACCOUNTS, f"{REGION}/bedrock/aws4_request")
        asked = msgspec.json.decode(body)
        judge(asked, "ConverseStreamRequest" if streams else "ConverseRequest", model)
    except sigv4.BadSignatureError as refused:
        return refusal(Refused(403, str(refused), "InvalidSignatureException"))
    except Refused as refused:
        return refusal(refused)
    content, stop = said(asked, model)
    tokens = usage(asked, content)
    if streams:
        media_type = "application/vnd.amazon.eventstream"
        return typed(await faults.streamed(model, events(content, stop, tokens), error, faults.GARBAGE, media_type))
    message = {"role": "assistant", "content": content}
    metrics = {"latencyMs": 12}
    whole = {"output": {"message": message}, "stopReason": stop, "usage": tokens, "metrics": metrics}
    return typed(await faults.whole(model, whole, error))


def refusal(refused: Refused) -> Response:
    """Return the vendor's error."""
    response = faults.json(error(refused.status, str(refused)), refused.status)
    response.headers["x-amzn-errortype"] = f"{refused.error_type}:http://internal.amazon.com/coral/"
    return response


def typed(response: Response) -> Response:
    """Put the error's type where Bedrock has it."""
    if response.status_code >= HTTPStatus.BAD_REQUEST and response.status_code in TYPES:
        response.headers["x-amzn-errortype"] = f"{TYPES[response.status_code]}:http://internal.amazon.com/coral/"
    return response


@cache
def service() -> ServiceModel:
    """Return what AWS publishes about its API."""
    return Session().get_service_model("bedrock-runtime")


def judge(asked: Any, shape: str, model: str) -> None:
    """Refuse what Bedrock refuses."""
    if not isinstance(asked, dict):
        raise Refused(400, "the body is not an object", "SerializationException")
    if model == "unknown-model":
        raise Refused(404, "The provided model identifier is invalid.")
    report = ParamValidator().validate({**asked, "modelId": model}, service().shape_for(shape))
    if report.has_errors():
        raise Refused(400, report.generate_report())
    judge_turns(asked.get("messages", []))
    blocks = [block for turn in asked["messages"] for block in turn["content"]]
    uses_tools = any("toolUse" in block or "toolResult" in block for block in blocks)
    if uses_tools and "toolConfig" not in asked:
        raise Refused(400, "The toolConfig field must be defined when using toolUse and toolResult content blocks.")
    if asked.get("inferenceConfig", {}).get("temperature", 0) > 1:
        raise Refused(400, "temperature must be at most 1")
    strange = set(asked.get("additionalModelRequestFields", {})) - {"top_k", "inferenceConfig", "thinking"}
    if strange:
        raise Refused(400, f"extraneous key [{min(strange)}] is not permitted")


def judge_turns(messages: list[Any]) -> None:
    """Refuse a conversation that is not the user's and the model's by turns, or leaves a call without its result."""
    if not messages or messages[0]["role"] != "user":
        raise Refused(400, "A conversation must start with a user message.")
    if messages[-1]["role"] != "user":
        raise Refused(400, "A conversation must end with a user message.")
    open_calls: set[str] = set()
    for place, turn in enumerate(messages):
        if turn["role"] != ("user", "assistant")[place % 2]:
            raise Refused(400, "A conversation must alternate between user and assistant roles.")
        if not turn["content"]:
            raise Refused(400, f"The content field in the Message object at messages.{place} is empty.")
        if any(not block.get("text", "x").strip() for block in turn["content"]):
            raise Refused(400, f"The text field in the ContentBlock object at messages.{place} is blank.")
        results = {block["toolResult"]["toolUseId"] for block in turn["content"] if "toolResult" in block}
        if results != open_calls:
            raise Refused(400, f"Expected toolResult blocks at messages.{place}.content for the calls before it.")
        open_calls = {block["toolUse"]["toolUseId"] for block in turn["content"] if "toolUse" in block}


def said(asked: Mapping[str, Any], model: str) -> tuple[list[Any], str]:
    """Return what the model says, and why it stops."""
    last = asked["messages"][-1]["content"]
    has_results = any("toolResult" in block for turn in asked["messages"] for block in turn["content"])
    if model == "empty":
        return [], "end_turn"
    if "toolConfig" in asked and not has_results:
        return [{"text": "Let me look."}, {"toolUse": wish(asked["toolConfig"])}], "tool_use"
    if schema := schema_of(asked):
        return [{"text": msgspec.json.encode(plausible(schema)).decode()}], "end_turn"
    thought = {"reasoningContent": {"reasoningText": {"text": "The user wants it back.", "signature": "c2ln"}}}
    return [thought, {"text": " ".join(texts(last))}], STOPS.get(model, "end_turn")


def texts(blocks: list[Any]) -> Iterator[str]:
    """Iterate the texts of a turn, those of its results too."""
    for block in blocks:
        for part in (block, *block.get("toolResult", {}).get("content", [])):
            if "text" in part:
                yield part["text"]


def wish(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the call of the tool that must be, or else of the first."""
    specs = {tool["toolSpec"]["name"]: tool["toolSpec"] for tool in config["tools"]}
    name = config.get("toolChoice", {}).get("tool", {}).get("name") or next(iter(specs))
    return {"toolUseId": "tooluse_1", "name": name, "input": plausible(specs[name]["inputSchema"]["json"])}


def schema_of(asked: Mapping[str, Any]) -> Any:
    """Return the schema that the answer must fit, or None."""
    form = asked.get("outputConfig", {}).get("textFormat")
    return form and msgspec.json.decode(form["structure"]["jsonSchema"]["schema"])


def usage(asked: Mapping[str, Any], content: list[Any]) -> dict[str, int]:
    """Count words; with a cache point, some of the prompt's come out of the cache."""
    prompt = sum(len(text.split()) for turn in asked["messages"] for text in texts(turn["content"]))
    answer = sum(len(str(block).split()) for block in content)
    cached = CACHED_TOKENS if b"cachePoint" in msgspec.json.encode(asked) else 0
    counts = {"inputTokens": prompt, "outputTokens": answer, "totalTokens": prompt + answer + cached}
    return counts | {"cacheReadInputTokens": cached, "cacheWriteInputTokens": 0}


def events(content: list[Any], stop: str, tokens: Mapping[str, int]) -> Iterator[bytes]:
    """Iterate what is sent at once: the head with the first event of the first block, then each event."""
    frames = [frame("messageStart", {"role": "assistant"})]
    for place, block in enumerate(content):
        frames += block_events(place, block)
    frames.append(frame("messageStop", {"stopReason": stop}))
    frames.append(frame("metadata", {"usage": tokens, "metrics": {"latencyMs": 12}}))
    first = next((place for place, block in enumerate(frames) if b"toolUse" in block or b'"text"' in block), 0)
    yield b"".join(frames[: first + 1])
    yield from frames[first + 1 :]


def block_events(place: int, block: Mapping[str, Any]) -> Iterator[bytes]:
    """Iterate the events of a block."""
    index = {"contentBlockIndex": place}
    if "toolUse" in block:
        use = block["toolUse"]
        start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
        yield frame("contentBlockStart", {"start": start, **index})
        written = msgspec.json.encode(use["input"]).decode()
        pieces: list[Any] = [{"toolUse": {"input": piece}} for piece in (written[:7], written[7:]) if written != "{}"]
    elif "text" in block:
        words = block["text"].split(" ")
        pieces = [{"text": ("" if not at else " ") + word} for at, word in enumerate(words)]
    else:
        pieces = [{"reasoningContent": {"signature": "c2ln"}}]
    for piece in pieces:
        yield frame("contentBlockDelta", {"delta": piece, **index})
    yield frame("contentBlockStop", index)


def frame(name: str, payload: object, kind: str = "event") -> bytes:
    """Return one message of an event stream. Source: Smithy, "Amazon Event Stream Specification"."""
    named = {":message-type": kind, f":{kind}-type": name, ":content-type": "application/json"}
    return framed(b"".join(_header(header, value) for header, value in named.items()), msgspec.json.encode(payload))


def framed(headers: bytes, body: bytes) -> bytes:
    """Return a message with its lengths and checksums."""
    prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + body
    return message + struct.pack(">I", zlib.crc32(message))


def _header(name: str, value: str) -> bytes:
    return struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value)) + value.encode()


app = Starlette(
    routes=[
        Route("/model/{model:path}/converse", converse, methods=["POST"]),
        Route("/model/{model:path}/converse-stream", converse_stream, methods=["POST"]),
    ]
)
