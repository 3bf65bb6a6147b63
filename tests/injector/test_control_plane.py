"""The injector behind a real API server, with the chart's own webhook entries."""

import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster import Cluster
from parley_operator.injector.settings import load
from tests.conftest import until
from tests.injector.process import Running, running
from tests.injector.test_golden import CASES, GOLDEN
from tests.injector.world import ENABLED, RESTRICTED, ROOT, Authority, container, patched, pod, sidecar, verdict_on

pytestmark = pytest.mark.control_plane

STRICT, LABELLED, LOOSE = "injector-strict", "injector-labelled", "injector-loose"
SYSTEM, RELEASE = "injector-system", "parley-test"
PROBE = {**pod(), "metadata": {"name": "probe", "annotations": ENABLED}}
LOOSE_CASES = {"runs_as_root", "unknown_fields", "labelled"}
"""Golden pods that Pod Security "restricted" refuses with or without a sidecar."""


def chart(cluster: Cluster, template: str, release: str = RELEASE, **values: str) -> list[dict[str, Any]]:
    """Return what the chart makes of one template, for these namespaces only."""
    flags = [word for name, value in values.items() for word in ("--set", f"{name.replace('_', '.')}={value}")]
    namespaces = f"watchNamespaces={{{STRICT},{LABELLED},{LOOSE}}}"
    place = [release, str(ROOT / "charts/parley"), "--namespace", SYSTEM, "--set", namespaces]
    only = ["--kube-version", "1.30.0", "--show-only", f"templates/{template}"]
    text = cluster.helm("template", *place, *only, *flags)
    return [document for document in yaml.safe_load_all(text) if document]


@contextmanager
def behind(cluster: Cluster, directory: Path, release: str, policy: str) -> Iterator[Running]:
    """Run an injector, and have the API server ask it."""
    with running(directory, failurePolicy=policy) as injector:
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


@pytest.fixture(scope="module")
def cluster(control_plane: Cluster) -> Iterator[Cluster]:
    """The control plane with three namespaces: one enforces Pod Security, one opts in as a whole."""
    labels = {
        STRICT: {"pod-security.kubernetes.io/enforce": "restricted"},
        LABELLED: {"parley.dev/inject": "enabled"},
        LOOSE: {},
    }
    for name, wanted in labels.items():
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": wanted}}
        control_plane.kubectl("apply", "-f", "-", feed=json.dumps(made))
        account = ("-n", name, "get", "serviceaccount", "default", "-o", "name")
        until(f"the account of {name}", lambda: "default" in control_plane.kubectl(*account, check=False))  # noqa: B023
    yield control_plane
    control_plane.kubectl("delete", "namespace", "--wait=false", *labels)


@pytest.fixture(scope="module")
def injector(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An injector with the policy Ignore behind the API server."""
    with behind(cluster, tmp_path_factory.mktemp("injector"), RELEASE, "Ignore") as started:
        yield started


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


def test_a_quota_on_cpu_limits_admits_the_pod(cluster: Cluster, injector: Running) -> None:
    """Where every container must have a CPU limit, the sidecar has one."""
    hard = {"limits.cpu": "4", "limits.memory": "4Gi", "requests.cpu": "4", "requests.memory": "4Gi"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "all"}, "spec": {"hard": hard}}
    create(cluster, LOOSE, quota)
    try:
        status = ("-n", LOOSE, "get", "resourcequota", "all", "-o", "jsonpath={.status.hard}")
        until("the quota", lambda: "limits.cpu" in cluster.kubectl(*status))
        resources = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "64Mi"}}

        stored = create(
            cluster, LOOSE, named("limited", containers=[container(resources=resources)]), "--dry-run=server"
        )
    finally:
        cluster.kubectl("-n", LOOSE, "delete", "resourcequota", "all")

    assert ("500m", "Burstable") == (sidecar(stored)["resources"]["limits"]["cpu"], stored["status"]["qosClass"])


def test_a_guaranteed_pod_stays_guaranteed(cluster: Cluster, injector: Running) -> None:
    """By the API server's own judgement."""
    resources = {"limits": {"cpu": "1", "memory": "1Gi"}}

    stored = create(cluster, LOOSE, named("fixed", containers=[container(resources=resources)]), "--dry-run=server")

    assert (["parley"], "Guaranteed") == (inits(stored), stored["status"]["qosClass"])


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
    documents = chart(cluster, "injector.yaml", injector_failurePolicy="Fail", **values)
    (settings,) = [document for document in documents if document["kind"] == "ConfigMap"]
    file = tmp_path / "injector.json"
    file.write_text(settings["data"]["injector.json"], encoding="utf-8")

    read = load(file)

    assert ("Fail", None, "1") == (read.failure_policy, read.run_as_user, read.resources.limits["cpu"])
    assert f"https://{RELEASE}-operator.{SYSTEM}.svc:443" == read.operator_url
