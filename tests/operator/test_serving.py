"""The stream, served in the test's own process: who gets what, who is cut off, and what nobody gets to see."""

import asyncio
import dataclasses
import json
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import generate_latest

from parley_crds import names
from parley_crds.loading import SecretData
from parley_crds.logs import JsonLines
from parley_crds.stream import MAX_MESSAGE_BYTES
from parley_operator.authentication import Authenticator, Identity
from parley_operator.kube import Kube
from parley_operator.metrics import registry
from parley_operator.operate import gauges
from parley_operator.stream import GOING_AWAY, LIFETIME_S, MAX_ANSWER_BYTES, Streaming, lifetime_s
from tests.conftest import free_port
from tests.operator.serving import SECRETS, Serving, eventually, received, serving
from tests.operator.world import Plant

pytestmark = pytest.mark.control_plane
MEGABYTE = "x" * 1024 * 1024


@pytest.fixture
async def served(bare: Plant, real_api: Kube) -> AsyncIterator[Serving]:
    """A replica that serves the stream."""
    async with serving(real_api, bare) as running:
        yield running


def pod_token(plant: Plant, pod: str, app_id: str = "shop", account: str = "default") -> str:
    """Run a pretended pod, and return its sidecar's token."""
    plant.pod(pod, app_id, account)
    return plant.token(account, names.STREAM_AUDIENCE, pod)


def names_in(snapshot: dict[str, Any]) -> list[str]:
    """Return the components of a snapshot."""
    return [component["name"] for component in snapshot["components"]]


async def test_a_snapshot_holds_what_namespace_scope_and_account_admit(bare: Plant, served: Serving) -> None:
    """Two applications, two accounts, two namespaces: each pod gets what it may use, and nothing else at all."""
    bare.kubectl("create", "serviceaccount", "robot")
    served.publish("for-all", settings={"key": "sk-all"})
    served.publish("for-bank", scopes=("bank",), settings={"key": "sk-bank"})
    served.publish("for-robots", service_accounts=("robot",), settings={"key": "sk-robots"})
    served.publish("elsewhere", namespace="another", settings={"key": "sk-elsewhere"})
    tokens = {
        "shop": pod_token(bare, "shop-1", "shop"),
        "bank": pod_token(bare, "bank-1", "bank"),
        "robot": pod_token(bare, "robot-1", "shop", "robot"),
    }
    seen, keys = {}, {}
    for who, token in tokens.items():
        async with served.stream(token) as stream:
            snapshot = await received(stream)
        seen[who] = names_in(snapshot)
        keys[who] = sorted(word for word in json.dumps(snapshot).split('"') if word.startswith("sk-"))

    assert {"shop": ["for-all"], "bank": ["for-all", "for-bank"], "robot": ["for-all", "for-robots"]} == seen
    assert {"shop": ["sk-all"], "bank": ["sk-all", "sk-bank"], "robot": ["sk-all", "sk-robots"]} == keys


async def test_a_snapshot_brings_store_key_and_trust(bare: Plant, served: Serving) -> None:
    """What the Secrets hold, the key as the namespace's own."""
    credentials, tls = bare.secret_data("bare-store"), bare.secret_data("bare-tls")
    async with served.stream(pod_token(bare, "storing")) as stream:
        snapshot = await received(stream)

    assert f"redis://parley:{credentials['password']}@bare-redis:6379" == snapshot["store"]["url"]
    assert snapshot["store"]["context_key"] not in {"", bare.secret_data("bare-context-key")["key"]}
    assert tls["ca.crt"] == snapshot["trust_anchors"]


async def test_a_change_for_others_sends_nothing(bare: Plant, served: Serving) -> None:
    """The next message after it is the next change of one's own; changes that come together are one message."""
    served.publish("own")
    async with served.stream(pod_token(bare, "undisturbed")) as stream:
        first = await received(stream)
        served.publish("for-bank", scopes=("bank",))
        await asyncio.sleep(0.3)
        served.publish("later")
        served.publish("own", version="2")
        second = await received(stream)

    assert (["own"], ["later", "own"]) == (names_in(first), names_in(second))
    assert ["1", "2"] == [component["version"] for component in second["components"]]


async def test_what_did_not_change_is_not_made_again(bare: Plant, served: Serving) -> None:
    """Every change wakes every stream: those that it does not concern must cost next to nothing."""
    snapshots = served.operator.streaming.snapshots
    shop, bank = Identity(bare.namespace, "default", "a", "shop"), Identity(bare.namespace, "default", "b", "bank")
    served.publish("for-all")
    before = (snapshots.of(shop), snapshots.of(bank))
    served.publish("for-bank", scopes=("bank",))
    after = (snapshots.of(shop), snapshots.of(bank))

    assert before[0] is after[0]
    assert before[1].snapshot.hash != after[1].snapshot.hash


async def test_before_it_knows_everything_a_replica_serves_nobody(bare: Plant, served: Serving) -> None:
    """Not even a refusal of the token: half a snapshot would delete everyone's components."""
    served.operator.published.synced = False

    assert (503, "1", "this replica does not know all components yet") == await served.refusal("nothing")


async def test_an_api_server_that_is_away_is_no_fault_of_the_token(
    bare: Plant, real_api: Kube, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The sidecar is told to come again, and keeps what it has."""
    token = pod_token(bare, "early")
    config = json.loads(bare.cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{free_port()}"
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    away = await Kube.connect()

    def without_api(streaming: Streaming) -> Streaming:
        return dataclasses.replace(streaming, authenticator=Authenticator(away))

    async with serving(real_api, bare, without_api) as running:
        assert (503, "1", "the API server does not answer") == await running.refusal(token)
    await away.aclose()


async def test_a_refusal_says_why(bare: Plant, served: Serving, caplog: pytest.LogCaptureFixture) -> None:
    """To the sidecar and to the operator's log, in the same words."""
    with caplog.at_level(logging.INFO):
        unbound = await served.refusal(bare.token("default", names.STREAM_AUDIENCE))
        nothing = await served.refusal("nothing")

    assert (403, "", "the token is bound to no pod") == unbound
    assert (401, "", "a bearer token is needed") == nothing
    said = [getattr(record, "reason", "") for record in caplog.records if record.getMessage() == "caller refused"]
    assert [unbound[2], nothing[2]] == said


async def test_a_stream_ends_in_time_and_the_sidecar_is_told_to_come_back(bare: Plant, real_api: Kube) -> None:
    """An ordinary close, so that sidecars spread over replicas that came later."""

    def short(streaming: Streaming) -> Streaming:
        return dataclasses.replace(streaming, lifetime_s=lambda: 0.1)

    async with serving(real_api, bare, short) as running, running.stream(pod_token(bare, "lasting")) as stream:
        await received(stream)
        end = await stream.receive()

        assert (aiohttp.WSMsgType.CLOSE, GOING_AWAY) == (end.type, end.data)
        await eventually("it is not counted", lambda: len(running.operator.connected) == 0)


def test_lifetimes_differ() -> None:
    """Half an hour to an hour, so that streams that began together do not end together."""
    drawn = {lifetime_s() for _ in range(100)}

    assert 100 == len(drawn)
    assert all(LIFETIME_S[0] <= each <= LIFETIME_S[1] for each in drawn)


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
        return dataclasses.replace(streaming, send_limit_s=0.5)

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


async def test_a_snapshot_that_no_sidecar_takes_is_told(
    bare: Plant, served: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    """It is sent all the same: the sidecar says what it thinks of it, and keeps what it has."""
    served.publish("huge", settings={"text": "x" * MAX_MESSAGE_BYTES})
    async with served.stream(pod_token(bare, "small")) as stream:
        await received(stream)

    (record,) = [each for each in caplog.records if each.getMessage() == "snapshot is larger than sidecars accept"]
    assert ("small", bare.namespace) == (getattr(record, "pod", ""), getattr(record, "namespace", ""))


async def test_a_fault_of_ours_ends_one_stream_and_is_told(
    bare: Plant, served: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    """With its type and place; nothing is swallowed, nobody else is disturbed."""
    token = pod_token(bare, "unlucky")
    store = served.operator.own.store
    unsayable = SecretData("u", "1", {"password": "\ud800"})
    served.operator.own.store = dataclasses.replace(store, url="redis://redis:6379", credentials=unsayable)
    async with served.stream(token) as stream:
        await stream.receive()
        assert stream.closed
    served.operator.own.store = store
    async with served.stream(token) as stream:
        assert await received(stream)

    (record,) = [each for each in caplog.records if each.getMessage() == "stream failed"]
    assert "UnicodeEncodeError" == getattr(record, "fault", "")


async def test_no_secret_is_logged_printed_or_measured(
    bare: Plant, real_api: Kube, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever happens on a stream, at the most talkative level: no token, key, password; not in a repr either."""
    with caplog.at_level(logging.DEBUG):
        async with serving(real_api, bare) as running:
            token = pod_token(bare, "watched")
            running.publish("keyed", settings={"key": "sk-never-shown"})
            wrong = bare.token("default", "elsewhere")
            async with running.stream(token) as stream:
                await received(stream)
                await stream.send_str("not an answer")
                await stream.receive()
            await running.refusal(wrong)
            operator = running.operator
            made = operator.streaming.snapshots.of(Identity(bare.namespace, "default", "watched", "shop"))
            things = [operator.streaming, operator.own.store, operator.published, operator.connected, made]
            shown = [*map(repr, things), repr(operator.connected.counts()), generate_latest(registry(gauges(operator)))]
    lines = [JsonLines().format(record) for record in caplog.records if not record.name.startswith("aiohttp")]
    secrets = [text for name in SECRETS for key, text in bare.secret_data(name).items() if not key.endswith(".crt")]
    secrets += ["sk-never-shown", token, wrong, "PRIVATE KEY"]
    everything = "\n".join([*lines, *map(str, shown)])

    assert [] == [text for text in secrets if text != "parley" and text in everything]
    assert "sidecar sent what is no answer" in everything


async def agreed(served: Serving, name: str, context: ssl.SSLContext) -> str | None:
    """Connect as to a host of this name; return which TLS both sides agreed on, None if none."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=context, server_hostname=name)
    except (ssl.SSLError, ConnectionResetError):
        return None
    found: ssl.SSLObject = writer.get_extra_info("ssl_object")
    writer.transport.abort()
    return found.version()


async def test_the_certificate_is_good_for_the_services_names_and_todays_tls_only(bare: Plant, served: Serving) -> None:
    """Sidecars verify the Service's name, peers too although they connect to an address."""
    service, trusted, old = f"bare-operator.{bare.namespace}.svc", served.trusted(), served.trusted()
    old.maximum_version = ssl.TLSVersion.TLSv1_2

    assert "TLSv1.3" == await agreed(served, service, trusted)
    assert "TLSv1.3" == await agreed(served, f"{service}.cluster.local", trusted)
    assert await agreed(served, f"other-operator.{bare.namespace}.svc", trusted) is None
    assert await agreed(served, service, old) is None
