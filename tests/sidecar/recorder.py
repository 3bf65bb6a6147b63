"""A provider in a thread of the test's process: OpenAI's chat completions over real HTTP, kept in mind."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

PATIENCE_S = 60.0


@dataclass(slots=True)
class Recorder:
    """What it was asked, and whether it may answer; the answer to `x` is `re: x`."""

    url: str = ""
    asked: list[list[str]] = field(default_factory=list)
    """The texts of each request's messages, in order of arrival."""
    may_answer: threading.Event = field(default_factory=threading.Event)

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """Take note, wait, and answer."""
        texts = [str(message["content"]) for message in body["messages"]]
        self.asked.append(texts)
        self.may_answer.wait(PATIENCE_S)
        message = {"role": "assistant", "content": f"re: {texts[-1]}"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return {"model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": message}], "usage": usage}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.recorder = recorder


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        recorder = cast("_Server", self.server).recorder  # what the standard library calls a BaseServer
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = json.dumps(recorder.answer(body)).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def recorder() -> Iterator[Recorder]:
    """Run one meanwhile; it answers at once until a test says otherwise."""
    recording = Recorder()
    recording.may_answer.set()
    server = _Server(recording)
    recording.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield recording
    finally:
        recording.may_answer.set()
        server.shutdown()
        thread.join()
        server.server_close()
