"""What counts as personal data for a component: types, allow-list, own patterns and a recognizer, each and together."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from parley_crds.resource import Privacy
from parley_sidecar import pii
from parley_sidecar.errors import InvalidComponent, RecognizerUnavailable
from parley_sidecar.http_client import HttpClient
from parley_sidecar.pii.allowed import Allowed
from parley_sidecar.pii.finder import OFF_LOOP_CHARACTERS, Finder
from parley_sidecar.pii.kinds import Span, merged
from parley_sidecar.pii.view import View
from tests.recognizers import presidio

MIXED = "Mail ann@example.com or bob@corp.example, call +41 44 668 18 00, from 10.1.2.3 and 203.0.113.9, EMP-0042."
TEXTS = some.lists(
    some.sampled_from([*MIXED.split(" "), "Ann Lee", "4111 1111 1111 1111", "password: hunter2!", "\u200b", "é", "%40"])
).map(" ".join)


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


def finder(**privacy: Any) -> Finder:
    """Return the finder of a privacy section."""
    return Finder.of(Privacy.model_validate(privacy), HttpClient())


def found(text: str, **privacy: Any) -> list[tuple[str, str]]:
    """Return kinds and values."""
    return named(text, finder(**privacy).spans(text))


def named(text: str, spans: Sequence[Span]) -> list[tuple[str, str]]:
    """Return kinds and values of spans."""
    return [(span.kind, text[span.start : span.end]) for span in spans]


@given(TEXTS)
def test_without_settings_all_that_is_known_counts(text: str) -> None:
    """The default is the plain function."""
    assert pii.spans(text) == finder().spans(text)


@given(TEXTS, some.sets(some.sampled_from(["EMAIL_ADDRESS", "IP", "PHONE_NUMBER", "SECRET"]), min_size=1))
def test_only_the_types_that_are_named_count(text: str, types: set[str]) -> None:
    """Nothing of another kind is hidden; nothing of the named ones is left that would be hidden without the list."""
    chosen = finder(types=sorted(types)).spans(text)
    wanted = [span for span in pii.spans(text) if span.kind in types]

    assert {span.kind for span in chosen} <= types
    assert all(any(one.start < span.end and span.start < one.end for one in chosen) for span in wanted)


def test_a_value_of_an_unwanted_kind_swallows_no_wanted_one() -> None:
    """Where two overlap, the choice comes before they become one."""
    text = "connect with postgres://ann:s3cret-w0rd@203.0.113.9/db"
    everything = found(text)

    assert [("IP", "203.0.113.9")] == found(text, types=["IP"])
    assert "SECRET" in {kind for kind, _ in everything}


def test_all_types_together_are_as_none() -> None:
    """A list of every type changes nothing."""
    kinds = ["EMAIL_ADDRESS", "PHONE_NUMBER", "IP"]

    assert found(MIXED) == found(MIXED, types=kinds)


def test_allowed_values_domains_and_networks_stay() -> None:
    """Each entry lets go what it names, and nothing else."""
    assert [
        ("EMAIL_ADDRESS", "bob@corp.example"),
        ("IP", "203.0.113.9"),
    ] == found(MIXED, allow=["example.com", "10.0.0.0/8", "+41446681800"])


def test_what_lies_within_an_allowed_value_stays_too() -> None:
    """A part of it that looks like something else is not hidden; a whole around it is."""
    own = [{"type": "DIGITS", "regex": "[0-9]{4}"}, {"type": "CALL", "regex": "call [0-9+ ]{14}[0-9]"}]
    text = "call +41 44 668 1800 and 1800"

    assert [("DIGITS", "1800")] == found(text, allow=["+41446681800"], patterns=own[:1])
    assert [("CALL", "call +41 44 668 1800"), ("DIGITS", "1800")] == found(text, allow=["+41446681800"], patterns=own)


def test_own_patterns_count_beside_all_else() -> None:
    """Also where only some types do, and also with the name of a type that is ours."""
    own = [{"type": "EMPLOYEE_ID", "regex": r"\bEMP-[0-9]{4}\b"}, {"type": "IP", "regex": "host-[a-z]{1,9}"}]

    assert ("EMPLOYEE_ID", "EMP-0042") in found(MIXED, patterns=own)
    assert [("EMPLOYEE_ID", "EMP-0042")] == found(MIXED, patterns=own[:1], types=["US_SSN"])
    assert [("IP", "host-a")] == found("on host-a with 203.0.113.9", patterns=own[1:], types=["US_SSN"])


def test_an_own_pattern_names_what_others_find_as_well() -> None:
    """Of the same place the user's word for it counts."""
    own = [{"type": "CUSTOMER", "regex": r"\+41[0-9 ]{9,12}[0-9]"}]

    assert [("CUSTOMER", "+41 44 668 18 00")] == found("+41 44 668 18 00", patterns=own)


def test_a_part_of_a_uuid_may_be_an_own_value() -> None:
    """Ours would leave a UUID alone; the user's word counts."""
    own = [{"type": "SHARD", "regex": "\\b[0-9a-f]{8}-"}]

    assert [("SHARD", "123e4567-")] == found("123e4567-e89b-12d3-a456-426614174000", patterns=own)


def test_own_patterns_see_through_disguise() -> None:
    """They are read as our own are: without invisible characters, with full-width digits."""
    text = "EMP-\uff10\uff10\u200b42"

    assert [("EMPLOYEE_ID", text)] == found(text, patterns=[{"type": "EMPLOYEE_ID", "regex": "EMP-[0-9]{4}"}])


@pytest.mark.parametrize(
    ("privacy", "words"),
    [
        ({"patterns": [{"type": "A", "regex": "a+"}]}, "the pattern of A cannot be used: at character 2"),
        ({"recognizer": {"url": "http://user:word@presidio"}}, "recognizer.url must be"),
    ],
)
def test_what_cannot_be_used_fails_the_component(privacy: dict[str, Any], words: str) -> None:
    """The sentence says what, and shows no value."""
    with pytest.raises(InvalidComponent) as caught:
        finder(**privacy)

    assert caught.value.message.startswith(f"spec.privacy: {words}")
    assert "word@" not in caught.value.message


async def test_long_texts_are_read_in_a_thread() -> None:
    """Together they are as long as one; patterns that may cost much make a text long sooner."""
    seen: list[threading.Thread] = []

    def choice(_: View, __: str, spans: list[Span]) -> tuple[list[Span], list[Span]]:
        seen.append(threading.current_thread())
        return [], spans

    noting = Finder(choice, Allowed(()), None, steps=0)
    costly = Finder(choice, Allowed(()), None, steps=256)
    text = "ann@example.com " * (OFF_LOOP_CHARACTERS // 32 + 1)

    for asked, texts in ((noting, [text]), (noting, [text, text]), (costly, [text])):
        assert [pii.spans(one) for one in texts] == await asked.find(texts)
    main = threading.main_thread()

    assert [True, False, False, False] == [thread is main for thread in seen]


async def test_a_recognizer_adds_names(http: HttpClient, url: str) -> None:
    """Its words for them are kept; each text has its own."""
    privacy = Privacy.model_validate({"recognizer": {"url": url, "timeout": "30s"}})
    texts = ["Ann Lee <ann@example.com> lives in New York", "nobody"]

    spans = await Finder.of(privacy, http).find(texts)

    assert [("PERSON", "Ann Lee"), ("EMAIL_ADDRESS", "ann@example.com"), ("LOCATION", "New York")] == named(
        texts[0], spans[0]
    )
    assert [] == spans[1]


async def test_ours_win_where_a_recognizer_sees_more(http: HttpClient, url: str) -> None:
    """What is beside ours stays hidden too, as a value of its own."""
    privacy = Privacy.model_validate(
        {
            "recognizer": {"url": url, "timeout": "30s"},
            "patterns": [{"type": "HOUSE", "regex": "strasse 1"}, {"type": "POSTCODE", "regex": "[0-9]{4} "}],
            "types": ["IP"],
        }
    )
    text = "at Bahnhofstrasse 1, 8001 Zurich"

    (spans,) = await Finder.of(privacy, http).find([text])

    assert [("LOCATION", "Bahnhof"), ("HOUSE", "strasse 1"), ("POSTCODE", "8001 "), ("LOCATION", "Zurich")] == named(
        text, spans
    )


PLACES = some.lists(some.tuples(some.integers(0, 29), some.integers(1, 9)).map(lambda at: (at[0], min(30, sum(at)))))


@given(some.text("a1 ,", min_size=30, max_size=30), PLACES, PLACES)
def test_what_either_finds_is_hidden(text: str, ours: list[tuple[int, int]], theirs: list[tuple[int, int]]) -> None:
    """No letter or digit of anybody's finding stays, ours keep their places, and nothing overlaps."""
    known = merged([Span(*place, "OURS") for place in ours])

    async def recognize(_: Sequence[str]) -> list[list[Span]]:
        return [[Span(*place, "THEIRS") for place in theirs]]

    joining = Finder(lambda *_: (known, []), Allowed(()), recognize, steps=0)
    (spans,) = asyncio.run(joining.find([text]))
    covered = {index for span in spans for index in range(span.start, span.end)}

    assert known == [span for span in spans if span.kind == "OURS"]
    assert spans == merged(spans)
    assert {index for place in theirs for index in range(*place) if text[index].isalnum()} <= covered


async def test_allowed_names_stay(http: HttpClient, url: str) -> None:
    """The list counts for a recognizer's findings as well."""
    privacy = Privacy.model_validate({"recognizer": {"url": url, "timeout": "30s"}, "allow": ["New York"]})

    (spans,) = await Finder.of(privacy, http).find(["Ann Lee in New York"])

    assert [Span(0, 7, "PERSON")] == spans


async def test_without_its_recognizer_nothing_is_found(http: HttpClient, url: str) -> None:
    """It fails closed; a stream, which asks no recognizer, goes on."""
    privacy = Privacy.model_validate({"recognizer": {"url": f"{url}/down", "timeout": "30s"}})
    failing = Finder.of(privacy, http)

    with pytest.raises(RecognizerUnavailable):
        await failing.find(["Ann Lee"])
    assert [("IP", "203.0.113.9")] == named("Ann Lee at 203.0.113.9", failing.spans("Ann Lee at 203.0.113.9"))
