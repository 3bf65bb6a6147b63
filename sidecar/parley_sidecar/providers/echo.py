"""conversation.echo: says what it was told, as Dapr's echo does; costs nothing and needs no key.

For laptops, for tests, and as the oracle of the published cases. One whitespace-separated word counts as one token.
"""

import re
from collections.abc import AsyncIterator

from pydantic import BaseModel, ConfigDict, Field

from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import Answer, Choice, Converse, ConverseRequest, Delta, Reply, Usage


class Settings(BaseModel):
    """What a component of this type may set; Dapr's manifests carry others, which mean nothing here."""

    model_config = ConfigDict(extra="ignore")

    max_tokens: int | None = Field(None, alias="maxTokens", description="Words that an answer has at most.")


def connect(settings: Settings, _: HttpClient) -> Converse:
    """Return the provider for one component; it needs no HTTP client."""
    usual = settings.max_tokens if settings.max_tokens and settings.max_tokens > 0 else None

    async def converse(request: ConverseRequest, /) -> Reply:
        most = usual if request.max_tokens is None else request.max_tokens
        answer = echoed("\n".join(message.text for message in request.messages), most)
        return EchoStream(answer) if request.wants_stream else answer

    return converse


def echoed(text: str, most_words: int | None) -> Answer:
    """Return the answer; a text that is cut is joined anew by single spaces. Source: dapr/dapr#10322."""
    words = text.split()
    if most_words is None or len(words) <= most_words:
        return Answer((Choice(text, "stop", "stop"),), Usage(len(words), len(words)))
    kept = " ".join(words[:most_words])
    return Answer((Choice(kept, "length", "length"),), Usage(len(words), most_words))


class EchoStream:
    """The answer word by word, with the space in front of each."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._read = False

    @property
    def answer(self) -> Answer:
        """The whole answer; raises RuntimeError before the last delta was read."""
        if not self._read:
            raise RuntimeError("the stream was not read to its end")
        return self._answer

    async def __aiter__(self) -> AsyncIterator[Delta]:
        """Iterate the words."""
        for piece in re.findall(r"\s*\S+|\s+$", self._answer.choices[0].text):
            yield Delta(piece)
        self._read = True

    async def aclose(self) -> None:
        """Free nothing: there is nothing to free."""
