"""A leader's rounds over pods, and the pods and Deployments that they meet."""

import dataclasses
import json
import time
from dataclasses import dataclass
from typing import Any

from parley_crds import names
from parley_operator.events import Events
from parley_operator.kube import Kube
from parley_operator.metrics import Metrics
from parley_operator.pods.owners import Hands, Owners
from parley_operator.pods.rounds import PodRounds
from parley_operator.settings import Settings
from tests.conftest import until
from tests.operator.serving import Clock, limit_s
from tests.operator.world import Plant

ENABLED = {names.ENABLED_ANNOTATION: "true", names.APP_ID_ANNOTATION: "shop"}
APP = {"name": "app", "image": "app"}
NATIVE = {"name": "parley", "image": "sidecar", "restartPolicy": "Always"}
INJECTED = {names.INJECTED_LABEL: "true"}
NOWHERE = {"nodeSelector": {"there-is": "none"}}


def pod(name: str, annotations: dict[str, str] | None = None, labels: dict[str, str] | None = None, **spec: Any) -> Any:
    """Return a pod."""
    metadata = {"name": name, "annotations": annotations or {}, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [APP], **spec}}


def deployment(name: str, replicas: int = 1, labels: dict[str, str] | None = None, **annotations: str) -> Any:
    """Return a Deployment whose pods ask for a sidecar; with the injector's label they have it."""
    selector = {"app": name}
    template = {
        "metadata": {"labels": selector | (labels or {}), "annotations": ENABLED | annotations},
        "spec": {"containers": [APP], "initContainers": [NATIVE] * bool(labels), "terminationGracePeriodSeconds": 0},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": selector}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


@dataclass(slots=True)
class Looking:
    """A leader's rounds, and what tests see of them."""

    place: Plant
    hands: Hands
    rounds: PodRounds
    clock: Clock
    connected: set[str]

    @classmethod
    def at(cls, place: Plant, api: Kube, **different: Any) -> "Looking":
        """Look at the test's namespace, as a leader that lives in another."""
        metrics = Metrics()
        hands = Hands(api, Owners(api), Events(api, "tested", metrics), metrics, limit_s)
        own = Settings(namespace="parley-system", identity="tested", fullname="parley", sidecar_revision="new")
        own = dataclasses.replace(own, watch_namespaces=(place.namespace,))
        clock, connected = Clock(), set[str]()
        clock.now = time.time()

        async def asked() -> frozenset[str]:
            return frozenset(connected)

        return cls(
            place, hands, PodRounds(hands, dataclasses.replace(own, **different), asked, clock), clock, connected
        )

    def tally(self, name: str) -> float:
        """Return what is shown of the test's namespace."""
        return self.rounds.tallies.read(name).get((self.place.namespace,), -1.0)

    def pods(self, ready: bool = True, **labels: str) -> list[dict[str, Any]]:  # noqa: FBT001, FBT002
        """Read the pods that are not going."""
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        found = json.loads(self.place.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
        there = [each for each in found if "deletionTimestamp" not in each["metadata"]]
        return [each for each in there if not ready or each["status"].get("phase") == "Running"]

    def running(self, app: str, replicas: int) -> list[dict[str, Any]]:
        """Wait until so many pods of an application run; return them."""
        return until(f"{replicas} pods of {app}", lambda: exactly(replicas, self.pods(app=app)))

    def told(self, name: str) -> list[tuple[str, str]]:
        """Read the kind of the object of a name, and the reason, of each of our Events about it, oldest first."""
        selector = f"involvedObject.name={name}"
        text = self.place.kubectl("get", "events", "--field-selector", selector, "-o", "json")
        ours = [event for event in json.loads(text)["items"] if event["source"].get("component") == "parley-operator"]
        ours.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
        return [(event["involvedObject"]["kind"], event["reason"]) for event in ours]

    def count(self, name: str, **labels: str) -> float:
        """Return a counter."""
        return self.hands.metrics.registry.get_sample_value(name, labels) or 0.0


def exactly(number: int, pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the pods if there are so many of them, else none."""
    return pods if len(pods) == number else []


def uids(pods: list[dict[str, Any]]) -> set[str]:
    """Return the uids of some pods."""
    return {each["metadata"]["uid"] for each in pods}


def new(looking: Looking, before: set[str], app: str = "held") -> list[dict[str, Any]]:
    """Return the pods of an application that were not there before."""
    return [each for each in looking.pods(app=app) if each["metadata"]["uid"] not in before]
