"""A release of the chart on the control plane: what its tests do to it, in their own words."""

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from e2e.cluster import Cluster, ClusterError
from tests.conftest import until

CHART = Path(__file__).resolve().parents[2] / "charts/parley"
PREVIOUS = Path(__file__).with_name("previous-chart.tgz")
"""The chart as it was at commit 8de3d93, packaged."""
CRD: Final = "conversationcomponents.parley.dev"
SECRETS: Final = ("ca", "tls", "store", "context-key")
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
UNREACHABLE = ("injector.failurePolicy=Fail", "injector.url=https://127.0.0.1:1")
"""Values with which a refusal names the webhook that matched: nobody listens there."""


@contextmanager
def namespace(cluster: Cluster, name: str, labels: Mapping[str, str] = RESTRICTED) -> Iterator[str]:
    """Make a namespace, after what a test before left of it has gone; it goes when the block ends."""
    cluster.kubectl("delete", "namespace", name, "--ignore-not-found")
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}
    cluster.kubectl("create", "-f", "-", feed=json.dumps(manifest))
    account = ("-n", name, "get", "serviceaccount", "default", "-o", "name", "--ignore-not-found")
    until(f"the service account of {name}", lambda: cluster.kubectl(*account).strip())
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@dataclass(frozen=True, slots=True)
class Release:
    """One release: its name, which contains `parley`, is also what its objects' names begin with."""

    cluster: Cluster
    name: str
    namespace: str
    program: str | Path = "helm"
    chart: Path = CHART
    waits: bool = True
    """Whether Helm waits for pods."""

    @property
    def operator(self) -> str:
        """The operator's user name."""
        return self.account(f"{self.name}-operator")

    def account(self, name: str) -> str:
        """Return the user name of an account in the release's namespace."""
        return f"system:serviceaccount:{self.namespace}:{name}"

    def install(self, *values: str) -> None:
        """Install it and wait until its pods are ready.

        The CRD may be there from another release's or another test's hands, hence --take-ownership.
        """
        self.helm("install", "--take-ownership", *_set(values))

    def install_again(self) -> None:
        """Install it over the CRD that it left."""
        self.helm("install")

    def upgrade(self, *values: str) -> None:
        """Upgrade it to other values and wait until its pods are ready."""
        self.helm("upgrade", *_set(values))

    def rollback(self) -> None:
        """Go back to the revision before, and wait until its pods are ready."""
        self._helm("rollback", self.name, *self._waiting())

    def helm(self, verb: str, *flags: str) -> None:
        """Install or upgrade, and wait."""
        self._helm(verb, self.name, str(self.chart), *self._waiting(), *flags)

    def uninstall(self) -> None:
        """Remove it and wait until its pods are gone."""
        self._helm("uninstall", self.name, *self._waiting())

    def _waiting(self) -> tuple[str, ...]:
        place = ("--namespace", self.namespace)
        return (*place, "--wait", "--timeout", "2m") if self.waits else place

    def _helm(self, *arguments: str) -> None:
        """Run helm as administrator; raises ClusterError with its words when it fails."""
        environment = self.cluster.environment()
        command = [self.program, *arguments]
        done = subprocess.run(command, env=environment, text=True, capture_output=True, check=False)
        if done.returncode:
            raise ClusterError(f"helm {' '.join(arguments)}: {done.stderr.strip()}")

    @contextmanager
    def installed(self, *values: str) -> Iterator[None]:
        """Have it inside the block only."""
        self.install(*values)
        try:
            yield
        finally:
            self.uninstall()

    def kubectl(self, *arguments: str, feed: str | None = None) -> str:
        """Run kubectl in the release's namespace."""
        return self.cluster.kubectl("-n", self.namespace, *arguments, feed=feed)


def named(api_version: str, kind: str, name: str, **rest: Any) -> dict[str, Any]:
    """Return a manifest."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **rest}


def annotated_pod(annotation: str | None) -> dict[str, Any]:
    """Return a pod that Pod Security admits, with the annotation or without any."""
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    metadata: dict[str, Any] = {"name": "app"}
    if annotation is not None:
        metadata["annotations"] = {"parley.dev/enabled": annotation}
    spec = {"containers": [{"name": "app", "image": "app", "securityContext": security}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def fill(release: Release) -> None:
    """Fill Secrets, Lease and caBundle as the leader does, under the operator's account."""
    authority = release.cluster.kubectl(
        "-n", "kube-system", "get", "configmap", "kube-root-ca.crt", "-o", "jsonpath={.data.ca\\.crt}"
    )
    bundle = base64.b64encode(authority.encode()).decode()
    secrets = [named("v1", "Secret", f"{release.name}-{name}", data={"key": "a2V5"}) for name in SECRETS]
    lease = named("coordination.k8s.io/v1", "Lease", f"{release.name}-operator", spec={"holderIdentity": "a pod"})
    operations = [{"op": "add", "path": f"/webhooks/{n}/clientConfig/caBundle", "value": bundle} for n in range(2)]
    webhooks = f"mutatingwebhookconfiguration/{release.name}-injector"
    as_operator = ("--as", release.operator)
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": secrets})
    release.kubectl("apply", "--server-side", "--field-manager=parley-keeper", *as_operator, "-f", "-", feed=items)
    release.kubectl("replace", *as_operator, "-f", "-", feed=json.dumps(lease))
    release.kubectl("patch", webhooks, *as_operator, "--type=json", "--patch", json.dumps(operations))


def filled(release: Release) -> dict[str, Any]:
    """Read what the leader wrote."""

    def read(kind: str, name: str, path: str) -> str:
        return release.kubectl("get", kind, f"{release.name}-{name}", "-o", f"jsonpath={path}")

    bundles = read("mutatingwebhookconfiguration", "injector", "{.webhooks[*].clientConfig.caBundle}").split()
    holder = read("lease", "operator", "{.spec.holderIdentity}")
    return {name: read("secret", name, "{.data}") for name in SECRETS} | {"holder": holder, "bundles": bundles}


def _set(values: tuple[str, ...]) -> list[str]:
    return [word for value in values for word in ("--set", value)]
