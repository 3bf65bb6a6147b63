"""The injector behind a real API server, with the chart's own webhook entries."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster import Cluster
from parley_operator.injector.settings import load
from tests.conftest import until
from tests.injector.live import (
    LABELLED,
    LOOSE,
    RELEASE,
    STRICT,
    SYSTEM,
    attempt,
    behind,
    chart,
    create,
    inits,
    named,
    since,
    trust,
)
from tests.injector.process import Running
from tests.injector.test_golden import CASES, GOLDEN
from tests.injector.world import ENABLED, RESTRICTED, Authority, container, patched, pod, sidecar, verdict_on

pytestmark = pytest.mark.control_plane

LOOSE_CASES = {"runs_as_root", "unknown_fields", "labelled"}
"""Golden pods that Pod Security "restricted" refuses with or without a sidecar."""


def test_an_annotated_pod_gets_its_sidecar_under_restricted(cluster: Cluster, injector: Running) -> None:
    """Pod Security "restricted" admits it with no configuration, the API server asks once and mounts no token in it."""
    before = injector.counts()

    stored = create(cluster, STRICT, named("shop", initContainers=[container("migrate", securityContext=RESTRICTED)]))

    assert {("injected", ""): 1} == since(injector, before)
    assert ["parley", "migrate"] == inits(stored)
    assert "Always" == sidecar(stored)["restartPolicy"]
    assert ["parley-token", "parley-state"] == [mount["name"] for mount in sidecar(stored)["volumeMounts"]]
    assert ("true", "shop") == (
        stored["metadata"]["labels"]["parley.dev/injected"],
        stored["metadata"]["annotations"]["parley.dev/resolved-app-id"],
    )


def test_the_pods_of_a_deployment_are_injected(cluster: Cluster, injector: Running) -> None:
    """A controller makes them, without names at that time."""
    template = {"metadata": {"labels": {"app": "web"}, "annotations": ENABLED}, "spec": pod()["spec"]}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    before = injector.counts()

    create(cluster, STRICT, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec})

    def pods() -> list[dict[str, Any]]:
        return list(json.loads(cluster.kubectl("-n", STRICT, "get", "pods", "-l", "app=web", "-o", "json"))["items"])

    until("two pods", lambda: len(pods()) == 2)
    assert [["parley"], ["parley"]] == [inits(made) for made in pods()]
    assert {("injected", ""): 2} == since(injector, before)


def test_a_server_side_dry_run_shows_the_sidecar(cluster: Cluster, injector: Running) -> None:
    """And stores nothing."""
    shown = create(cluster, STRICT, named("dry"), "--dry-run=server")

    assert ["parley"] == inits(shown)
    assert "" == cluster.kubectl("-n", STRICT, "get", "pod", "dry", "--ignore-not-found")


def test_pods_that_did_not_ask_never_reach_us(cluster: Cluster, injector: Running) -> None:
    """The API server's match conditions leave them out."""
    before = injector.counts()

    stored = create(cluster, STRICT, named("plain", {}), "--dry-run=server")

    assert [] == inits(stored)
    assert {} == since(injector, before)


def test_a_labelled_namespace_opts_in_and_a_pods_own_word_wins(cluster: Cluster, injector: Running) -> None:
    """Without an annotation it is injected, by its label's id; with "false" it is not; each is asked about once."""
    silent = named("silent", {})
    silent["metadata"]["labels"] = {"app": "silent"}
    before = injector.counts()

    injected = create(cluster, LABELLED, silent, "--dry-run=server")
    declined = create(cluster, LABELLED, named("no", {"parley.dev/enabled": "false"}), "--dry-run=server")
    eager = create(cluster, LABELLED, named("yes"), "--dry-run=server")

    assert (["parley"], [], ["parley"]) == (inits(injected), inits(declined), inits(eager))
    assert "silent" == injected["metadata"]["annotations"]["parley.dev/resolved-app-id"]
    assert {"parley.dev/enabled": "false"} == declined["metadata"]["annotations"]
    assert {("injected", ""): 2, ("skipped", "explicitly_disabled"): 1} == since(injector, before)


def test_a_mistake_is_admitted_with_a_warning_and_a_mark(cluster: Cluster, injector: Running) -> None:
    """Policy Ignore: the pod starts without a sidecar, and says why."""
    done = attempt(cluster, STRICT, named("mistake", {**ENABLED, "parley.dev/cpu-limit": "fast"}), "--dry-run=server")
    stored = json.loads(done.stdout)

    assert (
        "Warning: Parley adds no sidecar: the annotation parley.dev/cpu-limit must be a number of cores" in done.stderr
    )
    assert [] == inits(stored)
    assert "failed:bad_annotation" == stored["metadata"]["annotations"]["parley.dev/injection"]


def test_a_pod_that_cannot_have_one_is_marked(cluster: Cluster, injector: Running) -> None:
    """It is admitted, and its owner is told."""
    done = attempt(cluster, LOOSE, named("host", hostNetwork=True), "--dry-run=server")

    assert "Warning: Parley adds no sidecar: on the node's network" in done.stderr
    assert "skipped:host_network" == json.loads(done.stdout)["metadata"]["annotations"]["parley.dev/injection"]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_pods_on_file_are_valid(case: Path, cluster: Cluster, injector: Running) -> None:
    """The API server takes every golden pod as the injector makes it, under "restricted" where the pod allows."""
    document = yaml.safe_load((GOLDEN / case).read_text("utf-8"))
    verdict = verdict_on(document, by_namespace=case.parent.name == "namespace")
    document = patched(document, verdict)
    strict = verdict.result == "injected" and case.stem not in LOOSE_CASES

    stored = create(cluster, STRICT if strict else LOOSE, document, "--dry-run=server")

    assert inits(document) == inits(stored)


def test_a_new_certificate_costs_no_pod(cluster: Cluster, injector: Running) -> None:
    """While it is renewed by a new authority, with both in the caBundle, every pod gets its sidecar."""
    new, before = Authority("new"), injector.certificate_expiry_s()
    (configuration,) = chart(cluster, "webhook.yaml", injector_url=injector.url)
    trust(configuration, injector.authority, new)
    cluster.kubectl("apply", "-f", "-", feed=json.dumps(configuration))
    new.issue(injector.tls, bundle=injector.authority.pem + new.pem)
    missed = []

    def renewed() -> bool:
        missed.append("parley" not in inits(create(cluster, LOOSE, named("renewed"), "--dry-run=server")))
        return injector.certificate_expiry_s() != before

    until("the new certificate", renewed)
    last = create(cluster, LOOSE, named("renewed"), "--dry-run=server")

    assert not any(missed)
    anchors = [entry["value"] for entry in sidecar(last)["env"] if entry["name"] == "PARLEY_TRUST_ANCHORS"]
    assert [injector.authority.pem + new.pem] == anchors


def test_a_mistake_is_denied_under_fail(cluster: Cluster, tmp_path: Path) -> None:
    """The owner reads what is wrong; a good pod is injected."""
    with behind(cluster, tmp_path, "parley-fail", "Fail"):
        denied = attempt(cluster, STRICT, named("mistake", {**ENABLED, "parley.dev/app-id": "not valid"}))
        good = create(cluster, STRICT, named("good"), "--dry-run=server")

    assert denied.returncode
    assert "denied the request: Parley adds no sidecar: the annotation parley.dev/app-id must be" in denied.stderr
    assert ["parley"] == inits(good)


def test_the_charts_settings_file_is_read(cluster: Cluster, tmp_path: Path) -> None:
    """What the chart writes, its nulls and numbers included, is what the injector reads."""
    values = {"sidecar_runAsUser": "null", "sidecar_runAsGroup": "null", "sidecar_resources_limits_cpu": "1"}
    values |= {"sidecar_native": "false"}
    documents = chart(cluster, "injector.yaml", injector_failurePolicy="Fail", **values)
    (settings,) = [document for document in documents if document["kind"] == "ConfigMap"]
    file = tmp_path / "injector.json"
    file.write_text(settings["data"]["injector.json"], encoding="utf-8")

    read = load(file)

    assert ("Fail", None, "1") == (read.failure_policy, read.run_as_user, read.resources.limits["cpu"])
    assert (f"https://{RELEASE}-operator.{SYSTEM}.svc:443", SYSTEM) == (read.operator_url, read.release_namespace)
    assert (False, 16) == (read.sidecar_native, len(read.sidecar_revision))
