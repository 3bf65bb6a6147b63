"""The operator on a real API server: from `kubectl apply` to a status, for good components and for bad ones.

Left to the pure tests: every single check. Left to test_stream: what reaches a sidecar.
"""

import pytest

from tests.conftest import until
from tests.operator.world import Plant, Replica, component, openai, secret

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("replica")]

READY = {
    "Accepted": ("True", "Accepted"),
    "SecretsResolved": ("True", "Resolved"),
    "Published": ("True", "Published"),
    "Ready": ("True", "Ready"),
}


def columns(plant: Plant, name: str) -> list[str]:
    """Read what `kubectl get` prints, without name and age."""
    return plant.kubectl("get", "conv", name, "--no-headers").split()[1:-1]


def test_a_good_component_is_ready(plant: Plant) -> None:
    """All four conditions hold, for the generation that was applied, and kubectl shows it."""
    plant.apply(component("good"))

    until("Ready", lambda: plant.conditions("good") == READY)
    status = plant.read("conv", "good")["status"]
    assert 1 == status["observedGeneration"]
    assert 64 == len(status["version"])
    assert ["conversation.echo", "True", "Ready", "0/0"] == columns(plant, "good")


def test_a_missing_secret_is_named_and_heals(plant: Plant) -> None:
    """The component says which Secret it lacks; it becomes ready when the Secret comes, without being touched."""
    plant.apply(openai("healing", secret="late"))
    until("SecretNotFound", lambda: plant.conditions("healing").get("SecretsResolved") == ("False", "SecretNotFound"))
    message = plant.read("conv", "healing")["status"]["conditions"][1]["message"]
    plant.apply(secret("late", other="sk-1"))
    until("the key", lambda: plant.conditions("healing").get("SecretsResolved") == ("False", "SecretKeyNotFound"))
    plant.apply(secret("late", apiKey="sk-1"))

    until("Ready", lambda: plant.conditions("healing") == READY)
    assert "the setting key needs the Secret late" == message


def test_a_rotated_key_is_another_version(plant: Plant) -> None:
    """The version follows the Secret; transition times stay, because nothing else changed."""
    plant.apply(secret("rotating", apiKey="sk-1"), openai("rotated", secret="rotating"))
    until("Ready", lambda: plant.conditions("rotated") == READY)
    before = plant.read("conv", "rotated")["status"]
    plant.apply(secret("rotating", apiKey="sk-2"))

    after = until(
        "another version",
        lambda: (s := plant.read("conv", "rotated")["status"]) and s["version"] != before["version"] and s,
    )
    assert after
    assert before["conditions"] == after["conditions"]
    assert "sk-" not in str(after)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"type": "conversation.nobody"}, "UnknownType"),
        ({"version": "v7"}, "UnknownVersion"),
        ({"resilience": {"timeout": 0}}, "ZeroTimeout"),
    ],
)
def test_a_refused_component_says_why(plant: Plant, spec: dict[str, object], reason: str) -> None:
    """What the schema cannot know ends up in the conditions, and as one word in `kubectl get`."""
    name = f"refused-{reason.lower()}"
    plant.apply(component(name, **spec))

    until("refused", lambda: plant.conditions(name).get("Accepted") == ("False", reason))
    conditions = plant.conditions(name)
    assert ("False", "NotPublished") == conditions["Published"]
    assert ("False", reason) == conditions["Ready"]


def test_a_change_for_the_worse_leaves_the_last_good_version(plant: Plant) -> None:
    """Sidecars go on with what was good, and the status says so; a change for the better ends it."""
    plant.apply(component("worse"))
    until("Ready", lambda: plant.conditions("worse") == READY)
    version = plant.read("conv", "worse")["status"]["version"]
    plant.apply(component("worse", resilience={"timeout": 0}))
    until("refused", lambda: plant.conditions("worse").get("Published") == ("True", "LastGood"))

    assert version == plant.read("conv", "worse")["status"]["version"]
    plant.apply(component("worse"))
    until("Ready", lambda: plant.conditions("worse") == READY)


def test_a_status_write_is_not_news(plant: Plant, replica: Replica) -> None:
    """The operator does not answer its own writes: once a component is judged, its object stays as it is."""
    plant.apply(component("quiet"))
    until("Ready", lambda: plant.conditions("quiet") == READY)
    before = plant.read("conv", "quiet")["metadata"]["resourceVersion"]
    plant.apply(component("busy"))
    until("Ready", lambda: plant.conditions("busy") == READY)
    until("an idle queue", lambda: replica.metric("parley_operator_queue_depth") == 0)

    assert before == plant.read("conv", "quiet")["metadata"]["resourceVersion"]


def test_a_component_applied_anew_is_another_one(plant: Plant) -> None:
    """Deleting and applying again gives a new object a status of its own."""
    plant.apply(component("again"))
    until("Ready", lambda: plant.conditions("again") == READY)
    plant.kubectl("delete", "conv", "again")
    plant.apply(component("again"))

    until("Ready", lambda: plant.conditions("again") == READY)


def test_what_it_keeps_is_kept(plant: Plant) -> None:
    """Authority, leaf, store credentials and context key are filled once; the webhook trusts the authority."""
    until("the leaf", lambda: plant.secret_data("parley-tls").get("tls.crt"))
    filled = {name: plant.secret_data(f"parley-{name}") for name in ("ca", "tls", "store", "context-key")}
    bundle = until("the caBundle", lambda: ca_bundles(plant))

    assert {"tls.crt", "tls.key"} == filled["ca"].keys()
    assert {"tls.crt", "tls.key", "ca.crt"} == filled["tls"].keys()
    assert {"operator-password", "redis.acl"} == filled["store"].keys()
    assert {"key"} == filled["context-key"].keys()
    assert filled["store"]["operator-password"] not in filled["store"]["redis.acl"]
    assert 1 == len(bundle)
    plant.kubectl("patch", "secret", "parley-tls", "--type=json", "-p", '[{"op": "remove", "path": "/data"}]')
    renewed = until("a new leaf", lambda: plant.secret_data("parley-tls"))
    assert filled["ca"] == plant.secret_data("parley-ca")
    assert filled["tls"]["ca.crt"] == renewed["ca.crt"]


def ca_bundles(plant: Plant) -> set[str]:
    """Read the caBundles of all webhooks."""
    webhooks = plant.read("mutatingwebhookconfiguration", "parley-injector")["webhooks"]
    return {webhook["clientConfig"]["caBundle"] for webhook in webhooks if webhook["clientConfig"].get("caBundle")}


def test_its_pages_say_how_it_stands(replica: Replica) -> None:
    """Health, readiness and metrics are plain HTTP; no metric has a name that somebody typed."""
    status, text = replica.get("/metrics")

    assert [(200, "ok\n")] * 3 == [replica.get(page) for page in ("/healthz", "/livez", "/readyz")]
    assert 200 == status
    assert "parley_operator_leader 1.0" in text
    begins, ends = (
        replica.metric(f"parley_operator_certificate_{moment}_timestamp_seconds") for moment in ("not_before", "expiry")
    )
    assert 0 < begins < ends
