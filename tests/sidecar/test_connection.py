"""Bodies, answers and callers who leave, at ASGI's level."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from starlette.types import Message

from parley_sidecar.connection import MAX_BODY_BYTES, read_body, respond, respond_events, while_connected
from parley_sidecar.errors import BodyTooLarge, MalformedBody


class Caller:
    """The caller's side of an exchange: what it sends, then silence until it leaves."""

    def __init__(self, *messages: Message) -> None:
        self.left = asyncio.Event()
        self._messages = list(messages)

    async def receive(self) -> Message:
        """Return the next message."""
        if self._messages:
            return self._messages.pop(0)
        await self.left.wait()
        return {"type": "http.disconnect"}


def piece(body: bytes, *, more: bool = False) -> dict[str, Any]:
    """Return a part of a body."""
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.parametrize(
    ("pieces", "body"),
    [([piece(b"{}")], b"{}"), ([piece(b"{", more=True), piece(b"}")], b"{}"), ([{"type": "x"}], b"")],
)
async def test_a_body_is_read_whole(pieces: list[Message], body: bytes) -> None:
    """A body may come in pieces, and be empty."""
    assert body == await read_body({}, Caller(*pieces).receive)


async def test_a_body_has_a_limit() -> None:
    """4 MiB are read, one byte more is not."""
    most = b"x" * MAX_BODY_BYTES

    assert most == await read_body({}, Caller(piece(most)).receive)
    with pytest.raises(BodyTooLarge):
        await read_body({}, Caller(piece(most, more=True), piece(b"x")).receive)


async def test_a_caller_who_waits_is_told_at_once() -> None:
    """A body that says it is too large is not read where the caller asks first. Source: RFC 9110 10.1.1."""
    with pytest.raises(BodyTooLarge):
        await read_body({b"content-length": b"4194305", b"expect": b"100-continue"}, Caller().receive)


async def test_a_caller_who_is_sending_is_listened_to() -> None:
    """The rest of a body that is too large is read and forgotten, or else the answer would meet a broken connection."""
    sending = Caller(piece(b"x", more=True), piece(b"y"), piece(b"the next request's"))
    endless = Caller(*[piece(b"z" * MAX_BODY_BYTES, more=True)] * 20)

    with pytest.raises(BodyTooLarge):
        await read_body({b"content-length": b"4194305"}, sending.receive)
    assert piece(b"the next request's") == await sending.receive()
    with pytest.raises(BodyTooLarge):
        await read_body({}, endless.receive)
    assert (await endless.receive())["body"]


async def test_a_body_that_is_cut_off_is_malformed() -> None:
    """A caller who leaves before the end has asked nothing."""
    caller = Caller(piece(b"{", more=True))
    caller.left.set()

    with pytest.raises(MalformedBody, match="the body was cut off"):
        await read_body({}, caller.receive)


async def test_an_answer_has_a_length() -> None:
    """An answer is sent at once, with its length."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await respond(send, 202, [(b"a", b"b")], b"hi")

    expected = [
        {"type": "http.response.start", "status": 202, "headers": [(b"a", b"b"), (b"content-length", b"2")]},
        {"type": "http.response.body", "body": b"hi"},
    ]
    assert expected == sent


async def test_work_that_ends_is_returned() -> None:
    """A caller who stays gets the result, at once or after a while."""

    async def slow() -> str:
        await asyncio.sleep(0.05)  # longer than the time after which a caller's leaving is looked for
        return "late"

    async def quick() -> str:
        return "now"

    assert ("now", "late") == (
        await while_connected(quick(), Caller().receive),
        await while_connected(slow(), Caller(piece(b"more")).receive),
    )


async def test_work_for_a_caller_who_left_is_cancelled() -> None:
    """When the caller leaves, the work ends, and the handler goes on without a result."""
    caller = Caller()
    ended: list[str] = []

    async def work() -> str:
        try:
            caller.left.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return "never"

    task = asyncio.current_task()
    assert task is not None
    assert await while_connected(work(), caller.receive) is None
    assert (["cancelled"], 0) == (ended, task.cancelling())


async def test_another_cancellation_passes() -> None:
    """A handler that is cancelled from outside is cancelled."""
    task = asyncio.create_task(while_connected(asyncio.Event().wait(), Caller().receive))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def told(*pieces: bytes) -> AsyncGenerator[bytes, None]:
    """Yield frames."""
    for frame in pieces:
        yield frame


async def test_events_are_sent_as_they_come() -> None:
    """The head goes out with the first frame, an empty frame is none, and the end is told."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await respond_events(Caller().receive, send, [(b"a", b"b")], told(b"data: 1\n\n", b"", b"data: 2\n\n"))

    head, *bodies = sent
    expected = {
        b"content-type": b"text/event-stream; charset=utf-8",
        b"cache-control": b"no-store",
        b"x-accel-buffering": b"no",
        b"a": b"b",
    }
    assert expected == dict(head["headers"])
    assert [(b"data: 1\n\n", True), (b"data: 2\n\n", True), (b"", False)] == [
        (body["body"], body.get("more_body", False)) for body in bodies
    ]


async def test_a_stream_that_says_nothing_for_a_while_sends_comments() -> None:
    """Proxies close what is silent; a comment is no event."""
    sent: list[bytes] = []
    commented = asyncio.Event()

    async def send(message: Message) -> None:
        sent.append(message.get("body", b""))
        if message.get("body") == b":\n\n":
            commented.set()

    async def frames() -> AsyncGenerator[bytes, None]:
        yield b"data: 1\n\n"
        await commented.wait()
        yield b"data: 2\n\n"

    await respond_events(Caller().receive, send, [], frames(), quiet_s=0.01)

    assert [b"", b"data: 1\n\n", b":\n\n"] == sent[:3]
    assert [b"data: 2\n\n", b""] == sent[-2:]


async def test_a_slow_reader_slows_its_source() -> None:
    """Nothing is fetched ahead of what was sent: a frame is asked for when the one before it is out."""
    read, gate = [], asyncio.Semaphore(0)

    async def send(message: Message) -> None:
        if message.get("body"):
            await gate.acquire()

    async def frames() -> AsyncGenerator[bytes, None]:
        for number in range(3):
            read.append(number)
            yield b"data: x\n\n"

    sending = asyncio.create_task(respond_events(Caller().receive, send, [], frames()))
    seen = []
    for _ in range(3):
        for _ in range(10):
            await asyncio.sleep(0)
        seen.append(list(read))
        gate.release()
    await sending

    assert [[0], [0, 1], [0, 1, 2]] == seen


async def test_frames_are_closed_when_their_reader_leaves() -> None:
    """A generator that waits to be read on is closed too, not left to the garbage collector."""
    caller, closed = Caller(), asyncio.Event()

    async def send(message: Message) -> None:
        if message.get("body"):
            caller.left.set()
            await asyncio.Event().wait()  # a caller who reads no more

    async def frames() -> AsyncGenerator[bytes, None]:
        try:
            yield b"data: 1\n\n"
        finally:
            closed.set()

    await respond_events(caller.receive, send, [], frames())

    assert closed.is_set()
