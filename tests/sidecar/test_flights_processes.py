"""Equal requests over two real sidecars and a real Redis, with a slow provider: one call, whatever happens."""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.conftest import Standin
from tests.sidecar.own_redis import OwnRedis, own_redis
from tests.sidecar.processes import Process, parley_run

SLOW_MS = 1500
ALPHA2 = "/v1.0-alpha2/conversation/{}/converse"
PURGE = "/v1.0-alpha1/conversation/quick/cache/purge"
COMPONENTS = {"slow": f"slow-{SLOW_MS}", "quick": "quick", "failing": f"slow-{SLOW_MS}/status-503"}


@dataclass(slots=True)
class Two:
    """Two sidecars of one application, their Redis and their provider."""

    one: Process
    other: Process
    redis: OwnRedis
    standin: Standin

    @property
    def is_awaited(self) -> bool:
        """Say whether a sidecar waits for another one's call: messages about a key that is no epoch are listened to."""
        channels = self.redis.said("pubsub", "channels", "*:c:*").split()
        return any("epoch" not in channel for channel in channels)


@contextmanager
def sidecars(directory: Path, standin: Standin) -> Iterator[Two]:
    """Run them."""
    components = directory / "components"
    components.mkdir()
    for name, model in COMPONENTS.items():
        (components / f"{name}.yaml").write_text(f"""
apiVersion: parley.dev/v1alpha1
kind: ConversationComponent
metadata: {{name: {name}}}
spec:
  type: conversation.openai
  metadata:
  - {{name: key, value: sk-1}}
  - {{name: model, value: {model}}}
  - {{name: endpoint, value: "{standin.url}/v1"}}
  cache: {{ttl: 10m}}
  resilience: {{retries: 0, breakerFaults: 0}}
""")
    with ExitStack() as stack:
        redis = stack.enter_context(own_redis(directory))
        running = []
        for name in ("one", "other"):
            (directory / name).mkdir()
            arguments = ("--components", str(components), "--redis", redis.url)
            environ = {"PARLEY_STORE_SECONDS": "5"}
            running.append(stack.enter_context(parley_run(directory / name, *arguments, environ=environ)))
        for process in running:
            process.until_up()
        yield Two(running[0], running[1], redis, standin)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, standin: Standin) -> Iterator[Two]:
    """Two that all tests use which end neither; each test asks something of its own."""
    with sidecars(tmp_path_factory.mktemp("two"), standin) as running:
        yield running


@pytest.fixture
async def both(two: Two) -> AsyncIterator[tuple[httpx2.AsyncClient, httpx2.AsyncClient]]:
    """Connections to the two."""
    async with clients(two) as opened:
        yield opened


@asynccontextmanager
async def clients(two: Two) -> AsyncIterator[tuple[httpx2.AsyncClient, httpx2.AsyncClient]]:
    """Open connections to both sidecars."""
    limits, verify = httpx2.Limits(max_connections=200), httpx2.create_ssl_context()
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(
                httpx2.AsyncClient(
                    base_url=f"http://127.0.0.1:{process.http_port}", timeout=60, limits=limits, verify=verify
                )
            )
            for process in (two.one, two.other)
        ]
        yield one, other


async def ask(opened: httpx2.AsyncClient, text: str, component: str = "slow", accept: str = "*/*") -> httpx2.Response:
    """Ask one sidecar."""
    body = {"inputs": [{"messages": [{"ofUser": {"content": [{"text": text}]}}]}]}
    return await opened.post(ALPHA2.format(component), json=body, headers={"accept": accept})


async def meanwhile(probe: object) -> None:
    """Wait until something is true, while requests go on."""
    assert callable(probe)
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(probe):
            await asyncio.sleep(0.02)


def said(reply: httpx2.Response) -> str:
    """Return the text of an answer."""
    return str(reply.json()["outputs"][0]["choices"][0]["message"]["content"])


Both = tuple[httpx2.AsyncClient, httpx2.AsyncClient]


async def test_a_hundred_cold_prompts_over_both_make_one_call(two: Two, both: Both) -> None:
    """Everybody has the answer, one of them paid for it."""
    before = two.standin.count()
    replies = await asyncio.gather(*(ask(both[number % 2], "hundred") for number in range(100)))

    assert 1 == two.standin.count() - before
    assert {(200, "stand-in: hundred")} == {(reply.status_code, said(reply)) for reply in replies}
    statuses = Counter(reply.headers["cache-status"].partition("; ttl")[0] for reply in replies)
    assert 1 == statuses["parley; fwd=miss; stored"]
    assert 100 == statuses.total()
    assert {"parley; fwd=miss; stored", "parley; fwd=miss; collapsed", "parley; hit"} >= set(statuses)


async def test_streams_in_both_make_one_call(two: Two, both: Both) -> None:
    """Each caller gets events of its own, and the same text."""
    before = two.standin.count()
    asked = (ask(both[number % 2], "stream it", accept="text/event-stream") for number in range(10))
    replies = await asyncio.gather(*asked)

    assert 1 == two.standin.count() - before
    for reply in replies:
        assert 200 == reply.status_code
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert "stand-in: stream it" == streamed_text(reply.text)
        assert 1 == reply.text.count("event: complete")


def streamed_text(events: str) -> str:
    """Return what the deltas of an answer say together."""
    datas = [event.partition("data: ")[2] for event in events.split("\n\n") if event.startswith("event: delta")]
    choices = [choice for data in datas for choice in json.loads(data)["outputs"][0]["choices"]]
    return "".join(choice["delta"].get("content", "") for choice in choices)


async def test_a_leaders_error_reaches_the_followers(two: Two, both: Both) -> None:
    """The provider was asked once, by one sidecar; all callers of both have its error."""
    before = two.standin.count()
    replies = await asyncio.gather(*(ask(both[number % 2], "fail", "failing") for number in range(10)))

    assert 1 == two.standin.count() - before
    assert {(500, "unavailable")} == {(reply.status_code, reply.json()["reason"]) for reply in replies}


async def test_a_leaders_caller_that_leaves_ends_nothing_for_the_others(two: Two, both: Both) -> None:
    """Those who wait in its sidecar and in the other one get the answer of the one call."""
    one, other = both
    before = two.standin.count()
    leader = asyncio.create_task(ask(one, "leave"))
    await meanwhile(lambda: two.standin.count() > before)
    others = [asyncio.create_task(ask(one, "leave")), asyncio.create_task(ask(other, "leave"))]
    await meanwhile(lambda: two.is_awaited and in_flight(two.one) == 2)
    leader.cancel()
    await asyncio.wait([leader])
    replies = await asyncio.gather(*others)

    assert 1 == two.standin.count() - before
    assert ["stand-in: leave"] * 2 == list(map(said, replies))


def in_flight(process: Process) -> int:
    """Return how many requests to the slow component a sidecar is answering."""
    lines = str(process.get("/metrics").body).splitlines()
    line = next(line for line in lines if line.startswith('parley_in_flight_requests{component="slow"}'))
    return int(line.rpartition(" ")[2])


async def test_a_purge_is_seen_by_the_other_sidecar(both: Both) -> None:
    """At once in the one that was told; the other one forgets what it has in its memory within two seconds."""
    one, other = both
    for opened in both:
        await ask(opened, "purge me", "quick")
    kept = [(await ask(opened, "purge me", "quick")).headers["cache-status"] for opened in both]
    purged = await one.post(PURGE)
    here = (await ask(one, "purge me", "quick")).headers["cache-status"]
    async with asyncio.timeout(20):
        while "detail=memory" in (await ask(other, "purge me", "quick")).headers["cache-status"]:
            await asyncio.sleep(0.05)

    assert all("detail=memory" in status for status in kept)
    assert 204 == purged.status_code
    assert "parley; fwd=miss; stored" == here


async def test_a_leader_that_is_killed_is_replaced(tmp_path: Path, standin: Standin) -> None:
    """SIGKILL in the middle of its call: a follower in the other sidecar makes it again, and answers all there."""
    with sidecars(tmp_path, standin) as two:
        async with clients(two) as (one, other):
            before = standin.count()
            leader = asyncio.create_task(ask(one, "kill"))
            await meanwhile(lambda: standin.count() > before)
            followers = [asyncio.create_task(ask(other, "kill")) for _ in range(10)]
            await meanwhile(lambda: two.is_awaited)
            two.one.signal(signal.SIGKILL)
            replies = await asyncio.gather(*followers)
            with pytest.raises(httpx2.TransportError):
                await leader

    assert 2 == standin.count() - before
    assert ["stand-in: kill"] * 10 == list(map(said, replies))


async def test_without_redis_flights_within_a_sidecar_go_on(tmp_path: Path, standin: Standin) -> None:
    """Killed while the provider thinks: everybody gets an answer, from the one call or from the other sidecar's."""
    with sidecars(tmp_path, standin) as two:
        async with clients(two) as (one, other):
            before = standin.count()
            asked = [asyncio.create_task(ask(one, "no store"))]
            await meanwhile(lambda: standin.count() > before)
            asked += [asyncio.create_task(ask((one, other)[number % 2], "no store")) for number in range(20)]
            await meanwhile(lambda: two.is_awaited)
            two.redis.send(signal.SIGKILL)
            replies = await asyncio.gather(*asked)
            calls = standin.count() - before
            later = await asyncio.gather(*(ask(one, "later") for _ in range(10)))

    assert {(200, "stand-in: no store")} == {(reply.status_code, said(reply)) for reply in replies}
    assert 2 == calls
    assert {(200, "stand-in: later")} == {(reply.status_code, said(reply)) for reply in later}
    assert 3 == standin.count() - before
