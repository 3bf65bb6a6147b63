"""Where runs take place: the cluster with a kubelet and Parley in it, and the control plane with Parley's processes."""

import base64
import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from bench.processes import Running, Starter, fetched, free_port
from e2e.burst import Job
from e2e.cluster import Cluster, open_cluster
from e2e.faults import Parts, add_tainted_node
from e2e.world import SYSTEM, World
from parley_crds import names
from tests.injector.world import Authority
from tests.operator.world import CHART, Plant, Replica

SPACE: Final = "bench"
"""The namespace of all pods that runs create."""
IDLE_NODE: Final = "bench-idle"
"""A node that nobody plays: pods bound to it stay as they were created, and cost no more than that."""


@dataclass(frozen=True, slots=True)
class Real:
    """The cluster with a kubelet."""

    cluster: Cluster
    world: World
    parts: Parts


@dataclass(frozen=True, slots=True)
class Plain:
    """The control plane."""

    cluster: Cluster
    plant: Plant

    def operators(self, count: int = 1, ports: Sequence[int] = ()) -> AbstractContextManager[list[Replica]]:
        """Run replicas of the operator in it, on these ports or on free ones; their log would stand among figures."""
        return self.plant.operators(count, ports, PARLEY_LOG_LEVEL="warning")


def idle_pods(cluster: Cluster, name: str, count: int, limit_s: float, **shape: Any) -> Job:
    """Return the job of creating exactly so many pods that nobody plays; `shape` is all else of the job."""
    return Job(
        kubeconfig=str(cluster.kubeconfig),
        name=name,
        most=count,
        least_s=limit_s,
        limit_s=limit_s,
        node=IDLE_NODE,
        **shape,
    )


def say(words: str) -> None:
    """Tell the progress."""
    print(words, file=sys.stderr, flush=True)


@contextlib.contextmanager
def real() -> Iterator[Real]:
    """Have the cluster with Parley's own images and chart."""
    os.environ.setdefault("PARLEY_E2E", "binaries")
    say("starting the cluster with a kubelet")
    with open_cluster(kubelet=True) as cluster:
        cluster.load_images("sidecar", "operator", "redis")
        world = World(cluster)
        say("installing the chart")
        cluster.kubectl("delete", "namespace", SYSTEM, "--ignore-not-found")
        world.install()
        add_tainted_node(cluster)
        world.namespace(SPACE)
        yield Real(cluster, world, Parts(cluster))


@contextlib.contextmanager
def plain(directory: Path) -> Iterator[Plain]:
    """Have the control plane with the chart's objects; its pods only pretend, so runs start what they measure."""
    os.environ.setdefault("PARLEY_E2E", "binaries")
    say("starting the control plane")
    with open_cluster() as cluster:
        place = ("--namespace", SPACE, "--create-namespace", "--take-ownership")
        values = ("injector.url=https://127.0.0.1:1", "operator.replicas=1", "injector.replicas=1")
        cluster.helm("upgrade", "--install", "parley", str(CHART), *place, *_set(values))
        cluster.kubectl("apply", "-f", "-", feed=json.dumps(_node()))
        yield Plain(cluster, Plant(cluster, SPACE, directory))


@dataclass(frozen=True, slots=True)
class Injector:
    """A running injector."""

    running: Running
    metrics_port: int
    authorities: Path
    """The file of those that signed its certificate."""

    @property
    def url(self) -> str:
        """Return the webhook's root."""
        return f"https://127.0.0.1:{self.running.port}"

    def metrics(self) -> str:
        """Read its metrics."""
        return fetched(self.metrics_port, "/metrics")


@contextlib.contextmanager
def injector(starter: Starter, cores: Iterable[int]) -> Iterator[Injector]:
    """Run an injector on these cores, as the chart sets it up; its log goes to a file."""
    authority, port, metrics_port = Authority(), free_port(), free_port()
    authority.issue(starter.directory / "tls")
    authorities = starter.directory / "authorities.pem"
    authorities.write_text(authority.pem)
    settings = {
        "image": "parley-sidecar:1.0.0",
        "operatorUrl": "https://parley-operator.parley-system.svc:443",
        "host": "127.0.0.1",
        "port": port,
        "metricsPort": metrics_port,
        "tlsDirectory": str(starter.directory / "tls"),
        "drainSeconds": 0,
    }
    file = starter.directory / "injector.json"
    file.write_text(json.dumps(settings))
    told = replace(starter, variables={**starter.variables, "PARLEY_INJECTOR_SETTINGS": str(file)})
    command = [sys.executable, "-m", "parley_operator", "injector"]
    with told.running("injector", command, metrics_port, cores) as process:
        process.wait_until_answers("/readyz")
        yield Injector(replace(process, port=port), metrics_port, authorities)


@contextlib.contextmanager
def asked(cluster: Cluster, injector: Injector, namespace: str) -> Iterator[None]:
    """Have the API server ask an injector about the pods of one namespace, by the chart's webhook configuration."""
    values = (f"injector.url={injector.url}", f"watchNamespaces={{{namespace}}}")
    shown = ("--namespace", "bench-system", "--show-only", "templates/webhook.yaml", "--kube-version", "1.30.0")
    configuration = yaml.safe_load(cluster.helm("template", "bench", str(CHART), *shown, *_set(values)))
    for entry in configuration["webhooks"]:
        entry["clientConfig"]["caBundle"] = base64.b64encode(injector.authorities.read_bytes()).decode()
    cluster.kubectl("apply", "-f", "-", feed=json.dumps(configuration))
    try:
        yield
    finally:
        cluster.kubectl("delete", "mutatingwebhookconfiguration", configuration["metadata"]["name"])


def deployment(name: str, replicas: int) -> dict[str, Any]:
    """Return an opted-in Deployment of pods that only pretend."""
    annotations = {names.ENABLED_ANNOTATION: "true", names.APP_ID_ANNOTATION: name}
    container = {"name": "app", "image": "app"}
    template = {"metadata": {"labels": {"app": name}, "annotations": annotations}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def _node() -> dict[str, Any]:
    taints = [{"key": "pretended", "effect": "NoSchedule"}]
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": IDLE_NODE}, "spec": {"taints": taints}}


def _set(values: Sequence[str]) -> list[str]:
    return [word for value in values for word in ("--set", value)]
