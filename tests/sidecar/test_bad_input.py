"""Bad input at a running sidecar: a 4xx with a code at every door, and it goes on serving."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sidecar.processes import EXAMPLES, Process, parley_run

ALPHA1 = "/v1.0-alpha1/conversation/{}/converse"
ALPHA2 = "/v1.0-alpha2/conversation/{}/converse"
CHAT = "/v1/chat/completions"
GOOD = {
    ALPHA1: b'{"inputs":["hi"]}',
    ALPHA2: b'{"inputs":[{"messages":[{"ofUser":{"content":[{"text":"hi"}]}}]}]}',
    CHAT: b'{"model":"%s","messages":[{"role":"user","content":"hi"}]}',
}
BODIES = {
    "not JSON": b"hello",
    "cut": b'{"inputs":[',
    "nested deep": b'{"inputs":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "unknown and nested deep": b'{"x":' + b'{"x":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    "not UTF-8": b'{"inputs":["\xff\xfe"],"model":"\xff","messages":[{"role":"user","content":"\xff"}]}',
    "an array": b"[]",
    "a number": b"1e999",
    "wrong types": b'{"inputs":"hi","model":7,"messages":{}}',
    "a huge number": b'{"inputs":["hi"],"temperature":1e999,"model":"echo","messages":[],"max_tokens":1'
    + b"0" * 400
    + b"}",
    "5 MiB": b'{"inputs":["' + b"x" * (5 << 20) + b'"]}',
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A sidecar that all tests of this module share: none of them may end it."""
    with parley_run(tmp_path_factory.mktemp("parley"), "--components", str(EXAMPLES)) as parley:
        parley.until_up()
        yield parley


def code(body: Any) -> str:
    """Return an error's code, in Dapr's form or in OpenAI's."""
    return str(body["error"]["code"] if "error" in body else body["errorCode"])


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize("kind", BODIES)
def test_a_bad_body_is_the_callers_fault(running: Process, path: str, kind: str) -> None:
    """Each gets a 4xx with a code, and the next good request an answer."""
    bad = running.request(running.http_port, path.format("echo"), BODIES[kind])
    good = running.request(running.http_port, path.format("echo"), GOOD[path].replace(b"%s", b"echo"))

    assert (4, True) == (bad.status // 100, bool(code(bad.body))), bad.body
    assert good.status in {200, 202}


@pytest.mark.parametrize(
    ("path", "status", "expected"),
    [
        (ALPHA1, 400, "ERR_CONVERSATION_NOT_FOUND"),
        (ALPHA2, 400, "ERR_CONVERSATION_NOT_FOUND"),
        (CHAT, 404, "model_not_found"),
    ],
)
def test_an_unknown_component_is_told(running: Process, path: str, status: int, expected: str) -> None:
    """With Dapr's code, and as OpenAI tells it of a model."""
    reply = running.request(running.http_port, path.format("nobody"), GOOD[path].replace(b"%s", b"nobody"))

    assert (status, expected) == (reply.status, code(reply.body))


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1.0-alpha1/conversation/echo/converse HTTP/1.1\r\nhost: localhost\r\ncontent-length: -5\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["TLS", "version", "length", "headers", "chunk"],
)
def test_what_is_not_http_is_hung_up_on(running: Process, raw: bytes) -> None:
    """The connection ends, with a 4xx where one can be said; others are served."""
    with socket.create_connection(("127.0.0.1", running.http_port), 10) as connection:
        connection.settimeout(30)
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        said = connection.recv(64)

    assert said == b"" or said.split(b" ")[1].startswith(b"4")
    assert 202 == running.ask().status


def test_no_fault_of_ours_was_logged(running: Process) -> None:
    """A bad request is no error of the sidecar's, and no body reaches the log."""
    running.request(running.http_port, ALPHA1.format("echo"), b'{"inputs":["a secret word"],"temperature":"x"}')

    assert [] == [entry for entry in running.log if entry["level"] == "error"]
    assert "a secret word" not in running.stdout


DEEP = b'{"a":' * 960 + b"1" + b"}" * 960
NESTED = {
    "alpha1": (ALPHA1, b'{"inputs":["hi"],"parameters":{"x":%s}}'),
    "alpha2, a tool": (ALPHA2, b'{"inputs":[{}],"tools":[{"function":{"name":"f","parameters":%s}}]}'),
    "alpha2, a format": (ALPHA2, b'{"inputs":[{}],"responseFormat":%s}'),
    "openai": (CHAT, b'{"model":"echo","messages":[{"role":"user","content":"hi"}],"x":%s}'),
}


@pytest.mark.parametrize("kind", NESTED)
def test_what_could_be_read_but_not_sent_on_is_refused(running: Process, kind: str) -> None:
    """Free values have a depth of their own: one that just can be decoded could not be encoded for a provider."""
    path, body = NESTED[kind]
    reply = running.request(running.http_port, path.format("echo"), body.replace(b"%s", DEEP))

    assert 400 == reply.status
    assert "values may be nested 100 levels deep" in str(reply.body)
