"""When an open stream ends: by its time, by its pod, by what the other side does or does not do."""

import asyncio
import dataclasses
import json
from collections.abc import Callable

import aiohttp
import pytest

from parley_crds import names
from parley_crds.loading import SecretData
from parley_operator.authentication import Authenticator
from parley_operator.kube import Kube
from parley_operator.metrics import Metrics
from parley_operator.stream import (
    GOING_AWAY,
    LIFETIME_S,
    MAX_ANSWER_BYTES,
    POLICY,
    RECHECK_S,
    RETRY_AFTER_S,
    Streaming,
    Times,
    lifetime_s,
    recheck_s,
    retry_after_s,
)
from tests.operator.serving import Serving, eventually, names_in, pod_token, quick, received, serving
from tests.operator.world import Plant

pytestmark = pytest.mark.control_plane
MEGABYTE = "x" * 1024 * 1024


async def test_a_stream_ends_in_time_and_the_sidecar_is_told_to_come_back(bare: Plant, real_api: Kube) -> None:
    """An ordinary close, so that sidecars spread over replicas that came later."""

    def short(streaming: Streaming) -> Streaming:
        return dataclasses.replace(streaming, times=Times(lifetime_s=lambda: 0.1))

    async with serving(real_api, bare, short) as running, running.stream(pod_token(bare, "lasting")) as stream:
        await received(stream)
        end = await stream.receive()

        assert (aiohttp.WSMsgType.CLOSE, GOING_AWAY) == (end.type, end.data)
        await eventually("it is not counted", lambda: len(running.operator.connected) == 0)


@pytest.mark.parametrize(
    ("draw", "bounds", "different"),
    [(lifetime_s, LIFETIME_S, 100), (recheck_s, RECHECK_S, 100), (retry_after_s, RETRY_AFTER_S, 5)],
)
def test_times_are_by_chance(draw: Callable[[], float], bounds: tuple[float, float], different: int) -> None:
    """Streams that began together do not end together, nor does a storm come back at once."""
    drawn = {draw() for _ in range(100)}

    assert different == len(drawn)
    assert all(bounds[0] <= each <= bounds[1] for each in drawn)


@pytest.mark.parametrize(
    "happens",
    [
        ["deleted"],
        ["deleted", "made for shop"],
        ["finished"],
        ["made for bank"],
    ],
)
async def test_an_open_stream_ends_when_its_pod_is_not_the_same_any_more(
    bare: Plant, real_api: Kube, happens: list[str]
) -> None:
    """The pod is looked at from time to time, not only at the connect; others stay."""
    pod = "-".join(("looked-at", *happens)).replace(" ", "-")
    tokens = [pod_token(bare, name) for name in (pod, f"{pod}-not")]
    async with (
        serving(real_api, bare, quick) as running,
        running.stream(tokens[0]) as stream,
        running.stream(tokens[1]) as another,
    ):
        await received(stream)
        await received(another)
        for what in happens:
            await asyncio.to_thread(befalls, bare, pod, what)
        end = await stream.receive()
        await eventually("it is not counted", lambda: len(running.operator.connected) == 1)

        assert (aiohttp.WSMsgType.CLOSE, POLICY) == (end.type, end.data)
        assert not another.closed


def befalls(plant: Plant, pod: str, what: str) -> None:
    """Let something happen to a pod."""
    match what:
        case "deleted":
            plant.kubectl("delete", "pod", pod, "--grace-period=0", "--force")
        case "finished":
            ended = json.dumps({"status": {"phase": "Succeeded"}})
            plant.kubectl("patch", "pod", pod, "--subresource=status", "--type=merge", "-p", ended)
        case _:
            plant.pod(pod, what.removeprefix("made for "))


async def test_while_the_api_server_is_away_nobody_is_cut_off(
    bare: Plant, real_api: Kube, away: Kube, caplog: pytest.LogCaptureFixture
) -> None:
    """Open streams cannot be looked at, and go on; what is published still reaches them."""
    token = pod_token(bare, "unseen")
    asked = 0

    def looks_away() -> float:
        nonlocal asked
        asked += 1
        authenticator._api = away
        return 0.01

    authenticator = Authenticator(real_api, Metrics())

    def change(streaming: Streaming) -> Streaming:
        return dataclasses.replace(streaming, authenticator=authenticator, times=Times(recheck_s=looks_away))

    async with serving(real_api, bare, change) as running, running.stream(token) as stream:
        await received(stream)
        await eventually("it was looked at in vain", lambda: asked >= 3)
        running.publish("meanwhile")

        assert ["meanwhile"] == names_in(await received(stream))


async def test_a_connection_that_went_dead_is_dropped(bare: Plant, real_api: Kube) -> None:
    """A sidecar whose node vanished does not answer pings: within two of them it is not counted any more."""
    tokens = [pod_token(bare, name) for name in ("half-open", "alive")]
    async with serving(real_api, bare, ping_s=0.2) as running, running.stream(tokens[1]) as alive:
        await received(alive)
        reading = asyncio.create_task(alive.receive())  # answers pings, as a sidecar does all the time
        _reader, writer = await stuck(running, tokens[0])
        await eventually("both are there", lambda: len(running.operator.connected) == 2)
        await eventually("the dead one is dropped", lambda: len(running.operator.connected) == 1)

        assert not reading.done()
        writer.transport.abort()
        reading.cancel()


async def test_an_answer_that_is_too_large_ends_the_stream(bare: Plant, served: Serving) -> None:
    """And only that one."""
    token = pod_token(bare, "verbose")
    async with served.stream(token) as stream, served.stream(token) as another:
        snapshot = await received(stream)
        await received(another)
        await stream.send_json({"ack": snapshot["hash"], "health": "x" * MAX_ANSWER_BYTES})
        end = await stream.receive()
        await eventually("it is not counted", lambda: len(served.operator.connected) == 1)

        assert (aiohttp.WSMsgType.CLOSE, 1009) == (end.type, end.data)
        assert not another.closed


async def test_a_sidecar_that_does_not_read_is_cut_off_and_holds_nobody_up(
    bare: Plant, real_api: Kube, caplog: pytest.LogCaptureFixture
) -> None:
    """Others get each change meanwhile."""

    def impatient(streaming: Streaming) -> Streaming:
        return dataclasses.replace(streaming, times=Times(send_limit_s=0.5))

    tokens = [pod_token(bare, name) for name in ("stuck", "reading")]
    async with serving(real_api, bare, impatient) as running:
        _reader, writer = await stuck(running, tokens[0])
        await eventually("both are there", lambda: len(running.operator.connected) == 1)
        async with running.stream(tokens[1]) as reading:
            await received(reading)
            for version in map(str, range(20)):
                running.publish("large", version=version, settings={"text": MEGABYTE, "n": version})
                snapshot = await received(reading)
                while names_in(snapshot) != ["large"] or snapshot["components"][0]["version"] != version:
                    snapshot = await received(reading)
            await eventually("the other is cut off", lambda: len(running.operator.connected) == 1)

            assert not reading.closed
        writer.transport.abort()
    assert ["stuck"] == [getattr(record, "pod", "") for record in caplog.records]


async def test_a_stream_that_is_closing_does_not_keep_a_replica_from_ending(bare: Plant, real_api: Kube) -> None:
    """Its peer has said goodbye and takes nothing any more: the others are told all the same, and the replica ends."""
    tokens = [pod_token(bare, name) for name in ("leaving", "staying")]
    async with serving(real_api, bare, finish_s=1) as running:
        _reader, writer = await stuck(running, tokens[0])
        staying = running.stream(tokens[1])
        stream = await staying.__aenter__()
        await received(stream)
        running.publish("large", settings={"text": MEGABYTE * 7})
        await eventually("more than is read", lambda: len(running.operator.connected) == 2)
        assert await received(stream)
        writer.write(bytes.fromhex("8882000000000 3e8".replace(" ", "")))  # a masked close frame with the code 1000
        await eventually("it is closing", lambda: len(running.operator.connected) == 1)
    end = await stream.receive()
    writer.transport.abort()
    await staying.__aexit__(None, None, None)

    assert (aiohttp.WSMsgType.CLOSE, 1012) == (end.type, end.data)


async def stuck(running: Serving, token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open the stream, for nobody to read from."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port, ssl=running.trusted(), limit=1024)
    lines = [
        f"GET {names.STREAM_PATH} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {token}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    assert await reader.readuntil(b"\r\n") == b"HTTP/1.1 101 Switching Protocols\r\n"
    return reader, writer


async def test_a_fault_of_ours_ends_one_stream_and_is_told(
    bare: Plant, served: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    """With its type and place; nothing is swallowed, nobody else is disturbed."""
    token = pod_token(bare, "unlucky")
    served.publish("any")
    store = served.operator.own.store
    unsayable = SecretData("u", "1", {"operator-password": "\ud800"})
    served.operator.own.store = dataclasses.replace(store, url="redis://redis:6379", credentials=unsayable)
    async with served.stream(token) as stream:
        await stream.receive()
        assert stream.closed
    served.operator.own.store = store
    async with served.stream(token) as stream:
        assert await received(stream)

    (record,) = [each for each in caplog.records if each.getMessage() == "stream failed"]
    assert "UnicodeEncodeError" == getattr(record, "fault", "")
