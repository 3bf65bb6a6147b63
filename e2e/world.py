"""What the story's tests do to a cluster, in their own words: install, apply, ask, read, wait."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from e2e.cluster import Cluster

ROOT = Path(__file__).resolve().parent.parent
SYSTEM = "parley-system"
PROVIDERS = "providers"
PROVIDER_URL = f"http://standin.{PROVIDERS}.svc:8000"
PATIENCE_S = 120.0
"""How long anything may take on a slow and noisy machine."""

Value = TypeVar("Value")

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def until(what: str, probe: Callable[[], Value], limit_s: float = PATIENCE_S) -> Value:
    """Poll until `probe` returns something truthy; fail with the last thing it returned after `limit_s` seconds."""
    end = time.monotonic() + limit_s
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {limit_s:.0f} s, last seen {value!r}")
        time.sleep(0.3)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a pod's curl saw: status 0 means no answer at all."""

    status: int
    headers: str
    body: Any


@dataclass(frozen=True, slots=True)
class Namespace:
    """One test's own namespace."""

    cluster: Cluster
    name: str

    def apply(self, *manifests: dict[str, Any]) -> str:
        """Apply manifests here and return what kubectl said; raises with its words when it is refused."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        return self.cluster.kubectl("-n", self.name, "apply", "-f", "-", feed=json.dumps(items))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Read one object; an empty one if it is not there."""
        text = self.cluster.kubectl("-n", self.name, "get", kind, name, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else {}

    def key(self, secret: str, key: str) -> str:
        """Write a provider key into a Secret."""
        data = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}, "stringData": {"apiKey": key}}
        return self.apply(data)

    def component(self, name: str, *, cache: bool = True, more: dict[str, Any] | None = None, **settings: Any) -> str:
        """Apply a component of the provider stand-in, with its key in the Secret `openai`; `more` adds to its spec."""
        metadata = [
            {"name": "key", "secretKeyRef": {"name": "openai", "key": "apiKey"}},
            {"name": "endpoint", "value": f"{PROVIDER_URL}/v1"},
            *({"name": key, "value": value} for key, value in settings.items()),
        ]
        spec: dict[str, Any] = {"type": "conversation.openai", "version": "v1", "metadata": metadata}
        if cache:
            spec["cache"] = {"ttl": "10m"}
        return self.apply(component(name, spec | (more or {})))

    def deploy(self, name: str, *, replicas: int = 1) -> None:
        """Run an annotated application; returns at once."""
        self.apply(application(name, replicas))

    def pods(self, app: str) -> list[str]:
        """Name the application's pods that are ready, oldest first."""
        text = self.cluster.kubectl("-n", self.name, "get", "pods", "-l", f"app={app}", "-o", "json")
        return sorted(pod["metadata"]["name"] for pod in json.loads(text)["items"] if is_ready(pod))

    def ready(self, app: str, count: int = 1) -> list[str]:
        """Wait for the application's pods."""
        until(f"{count} ready pods of {app}", lambda: len(self.pods(app)) == count)
        return self.pods(app)

    def ask(self, pod: str, component_name: str, text: str, **metadata: str) -> Reply:
        """Ask as the application does: curl on localhost, inside its container."""
        body = json.dumps({"inputs": [text], "metadata": metadata})
        path = f"localhost:3500/v1.0-alpha1/conversation/{component_name}/converse"
        return self.curl(pod, path, "-d", body)

    def say(self, pod: str, component_name: str, room: str, text: str) -> Reply:
        """Ask in a chat room."""
        body = json.dumps({"inputs": [text], "conversationContext": room})
        return self.curl(pod, f"localhost:3500/v1.0-alpha1/conversation/{component_name}/converse", "-d", body)

    def answered(self, status: int, pod: str, component_name: str, text: str, **metadata: str) -> Reply:
        """Ask again and again until the answer has this status; return it."""
        replies: list[Reply] = []

        def asked() -> bool:
            replies.append(self.ask(pod, component_name, text, **metadata))
            return replies[-1].status == status

        until(f"{status} from {component_name} in {pod}", asked)
        return replies[-1]

    def curl(self, pod: str, url: str, *arguments: str) -> Reply:
        """Run curl in the application's container."""
        command = ["curl", "-s", "-m", "30", "-i", url, *arguments]
        text = self.cluster.kubectl("-n", self.name, "exec", pod, "-c", "app", "--", *command, check=False)
        head, _, body = text.replace("\r\n", "\n").partition("\n\n")
        status = int(head.split()[1]) if head.startswith("HTTP/") else 0
        return Reply(status, head, parsed(body))

    def metric(self, pod: str, name: str) -> float:
        """Sum the samples of one metric of a pod's sidecar whose line contains every word of `name`."""
        text = self.curl(pod, "localhost:9464/metrics").body
        first, *labels = name.split()
        lines = [line for line in str(text).splitlines() if line.startswith(first) and all(x in line for x in labels)]
        return sum(float(line.split()[-1]) for line in lines)


def parsed(body: str) -> Any:
    """Read JSON where it is JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return body


def is_ready(pod: dict[str, Any]) -> bool:
    """Say whether a pod is Ready and stays."""
    conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def component(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Return a ConversationComponent."""
    return {
        "apiVersion": "parley.dev/v1alpha1",
        "kind": "ConversationComponent",
        "metadata": {"name": name},
        "spec": spec,
    }


def application(name: str, replicas: int) -> dict[str, Any]:
    """Return a Deployment of an application that does nothing but be there, with the two annotations."""
    annotations = {"parley.dev/enabled": "true", "parley.dev/app-id": name}
    container = {
        "name": "app",
        "image": "localhost/parley-app:dev",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "100000"],
        "securityContext": RESTRICTED,
    }
    pod = {
        "metadata": {"labels": {"app": name}, "annotations": annotations},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


@dataclass(slots=True)
class World:
    """The cluster with Parley and a provider in it."""

    cluster: Cluster
    namespaces: list[str] = field(default_factory=list)

    def install(self, *more: str) -> None:
        """Install the chart as a user would, with our images, and with `more` values."""
        images = [f"images.{part}.repository=localhost/parley-{part}" for part in ("sidecar", "operator", "redis")]
        values = [*images, "images.pullPolicy=IfNotPresent"]
        values += [f"images.{part}.tag=dev" for part in ("sidecar", "operator", "redis")]
        self._helm("install", [*values, *more], "--create-namespace")

    def upgrade(self, *values: str) -> None:
        """Upgrade the chart to other values beside those it has, and wait until its pods are ready."""
        self._helm("upgrade", values, "--reuse-values")

    def _helm(self, verb: str, values: Sequence[str], *flags: str) -> None:
        words = [word for value in values for word in ("--set", value)]
        place = ["--namespace", SYSTEM, "--wait", "--timeout", "5m"]
        self.cluster.helm(verb, "parley", str(ROOT / "charts/parley"), *place, *flags, *words)

    def provider(self) -> None:
        """Run the provider stand-in behind a Service."""
        namespace = self.namespace(PROVIDERS)
        source = (ROOT / "bench/standin.py").read_text()
        command = ["python3", "/standin/standin.py", "--host", "0.0.0.0", "--port", "8000"]
        container = {
            "name": "standin",
            "image": "localhost/parley-app:dev",
            "imagePullPolicy": "IfNotPresent",
            "command": command,
            "securityContext": RESTRICTED,
            "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8000}, "periodSeconds": 1},
            "volumeMounts": [{"name": "source", "mountPath": "/standin"}],
        }
        volumes = [{"name": "source", "configMap": {"name": "standin"}}]
        pod = {"metadata": {"labels": {"app": "standin"}}, "spec": {"containers": [container], "volumes": volumes}}
        namespace.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "standin"}, "data": {"standin.py": source}},
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "standin"},
             "spec": {"selector": {"matchLabels": {"app": "standin"}}, "template": pod}},
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "standin"},
             "spec": {"selector": {"app": "standin"}, "ports": [{"port": 8000}]}},
        )  # fmt: skip
        namespace.ready("standin")

    def namespace(self, name: str) -> Namespace:
        """Make a namespace that enforces Pod Security "restricted"."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        self.cluster.kubectl("apply", "-f", "-", feed=json.dumps(made))
        account = ("-n", name, "get", "serviceaccount", "default", "-o", "name")
        until(f"the service account of {name}", lambda: "default" in self.cluster.kubectl(*account, check=False))
        return Namespace(self.cluster, name)

    def scale(self, kind_and_name: str, replicas: int) -> None:
        """Scale one of Parley's own parts and wait until it is so."""
        self.cluster.kubectl("-n", SYSTEM, "scale", kind_and_name, f"--replicas={replicas}")
        read = ("-n", SYSTEM, "get", kind_and_name, "-o", "jsonpath={.status.readyReplicas}")
        until(f"{replicas} of {kind_and_name}", lambda: self.cluster.kubectl(*read).strip() == (str(replicas or "")))
