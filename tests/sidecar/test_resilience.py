"""Resilience as a caller meets it: the real app, real providers, real faults."""

import asyncio
from typing import Any

import httpx2
import pytest

from parley_crds.component import Component
from parley_crds.resource import Cache, Resilience
from parley_crds.stream import ProviderHealth
from parley_sidecar.errors import ProviderUnavailable
from parley_sidecar.instruments import Value
from parley_sidecar.layers.attempt import AttemptLayer, AttemptLimits
from parley_sidecar.layers.breaker import BreakerLayer, BreakerPolicy
from parley_sidecar.layers.deadline import DeadlineLayer
from parley_sidecar.layers.limit import LimitLayer
from tests.conftest import Vendors
from tests.sidecar.layers.inner import ANSWER, Scripted, Streaming, asking, streamed
from tests.sidecar.layers.jumping import jumping
from tests.sidecar.running import Sidecar, component, sidecar

HELLO = {"inputs": [{"messages": [{"ofUser": {"content": [{"text": "hello"}]}}]}]}
STREAM = {"accept": "text/event-stream"}
KIND = "conversation.openai"
BACKUP = component("backup")


def gpt(vendors: Vendors, model: str, cache: Cache | None = None, **resilience: Any) -> Component:
    """Return a component whose provider does what the model's name says."""
    settings = {name.lower(): value for name, value in (vendors.settings(KIND) | {"model": model}).items()}
    return component("gpt", KIND, settings=settings, cache=cache or Cache(), resilience=Resilience(**resilience))


async def ask(running: Sidecar) -> httpx2.Response:
    """Ask for an answer."""
    return await running.alpha2(HELLO, "gpt")


def text(reply: httpx2.Response) -> str:
    """Return an answer's text."""
    return str(reply.json()["outputs"][0]["choices"][0]["message"]["content"])


async def test_a_provider_that_fails_is_asked_again(vendors: Vendors) -> None:
    """By default three times, then the caller is told."""
    before = vendors.count(KIND)
    async with sidecar(gpt(vendors, "status-503", retry_max_wait="1ms")) as running:
        reply = await ask(running)
        samples = await running.samples()

    assert (500, "unavailable") == (reply.status_code, reply.json()["reason"])
    assert 3 == vendors.count(KIND) - before
    assert 2 == samples['parley_retries_total{component="gpt",reason="unavailable"}']


async def test_a_long_retry_after_reaches_the_caller(vendors: Vendors) -> None:
    """A provider that wants seven seconds is asked once; the header says so on the way out."""
    before = vendors.count(KIND)
    async with sidecar(gpt(vendors, "status-429")) as running:
        reply = await ask(running)

    assert ("rate_limited", "7") == (reply.json()["reason"], reply.headers["retry-after"])
    assert 1 == vendors.count(KIND) - before


async def test_a_provider_that_is_down_is_left_alone(vendors: Vendors) -> None:
    """After enough faults callers are told at once, and nobody bothers the provider."""
    async with sidecar(gpt(vendors, "status-500", retries=0, breaker_faults=3, breaker_pause="1m")) as running:
        reasons = [(await ask(running)).json()["reason"] for _ in range(3)]
        before = vendors.count(KIND)
        refused = await ask(running)
        samples = await running.samples()

    assert ["unavailable"] * 3 == reasons
    assert ("circuit_open", 0) == (refused.json()["reason"], vendors.count(KIND) - before)
    assert 55 <= int(refused.headers["retry-after"]) <= 60
    assert 2 == samples['parley_breaker_state{component="gpt"}']


async def test_another_component_answers_for_one_that_hangs(vendors: Vendors) -> None:
    """The attempt's limit ends the first call; the other's answer is not kept, so the first is asked again later."""
    first = gpt(vendors, "hang", Cache(ttl="10m"), attempt_timeout="50ms", retries=0, fallback=["gone", "backup"])
    async with sidecar(first, BACKUP) as running:
        replies = [await ask(running) for _ in range(2)]
        samples = await running.samples()

    assert ["hello", "hello"] == [text(reply) for reply in replies]
    assert not any("hit" in reply.headers.get("cache-status", "") for reply in replies)
    assert {"missing": 2, "ok": 2} == {
        outcome: samples[f'parley_fallbacks_total{{component="gpt",to="{to}",outcome="{outcome}"}}']
        for to, outcome in (("gone", "missing"), ("backup", "ok"))
    }


async def test_another_component_streams_for_one_that_fails(vendors: Vendors) -> None:
    """Before the first byte a stream is replaced like an answer."""
    async with sidecar(gpt(vendors, "status-401", fallback=["backup"]), BACKUP) as running:
        reply = await running.alpha2(HELLO, "gpt", STREAM)

    assert "hello" in reply.text
    assert ("event: complete" in reply.text, "event: error" in reply.text) == (True, False)


async def test_a_stream_that_falls_silent_ends_with_an_error(vendors: Vendors) -> None:
    """A pause over the idle limit is told as an event, and the call to the provider is over."""
    async with sidecar(gpt(vendors, "silent", idle_timeout="50ms")) as running:
        reply = await running.alpha2(HELLO, "gpt", STREAM)

    assert 200 == reply.status_code
    assert "event: delta" in reply.text
    assert '"reason":"timeout"' in reply.text.split("event: error")[1]


async def test_a_stream_that_is_cut_counts_against_the_provider(vendors: Vendors) -> None:
    """It is not asked again, for its caller has begun to read; the breaker hears of it."""
    async with sidecar(gpt(vendors, "cut", breaker_faults=2)) as running:
        streams = [await running.alpha2(HELLO, "gpt", STREAM) for _ in range(2)]
        refused = await ask(running)

    assert ["unavailable" in stream.text.split("event: error")[1] for stream in streams] == [True, True]
    assert refused.json()["reason"] == "circuit_open"


@jumping
async def test_a_reader_who_stalls_keeps_neither_slot_nor_probe() -> None:
    """At the deadline an unread stream gives back what it holds, through all the layers between."""
    shown, limits = Value(), AttemptLimits(60.0)
    inner = Streaming("h", "i")
    script = Scripted(ProviderUnavailable("503"), inner, ANSWER)
    limit = LimitLayer(AttemptLayer(script, limits), 1, Value())
    clock = asyncio.get_running_loop().time
    layer = DeadlineLayer(BreakerLayer(limit, BreakerPolicy(1, 10.0), shown, clock), 60)
    with pytest.raises(ProviderUnavailable):
        await layer(asking())
    await asyncio.sleep(10)
    await anext(aiter(streamed(await layer(asking()))))
    await asyncio.sleep(61)

    assert (1, 1) == (inner.closed, shown.value)
    assert ANSWER == await layer(asking())
    assert 0 == shown.value


async def test_what_a_fallback_mends_is_still_told_of_the_provider(vendors: Vendors) -> None:
    """The caller has an answer, and the operator hears why it was not the first component's."""
    impatient: dict[str, Any] = {"retries": 0, "breaker_faults": 1, "breaker_pause": "1m"}
    async with sidecar(gpt(vendors, "status-503", fallback=["backup"], **impatient), BACKUP) as running:
        reply = await ask(running)
        ailing = running.registry.ailing()

    assert "hello" == text(reply)
    assert {"gpt": ProviderHealth(breaker="open", last_error="unavailable")} == ailing


async def test_a_later_answer_clears_what_is_told(vendors: Vendors) -> None:
    """Without a breaker there is none that could be open."""
    async with sidecar(gpt(vendors, "status-503", retries=0, breaker_faults=0)) as running:
        await ask(running)
        before = running.registry.ailing()
        await running.alpha2(HELLO | {"metadata": {"model": "gpt-5-nano"}}, "gpt")

        assert {"gpt": ProviderHealth(last_error="unavailable")} == before
        assert {} == running.registry.ailing()
