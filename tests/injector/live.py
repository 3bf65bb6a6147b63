"""The injector behind a real API server, with the chart's own webhook entries, and what tests ask of both."""

import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import ApiClient
from kubernetes.config import new_client_from_config

from e2e.cluster import Cluster
from tests.conftest import until
from tests.injector.process import Running, running
from tests.injector.world import ENABLED, ROOT, Authority, pod

STRICT, LABELLED, LOOSE = "injector-strict", "injector-labelled", "injector-loose"
SHARED = "injector-shared"
"""Where other webhooks are at work too."""
RULED = tuple(f"injector-{name}" for name in ("defaults", "most", "both", "ratio", "quota"))
"""One for each rule that a test makes: the API server remembers for a while what it found in a namespace."""
SYSTEM, RELEASE = "injector-system", "parley-test"
REVISION = "0123456789abcdef"
PROBE = {**pod(), "metadata": {"name": "probe", "annotations": ENABLED}}


def chart(cluster: Cluster, template: str, release: str = RELEASE, **values: str) -> list[dict[str, Any]]:
    """Return what the chart makes of one template, for these namespaces only."""
    flags = [word for name, value in values.items() for word in ("--set", f"{name.replace('_', '.')}={value}")]
    namespaces = f"watchNamespaces={{{','.join((STRICT, LABELLED, LOOSE, SHARED, *RULED))}}}"
    place = [release, str(ROOT / "charts/parley"), "--namespace", SYSTEM, "--set", namespaces]
    only = ["--kube-version", "1.30.0", "--show-only", f"templates/{template}"]
    text = cluster.helm("template", *place, *only, *flags)
    return [document for document in yaml.safe_load_all(text) if document]


@contextmanager
def behind(cluster: Cluster, directory: Path, release: str, policy: str) -> Iterator[Running]:
    """Run an injector, and have the API server ask it."""
    stamps = {"sidecarRevision": REVISION, "releaseNamespace": SYSTEM}
    with running(directory, failurePolicy=policy, **stamps) as injector:
        values = {"injector_url": injector.url, "injector_failurePolicy": policy}
        (configuration,) = chart(cluster, "webhook.yaml", release, **values)
        trust(configuration, injector.authority)
        cluster.kubectl("apply", "-f", "-", feed=json.dumps(configuration))
        try:
            until("the webhook", lambda: create(cluster, LOOSE, PROBE, "--dry-run=server") and injector.counts())
            yield injector
        finally:
            cluster.kubectl("delete", "mutatingwebhookconfiguration", configuration["metadata"]["name"])


def trust(configuration: dict[str, Any], *authorities: Authority) -> None:
    """Put the authorities into every entry, as the operator does."""
    bundle = base64.b64encode("".join(authority.pem for authority in authorities).encode()).decode()
    for entry in configuration["webhooks"]:
        entry["clientConfig"]["caBundle"] = bundle


def named(name: str, annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """Return a pod with a name."""
    document = pod(annotations, **spec)
    document["metadata"] = {"name": name, "annotations": document["metadata"]["annotations"]}
    return document


def attempt(
    cluster: Cluster, namespace: str, document: dict[str, Any], *flags: str
) -> subprocess.CompletedProcess[str]:
    """Try to create an object; what kubectl prints has it as stored, and the API server's warnings."""
    command = ["kubectl", "-n", namespace, "create", "-f", "-", "-o", "json", "--validate=ignore", *flags]
    return subprocess.run(
        cluster.inside(command),
        input=json.dumps(document),
        env=cluster.environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def create(cluster: Cluster, namespace: str, document: dict[str, Any], *flags: str) -> dict[str, Any]:
    """Create an object and return it as the API server has it."""
    done = attempt(cluster, namespace, document, *flags)
    assert not done.returncode, done.stderr
    return dict(json.loads(done.stdout))


def inits(document: dict[str, Any]) -> list[str]:
    """Name a pod's init containers."""
    return [entry["name"] for entry in document["spec"].get("initContainers", [])]


def since(injector: Running, before: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Return what was counted after `before`."""
    now = injector.counts()
    return {key: number - before.get(key, 0) for key, number in now.items() if number != before.get(key, 0)}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server said to a new object."""

    status: int
    document: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        """Say whether it took it."""
        return self.status < HTTPStatus.BAD_REQUEST

    @property
    def message(self) -> str:
        """Return why it refused, empty if it did not."""
        return str(self.document.get("message", ""))


@dataclass(frozen=True, slots=True)
class Api:
    """The API server, as administrator, over one connection that is kept."""

    client: ApiClient

    @classmethod
    def of(cls, cluster: Cluster) -> "Api":
        """Connect to a cluster."""
        client = new_client_from_config(str(cluster.kubeconfig))  # type: ignore[no-untyped-call]  # it has no types
        return cls(client)

    def create(self, namespace: str, document: dict[str, Any]) -> Answer:
        """Show what would come of a new pod."""
        return self.post(f"/api/v1/namespaces/{namespace}/pods?dryRun=All", document)

    def post(self, path: str, document: dict[str, Any]) -> Answer:
        """Create an object."""
        return self._ask("POST", path, document)

    def get(self, path: str) -> Answer:
        """Read an object."""
        return self._ask("GET", path)

    def make_namespace(self, name: str, labels: dict[str, str] = {}) -> None:  # noqa: B006 - only read
        """Make a namespace in which pods can be made."""
        self.post("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        until(f"the account of {name}", lambda: self.get(f"/api/v1/namespaces/{name}/serviceaccounts/default").is_good)

    def _ask(self, method: str, path: str, document: dict[str, Any] | None = None) -> Answer:
        body = None if document is None else json.dumps(document)
        url, headers = self.client.configuration.host + path, {"Content-Type": "application/json"}
        reply = self.client.rest_client.pool_manager.request(method, url, body=body, headers=headers)
        warnings = tuple(text.split('"')[1] for text in reply.headers.getlist("Warning"))
        return Answer(reply.status, json.loads(reply.data), warnings)
