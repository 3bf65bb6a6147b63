"""The whole story under a kubelet: from two annotations on a pod to an answer, and what goes wrong on the way.

Aspects: injection, the stream, the shared cache, a rotated key, deletion, status, and each part being down.
Left to tests/: everything that a control plane without containers can show.
"""

import pytest

from e2e.world import Namespace, World, until

pytestmark = pytest.mark.kubelet


def columns(namespace: Namespace) -> list[str]:
    """Read what `kubectl get conv` prints for its only component, without name and age."""
    text = namespace.cluster.kubectl("-n", namespace.name, "get", "conversationcomponents", "--no-headers")
    return text.split()[1:-1]


def test_two_annotations_give_an_answer(namespace: Namespace) -> None:
    """An annotated pod gets an answer, another pod the same from Redis; a new key needs no restart; deletion is 400."""
    namespace.key("openai", "key-one")
    namespace.component("gpt")
    namespace.deploy("shop", replicas=2)
    first, second = namespace.ready("shop", 2)

    asked = namespace.answered(202, first, "gpt", "hello")
    assert asked.body["outputs"] == [{"result": "stand-in: hello", "parameters": {}}]
    assert "fwd" in asked.headers.lower()

    def from_redis() -> bool:
        reply = namespace.ask(second, "gpt", "hello")
        return reply.status == 202 and "hit" in reply.headers

    until("a hit in the other pod", from_redis)
    assert namespace.metric(second, 'parley_cache_requests_total result="hit" tier="redis"') >= 1
    assert namespace.metric(second, "dapr_component_conversation_count") >= 1
    until("both sidecars up to date", lambda: columns(namespace) == ["conversation.openai", "True", "Ready", "2/2"])

    restarts = namespace.get("pod", first)["status"]["initContainerStatuses"][0]["restartCount"]
    namespace.key("openai", "key-two")
    last = "http://standin.providers.svc:8000/last"

    def uses_new_key() -> bool:
        namespace.ask(first, "gpt", "which key", cacheTTL="0")
        return bool(namespace.curl(first, last).body["headers"].get("authorization") == "Bearer key-two")

    until("the new key in use", uses_new_key)
    assert restarts == namespace.get("pod", first)["status"]["initContainerStatuses"][0]["restartCount"]

    namespace.cluster.kubectl("-n", namespace.name, "delete", "conversationcomponent", "gpt")
    gone = namespace.answered(400, first, "gpt", "hello")
    assert gone.body["errorCode"] == "ERR_CONVERSATION_NOT_FOUND"


def test_a_chat_room_spans_pods(namespace: Namespace) -> None:
    """A second pod goes on with what was said in the first one; the provider never sees the address in it."""
    namespace.key("openai", "key-one")
    namespace.component("gpt", more={"context": {"ttl": "1h"}, "privacy": {"mode": "reversible"}})
    namespace.deploy("shop", replicas=2)
    first, second = namespace.ready("shop", 2)
    namespace.answered(202, first, "gpt", "hello")

    said = [namespace.say(pod, "gpt", "r-1", "write to ann@example.org") for pod in (first, second)]
    seen = namespace.curl(first, "http://standin.providers.svc:8000/last").body["body"]["messages"]
    room = "localhost:3500/v1.0-alpha1/conversation/gpt/contexts/r-1"
    kept = namespace.curl(second, room).body["messages"]
    erased = namespace.curl(first, room, "-X", "DELETE")

    assert [reply.body["outputs"][0]["result"] for reply in said] == ["stand-in: write to ann@example.org"] * 2
    told = ["write to <EMAIL_ADDRESS_1>", "stand-in: write to <EMAIL_ADDRESS_1>", "write to <EMAIL_ADDRESS_1>"]
    assert told == [message["content"] for message in seen]
    assert [message["role"] for message in kept] == ["user", "assistant"] * 2
    assert (erased.status, namespace.curl(second, room).status) == (204, 404)


def test_a_missing_secret_touches_nothing_else(namespace: Namespace) -> None:
    """A component without its Secret says so in its status; the one beside it answers; the Secret heals it."""
    namespace.component("broken")
    spec = {"type": "conversation.echo", "version": "v1"}
    namespace.apply(
        {
            "apiVersion": "parley.dev/v1alpha1",
            "kind": "ConversationComponent",
            "metadata": {"name": "echo"},
            "spec": spec,
        }
    )
    namespace.deploy("shop")
    (pod,) = namespace.ready("shop")

    namespace.answered(202, pod, "echo", "hi")

    def reason() -> str:
        conditions = namespace.get("conversationcomponent", "broken").get("status", {}).get("conditions", [])
        return next((c["reason"] for c in conditions if c["type"] == "SecretsResolved"), "")

    until("SecretNotFound", lambda: reason() == "SecretNotFound")
    assert namespace.ask(pod, "broken", "hi").status == 400

    namespace.key("openai", "key-one")
    namespace.answered(202, pod, "broken", "hi")


def test_redis_down_costs_no_answer(world: World, namespace: Namespace) -> None:
    """Without Redis requests go to the provider and are answered."""
    namespace.key("openai", "key-one")
    namespace.component("gpt")
    namespace.deploy("shop")
    (pod,) = namespace.ready("shop")
    namespace.answered(202, pod, "gpt", "before")

    redis = "deployment/parley-redis"
    world.scale(redis, 0)
    try:
        replies = [namespace.ask(pod, "gpt", f"question {n}") for n in range(3)]
    finally:
        world.scale(redis, 1)

    assert [reply.status for reply in replies] == [202, 202, 202]


def test_provider_down_is_a_clear_error(namespace: Namespace) -> None:
    """A provider that cannot be reached is 500 with Dapr's code, our reason, and not one word of the key."""
    namespace.key("openai", "key-one")
    namespace.component("gpt")
    namespace.deploy("shop")
    (pod,) = namespace.ready("shop")
    namespace.answered(202, pod, "gpt", "before")

    reply = namespace.ask(pod, "gpt", "after", endpoint="http://10.96.255.254:1/v1", key="own-key")

    assert (reply.status, reply.body["errorCode"]) == (500, "ERR_CONVERSATION_INVOKE")
    assert "own-key" not in str(reply.body)


def test_operator_down(world: World, namespace: Namespace) -> None:
    """Running sidecars go on without the operator; a pod that starts meanwhile runs, says 503, and heals by itself."""
    namespace.key("openai", "key-one")
    namespace.component("gpt")
    namespace.deploy("old")
    (old,) = namespace.ready("old")
    namespace.answered(202, old, "gpt", "before")

    replicas = int(
        world.cluster.kubectl(
            "-n", "parley-system", "get", "deployment/parley-operator", "-o", "jsonpath={.spec.replicas}"
        )
    )
    world.scale("deployment/parley-operator", 0)
    try:
        assert namespace.ask(old, "gpt", "during").status == 202
        namespace.deploy("new")
        starting = until("the new pod's sidecar", lambda: newest(namespace))
        namespace.answered(503, starting, "gpt", "hello")
    finally:
        world.scale("deployment/parley-operator", replicas)

    namespace.answered(202, starting, "gpt", "hello")


def newest(namespace: Namespace) -> str:
    """Name the pod of the application `new` once its container runs, ready or not."""
    path = "jsonpath={.items[?(@.status.phase=='Running')].metadata.name}"
    return namespace.cluster.kubectl("-n", namespace.name, "get", "pods", "-l", "app=new", "-o", path).strip()
