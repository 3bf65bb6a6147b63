"""The command: its words, its exit codes, and what it does not load."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from parley_crds import __version__
from parley_sidecar.cli import main
from tests.conftest import free_port, until
from tests.sidecar.processes import COMMAND, parley_run

GOOD = """
apiVersion: parley.dev/v1alpha1
kind: ConversationComponent
metadata: {name: echo}
spec: {type: conversation.echo}
"""


class Scripted(BaseHTTPRequestHandler):
    """Answers every request with what the server holds, and writes down what it was asked."""

    def do_POST(self) -> None:
        """Answer."""
        server: Any = self.server
        asked = self.rfile.read(int(self.headers.get("content-length", "0")))
        server.method, server.asked = self.command, (self.path, dict(self.headers), json.loads(asked or b"null"))
        status, body = server.answer
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_DELETE = do_POST  # noqa: N815 - as the base class looks them up

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing."""


@contextmanager
def answering(status: int, body: bytes) -> Iterator[Any]:
    """Run a server that answers one request with this, meanwhile."""
    with HTTPServer(("127.0.0.1", 0), Scripted) as server:
        answers: Any = server
        answers.answer = (status, body)
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        yield answers
        thread.join()


def test_converse_prints_the_answer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks in the early form, with the name escaped and the token of the environment."""
    monkeypatch.setenv("DAPR_API_TOKEN", "open sesame")
    with answering(202, b'{"outputs": [{"result": "hi"}]}') as server:
        code = main(["converse", "my echo", "hello", "--http-port", str(server.server_port)])

    path, headers, body = server.asked
    assert (0, "hi\n") == (code, capsys.readouterr().out)
    assert ("/v1.0-alpha1/conversation/my%20echo/converse", {"inputs": ["hello"]}) == (path, body)
    assert "open sesame" == headers["dapr-api-token"]


def test_converse_reads_the_standard_input() -> None:
    """`-` stands for it, and the port may come from the environment."""
    with answering(202, b'{"outputs": [{"result": "hi"}]}') as server:
        environ = {**os.environ, "PARLEY_HTTP_PORT": str(server.server_port)}
        words = [*COMMAND, "converse", "echo", "-"]
        done = subprocess.run(words, input="a text", env=environ, capture_output=True, text=True, check=True)

    assert (["a text"], "hi\n") == (server.asked[2]["inputs"], done.stdout)


def test_converse_may_name_a_chat_room(capsys: pytest.CaptureFixture[str]) -> None:
    """By the reference's own word, which a component that keeps none refuses."""
    with answering(202, b'{"outputs": [{"result": "hi"}]}') as server:
        code = main(["converse", "echo", "hello", "--context", "r 1", "--http-port", str(server.server_port)])

    assert (0, "hi\n") == (code, capsys.readouterr().out)
    assert {"inputs": ["hello"], "conversationContext": "r 1"} == server.asked[2]


def test_a_room_is_shown_to_people_or_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each message and each tool call; or the document, as the API has it."""
    call = {"function": {"name": "weather", "arguments": '{"city":"Bern"}'}, "id": "c1"}
    messages = [
        {"role": "user", "content": "weather in Zürich?", "name": "ann"},
        {"role": "assistant", "content": "", "toolCalls": [call]},
        {"role": "tool", "content": "sunny", "name": "weather", "toolCallId": "c1"},
        {"role": "assistant", "content": "", "turns": 1},
    ]
    room = {"contextId": "a/b", "component": "gpt", "messages": messages, "turns": 2}
    for more in ([], ["--json"]):
        with answering(200, json.dumps(room).encode()) as server:
            assert 0 == main(["room", "gpt", "a/b ü", *more, "--http-port", str(server.server_port)])
        assert ("GET", "/v1.0-alpha1/conversation/gpt/contexts/a%2Fb%20%C3%BC") == (server.method, server.asked[0])
    shown = capsys.readouterr().out.splitlines()

    assert [
        "user (ann): weather in Zürich?",
        'assistant calls weather: {"city":"Bern"}',
        "tool (weather): sunny",
        "assistant: ",
    ] == shown[:4]
    assert [room] == [json.loads(line) for line in shown[4:]]


@pytest.mark.parametrize(
    ("words", "method", "path"),
    [
        (["forget", "my gpt", "a/b"], "DELETE", "/v1.0-alpha1/conversation/my%20gpt/contexts/a%2Fb"),
        (["purge", "gpt"], "POST", "/v1.0-alpha1/conversation/gpt/cache/purge"),
    ],
)
def test_what_is_kept_can_be_forgotten(
    words: list[str], method: str, path: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A room, or the cached answers: done is done without a word, and the token is brought along."""
    monkeypatch.setenv("DAPR_API_TOKEN", "open sesame")
    with answering(204, b"") as server:
        code = main([*words, "--http-port", str(server.server_port)])

    assert (0, "") == (code, capsys.readouterr().out)
    assert (method, path, "open sesame") == (server.method, server.asked[0], server.asked[1]["dapr-api-token"])


@pytest.mark.parametrize("words", [["room", "gpt", "r"], ["forget", "gpt", "r"], ["purge", "gpt"]])
@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (404, b'{"errorCode": "ERR_X", "message": "no room"}', "parley: ERR_X: no room\n"),
        (200, b"[]", "parley: port {port} answered with status 200, but not as a sidecar does\n"),
    ],
)
def test_looking_after_tells_why_it_failed(
    words: list[str], status: int, body: bytes, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `converse` does."""
    with answering(status, body) as server:
        code = main([*words, "--http-port", str(server.server_port)])

    assert (1, sentence.format(port=server.server_port)) == (code, capsys.readouterr().err)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["room", "gpt", ""], "a chat room has an id that is not empty"),
        (["forget", "gpt", ""], "a chat room has an id that is not empty"),
        (["forget", "gpt", "\udcff"], "names and ids are text in UTF-8"),
    ],
)
def test_an_id_that_means_nothing_is_2(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No sidecar is asked."""
    assert 2 == main([*words, "--http-port", "1"])
    assert f"parley: {sentence}\n" == capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (
            400,
            b'{"errorCode": "ERR_CONVERSATION_NOT_FOUND", "message": "no gpt"}',
            "parley: ERR_CONVERSATION_NOT_FOUND: no gpt\n",
        ),
        (404, b"<html>", "parley: port {port} answered with status 404, but not as a sidecar does\n"),
        (200, b"[]", "parley: port {port} answered with status 200, but not as a sidecar does\n"),
    ],
)
def test_converse_tells_why_there_is_no_answer(
    capsys: pytest.CaptureFixture[str], status: int, body: bytes, sentence: str
) -> None:
    """A sidecar's own code and sentence, or that it is no sidecar."""
    with answering(status, body) as server:
        code = main(["converse", "gpt", "hello", "--http-port", str(server.server_port)])

    assert (1, sentence.format(port=server.server_port)) == (code, capsys.readouterr().err)


def test_converse_without_a_sidecar(capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence says how to start one."""
    port = free_port()
    code = main(["converse", "echo", "hello", "--http-port", str(port)])

    expected = f"parley: no sidecar listens on port {port}; start one with: parley run --components DIR\n"
    assert (1, expected) == (code, capsys.readouterr().err)


def test_converse_with_something_else(capsys: pytest.CaptureFixture[str]) -> None:
    """A port that speaks no HTTP is told by the kind of fault."""
    with HTTPServer(("127.0.0.1", 0), Scripted) as server:
        thread = threading.Thread(target=greet, args=(server.socket,))
        thread.start()
        code = main(["converse", "echo", "hello", "--http-port", str(server.server_port)])
        thread.join()

    assert 1 == code
    assert "did not answer: BadStatusLine" in capsys.readouterr().err


def greet(listener: socket.socket) -> None:
    """Take one connection, hear it out, and greet it as a mail server does."""
    connection, _ = listener.accept()
    with connection:
        said = b""
        while not said.endswith(b"}"):
            said += connection.recv(4096)
        connection.sendall(b"220 mail\r\n")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["run", "--components", "here", "extra"],
        ["run", "--components", "here", "--grpc"],
        ["check"],
        ["converse", "echo"],
        ["room", "echo"],
        ["forget", "echo"],
        ["purge"],
        ["purge", "echo", "--json"],
        ["wait", "--http-port", "1"],
    ],
)
def test_a_wrong_use_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """As argparse says it, with the usage."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert 2 == caught.value.code
    assert capsys.readouterr().err.startswith("usage: parley")


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "--components", "x", "--http-port", "x"],
        ["converse", "a", "b", "--http-port", "0"],
        ["wait", "--metrics-port", "0"],
        ["wait", "--seconds", "soon"],
    ],
)
def test_a_value_that_means_nothing_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """In one sentence."""
    assert 2 == main(arguments)
    assert capsys.readouterr().err.startswith("parley: ")


def test_check_fails_if_one_component_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 when all may be used, 1 when one may not."""
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(GOOD)
    bad.write_text(GOOD.replace("{type", "{version: v2, type").replace("name: echo", "name: bad"))

    assert (0, 1) == (main(["check", str(good)]), main(["check", str(good), str(bad)]))
    assert (
        f"{good}#1 echo: ok\n{good}#1 echo: ok\n"
        f"{bad}#1 bad: UnknownVersion: conversation.echo has no version v2, only v1\n"
    ) == capsys.readouterr().out


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The help of `run` names every flag, what is not there yet, and the application's place."""
    for arguments in (["--version"], ["run", "--help"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert 0 == caught.value.code
    text = capsys.readouterr().out

    assert f"parley {__version__}\n" in text
    flags = ["components", "http-port", "grpc-port", "metrics-port", "redis", "secrets", "app-id", "namespace"]
    assert [] == [flag for flag in flags if f"--{flag} " not in text]
    assert "no h2c for HTTP" in text
    assert "[-- COMMAND ...]" in text


@pytest.mark.parametrize(
    ("arguments", "light"),
    [
        (["converse", "echo", "hello", "--http-port", "1"], {"pydantic", "yaml", "asyncio", "aiohttp", "uvicorn"}),
        (["wait", "--metrics-port", "1", "--seconds", "0"], {"pydantic", "yaml", "asyncio", "aiohttp", "uvicorn"}),
        (["purge", "echo", "--http-port", "1"], {"pydantic", "yaml", "asyncio", "aiohttp", "uvicorn"}),
        (["run", "--components", "x", "--http-port", "x"], {"pydantic", "yaml", "asyncio", "aiohttp", "uvicorn"}),
        (["check", "/nowhere"], {"aiohttp", "uvicorn", "fastapi", "redis"}),
    ],
)
def test_a_command_loads_what_it_needs(arguments: list[str], light: set[str]) -> None:
    """A shell does not wait for servers that it does not start."""
    code = f"import sys; from parley_sidecar.cli import main; main({arguments}); print('|'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert set() == light & set(done.stdout.splitlines()[-1].split("|"))


def interrupted(process: "subprocess.Popen[str]") -> bool:
    """Press Ctrl+C, and say whether that ended it: Python loses one that comes while it collects garbage."""
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(2)
    return process.returncode is not None


def test_an_interrupt_is_no_traceback() -> None:
    """Ctrl+C while a command waits ends it as a shell expects."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        words = [*COMMAND, "converse", "echo", "hello", "--http-port", str(silent.getsockname()[1])]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
            connection, _ = silent.accept()
            with connection:
                connection.recv(1)
                until("its end", lambda: interrupted(process))
                _, errors = process.communicate(timeout=60)

    assert (130, "") == (process.returncode, errors)


def test_a_conversation_in_a_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two turns in a room, what was said in it, and its end, against a real sidecar."""
    components = tmp_path / "components"
    components.mkdir()
    (components / "echo.yaml").write_text(GOOD.replace("conversation.echo", "conversation.echo, context: {ttl: 1h}"))
    with parley_run(tmp_path, "--components", str(components)) as parley:
        parley.until_up()
        port = ("--http-port", str(parley.http_port))
        codes = [main(["converse", "echo", text, "--context", "r/1", *port]) for text in ("one", "two")]
        codes += [main([command, "echo", "r/1", *port]) for command in ("room", "forget", "forget", "room")]
        codes.append(main(["purge", "echo", *port]))
    printed = capsys.readouterr()

    assert [0, 0, 0, 0, 0, 1, 0] == codes
    said = "user: one\nassistant: one\nuser: two\nassistant: one\none\ntwo\n"
    assert f"one\none\none\ntwo\n{said}" == printed.out
    assert "parley: ERR_CONVERSATION_CONTEXT_NOT_FOUND: there is no chat room of this id\n" == printed.err
