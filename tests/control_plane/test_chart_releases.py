"""A release's life on a real API server: upgraded from the chart before by Helm 3 and Helm 4, rolled back, removed."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster import Cluster, ClusterError, settings
from e2e.cluster.programs import Programs
from parley_crds.crd import definition
from tests.conftest import until
from tests.control_plane.release import (
    CRD,
    PREVIOUS,
    UNREACHABLE,
    Release,
    fill,
    filled,
    named,
    namespace,
)

pytestmark = pytest.mark.control_plane

COMPONENT = named(
    "parley.dev/v1alpha1", "ConversationComponent", "gpt", spec={"type": "conversation.echo", "version": "v1"}
)
POD = {
    **named("v1", "Pod", "app", spec={"containers": [{"name": "app", "image": "app"}]}),
    "metadata": {"name": "app", "annotations": {"parley.dev/enabled": "true"}},
}


@pytest.fixture
def release(control_plane: Cluster, request: pytest.FixtureRequest) -> Iterator[Release]:
    """A release to do things to, not installed yet, in a namespace of its own."""
    with namespace(control_plane, request.node.originalname.removeprefix("test_").replace("_", "-")[:60], {}) as place:
        yield Release(control_plane, "living-parley", place, waits=False)


@pytest.fixture(params=["helm", "helm4"])
def helm(request: pytest.FixtureRequest) -> Path:
    """Helm 3, whose client merges, and Helm 4, which has the API server apply."""
    programs = Programs.of(settings())
    programs.build([request.param])
    return programs.path(request.param)


def component(release: Release) -> dict[str, Any]:
    """Read what identifies the component, and what somebody wrote into it."""
    read = json.loads(release.kubectl("get", "conv", "gpt", "-o", "json"))
    return {"uid": read["metadata"]["uid"], "generation": read["metadata"]["generation"], "spec": read["spec"]}


def versions(cluster: Cluster) -> Any:
    """Read the CRD's versions, without what the API server adds."""
    read = json.loads(cluster.kubectl("get", "crd", CRD, "-o", "json"))["spec"]["versions"]
    return [{"name": each["name"], "schema": each["schema"]} for each in read]


def test_an_upgrade_from_the_chart_before_keeps_everything(release: Release, helm: Path) -> None:
    """Components, Secrets, Lease and caBundle outlive upgrade and rollback, whichever value changes; the CRD is new."""
    release = replace(release, program=helm)
    # Made anew, so that none of its fields is another test's: the API server would refuse Helm 4 to change those.
    release.cluster.kubectl("delete", "crd", CRD, "--ignore-not-found")
    with replace(release, chart=PREVIOUS).installed():
        fill(release)
        release.kubectl("apply", "-f", "-", feed=json.dumps(COMPONENT))
        written, applied = filled(release), component(release)

        release.upgrade("injector.failurePolicy=Fail", "injector.logLevel=debug", "redis.enabled=false")
        upgraded = filled(release), component(release), versions(release.cluster)
        release.rollback()
        back = filled(release), component(release)
        release.upgrade()  # leaves the other tests the present CRD

    assert ('{"key":"a2V5"}', "a pod", 2) == (written["tls"], written["holder"], len(written["bundles"]))
    assert (written, applied) == upgraded[:2] == back
    assert [{"name": each["name"], "schema": each["schema"]} for each in definition()["spec"]["versions"]] == (
        upgraded[2]
    )


def left_behind(release: Release) -> list[str]:
    """List everything that carries the release's label, of every kind there is."""
    kinds = release.cluster.kubectl("api-resources", "--verbs=list", "-o", "name").split()
    label = f"app.kubernetes.io/instance={release.name}"
    return release.cluster.kubectl("get", ",".join(kinds), "-A", "-l", label, "-o", "name").split()


def admitted(release: Release) -> bool:
    """Say whether the API server would make an annotated pod now, in a namespace of somebody else."""
    make = ("-n", "default", "create", "--dry-run=server", "-o", "name", "-f", "-")
    try:
        return "pod/app" in release.cluster.kubectl(*make, feed=json.dumps(POD))
    except ClusterError:
        return False


def test_uninstalling_leaves_the_crd_alone(release: Release) -> None:
    """The CRD and with it components outlive the release, which installs again over them; nobody's pods are refused."""
    with release.installed(*UNREACHABLE):
        fill(release)
        release.kubectl("apply", "-f", "-", feed=json.dumps(COMPONENT))
        kept = component(release)
        until("pods are refused", lambda: not admitted(release))

    until("pods are admitted", lambda: admitted(release))
    until("everything gone", lambda: not left_behind(release))
    assert CRD in release.cluster.kubectl("get", "crd", CRD, "-o", "name")

    release.install_again()
    found = component(release)
    release.uninstall()
    with pytest.raises(ClusterError, match=f"{release.name}.*other-parley|other-parley.*{release.name}"):
        replace(release, name="other-parley").install_again()
    other = replace(release, name="another-parley")
    other.helm("install", "--set", "crds.enabled=false")
    other.uninstall()

    assert kept == found == component(release)
