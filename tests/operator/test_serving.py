"""The stream, served in the test's own process: who gets what, who is cut off, and what nobody gets to see."""

import asyncio
import dataclasses
import json
import logging
import ssl

import pytest
from prometheus_client import generate_latest

from parley_crds import names
from parley_crds.logs import JsonLines
from parley_crds.stream import MAX_MESSAGE_BYTES
from parley_operator.authentication import Authenticator, Identity
from parley_operator.kube import Kube
from parley_operator.metrics import Live
from parley_operator.public import gauges
from parley_operator.published import Held
from parley_operator.redis_acl import password_of
from parley_operator.stream import (
    RETRY_AFTER_S,
    Streaming,
)
from tests.operator.serving import QUICK, SECRETS, Serving, eventually, names_in, pod_token, received, serving
from tests.operator.world import Plant

pytestmark = pytest.mark.control_plane
MEGABYTE = "x" * 1024 * 1024


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
    served.publish("storing")
    async with served.stream(pod_token(bare, "storing")) as stream:
        snapshot = await received(stream)

    password = password_of(bare.namespace, credentials["operator-password"])
    assert f"redis://parley-{bare.namespace}:{password}@bare-redis:6379" == snapshot["store"]["url"]
    assert snapshot["store"]["context_key"] not in {"", bare.secret_data("bare-context-key")["key"]}
    assert tls["ca.crt"] == snapshot["trust_anchors"]


async def test_who_may_use_nothing_is_told_of_no_store(bare: Plant, served: Serving) -> None:
    """Neither password nor key; as soon as there is a component, the store comes with it."""
    async with served.stream(pod_token(bare, "idle")) as stream:
        before = (await received(stream))["store"]
        served.publish("first")
        after = (await received(stream))["store"]

    assert {""} == set(before.values())
    assert "" not in {after["url"], after["context_key"]}


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
    assert before[1].contents.hash != after[1].contents.hash


async def test_before_it_knows_everything_a_replica_serves_nobody(bare: Plant, served: Serving) -> None:
    """Not even a refusal of the token: half a snapshot would delete everyone's components."""
    served.operator.published.synced = False

    status, wait_s, sentence = await served.refusal("nothing")

    assert (503, "this replica does not know all components yet") == (status, sentence)
    assert int(wait_s) in range(RETRY_AFTER_S[0], RETRY_AFTER_S[1] + 1)
    assert 1 == refusals(served, 503)


async def test_an_api_server_that_is_away_is_no_fault_of_the_token(bare: Plant, real_api: Kube, away: Kube) -> None:
    """The sidecar is told to come again, and keeps what it has."""
    token = pod_token(bare, "early")

    def without_api(streaming: Streaming) -> Streaming:
        return dataclasses.replace(streaming, authenticator=Authenticator(away, streaming.metrics), times=QUICK)

    async with serving(real_api, bare, without_api) as running:
        assert (503, "1", "the API server does not answer") == await running.refusal(token)
        assert {"failed": 1.0} == reviews(running)


async def test_a_refusal_says_why(bare: Plant, served: Serving, caplog: pytest.LogCaptureFixture) -> None:
    """To the sidecar and to the operator's log, in the same words."""
    with caplog.at_level(logging.INFO):
        unbound = await served.refusal(bare.token("default", names.STREAM_AUDIENCE))
        nothing = await served.refusal("nothing")

    assert (403, "", "the token is bound to no pod") == unbound
    assert (401, "", "a bearer token is needed") == nothing
    said = [getattr(record, "reason", "") for record in caplog.records if record.getMessage() == "caller refused"]
    assert [unbound[2], nothing[2]] == said
    assert [] == [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_what_streams_do_is_counted(bare: Plant, served: Serving) -> None:
    """Tokens by what became of them, refusals by status, and how long a snapshot takes until it runs."""
    good, bad = pod_token(bare, "counted"), bare.token("default", "elsewhere", "counted")
    for _ in range(2):
        async with served.stream(good) as stream:
            snapshot = await received(stream)
            for _ in range(2):
                await stream.send_json({"ack": snapshot["hash"]})
            await eventually("the answer is there", lambda: served.operator.connected.behind() == 0)
        await served.refusal(bad)
    await eventually("both pushes", lambda: sample(served, "parley_operator_push_seconds_count") == 2)

    assert {"accepted": 1.0, "refused": 1.0, "known": 2.0} == reviews(served)
    assert 2 == refusals(served, 401)


async def test_who_is_held_in_a_snapshot_depends_on_its_fences(bare: Plant, served: Serving) -> None:
    """A component without a good version is named to those who may use it; a good version ends that."""
    published = served.operator.published
    published.hold(bare.namespace, Held("unread"))
    published.hold(bare.namespace, Held("for-bank", scopes=("bank",)))
    published.hold("another", Held("elsewhere"))
    async with served.stream(pod_token(bare, "holding")) as stream:
        first = await received(stream)
        served.publish("unread")
        second = await received(stream)

    assert (["unread"], []) == (first["held"], names_in(first))
    assert ([], ["unread"]) == (second["held"], names_in(second))


def sample(served: Serving, name: str, **labels: str) -> float | None:
    """Read one of the operator's metrics."""
    return served.operator.metrics.registry.get_sample_value(name, labels)


def reviews(served: Serving) -> dict[str, float]:
    """Return how many tokens there were, by result."""
    results = ("accepted", "refused", "known", "failed")
    found = {result: sample(served, "parley_operator_token_reviews_total", result=result) for result in results}
    return {result: count for result, count in found.items() if count}


def refusals(served: Serving, status: int) -> float | None:
    """Return how many sidecars were refused with a status."""
    return sample(served, "parley_operator_stream_refusals_total", status=str(status))


async def test_a_snapshot_that_no_sidecar_takes_is_told(
    bare: Plant, served: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    """It is sent all the same: the sidecar says what it thinks of it, and keeps what it has."""
    served.publish("huge", settings={"text": "x" * MAX_MESSAGE_BYTES})
    async with served.stream(pod_token(bare, "small")) as stream:
        await received(stream)

    (record,) = [each for each in caplog.records if each.getMessage() == "snapshot is larger than sidecars accept"]
    assert ("small", bare.namespace) == (getattr(record, "pod", ""), getattr(record, "namespace", ""))


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
            shown = [*map(repr, things), repr(operator.connected.counts()), generate_latest(Live(gauges(operator)))]
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
