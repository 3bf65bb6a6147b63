"""A release of the chart on the control plane: what its tests do to it, in their own words."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster import Cluster
from tests.conftest import until

CHART = Path(__file__).resolve().parents[2] / "charts/parley"
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
    """One release: its name is also what its objects' names begin with."""

    cluster: Cluster
    name: str
    namespace: str

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

    def helm(self, verb: str, *flags: str) -> None:
        """Install or upgrade, and wait."""
        place = ("--namespace", self.namespace, "--wait", "--timeout", "2m")
        self.cluster.helm(verb, self.name, str(CHART), *place, *flags)

    def uninstall(self) -> None:
        """Remove it and wait until its pods are gone."""
        self.cluster.helm("uninstall", self.name, "--namespace", self.namespace, "--wait", "--timeout", "2m")

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


def _set(values: tuple[str, ...]) -> list[str]:
    return [word for value in values for word in ("--set", value)]
