"""`parley converse`: ask a running sidecar in the early form of the API. Only the standard library, to start fast."""

import http.client
import json
from typing import Any, Final
from urllib.parse import quote

from parley_crds.names import API_TOKEN_HEADER, CONVERSE_ALPHA1
from parley_sidecar.command_error import CommandError

PATIENCE_S: Final = 600
"""Longer than any sensible timeout of a component."""


def ask(component_name: str, text: str, port: int, token: str | None) -> list[str]:
    """Return the answer's outputs; raises CommandError with the sidecar's code and sentence, or why there is none."""
    try:
        status, body = _asked(component_name, text, port, token)
    except ConnectionRefusedError:
        sentence = f"no sidecar listens on port {port}; start one with: parley run --components DIR"
        raise CommandError(sentence) from None
    except (OSError, http.client.HTTPException) as error:
        raise CommandError(f"the sidecar on port {port} did not answer: {type(error).__name__}") from None
    match body:
        case {"outputs": [*outputs]}:
            return [str(output.get("result", "")) for output in outputs]
        case {"errorCode": code, "message": message}:
            raise CommandError(f"{code}: {message}")
        case _:
            raise CommandError(f"port {port} answered with status {status}, but not as a sidecar does")


def _asked(component_name: str, text: str, port: int, token: str | None) -> tuple[int, Any]:
    path = CONVERSE_ALPHA1.format(name=quote(component_name, safe=""))
    headers = {"Content-Type": "application/json"} | ({API_TOKEN_HEADER: token} if token else {})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("POST", path, json.dumps({"inputs": [text]}), headers)
        reply = connection.getresponse()
        return reply.status, _json(reply.read())
    finally:
        connection.close()


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
