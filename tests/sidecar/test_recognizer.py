"""The names tier, against a real HTTP server that speaks Presidio analyzer's API, and the ways in which it fails."""

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest

from parley_crds.resource import Recognizer
from parley_sidecar.errors import RecognizerUnavailable
from parley_sidecar.http_client import HttpClient
from parley_sidecar.pii.kinds import Span
from parley_sidecar.recognizer import AT_ONCE, recognizer
from tests.conftest import free_port
from tests.recognizers import presidio


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The root of a running recognizer."""
    with presidio.running() as root:
        yield root


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """A client that is closed after the test."""
    client = HttpClient()
    yield client
    await client.aclose()


def record(url: str) -> Mapping[str, Any]:
    """Return what the recognizer was asked since this was last called."""
    with urllib.request.urlopen(f"{url}/record", timeout=10) as reply:
        return dict(json.load(reply))


def settings(url: str, **fields: Any) -> Recognizer:
    """Return a recognizer's settings; its time limit is that of a noisy machine."""
    return Recognizer(url=url, **{"timeout": "30s", **fields})


async def test_names_are_found_where_they_stand(http: HttpClient, url: str) -> None:
    """Places count characters, not bytes or UTF-16 units, and kinds keep Presidio's words."""
    text = "\U0001f600 é Ann Lee moved to New York with José Núñez"

    (found,) = await recognizer(settings(url), http)([text])

    assert [("PERSON", "Ann Lee"), ("PERSON", "José Núñez"), ("LOCATION", "New York")] == [
        (span.kind, text[span.start : span.end]) for span in found
    ]


async def test_the_question_is_as_documented(http: HttpClient, url: str) -> None:
    """Language, entities and the least score are the component's, whatever slash its address ends with."""
    asking = recognizer(settings(f"{url}/", language="de", entities=["LOCATION"], min_score=0.25), http)
    record(url)

    (found,) = await asking(["Ann in Zurich"])

    assert [Span(7, 13, "LOCATION")] == found
    assert {"text": "Ann in Zurich", "language": "de", "entities": ["LOCATION"], "score_threshold": 0.25} == record(
        url
    )["last"]


async def test_unsure_findings_do_not_count(http: HttpClient, url: str) -> None:
    """The least score decides, also where the recognizer does not heed it, and so do the entities."""
    unsure = await recognizer(settings(url, min_score=0.5), http)(["Ann"])
    unasked = await recognizer(settings(f"{url}/unasked"), http)(["Ann"])

    assert [[]] == unsure
    assert [[]] == unasked


async def test_texts_are_asked_together_but_not_all_at_once(http: HttpClient, url: str) -> None:
    """Equal texts are asked once, empty ones never; each answer is its text's."""
    texts = [f"{number} Ann Lee" for number in range(12)]
    record(url)

    found = await recognizer(settings(url), http)([*texts, "", " \n", texts[0]])

    assert [1] * 12 + [0, 0, 1] == [len(spans) for spans in found]
    assert found[0] == found[-1] == [Span(2, 9, "PERSON")]
    seen = record(url)
    assert sorted(texts) == sorted(seen["asked"])
    assert 1 < seen["most"] <= AT_ONCE


async def test_what_is_no_character_keeps_its_place(http: HttpClient, url: str) -> None:
    """Half a surrogate pair cannot be sent, and does not move what stands behind it."""
    assert [[Span(2, 9, "PERSON")]] == await recognizer(settings(url), http)(["\ud83d Ann Lee"])


@pytest.mark.parametrize("fault", [*(name for name in presidio.FAULTS if name != "unasked"), "cut"])
async def test_a_bad_answer_fails_the_request(http: HttpClient, url: str, fault: str) -> None:
    """Whatever is wrong, the text is not taken for free of names; the sentence holds nothing of the answer."""
    with pytest.raises(RecognizerUnavailable) as caught:
        await recognizer(settings(f"{url}/{fault}"), http)(["Ann Lee and nobody else"])

    assert caught.value.message.startswith("the recognizer")
    assert "Ann" not in caught.value.message


async def test_a_language_that_it_does_not_know_fails_the_request(http: HttpClient, url: str) -> None:
    """Presidio says so with a status of 500."""
    with pytest.raises(RecognizerUnavailable, match="status 500"):
        await recognizer(settings(url, language="xx"), http)(["Ann Lee"])


async def test_a_recognizer_that_is_not_there_fails_the_request(http: HttpClient) -> None:
    """Nobody listens: closed, not open."""
    with pytest.raises(RecognizerUnavailable, match="cannot be reached"):
        await recognizer(settings(f"http://127.0.0.1:{free_port()}"), http)(["Ann Lee"])


async def test_a_slow_recognizer_fails_the_request(http: HttpClient, url: str) -> None:
    """All texts of a request share the time limit, and nothing is asked on behind it."""
    with pytest.raises(RecognizerUnavailable, match="within its time limit"):
        await recognizer(settings(f"{url}/hang", timeout="50ms"), http)(["Ann Lee", "Ann"])

    assert [asyncio.current_task()] == [task for task in asyncio.all_tasks() if not task.done()]


async def test_a_connection_that_breaks_is_tried_once_more(http: HttpClient, url: str) -> None:
    """A kept connection may have been closed by the other side just now."""
    assert [[Span(0, 7, "PERSON")]] == await recognizer(settings(f"{url}/cut-once"), http)(["Ann Lee"])


async def test_a_caller_that_leaves_ends_the_questions(http: HttpClient, url: str) -> None:
    """Cancellation passes, and takes the questions with it."""
    asking = asyncio.ensure_future(recognizer(settings(f"{url}/hang"), http)(["Ann Lee"]))
    await asyncio.sleep(0)

    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking
    assert [asyncio.current_task()] == [task for task in asyncio.all_tasks() if not task.done()]


@pytest.mark.parametrize("address", ["http://user:word@presidio", "http://presidio/?key=word", "http://", "ftp://a"])
async def test_an_address_that_cannot_be_one_is_refused(http: HttpClient, address: str) -> None:
    """No credentials and no query; the sentence does not show it."""
    with pytest.raises(ValueError, match=r"^recognizer\.url must be") as caught:
        recognizer(Recognizer.model_construct(url=address), http)

    assert "word" not in str(caught.value)


async def test_the_stand_in_is_strict(http: HttpClient, url: str) -> None:
    """What Presidio would not take is not taken here: the tests above would see it."""
    for body, status in (
        (b'{"text": "", "language": "en"}', 500),
        (b'{"text": "a"}', 500),
        (b'{"text": "a", "language": "en", "x": 1}', 500),
    ):
        assert status == (await http.post(f"{url}/analyze", {"Content-Type": "application/json"}, body)).status
    assert 415 == (await http.post(f"{url}/analyze", {}, b"{}")).status
    batch = await http.post(
        f"{url}/analyze", {"Content-Type": "application/json"}, b'{"text": ["Ann Lee", "b"], "language": "en"}'
    )
    assert [2, 0] == [len(one) for one in json.loads(batch.body)]
