"""Two replicas of the operator, one of them the leader: killed, and ended in order.

No other operator may run meanwhile, so these tests have a module of their own.
"""

from datetime import datetime
from typing import Any

import pytest

from parley_operator.leadership import DURATION_S
from tests.conftest import until
from tests.operator.world import Plant, Replica, RunningSidecar, component

pytestmark = pytest.mark.control_plane

TAKEN_OVER_S = 20
"""How long nobody leads after a leader was killed, at most: what the Lease records, not what a test waits."""


def leader_of(replicas: list[Replica]) -> Replica:
    """Wait until all are ready and one leads; return it."""
    for replica in replicas:
        replica.ready()
    until("a leader", lambda: sum(replica.metric("parley_operator_leader") for replica in replicas) == 1)
    return next(replica for replica in replicas if replica.metric("parley_operator_leader") == 1)


def test_another_replica_leads_when_the_leader_is_killed(plant: Plant) -> None:
    """Both serve and one writes; when it is killed the other takes the Lease over and goes on writing statuses."""
    plant.pod("elsewhere", "shop")
    with plant.operators(2) as replicas:
        leader = leader_of(replicas)
        (standby,) = [replica for replica in replicas if replica is not leader]
        plant.apply(component("led"))
        sidecar = RunningSidecar.start(plant, standby, "elsewhere", "shop")
        sidecar.answers(202, "led")
        until("counted over both replicas", lambda: summary(plant, "led") == "1/1")

        leader.kill()
        left = plant.read("lease", "parley-operator")["spec"]
        plant.apply(component("led-later"))
        until("the other's writes", lambda: summary(plant, "led-later") == "1/1")
        assert 1 == standby.metric("parley_operator_leader")
        sidecar.stop()

        taken = plant.read("lease", "parley-operator")["spec"]
        assert DURATION_S <= unled_s(left, taken) < TAKEN_OVER_S
        assert left["leaseTransitions"] + 1 == taken["leaseTransitions"]


def test_a_leader_that_ends_gives_the_lease_back(plant: Plant) -> None:
    """After an orderly end the Lease is free at once, not only when its time is over."""
    with plant.operators(2) as replicas:
        leader = leader_of(replicas)
        (other,) = [replica for replica in replicas if replica is not leader]
        left = plant.read("lease", "parley-operator")["spec"]
        leader.stop()
        until("a new leader", lambda: other.metric("parley_operator_leader") == 1)

        spec = plant.read("lease", "parley-operator")["spec"]
        assert DURATION_S == spec["leaseDurationSeconds"]
        assert spec["holderIdentity"].endswith(str(other.port))
        assert unled_s(left, spec) < DURATION_S


def unled_s(left: dict[str, Any], taken: dict[str, Any]) -> float:
    """Return the seconds from the last renewal of one leader to the next leader, as the Lease has them."""
    renewed, acquired = (datetime.fromisoformat(time) for time in (left["renewTime"], taken["acquireTime"]))
    return (acquired - renewed).total_seconds()


def summary(plant: Plant, name: str) -> str:
    """Read how many sidecars are up to date."""
    return str(plant.read("conv", name).get("status", {}).get("sidecars", {}).get("summary"))
