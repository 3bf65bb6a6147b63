"""Components that no check could have let in, stored before the CRD was tightened: each says so, and harms no other."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import until
from tests.operator.world import Plant, RunningSidecar, component, openai

pytestmark = pytest.mark.control_plane
CRD = ("crd", "conversationcomponents.parley.dev")
SCHEMA = "/spec/versions/0/schema/openAPIV3Schema"
ECHO = "conversation.echo"
OLD: dict[str, dict[str, Any]] = {
    "no-section": {"type": ECHO, "cache": "yes", "metadata": [{"name": "cacheTTL", "value": "10m"}]},
    "no-number": {"type": ECHO, "metadata": [{"name": "retries", "value": "²"}]},
    "itself": {"type": ECHO, "resilience": {"fallback": ["itself"]}},
    "no-key": {"type": "conversation.mistral"},
}
"""Specs by name, as somebody may have stored them."""
UNSPEAKABLE: dict[str, dict[str, Any]] = {"no-type": {}, "no-list": {"type": 7, "metadata": "none"}}
"""Those whose status the API server itself does not take: nothing but deleting or applying them anew mends them."""
REASONS = dict.fromkeys(OLD, "Malformed") | {"itself": "FallbackToItself", "no-key": "MissingSetting"}


@contextlib.contextmanager
def loosened(plant: Plant) -> Iterator[None]:
    """Let the API server take whatever stands in `spec`, inside the block."""

    def use(schema: dict[str, Any]) -> None:
        patch = json.dumps([{"op": "replace", "path": SCHEMA, "value": schema}])
        plant.kubectl("patch", *CRD, "--type=json", "-p", patch)

    tight = json.loads(plant.kubectl("get", *CRD, "-o", "json"))["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    use({"type": "object", "properties": {"spec": anything, "status": anything}})
    try:
        yield
    finally:
        use(tight)


def applies(plant: Plant, manifest: dict[str, Any], *flags: str) -> bool:
    """Say whether the API server takes a manifest."""
    told = plant.cluster.kubectl(
        "-n", plant.namespace, "apply", "--validate=false", *flags, "-f", "-", feed=json.dumps(manifest), check=False
    )
    return "conversationcomponent" in told and "invalid" not in told


def test_what_cannot_be_read_says_so_and_harms_no_other(plant: Plant) -> None:
    """The operator starts, each bad one has its reason, and the good one reaches its sidecar."""
    old = {name: component(name) | {"spec": spec} for name, spec in (OLD | UNSPEAKABLE).items()}
    with loosened(plant):
        for name, manifest in old.items():
            until(f"{name} is stored", lambda manifest=manifest: applies(plant, manifest))  # type: ignore[misc]
    strange = {"name": "strange", "value": {"nested": ["text"]}}
    probe = component("no-section-either") | {"spec": OLD["no-section"]}  # what is stored already would be let be
    until("tight again", lambda: not applies(plant, probe, "--dry-run=server"))
    plant.apply(component("nested", metadata=[strange]), openai("lacking", secret="nowhere"), component("good"))
    plant.pod("unharmed", "shop")
    with plant.operators() as (replica,):
        replica.ready()
        sidecar = RunningSidecar.start(plant, replica, "unharmed", "shop")
        sidecar.answers(202, "good")
        for name, reason in (REASONS | {"nested": "Malformed"}).items():
            until(name, lambda name=name, reason=reason: plant.conditions(name).get("Accepted") == ("False", reason))  # type: ignore[misc]
        until("lacking", lambda: plant.conditions("lacking").get("Ready") == ("False", "SecretNotFound"))
        until("good", lambda: plant.conditions("good").get("Ready") == ("True", "Ready"))
        sidecar.stop()
    plant.kubectl("delete", "conv", *old, "nested", "lacking", "good")


def test_what_needs_a_store_is_told_that_there_is_none(plant: Plant) -> None:
    """Accepted all the same: it answers, but remembers no room and shares no answers."""
    plant.apply(component("remembering", context={"ttl": "1h"}, cache={"ttl": "1m"}))
    with plant.operators(PARLEY_STORE_URL=""):
        until("judged", lambda: plant.conditions("remembering").get("Accepted") == ("True", "Accepted"))
    conditions = plant.read("conv", "remembering")["status"]["conditions"]
    (message,) = [each["message"] for each in conditions if each["type"] == "Accepted"]
    plant.kubectl("delete", "conv", "remembering")

    assert "spec.context.ttl needs a shared store, and there is none: requests with a context id fail" in message
    assert "there is no shared store: with spec.cache.ttl each pod keeps answers for itself" in message
