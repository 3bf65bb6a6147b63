"""Operator and sidecar together, on a real API server: the stream from both ends, and each end gone.

The sidecar is the real process, with a token of a real service account that is bound to a real pod object.
"""

from collections.abc import Iterator

import pytest

from tests.conftest import Standin, until
from tests.operator.world import Plant, Replica, RunningSidecar, component, openai, secret

pytestmark = pytest.mark.control_plane


@pytest.fixture
def shop(plant: Plant, replica: Replica, request: pytest.FixtureRequest) -> Iterator[RunningSidecar]:
    """A sidecar of the application shop, in a pod of its own."""
    pod = request.node.name.removeprefix("test_").replace("_", "-")[:50]
    plant.pod(pod, "shop")
    running = RunningSidecar.start(plant, replica, pod, "shop")
    yield running
    running.stop()
    plant.kubectl("delete", "pod", pod, "--wait=false")


def summary(plant: Plant, name: str) -> str:
    """Read how many sidecars are up to date."""
    return str(plant.read("conv", name).get("status", {}).get("sidecars", {}).get("summary"))


def test_a_key_reaches_the_running_sidecar(plant: Plant, shop: RunningSidecar, standin: Standin) -> None:
    """Applied, it answers with the Secret's key; rotated, with the new one; deleted, it is 400."""
    plant.apply(secret("live", apiKey="sk-1"), openai("live", f"{standin.url}/v1", "live"))
    answer = shop.answers(202, "live", "hello")
    assert [{"result": "stand-in: hello", "parameters": {}}] == answer["outputs"]
    until("1/1", lambda: summary(plant, "live") == "1/1")

    plant.apply(secret("live", apiKey="sk-2"))

    def uses_new_key() -> bool:
        shop.ask("live", "again")
        return bool(standin.last()["headers"]["authorization"] == "Bearer sk-2")

    until("the new key", uses_new_key)
    until("1/1 of the new version", lambda: summary(plant, "live") == "1/1")
    plant.kubectl("delete", "conv", "live")
    assert "ERR_CONVERSATION_NOT_FOUND" == shop.answers(400, "live")["errorCode"]


def test_scopes_decide_who_gets_what(plant: Plant, shop: RunningSidecar) -> None:
    """A component of another application or service account does not reach the sidecar at all."""
    plant.apply(
        component("for-all"),
        component("for-bank", scopes=["bank"]),
        component("for-shop", scopes=["shop", "bank"]),
        component("for-robots", serviceAccounts=["robot"]),
    )

    shop.answers(202, "for-all")
    shop.answers(202, "for-shop")
    assert 400 == shop.ask("for-bank", "hello")[0]
    assert 400 == shop.ask("for-robots", "hello")[0]
    until("nobody may use it", lambda: summary(plant, "for-bank") == "0/0")


def test_what_a_sidecar_cannot_load_is_counted(plant: Plant, shop: RunningSidecar) -> None:
    """A variable that its environment lacks is known to the sidecar alone: the status counts it as not up to date."""
    metadata = [{"name": "key", "envRef": "NOT_SET_ANYWHERE"}]
    plant.apply(component("unloadable", type="conversation.openai", metadata=metadata), component("beside"))
    shop.answers(202, "beside")

    until("0/1", lambda: summary(plant, "unloadable") == "0/1")
    assert 1 == plant.read("conv", "unloadable")["status"]["sidecars"]["failed"]
    assert 400 == shop.ask("unloadable", "hello")[0]


def test_the_sidecar_goes_on_without_the_operator(plant: Plant) -> None:
    """Killed, the operator is not missed by who has components; who starts meanwhile says 503 and heals by itself."""
    plant.apply(component("lasting"))
    plant.pod("old", "shop")
    plant.pod("new", "shop")
    with plant.operators() as (first,):
        first.ready()
        old = RunningSidecar.start(plant, first, "old", "shop")
        old.answers(202, "lasting")
        first.kill()
        new = RunningSidecar.start(plant, first, "new", "shop")
        assert "ERR_CONVERSATION_NOT_READY" == new.answers(503, "lasting")["errorCode"]
        assert 202 == old.ask("lasting", "still")[0]
        old.stop()
        again = RunningSidecar.start(plant, first, "old", "shop")
        again.answers(202, "lasting")  # from its last known good
        with plant.operators(ports=[first.port]):
            new.answers(202, "lasting")
        again.stop()
        new.stop()


def test_the_operator_outlives_the_api_server(plant: Plant, replica: Replica, shop: RunningSidecar) -> None:
    """With the API server gone, sidecars are served on; with it back, changes arrive again."""
    plant.apply(component("before"))
    shop.answers(202, "before")
    plant.cluster.stop("kube-apiserver")
    assert 202 == shop.ask("before", "meanwhile")[0]
    assert 200 == replica.get("/healthz")[0]
    plant.cluster.start("kube-apiserver")
    plant.apply(component("afterwards"))

    shop.answers(202, "afterwards")
    until("its status", lambda: plant.conditions("afterwards").get("Ready") == ("True", "Ready"))
