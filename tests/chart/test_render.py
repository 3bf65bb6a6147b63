"""What the rendered objects say: names, images, pods, the injector's settings, the store."""

import json
from pathlib import Path
from typing import Any

import pytest

from parley_crds import names
from parley_crds.crd import definition
from parley_operator.injector import settings as injector_settings
from tests.chart.rendering import CHART, VALUE_SETS, Manifest, manifests, one, pods, rendered, rendered_set, run

pytestmark = pytest.mark.control_plane  # helm is built with the control plane's programs


def container(documents: list[Manifest], part: str) -> dict[str, Any]:
    """Return the only container of a part's pod."""
    (found,) = pods(documents)[f"parley-{part}"]["containers"]
    return dict(found)


def variables(documents: list[Manifest]) -> dict[str, str | None]:
    """Return the operator's environment; None where a value comes from the pod."""
    return {each["name"]: each.get("value") for each in container(documents, "operator")["env"]}


def test_lint_finds_nothing() -> None:
    """Helm's linter is content, warnings included."""
    done = run("lint", "--strict", "--kube-version", "1.36.0", str(CHART))

    assert 0 == done.returncode, done.stdout


def test_a_bad_value_stops_helm() -> None:
    """Helm reads the schema: a value that it does not know is an error, not without effect."""
    done = run("template", "parley", str(CHART), "--kube-version", "1.36.0", "--set", "injector.replica=3")

    assert done.returncode
    assert "replica" in done.stderr


def test_the_crd_is_the_generated_one() -> None:
    """The chart's CRD is the models', and is kept when the release goes."""
    done = run("template", "parley", str(CHART), "--kube-version", "1.36.0", "--show-only", "templates/crd.yaml")
    expected = definition()
    expected["metadata"]["annotations"] = {"helm.sh/resource-policy": "keep"}

    assert [expected] == list(manifests(done.stdout))


@pytest.mark.parametrize(
    ("release", "flags", "fullname"),
    [
        ("parley", (), "parley"),
        ("my-parley", (), "my-parley"),
        ("llm", (), "llm-parley"),
        ("llm", ("--set", "fullnameOverride=talk"), "talk"),
        ("a" * 50, (), "a" * 46),
    ],
)
def test_names_begin_with_the_release(release: str, flags: tuple[str, ...], fullname: str) -> None:
    """Objects are named after the release, shortened so that the longest of them is a legal Service name."""
    documents = rendered(*flags, release=release)

    assert f"{fullname}-operator-peers" in {each["metadata"]["name"] for each in documents}
    assert 63 >= max(len(each["metadata"]["name"]) for each in documents if each["kind"] == "Service")


def test_names_are_the_contracts() -> None:
    """What the templates spell out is spelt as in parley_crds.names."""
    documents = rendered("--set", "networkPolicy.enabled=true,injector.attempts=2")
    webhooks = one(documents, "MutatingWebhookConfiguration", "parley-injector")["webhooks"]
    conditions = {each["name"]: each["expression"] for webhook in webhooks for each in webhook["matchConditions"]}
    labelled = webhooks[1]["namespaceSelector"]["matchExpressions"][-1]
    (peer, _) = pods(documents)["parley-operator"]["volumes"]
    (source,) = peer["projected"]["sources"]
    policy = one(documents, "NetworkPolicy", "parley-redis")["spec"]["ingress"][0]["from"][0]
    rules = one(documents, "ClusterRole", "parley-operator")["rules"]

    assert f"'{names.ENABLED_ANNOTATION}'" in conditions["annotated"]
    assert f"'{names.SIDECAR_CONTAINER}'" in conditions["no-sidecar-yet"]
    assert {"key": names.INJECT_NAMESPACE_LABEL, "operator": "In", "values": ["enabled"]} == labelled
    assert names.PEER_AUDIENCE == source["serviceAccountToken"]["audience"]
    assert {names.INJECTED_LABEL: "true"} == policy["podSelector"]["matchLabels"]
    assert [names.PLURAL] in [rule["resources"] for rule in rules if rule["apiGroups"] == [names.GROUP]]
    assert str(names.METRICS_PORT) == variables(documents)["PARLEY_METRICS_PORT"]


@pytest.mark.parametrize("name", VALUE_SETS)
def test_pods_are_restricted(name: str) -> None:
    """Every pod keeps to Pod Security "restricted", and goes beyond it with a read-only root."""
    for spec in pods(rendered_set(name)).values():
        assert spec["securityContext"]["runAsNonRoot"]
        assert {"type": "RuntimeDefault"} == spec["securityContext"]["seccompProfile"]
        for each in spec["containers"]:
            expected = {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }
            assert expected == each["securityContext"]
        assert not {"hostPath", "hostNetwork", "hostPID"} & {*spec, *(key for each in spec["volumes"] for key in each)}


@pytest.mark.parametrize("name", VALUE_SETS)
def test_containers_need_no_shell(name: str) -> None:
    """No command and no probe runs a shell: the images have none."""
    for spec in pods(rendered_set(name)).values():
        for each in spec["containers"]:
            probes = [each[probe] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]

            assert all({"httpGet", "tcpSocket"} & set(probe) for probe in probes)
            assert not {"sh", "/bin/sh", "bash"} & {*each.get("command", ()), *each.get("args", ())}


@pytest.mark.parametrize("name", VALUE_SETS)
def test_containers_say_what_they_need(name: str) -> None:
    """Every container requests CPU and memory, limits memory, and leaves CPU without a limit."""
    for spec in pods(rendered_set(name)).values():
        for each in spec["containers"]:
            kinds = {kind: set(amounts) for kind, amounts in each["resources"].items()}

            assert {"requests": {"cpu", "memory"}, "limits": {"memory"}} == kinds


@pytest.mark.parametrize("name", VALUE_SETS)
def test_only_the_operator_has_a_token(name: str) -> None:
    """No other pod gets a token of the API server, nor do the accounts hand one out by themselves."""
    documents = rendered_set(name)
    mounted = {each["serviceAccountName"] for each in pods(documents).values() if each["automountServiceAccountToken"]}
    accounts = [each for each in documents if each["kind"] == "ServiceAccount"]

    assert all(account.endswith("-operator") for account in mounted)
    assert not any(account["automountServiceAccountToken"] for account in accounts)


@pytest.mark.parametrize("name", VALUE_SETS)
def test_the_injector_can_read_its_settings(name: str, tmp_path: Path) -> None:
    """The rendered injector.json is what the injector's own reader accepts."""
    (settings_map,) = (each for each in rendered_set(name) if each["kind"] == "ConfigMap")
    file = tmp_path / "injector.json"
    file.write_text(settings_map["data"]["injector.json"], encoding="utf-8")

    read = injector_settings.load(file)

    assert read.operator_url.endswith("-operator.parley-system.svc:443")


def test_the_injectors_settings_are_the_values(tmp_path: Path) -> None:
    """Values reach the injector: nulls as nulls, numbers among the quantities as text."""
    (settings_map,) = (each for each in rendered_set("assigned-ids") if each["kind"] == "ConfigMap")
    read = json.loads(settings_map["data"]["injector.json"])

    assert (None, None) == (read["runAsUser"], read["runAsGroup"])
    assert {"requests": {"cpu": "1", "memory": "96Mi"}, "limits": {"memory": "256Mi"}} == read["resources"]
    assert "Ignore" == read["failurePolicy"]


def test_the_injectors_pods_follow_its_settings() -> None:
    """Another setting rolls the injector's pods out anew."""
    checksums = {
        one(rendered(*flags), "Deployment", "parley-injector")["spec"]["template"]["metadata"]["annotations"][
            "checksum/settings"
        ]
        for flags in ((), ("--set", "sidecar.logLevel=debug"))
    }

    assert 2 == len(checksums)


def test_the_injector_waits_for_its_certificate() -> None:
    """The Secret's volume lists its items, so that the kubelet holds the pod until they are there."""
    volumes = {each["name"]: each for each in pods(rendered())["parley-injector"]["volumes"]}
    secret = volumes["tls"]["secret"]

    assert "parley-tls" == secret["secretName"]
    assert ["tls.crt", "tls.key", "ca.crt"] == [item["key"] for item in secret["items"]]
    assert not secret.get("optional")


def test_secrets_and_lease_are_empty() -> None:
    """The chart writes nothing that the operator's leader writes: an upgrade then leaves it alone."""
    documents = rendered()
    secrets = [each for each in documents if each["kind"] == "Secret"]
    lease = one(documents, "Lease", "parley-operator")

    assert ["parley-ca", "parley-tls", "parley-store", "parley-context-key"] == [s["metadata"]["name"] for s in secrets]
    assert not any({"data", "stringData"} & set(secret) for secret in secrets)
    assert "spec" not in lease


@pytest.mark.parametrize(
    ("flags", "url", "secret"),
    [
        ("redis.enabled=true", "redis://parley-redis.parley-system.svc:6379", "parley-store"),
        ("redis.enabled=false", "", ""),
        ("redis.external.url=rediss://redis.example:6380", "rediss://redis.example:6380", ""),
        (
            "redis.external.url=redis://redis.example:6379,redis.external.existingSecret=mine",
            "redis://redis.example:6379",
            "mine",
        ),
    ],
)
def test_the_operator_learns_the_store(flags: str, url: str, secret: str) -> None:
    """The operator is told one store: the chart's, the user's, or none; the chart's runs only in the first case."""
    documents = rendered("--set", flags)
    environment = variables(documents)

    assert (url, secret) == (environment["PARLEY_STORE_URL"], environment["PARLEY_STORE_SECRET"])
    assert ("parley-redis" in url) == ("parley-redis" in pods(documents))


def test_the_operators_environment() -> None:
    """The operator gets every variable that it reads, and no others."""
    expected = {
        "PARLEY_NAMESPACE": None,
        "PARLEY_POD_NAME": None,
        "PARLEY_FULLNAME": "parley",
        "PARLEY_WATCH_NAMESPACES": "shop,billing",
        "PARLEY_WEBHOOK_NAME": "parley-injector",
        "PARLEY_PORT": "8443",
        "PARLEY_METRICS_PORT": "9464",
        "PARLEY_PEER_TOKEN_FILE": "/var/run/secrets/parley/peer/token",
        "PARLEY_STORE_URL": "rediss://redis.example:6380/1",
        "PARLEY_STORE_SECRET": "redis-credentials",
        "PARLEY_LOG_LEVEL": "info",
    }
    environment = variables(rendered_set("namespaced"))

    assert expected == environment


def test_budgets_only_where_they_allow_something() -> None:
    """A part with one replica has no PodDisruptionBudget: it could never be drained."""
    budgets = [each["metadata"]["name"] for each in rendered_set("namespaced") if each["kind"] == "PodDisruptionBudget"]

    assert ["parley-injector"] == budgets
