"""What peers are asked: the kinds of request, and how one of them is put to a server."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from http.client import HTTPConnection, HTTPException
from typing import Final

from bench.grpc_load import GrpcJob
from bench.job import PLACE, Job
from bench.rows import COMPLETIONS, PROMPT, TEXT_MESSAGE, completion, converse
from bench.stream_rows import EVENTS, MODEL, PIECES
from parley_sidecar.rpc import ai_pb2

CONVERSE: Final = "/dapr.proto.runtime.v1.Dapr/ConverseAlpha2"
CALLERS: Final = 100
"""Equal requests at once."""
FLIGHT_MS: Final = 300
SLOW_MODEL: Final = f"slow-{FLIGHT_MS}"
"""How long the stand-in takes for what many ask at once."""


class Kind(StrEnum):
    """A kind of request; each peer answers some of them."""

    PASS = "pass-through, Dapr's form"
    PASS_OPENAI = "pass-through, OpenAI's form"
    MEMORY = "hit in memory"
    REDIS = "hit in Redis"
    ECHO = "echo"
    GRPC_ECHO = "echo, gRPC"
    STREAM = f"stream of {EVENTS} events"
    FLIGHT = f"{CALLERS} equal requests at once"


ASKS_STANDIN: Final = frozenset({Kind.PASS, Kind.PASS_OPENAI, Kind.STREAM})
"""The kinds whose every request comes to the stand-in. Of the others none does, once what they ask is known."""


@dataclass(frozen=True, slots=True)
class Ask:
    """How a kind of request is put to a server."""

    path: str
    body: str
    headers: tuple[tuple[str, str], ...] = ()
    distinct: int = 0
    """Prompts come round again after this many; 0: each is new."""
    besides: int = 0
    """How many others are asked once, after these were, to push them out of what is looked in first."""
    expected: str = "How do I"
    """What every answer must hold."""
    events: int = 0
    """How many pieces an answer has at least, where it is a stream."""

    def job(self, port: int, connections: int, each: int, first: int = 0) -> Job:
        """Return the load generator's job."""
        return Job(
            port=port,
            path=self.path,
            body=self.body,
            headers=dict(self.headers),
            connections=connections,
            each=each,
            first=first,
            distinct=self.distinct,
            expected=self.expected,
            events=self.events,
            ending="[DONE]" if self.events else "",
        )

    def is_answered(self, port: int) -> bool:
        """Ask once, with a prompt of its own, and say whether that succeeds."""
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            body = self.body.replace(PLACE, "first".center(len(PLACE)))
            headers = {"content-type": "application/json", **dict(self.headers)}
            connection.request("POST", self.path, body.encode(), headers)
            return connection.getresponse().status // 100 == 2
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class GrpcAsk:
    """How a component is put a request by gRPC, at a port of its own."""

    port: int
    message: bytes
    expected: str = "How do I"
    distinct: int = 0
    besides: int = 0

    def job(self, _: int, connections: int, each: int, first: int = 0) -> GrpcJob:
        """Return the load generator's job."""
        return GrpcJob(
            port=self.port,
            path=CONVERSE,
            message=self.message,
            connections=connections,
            each=each,
            first=first,
            expected=self.expected,
        )


def called(component_name: str, port: int) -> GrpcAsk:
    """Return how a component is called by gRPC."""
    part = ai_pb2.ConversationMessageContent(text=PROMPT)
    message = ai_pb2.ConversationMessage(of_user=ai_pb2.ConversationMessageOfUser(content=[part]))
    asked = ai_pb2.ConversationInputAlpha2(messages=[message])
    request = ai_pb2.ConversationRequestAlpha2(name=component_name, inputs=[asked])
    return GrpcAsk(port, request.SerializeToString())


def conversed(component_name: str, distinct: int = 0, expected: str = "How do I") -> Ask:
    """Return how a component is asked in Dapr's form."""
    return Ask(converse(component_name), TEXT_MESSAGE, distinct=distinct, expected=expected)


def completed(model: str, distinct: int = 0, headers: Mapping[str, str] = {}) -> Ask:
    """Return how a model is asked in OpenAI's form."""
    return Ask(COMPLETIONS, completion(model), tuple(headers.items()), distinct)


def streamed(model: str = MODEL, headers: Mapping[str, str] = {}) -> Ask:
    """Return how a model is asked for a stream in OpenAI's form."""
    body = completion(model, stream=True, stream_options={"include_usage": True})
    return Ask(COMPLETIONS, body, tuple(headers.items()), expected="", events=PIECES)


def same(ask: Ask) -> Ask:
    """Return what asks the same in every request."""
    return replace(ask, distinct=1)
