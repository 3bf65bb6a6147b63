"""What the operator's tests are made of: the chart's objects, operator processes with its rights, pods, sidecars.

The chart is installed on the control plane; its pods are only pretended, so the operator runs here as a process, with
the very rights that the chart gives it.
"""

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from e2e.cluster import Cluster
from parley_crds import names
from tests.conftest import free_port, until

CHART = Path(__file__).resolve().parents[2] / "charts/parley"


@dataclass(frozen=True, slots=True)
class Plant:
    """The chart's objects in one namespace, and what tests do around them."""

    cluster: Cluster
    namespace: str
    directory: Path

    def kubectl(self, *arguments: str, feed: str | None = None) -> str:
        """Run kubectl in the namespace."""
        return self.cluster.kubectl("-n", self.namespace, *arguments, feed=feed)

    def apply(self, *manifests: dict[str, Any]) -> None:
        """Apply manifests in the namespace."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self.kubectl("apply", "-f", "-", feed=json.dumps(items))

    def define(self, file: Path, name: str) -> None:
        """Apply a resource definition, and wait until it is served."""
        self.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(file))
        self.cluster.kubectl("wait", "--for=condition=Established", f"crd/{name}")

    def read(self, kind: str, name: str) -> dict[str, Any]:
        """Read an object; an empty one where there is none."""
        text = self.kubectl("get", kind, name, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else {}

    def secret_data(self, name: str) -> dict[str, str]:
        """Read a Secret's texts."""
        encoded = self.read("secret", name).get("data") or {}
        return {key: base64.b64decode(value).decode() for key, value in encoded.items()}

    def conditions(self, component: str) -> dict[str, tuple[str, str]]:
        """Read a component's conditions: status and reason by type."""
        found = self.read("conversationcomponent", component).get("status", {}).get("conditions", [])
        return {condition["type"]: (condition["status"], condition["reason"]) for condition in found}

    def token(self, account: str, audience: str | None = None, pod: str | None = None) -> str:
        """Return a service account's token, bound to a pod if one is named."""
        words = ["create", "token", account]
        words += ["--audience", audience] if audience else []
        words += ["--bound-object-kind", "Pod", "--bound-object-name", pod] if pod else []
        return self.kubectl(*words).strip()

    def pod(self, name: str, app_id: str | None, account: str = "default") -> None:
        """Run a pretended pod; with an application id it looks as if the injector had stamped it."""
        annotations = {names.RESOLVED_APP_ID_ANNOTATION: app_id} if app_id else {}
        spec = {"containers": [{"name": "app", "image": "app"}], "serviceAccountName": account}
        metadata = {"name": name, "annotations": annotations, "labels": {names.INJECTED_LABEL: "true"}}
        self.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    def kubeconfig(self, account: str) -> Path:
        """Write a kubeconfig with the account's token, as the pod would have it."""
        config = json.loads(self.cluster.kubeconfig.read_text())
        config["users"][0]["user"] = {"token": self.token(account)}
        path = self.directory / f"{account}.kubeconfig"
        path.write_text(json.dumps(config))
        return path

    @contextlib.contextmanager
    def operators(self, count: int = 1, ports: Sequence[int] = (), **environment: str) -> Iterator[list["Replica"]]:
        """Run replicas of the operator until the block ends, on these ports or on free ones."""
        ports = ports or [free_port() for _ in range(count)]
        shared = self._environment(ports) | environment
        replicas = [Replica.start(number, port, shared) for number, port in enumerate(ports)]
        try:
            yield replicas
        finally:
            for replica in replicas:
                replica.stop()

    def _environment(self, ports: Sequence[int]) -> dict[str, str]:
        token = self.directory / "peer-token"
        token.write_text(self.token("parley-operator", names.PEER_AUDIENCE))
        return os.environ | {
            "KUBECONFIG": str(self.kubeconfig("parley-operator")),
            "PARLEY_NAMESPACE": self.namespace,
            "PARLEY_FULLNAME": "parley",
            "PARLEY_HOST": "127.0.0.1",
            "PARLEY_WATCH_NAMESPACES": "",
            "PARLEY_PEERS": ",".join(f"127.0.0.1:{port}" for port in ports),
            "PARLEY_PEER_TOKEN_FILE": str(token),
            "PARLEY_EXTRA_SANS": "localhost,127.0.0.1",
            "PARLEY_STORE_URL": "",
            "PARLEY_OWN_REDIS": "true",
        }


@dataclass(slots=True)
class Replica:
    """One running operator."""

    process: subprocess.Popen[bytes]
    port: int
    metrics_port: int

    @classmethod
    def start(cls, number: int, port: int, environment: Mapping[str, str]) -> "Replica":
        """Start it; it is ready some time later."""
        metrics_port = free_port()
        own = {
            "PARLEY_POD_NAME": f"operator-{number}-{port}",
            "PARLEY_PORT": str(port),
            "PARLEY_METRICS_PORT": str(metrics_port),
        }
        command = [sys.executable, "-m", "parley_operator", "operator"]
        return cls(subprocess.Popen(command, env={**environment, **own}), port, metrics_port)

    def get(self, path: str) -> tuple[int, str]:
        """Read a page of the plain port."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=5) as reply:
                return int(reply.status), reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name: str) -> float:
        """Read one metric without labels."""
        _, text = self.get("/metrics")
        return next((float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} ")), 0.0)

    def ready(self) -> None:
        """Wait until sidecars may come."""
        until("the operator is ready", lambda: self.get("/readyz")[0] == 200)

    def stop(self) -> None:
        """End it as the kubelet does, and wait."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()

    def kill(self) -> None:
        """End it without warning."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def component(name: str, **spec: Any) -> dict[str, Any]:
    """Return a component, of the echo provider unless told otherwise."""
    scopes = spec.pop("scopes", [])
    whole = {"type": "conversation.echo", "version": "v1", **spec}
    metadata = {"name": name}
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "spec": whole, "scopes": scopes}


def openai(name: str, endpoint: str = "http://127.0.0.1:1/v1", secret: str = "openai", **spec: Any) -> dict[str, Any]:
    """Return a component whose key is in a Secret."""
    metadata = [
        {"name": "key", "secretKeyRef": {"name": secret, "key": "apiKey"}},
        {"name": "endpoint", "value": endpoint},
    ]
    return component(name, type="conversation.openai", metadata=metadata, **spec)


def secret(name: str, **data: str) -> dict[str, Any]:
    """Return a Secret."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


class Listening(Protocol):
    """What a sidecar can connect to: an operator of its own process, or the test's."""

    @property
    def port(self) -> int:
        """Where, on loopback."""


@dataclass(slots=True)
class RunningSidecar:
    """A real sidecar on the operator's stream, as it would run in a pod."""

    process: subprocess.Popen[bytes]
    http_port: int
    metrics_port: int

    @classmethod
    def start(cls, plant: Plant, replica: Listening, pod: str, app_id: str, **environment: str) -> "RunningSidecar":
        """Start it for a pod, with a token that is bound to it."""
        token = plant.directory / f"{pod}.token"
        token.write_text(plant.token("default", names.STREAM_AUDIENCE, pod))
        http_port, metrics_port = free_port(), free_port()
        own = {
            "PARLEY_OPERATOR_URL": f"https://127.0.0.1:{replica.port}",
            "PARLEY_TOKEN_FILE": str(token),
            "PARLEY_TRUST_ANCHORS": plant.secret_data("parley-tls").get("ca.crt", ""),
            "PARLEY_LAST_GOOD_FILE": str(plant.directory / f"{pod}.last-good.json"),
            "PARLEY_APP_ID": app_id,
            "PARLEY_NAMESPACE": plant.namespace,
            "PARLEY_HTTP_PORT": str(http_port),
            "PARLEY_GRPC_PORT": "0",
            "PARLEY_METRICS_PORT": str(metrics_port),
            "PARLEY_DRAIN_SECONDS": "0",
        }
        command = [str(Path(sys.executable).with_name("parley")), "run"]
        process = subprocess.Popen(command, env={**os.environ, **own, **environment})
        return cls(process, http_port, metrics_port)

    def ask(self, component_name: str, text: str, **metadata: str) -> tuple[int, dict[str, Any]]:
        """Ask in the early form; status 0 while nobody listens."""
        url = f"http://127.0.0.1:{self.http_port}{names.CONVERSE_ALPHA1.format(name=component_name)}"
        body = json.dumps({"inputs": [text], "metadata": metadata}).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body), timeout=10) as reply:
                return int(reply.status), json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except OSError:
            return 0, {}

    def answers(self, status: int, component_name: str, text: str = "hello", **metadata: str) -> dict[str, Any]:
        """Ask until the status is this one; return the body."""
        seen: list[tuple[int, dict[str, Any]]] = []

        def asked() -> bool:
            seen[:] = [self.ask(component_name, text, **metadata)]
            return seen[0][0] == status

        until(f"{status} from {component_name}", asked)
        return seen[0][1]

    def stop(self) -> None:
        """End it, and wait."""
        self.process.terminate()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
