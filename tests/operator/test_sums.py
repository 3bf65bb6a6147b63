"""What sidecars say, summed over two replicas into one status: as it changes, and after a replica was killed.

No other operator may run meanwhile, so these tests have a module of their own.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from parley_operator.metrics import Metrics
from tests.conftest import Standin, until
from tests.operator.test_leaders import leader_of
from tests.operator.world import Plant, Replica, RunningSidecar, openai, secret

pytestmark = pytest.mark.control_plane
IMPATIENT = {"retries": 0, "breakerFaults": 1, "breakerPause": "1ms"}
DEAD = "http://127.0.0.1:1/v1"


@pytest.fixture
def replicas(plant: Plant) -> Iterator[list[Replica]]:
    """Two operators."""
    with plant.operators(2) as running:
        yield running


def sidecars_of(plant: Plant, name: str) -> dict[str, Any]:
    """Read what the status says of a component's sidecars."""
    found: dict[str, Any] = plant.read("conv", name).get("status", {}).get("sidecars", {})
    return found


def said(plant: Plant, name: str) -> tuple[str, int, list[dict[str, Any]], str]:
    """Read it in short: up to date, breakers open, errors, faults."""
    found = sidecars_of(plant, name)
    errors = found.get("errors", [])
    return found.get("summary", ""), found.get("breakersOpen", -1), errors, found.get("faults", "")


def test_the_health_of_providers_is_summed_over_replicas(
    plant: Plant, replicas: list[Replica], standin: Standin
) -> None:
    """A provider that is down shows as counts; what a killed replica's sidecars said goes, and health comes back."""
    leader = leader_of(replicas)
    (standby,) = [replica for replica in replicas if replica is not leader]
    plant.apply(secret("ailing", apiKey="sk-1"), openai("ailing", DEAD, "ailing", resilience=IMPATIENT))
    pods = {"near": leader, "far": standby}
    for pod in pods:
        plant.pod(pod, "shop")
    near, far = [RunningSidecar.start(plant, replica, pod, "shop") for pod, replica in pods.items()]
    until("both are well", lambda: said(plant, "ailing") == ("2/2", 0, [], ""))
    for sidecar in (near, far):
        assert "unavailable" == sidecar.answers(500, "ailing")["reason"]
    ailing = ("2/2", 2, [{"reason": "unavailable", "count": 2}], "2 open, 2 unavailable")
    until("both are told of", lambda: said(plant, "ailing") == ailing)
    assert "2 open, 2 unavailable" in plant.kubectl("get", "conv", "ailing")

    standby.kill()
    left = ("1/1", 1, [{"reason": "unavailable", "count": 1}], "1 open, 1 unavailable")
    until("the killed one's are not", lambda: said(plant, "ailing") == left)

    plant.apply(openai("ailing", f"{standin.url}/v1", "ailing", resilience=IMPATIENT))
    near.answers(202, "ailing")
    until("all is well", lambda: said(plant, "ailing") == ("1/1", 0, [], ""))
    before = plant.read("conv", "ailing")["metadata"]["resourceVersion"]
    rounds = Rounds(leader)
    until("some rounds later", lambda: rounds.passed() >= 2)
    assert before == plant.read("conv", "ailing")["metadata"]["resourceVersion"]
    near.stop()
    far.stop()


class Rounds:
    """Counts how often the leader looked at the standbys' and its own counts: each is a token that is shown."""

    def __init__(self, leader: Replica) -> None:
        self._leader = leader
        self._first = self._shown()

    def passed(self) -> float:
        """Return how many rounds there were since."""
        return self._shown() - self._first

    def _shown(self) -> float:
        name = f"{next(iter(Metrics().token_reviews.collect())).name}_total"
        _, text = self._leader.get("/metrics")
        lines = [line for line in text.splitlines() if line.startswith(f"{name}{{")]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def test_a_component_without_a_good_version_stays_with_who_runs_it(plant: Plant, standin: Standin) -> None:
    """Its Secret is gone and the operator begins anew: the sidecar keeps it, over its own restart as well.

    Deleted, it goes; and a sidecar that never had it does not get it.
    """
    for pod in ("keeping", "coming"):
        plant.pod(pod, "shop")
    plant.apply(secret("kept", apiKey="sk-kept"), openai("kept", f"{standin.url}/v1", "kept", scopes=["shop"]))
    with plant.operators() as (first,):
        first.ready()
        keeping = RunningSidecar.start(plant, first, "keeping", "shop")
        keeping.answers(202, "kept")
        until("1/1", lambda: said(plant, "kept")[0] == "1/1")
    plant.kubectl("delete", "secret", "kept")
    with plant.operators(ports=[first.port]) as (second,):
        until("found out", lambda: plant.conditions("kept").get("Published") == ("False", "NotPublished"))
        until("it is back", lambda: said(plant, "kept")[0] == "0/1")
        assert 202 == keeping.ask("kept", "still")[0]
        keeping.stop()
        again = RunningSidecar.start(plant, second, "keeping", "shop")
        again.answers(202, "kept")  # from its last good file
        coming = RunningSidecar.start(plant, second, "coming", "shop")
        assert "ERR_CONVERSATION_NOT_FOUND" == coming.answers(400, "kept")["errorCode"]
        until("both are there", lambda: said(plant, "kept")[0] == "0/2")
        assert 202 == again.ask("kept", "still")[0]
        plant.kubectl("delete", "conv", "kept")
        again.answers(400, "kept")
        again.stop()
        coming.stop()
