"""The commands that ask a running sidecar: converse, room, forget, purge. Only the standard library, to start fast."""

import http.client
import json
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from parley_crds.names import API_TOKEN_HEADER, CACHE_PURGE, CONVERSE_ALPHA1, ROOM
from parley_sidecar.command_error import CommandError

PATIENCE_S: Final = 600
"""Longer than any sensible timeout of a component."""


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Where one listens, and the API token that it may want. Every method raises CommandError.

    It has the sidecar's own code and sentence, or says why there is no answer.
    """

    port: int
    token: str | None = field(default=None, repr=False)

    def converse(self, component_name: str, text: str, context_id: str | None = None) -> list[str]:
        """Ask in the early form of the API, in a chat room if one is named, and return the outputs."""
        body = {"inputs": [text]} | ({"conversationContext": context_id} if context_id else {})
        match self._told("POST", _path(CONVERSE_ALPHA1, component_name), body):
            case _, {"outputs": [*outputs]}:
                return [str(output.get("result", "")) for output in outputs]
            case status, _:
                raise self._strange(status)

    def room(self, component_name: str, context_id: str) -> dict[str, Any]:
        """Return a chat room as the API shows it."""
        match self._told("GET", _room_path(component_name, context_id)):
            case _, {"messages": [*_]} as room:
                return dict(room)
            case status, _:
                raise self._strange(status)

    def forget(self, component_name: str, context_id: str) -> None:
        """Erase a chat room, whether or not there is one."""
        self._done("DELETE", _room_path(component_name, context_id))

    def purge(self, component_name: str) -> None:
        """Forget a component's cached answers."""
        self._done("POST", _path(CACHE_PURGE, component_name))

    def _done(self, method: str, path: str) -> None:
        status, _ = self._told(method, path)
        if status != http.client.NO_CONTENT:
            raise self._strange(status)

    def _told(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Return the status and the body of an answer that is no error."""
        try:
            status, said = self._exchange(method, path, body)
        except ConnectionRefusedError:
            sentence = f"no sidecar listens on port {self.port}; start one with: parley run --components DIR"
            raise CommandError(sentence) from None
        except (OSError, http.client.HTTPException) as error:
            raise CommandError(f"the sidecar on port {self.port} did not answer: {type(error).__name__}") from None
        match said:
            case {"errorCode": code, "message": message}:
                raise CommandError(f"{code}: {message}")
        return status, said

    def _exchange(self, method: str, path: str, body: object) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"} | ({API_TOKEN_HEADER: self.token} if self.token else {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            reply = connection.getresponse()
            return reply.status, _json(reply.read())
        finally:
            connection.close()

    def _strange(self, status: int) -> CommandError:
        return CommandError(f"port {self.port} answered with status {status}, but not as a sidecar does")


def document(room: dict[str, Any]) -> str:
    """Return a room as JSON."""
    return json.dumps(room, ensure_ascii=False)


def transcript(room: dict[str, Any]) -> str:
    """Return a room for a person to read: a line for each message and each tool call."""
    return "\n".join(line for message in room["messages"] for line in _lines(message))


def _lines(message: dict[str, Any]) -> list[str]:
    name = message.get("name")
    speaker = f"{message.get('role')} ({name})" if name else str(message.get("role"))
    text = message.get("content")
    calls = [call.get("function", {}) for call in message.get("toolCalls", [])]
    asked = [f"{speaker} calls {function.get('name')}: {function.get('arguments', '')}" for function in calls]
    return [f"{speaker}: {text}"] * bool(text or not asked) + asked


def _room_path(component_name: str, context_id: str) -> str:
    if not context_id:
        raise CommandError("a chat room has an id that is not empty", exit_code=2)
    return _path(ROOM, component_name, context_id)


def _path(template: str, component_name: str, context_id: str = "") -> str:
    try:
        return template.format(name=quote(component_name, safe=""), id=quote(context_id, safe=""))
    except UnicodeEncodeError:  # an argument that the shell gave as bytes of no text
        raise CommandError("names and ids are text in UTF-8", exit_code=2) from None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
