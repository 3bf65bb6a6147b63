"""What only a kubelet can show of injected pods: Jobs that end, environments, restarts, and what their owners are told.

Left to tests/: every rule about which pod gets what, on a control plane without containers.
"""

import json
from typing import Any

import pytest

from e2e.world import RESTRICTED, SYSTEM, Namespace, World, until

pytestmark = pytest.mark.kubelet

ASK = "localhost:3500/v1.0-alpha1/conversation/echo/converse"
ECHO = {"type": "conversation.echo", "version": "v1"}


def echo(namespace: Namespace) -> None:
    """Apply a component that needs no provider."""
    kind = {"apiVersion": "parley.dev/v1alpha1", "kind": "ConversationComponent"}
    namespace.apply({**kind, "metadata": {"name": "echo"}, "spec": ECHO})


def pod_template(script: str, annotations: dict[str, str]) -> dict[str, Any]:
    """Return a pod template that runs a script in the application's container."""
    container = {
        "name": "app",
        "image": "localhost/parley-app:dev",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-ec", script],
        "securityContext": RESTRICTED,
    }
    asked = {"parley.dev/enabled": "true", "parley.dev/app-id": "worker", **annotations}
    spec = {"containers": [container], "restartPolicy": "Never", "terminationGracePeriodSeconds": 1}
    return {"metadata": {"labels": {"app": "worker"}, "annotations": asked}, "spec": spec}


def job(namespace: Namespace, name: str, script: str, **annotations: str) -> None:
    """Run a Job; annotations are named without `parley.dev/`, with `_` for `-`."""
    named = {f"parley.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
    spec = {"backoffLimit": 0, "template": pod_template(script, named)}
    namespace.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec})


def outcome(namespace: Namespace, name: str) -> str:
    """Wait for a Job's end; return which it was."""

    def ended() -> str:
        conditions = namespace.get("job", name).get("status", {}).get("conditions", [])
        true = {condition["type"] for condition in conditions if condition["status"] == "True"}
        return next(iter(true & {"Complete", "Failed"}), "")

    return until(f"the end of the job {name}", ended)


def asked_until_answered(then: str = "") -> str:
    """Return a script that asks until the component has arrived, and then does something."""
    return f'until curl -sf {ASK} -d \'{{"inputs": ["hello"]}}\'; do sleep 0.2; done; {then}'


def test_a_job_ends_beside_its_native_sidecar(namespace: Namespace) -> None:
    """The sidecar is there when the Job's container begins, and does not keep the Job from its end."""
    echo(namespace)
    job(namespace, "native", f"curl -s localhost:3500/v1.0/healthz; {asked_until_answered()}")

    assert outcome(namespace, "native") == "Complete"


def test_a_job_ends_its_plain_sidecar(namespace: Namespace) -> None:
    """Without native sidecars the application still finds the sidecar started, and ends it with one call."""
    echo(namespace)
    first = "curl -sf localhost:9464/healthz"  # the sidecar was there before the application's container began
    last = "curl -sf -X POST localhost:3500/v1.0/shutdown"
    job(namespace, "plain", f"{first}; {asked_until_answered(last)}", native_sidecar="false")

    assert outcome(namespace, "plain") == "Complete"


def test_an_openai_client_needs_no_address(namespace: Namespace) -> None:
    """With the annotation the pod's environment leads OpenAI's clients to the sidecar; the component is the model."""
    echo(namespace)
    body = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "hello"}]})
    call = f"curl -sf $OPENAI_BASE_URL/chat/completions -H \"Authorization: Bearer $OPENAI_API_KEY\" -d '{body}'"
    check = f'case "$({call})" in *hello*) ;; *) exit 1 ;; esac'
    job(namespace, "openai", f"{asked_until_answered()} {check}", openai_env="true")

    assert outcome(namespace, "openai") == "Complete"


def test_an_owner_is_told_why_there_is_no_sidecar(namespace: Namespace) -> None:
    """A bad annotation is an Event on the Deployment, which `kubectl describe` shows."""
    template = pod_template("sleep 100000", {"parley.dev/memory-limit": "much"})
    template["spec"]["restartPolicy"] = "Always"
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "worker"}}, "template": template}
    namespace.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "worker"}, "spec": spec})
    describe = ("-n", namespace.name, "describe", "deployment", "worker")

    said = until(
        "an Event on the Deployment",
        lambda: [line for line in namespace.cluster.kubectl(*describe).splitlines() if "parley-operator" in line],
    )

    assert "parley.dev/memory-limit" in " ".join(said) or "annotation" in " ".join(said)


def test_a_sidecar_restarts_while_the_operator_is_down(world: World, namespace: Namespace) -> None:
    """Its container comes back with its last known good components: nobody but the pod itself has them then."""
    echo(namespace)
    namespace.deploy("shop")
    (pod,) = namespace.ready("shop")
    namespace.answered(202, pod, "echo", "before")
    read = ("-n", SYSTEM, "get", "deployment/parley-operator", "-o", "jsonpath={.spec.replicas}")
    replicas = int(world.cluster.kubectl(*read))

    def restarts() -> int:
        return int(namespace.get("pod", pod)["status"]["initContainerStatuses"][0]["restartCount"])

    world.scale("deployment/parley-operator", 0)
    try:
        namespace.curl(pod, "localhost:3500/v1.0/shutdown", "-X", "POST")
        until("the container's restart", restarts)
        answer = namespace.answered(202, pod, "echo", "after")
    finally:
        world.scale("deployment/parley-operator", replicas)

    assert answer.body["outputs"][0]["result"] == "after"


def test_the_release_tests_itself(world: World) -> None:
    """`helm test` makes a component, sees it Ready and a pod injected, and leaves nothing behind."""
    told = world.cluster.helm("test", "parley", "--namespace", SYSTEM, "--timeout", "3m")
    left = world.cluster.kubectl("get", "conversationcomponents", "-n", "default", "-o", "name")

    assert "Succeeded" in told
    assert left.strip() == ""
