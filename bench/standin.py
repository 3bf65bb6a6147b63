"""A provider stand-in: a real HTTP/1.1 server that speaks OpenAI's chat completions, far faster than what is measured.

One file, so that it runs from a ConfigMap in a pod too; beside Python it needs what the sidecar's image has. Tests,
bench and the story on a cluster start it: `python standin.py --host 127.0.0.1 --port 8000`.

    POST /v1/chat/completions   answers "stand-in: " and the last user message; plain or streamed
    GET  /healthz               200
    GET  /last                  {"headers": {...}, "body": {...}} of the last completion request
    GET  /count                 {"count": N} completions since the start

The model's name causes faults: status-<code>, garbage, empty, cut, hang, slow-<ms>, length, filtered, and flaky: of
every ten calls one is a 503, one is cut off, and the others take between 0 and 90 ms. slow-<ms>/<fault> comes late.
pieces-<n>-<ms> streams its text in n pieces instead of words, each event so many ms after the one before.
"""

import argparse
import asyncio
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, cast

import httptools
import msgspec
import uvloop

JSON: Final = b"application/json"
EVENTS: Final = b"text/event-stream"
REASONS: Final = {200: b"OK", 400: b"Bad Request", 404: b"Not Found"}
FINISH_REASONS: Final = {"length": "length", "filtered": "content_filter"}
"""How the answers of these models end; those of all others end with `stop`."""
FLAKY_TURNS: Final = 10
FLAKY_STEP_S: Final = 0.01
FLAKY_FAULTS: Final = {3: "status-503", 7: "cut"}
"""What the model `flaky` does in turn: as how many calls it counts, how much longer each takes, and which faults."""
RETRY_AFTER_S: Final = 7
"""What a `status-429` asks its caller to wait."""


@dataclass(slots=True)
class Record:
    """What the stand-in remembers for the tests."""

    count: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b"{}"

    def last(self) -> bytes:
        """Return the last completion request as JSON."""
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in self.headers}
        return msgspec.json.encode({"headers": headers, "body": msgspec.Raw(self.body)})


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer; the pieces of a stream are sent as a chunk each."""

    pieces: tuple[bytes, ...]
    status: int = 200
    content_type: bytes = JSON
    headers: bytes = b""
    cut: bool = False
    """Whether the connection is closed in the middle of the body."""
    pause_s: float = 0.0
    """Between the pieces of a stream."""

    def wire(self) -> list[bytes]:
        """Return what to send, with a pause between each two."""
        reason = REASONS.get(self.status, b"Fault")
        head = b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\n%s" % (self.status, reason, self.content_type, self.headers)
        if self.content_type != EVENTS:
            body = b"".join(self.pieces)
            half = len(body) // 2 if self.cut else len(body)
            return [head + b"content-length: %d\r\n\r\n%s" % (len(body), body[:half])]
        pieces = self.pieces[: len(self.pieces) // 2] if self.cut else self.pieces
        chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
        chunks[0] = head + b"transfer-encoding: chunked\r\n\r\n" + chunks[0]
        chunks[-1] += b"" if self.cut else b"0\r\n\r\n"
        return chunks if self.pause_s else [b"".join(chunks)]


def complete(request: Mapping[str, Any]) -> Reply:
    """Answer a completion request, or cause the fault that its model names."""
    model = str(request.get("model", ""))
    if model.startswith("status-"):
        return told_to_fail(int(model.removeprefix("status-")))
    if model == "garbage":
        return Reply((b"<html>not JSON</html>",))
    text, usage = answer(request)
    reason = FINISH_REASONS.get(model, "stop")
    if request.get("stream"):
        number, pause_s = paced(model)
        parts = cut_into(text, number) if number else words(text)
        pieces = tuple(events(request, parts, usage, reason))
        return Reply(pieces, content_type=EVENTS, cut=model == "cut", pause_s=pause_s)
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
    choices = [] if model == "empty" else [choice]
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model, "choices": choices}
    return Reply((msgspec.json.encode(body | {"usage": usage}),), cut=model == "cut")


def paced(model: str) -> tuple[int, float]:
    """Return in how many pieces a model streams, 0 for its words, and the pause between them in seconds."""
    if not model.startswith("pieces-"):
        return 0, 0.0
    number, pause_ms = model.removeprefix("pieces-").split("-")
    return int(number), int(pause_ms) / 1000


def words(text: str) -> list[str]:
    """Return a text's words, each but the first with the space before it."""
    first, *others = text.split(" ")
    return [first, *(f" {word}" for word in others)]


def cut_into(text: str, number: int) -> list[str]:
    """Return a text in so many pieces of one length, but for a character."""
    ends = [len(text) * place // number for place in range(number + 1)]
    return [text[begin:end] for begin, end in pairwise(ends)]


def told_to_fail(status: int) -> Reply:
    """Return a fault in OpenAI's form."""
    return refused("the stand-in was told to fail", status, b"retry-after: %d\r\n" % RETRY_AFTER_S * (status == 429))


def refused(message: str, status: int, headers: bytes = b"") -> Reply:
    """Return an error in OpenAI's form."""
    error = {"error": {"message": message, "type": "fault", "param": None, "code": None}}
    return Reply((msgspec.json.encode(error),), status, headers=headers)


def answer(request: Mapping[str, Any]) -> tuple[str, dict[str, int]]:
    """Return the text, and usage in words."""
    said = [(message.get("role"), _text(message.get("content"))) for message in request["messages"]]
    asked = next((text for role, text in reversed(said) if role == "user"), "")
    text = f"stand-in: {asked}"
    prompt, words = sum(len(text.split()) for _, text in said), len(text.split())
    return text, {"prompt_tokens": prompt, "completion_tokens": words, "total_tokens": prompt + words}


def events(request: Mapping[str, Any], parts: Sequence[str], usage: Mapping[str, int], reason: str) -> Iterator[bytes]:
    """Return the server-sent events of a streamed answer, one for each part; usage only if it was asked for."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": request.get("model")}
    first, *others = parts
    deltas = [{"role": "assistant", "content": first}, *({"content": part} for part in others)]
    for delta in deltas:
        yield _event(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    if (request.get("stream_options") or {}).get("include_usage"):
        yield _event(head | {"choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def _text(content: object) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return str(content or "")


def _event(chunk: Mapping[str, Any]) -> bytes:
    return b"data: %s\n\n" % msgspec.json.encode(chunk)


class Connection(asyncio.Protocol):
    """One keep-alive connection; requests on it are answered in order."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.parser = httptools.HttpRequestParser(self)
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.pieces: list[bytes] = []
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)  # what uvloop gives has its methods, not its class

    def data_received(self, data: bytes) -> None:
        """Feed the parser; hang up on what is not HTTP."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.close()

    def on_message_begin(self) -> None:
        """Forget the request before."""
        self.headers, self.pieces = [], []

    def on_url(self, url: bytes) -> None:
        """Keep the path."""
        self.url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        """Collect the body."""
        self.pieces.append(body)

    def on_message_complete(self) -> None:
        """Answer: a completion, or what stands under another path."""
        if self.url == b"/v1/chat/completions":
            self.converse(b"".join(self.pieces))
        else:
            self.send(self.other())

    def converse(self, body: bytes) -> None:
        """Answer a completion request, at once or after the delay that the model names."""
        try:
            request = msgspec.json.decode(body)
        except msgspec.DecodeError:
            self.send(refused("the body is not JSON", 400))
            return
        self.record.count += 1
        self.record.headers, self.record.body = self.headers, body
        model = str(request.get("model", ""))
        if model == "flaky":
            turn = self.record.count % FLAKY_TURNS
            delay_s = turn * FLAKY_STEP_S
            request |= {"model": FLAKY_FAULTS.get(turn, model)}
        elif model.startswith("slow-"):
            delay_ms, _, then = model.removeprefix("slow-").partition("/")
            delay_s = int(delay_ms) / 1000
            request |= {"model": then or model}
        else:
            delay_s = 0
        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, self.send, complete(request))
        elif model != "hang":
            self.send(complete(request))

    def other(self) -> Reply:
        """Answer what is not a completion."""
        match self.url:
            case b"/healthz":
                return Reply((b"{}",))
            case b"/last":
                return Reply((self.record.last(),))
            case b"/count":
                return Reply((b'{"count": %d}' % self.record.count,))
            case _:
                return refused("no such path", 404)

    def send(self, reply: Reply) -> None:
        """Write an answer; hang up where it is to be cut, or where the caller wants that."""
        self.send_rest(reply, reply.wire())

    def send_rest(self, reply: Reply, rest: Sequence[bytes]) -> None:
        """Write what comes next of an answer, and what is left then after a pause."""
        if self.transport.is_closing():
            return
        written, *others = rest
        self.transport.write(written)
        if others:
            asyncio.get_running_loop().call_later(reply.pause_s, self.send_rest, reply, others)
        elif reply.cut or not self.parser.should_keep_alive():
            self.transport.close()


async def serve(host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    record = Record()
    server = await loop.create_server(lambda: Connection(record), host, port)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    server.close()


def main() -> None:
    """Read the address and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    uvloop.run(serve(arguments.host, arguments.port))


if __name__ == "__main__":
    main()
