"""The stream's door, on a real API server: which tokens are let in, and with which status the others are not.

The operator is a process with its own rights, the client aiohttp's, for what a real sidecar would not do. More of the
stream is in test_serving, what it is for in test_both_halves.
"""

import asyncio
import json
import ssl
import urllib.error
import urllib.request

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from parley_crds import names
from tests.conftest import until
from tests.operator.world import Plant, Replica, component

pytestmark = pytest.mark.control_plane


def trusted(plant: Plant) -> ssl.SSLContext:
    """Trust the operator's authority alone."""
    return ssl.create_default_context(cadata=plant.secret_data("parley-tls")["ca.crt"])


def connected(plant: Plant, replica: Replica, token: str) -> connect:
    """Open the stream with a token."""
    url = f"wss://127.0.0.1:{replica.port}{names.STREAM_PATH}"
    return connect(url, ssl=trusted(plant), additional_headers={"Authorization": f"Bearer {token}"}, max_size=None)


async def status_of(plant: Plant, replica: Replica, token: str) -> int:
    """Return the status that a token is refused with, 101 if it is not."""
    try:
        async with connected(plant, replica, token):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


def counts_status(plant: Plant, replica: Replica, token: str) -> int:
    """Ask for a replica's counts; return the status."""
    url = f"https://127.0.0.1:{replica.port}{names.SIDECARS_PATH}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, context=trusted(plant), timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


async def test_only_a_living_injected_pods_own_token_is_let_in(plant: Plant, replica: Replica) -> None:
    """Another audience, no pod, no stamp, a pod that has gone, and no token at all are refused."""
    plant.pod("door", "shop")
    plant.pod("plain", None)
    plant.pod("going", "shop")
    good = plant.token("default", names.STREAM_AUDIENCE, "door")
    tokens = {
        "good": good,
        "another audience": plant.token("default", "elsewhere", "door"),
        "the api server's": plant.token("default"),
        "no pod": plant.token("default", names.STREAM_AUDIENCE),
        "not injected": plant.token("default", names.STREAM_AUDIENCE, "plain"),
        "forged": good[:-8] + "AAAAAAAA",
        "no token": "nothing",
    }
    gone = plant.token("default", names.STREAM_AUDIENCE, "going")
    plant.kubectl("delete", "pod", "going", "--grace-period=0", "--force")
    seen = {name: await status_of(plant, replica, token) for name, token in tokens.items()}

    assert {
        "good": 101,
        "another audience": 401,
        "the api server's": 401,
        "no pod": 403,
        "not injected": 403,
        "forged": 401,
        "no token": 401,
    } == seen
    assert await status_of(plant, replica, gone) in {401, 403}


def test_counts_are_for_peers_only(plant: Plant, replica: Replica) -> None:
    """A sidecar's token is not a peer's, and another namespace's account is none either."""
    plant.pod("curious", "shop")
    elsewhere = plant.cluster.kubectl("-n", "default", "create", "token", "default", "--audience", names.PEER_AUDIENCE)
    tokens = {
        "peer": plant.token("parley-operator", names.PEER_AUDIENCE),
        "sidecar": plant.token("default", names.STREAM_AUDIENCE, "curious"),
        "elsewhere": elsewhere.strip(),
        "none": "",
    }
    statuses = {name: counts_status(plant, replica, token) for name, token in tokens.items()}

    assert {"peer": 200, "sidecar": 401, "elsewhere": 403, "none": 401} == statuses


async def test_a_snapshot_comes_at_once_and_at_each_change(plant: Plant, replica: Replica) -> None:
    """Whole each time, under a hash; what changed together comes together; an answer is counted."""
    plant.pod("reading", "reader")
    plant.apply(component("read-1", scopes=["reader"]))
    until("published", lambda: plant.conditions("read-1").get("Ready") == ("True", "Ready"))
    token = plant.token("default", names.STREAM_AUDIENCE, "reading")
    async with asyncio.timeout(60), connected(plant, replica, token) as stream:
        first = json.loads(await stream.recv())
        await stream.send(json.dumps({"ack": first["hash"]}))
        plant.apply(component("read-2", scopes=["reader"]), component("read-3", scopes=["reader"]))
        while True:
            later = json.loads(await stream.recv())
            if "read-3" in {item["name"] for item in later["components"]}:
                break

    assert "read-1" in {item["name"] for item in first["components"]}
    assert first["hash"] != later["hash"]
    assert {"hash", "components", "held", "store", "trust_anchors"} == first.keys()
    assert first["store"]["context_key"]


async def test_what_is_no_answer_ends_the_stream(plant: Plant, replica: Replica) -> None:
    """A client that sends something else is cut off, and the replica serves on."""
    plant.pod("rude", "shop")
    token = plant.token("default", names.STREAM_AUDIENCE, "rude")
    async with asyncio.timeout(60):
        for message in ("not JSON", b"binary"):
            async with connected(plant, replica, token) as stream:
                await stream.recv()
                await stream.send(message)
                await stream.wait_closed()

    assert 200 == replica.get("/readyz")[0]


async def test_a_renewed_certificate_is_served_without_closing_the_listener(plant: Plant, replica: Replica) -> None:
    """An open stream stays, and a new connection sees the new leaf."""
    plant.pod("watching", "shop")
    token = plant.token("default", names.STREAM_AUDIENCE, "watching")
    before = ssl.get_server_certificate(("127.0.0.1", replica.port))
    async with connected(plant, replica, token) as stream:
        await stream.recv()
        plant.kubectl(
            "patch", "secret", "parley-tls", "--type=json", "-p", '[{"op": "remove", "path": "/data/tls.crt"}]'
        )

        def renewed() -> bool:
            return ssl.get_server_certificate(("127.0.0.1", replica.port)) != before

        await asyncio.to_thread(until, "another leaf", renewed)

        await stream.ping()
        assert stream.close_code is None
