"""The names tier: asks a service that speaks Presidio analyzer's REST API what it finds in texts.

Used by `pii.finder` where a component names one. It fails closed: without a good answer there is none at all, since the
text could not be hidden. Source: presidio-analyzer/app.py, POST /analyze; offsets count a Python string's characters.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from parley_crds import durations
from parley_crds.resource import Recognizer
from parley_sidecar.errors import ProviderGarbled, ProviderUnavailable, RecognizerUnavailable
from parley_sidecar.http_client import HttpClient
from parley_sidecar.pii.kinds import Span
from parley_sidecar.targets import root

AT_ONCE: Final = 8
"""Texts that one component asks about at a time; an analyzer computes, and more would only wait there."""
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
"""The largest answer on one text: some 40,000 findings."""
_HEADERS: Final = {"Content-Type": "application/json"}
_OK: Final = 200


class _Question(msgspec.Struct):
    """What an analyzer is asked."""

    text: str
    language: str
    entities: list[str]
    score_threshold: float


class _Finding(msgspec.Struct):
    """What it found; other fields say how, and are ignored."""

    start: int
    end: int
    score: float
    entity_type: str


_FINDINGS: Final = msgspec.json.Decoder(list[_Finding])


def recognizer(settings: Recognizer, http: HttpClient) -> Callable[[Sequence[str]], Awaitable[list[list[Span]]]]:
    """Return the function that asks; raises ValueError when its address cannot be one."""
    try:
        url = f"{root(settings.url)}/analyze"
    except ValueError as error:
        raise ValueError(f"recognizer.url {error}") from None
    return Analyzer(url, settings, http).find


class Analyzer:
    """One component's recognizer."""

    def __init__(self, url: str, settings: Recognizer, http: HttpClient) -> None:
        self._url = url
        self._settings = settings
        self._http = http
        self._timeout_s = durations.seconds(settings.timeout)
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def find(self, texts: Sequence[str]) -> list[list[Span]]:
        """Return what each text holds, with Presidio's words for it; equal texts are asked once, empty ones never.

        Raises:
            RecognizerUnavailable: when there is no good answer on every text within the time limit.
        """
        asked = {text: asyncio.ensure_future(self._one(text)) for text in dict.fromkeys(texts) if text.strip()}
        try:
            async with asyncio.timeout(self._timeout_s):
                return [await asked[text] if text in asked else [] for text in texts]
        except TimeoutError:
            raise RecognizerUnavailable("the recognizer gave no answer within its time limit") from None
        finally:
            for task in asked.values():
                task.cancel()
            await asyncio.gather(*asked.values(), return_exceptions=True)

    async def _one(self, text: str) -> list[Span]:
        async with self._slots:
            body = await self._answer(self._question(text))
        return [
            Span(found.start, found.end, found.entity_type)
            for found in _read(body, len(text))
            if found.score >= self._settings.min_score and found.entity_type in self._settings.entities
        ]

    def _question(self, text: str) -> bytes:
        # What is no character stays one character, so that the places in the answer fit.
        sent = text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
        settings = self._settings
        return msgspec.json.encode(_Question(sent, settings.language, settings.entities, settings.min_score))

    async def _answer(self, question: bytes) -> bytes:
        """Ask, and once more where the connection breaks: one that was kept may have been closed just now."""
        try:
            with suppress(ProviderUnavailable):
                return await self._asked(question)
            return await self._asked(question)
        except ProviderUnavailable:
            raise RecognizerUnavailable("the recognizer cannot be reached, or broke the connection") from None
        except ProviderGarbled:
            raise RecognizerUnavailable("the recognizer's answer is not HTTP, or too long") from None

    async def _asked(self, question: bytes) -> bytes:
        async with self._http.exchange(self._url, _HEADERS, question) as reply:
            if reply.status != _OK:
                raise RecognizerUnavailable(f"the recognizer answers with status {reply.status}")
            return b"".join([chunk async for chunk in reply.chunks(MAX_ANSWER_BYTES)])


def _read(body: bytes, characters: int) -> list[_Finding]:
    """Return the findings; raises RecognizerUnavailable for what is not the documented form."""
    try:
        findings = _FINDINGS.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise RecognizerUnavailable("the recognizer's answer is not a list of findings") from None
    if not all(0 <= found.start < found.end <= characters for found in findings):
        raise RecognizerUnavailable("the recognizer's answer names places that are not in the text")
    return findings
