"""What the rendered objects say: names, images, pods, the injector's settings, the store."""

import json
from pathlib import Path

import pytest

from parley_crds import names
from parley_crds.crd import definition
from parley_operator.injector import settings as injector_settings
from parley_operator.keeper import serving_names
from parley_operator.settings import Settings
from tests.chart.rendering import (
    CHART,
    VALUE_SETS,
    container,
    files,
    manifests,
    one,
    pods,
    rendered,
    rendered_set,
    run,
    variables,
)

pytestmark = pytest.mark.control_plane  # helm is built with the control plane's programs


@pytest.mark.parametrize("name", VALUE_SETS)
def test_lint_finds_nothing(name: str) -> None:
    """Helm's linter is content with each value set, warnings included."""
    done = run("lint", "--strict", "--kube-version", "1.36.0", str(CHART), *files(VALUE_SETS[name]))

    assert 0 == done.returncode, done.stdout


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


def test_the_trials_pod_is_restricted() -> None:
    """The pod of `helm test` keeps to it as well, with a token of an account that is there only meanwhile."""
    spec = one(rendered(), "Pod", "parley-selftest")["spec"]
    (container,) = spec["containers"]

    assert (True, {"type": "RuntimeDefault"}) == (
        spec["securityContext"]["runAsNonRoot"],
        spec["securityContext"]["seccompProfile"],
    )
    assert {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True} == (
        container["securityContext"]
    )
    assert "helm.sh/hook" in one(rendered(), "ServiceAccount", "parley-selftest")["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("values", "namespace"),
    [
        ("operator.replicas=1", "default"),
        ("watchNamespaces={shop,billing}", "shop"),
        ("watchNamespaces={parley-system,billing}", "billing"),
        ("selftest.namespace=lab", "lab"),
    ],
)
def test_where_the_trial_is_made(values: str, namespace: str) -> None:
    """It is made where Parley serves, which is not its own namespace; its rights are there."""
    documents = rendered("--set", values)
    (container,) = one(documents, "Pod", "parley-selftest")["spec"]["containers"]

    assert ["selftest", "--namespace", namespace, "--name", "parley-selftest"] == container["args"]
    assert namespace == one(documents, "Role", "parley-selftest")["metadata"]["namespace"]


def test_there_is_no_trial_where_it_could_not_succeed() -> None:
    """A release in the namespace `default` that names no other has no test: pods beside it get no sidecars."""
    done = run("template", "parley", str(CHART), "--namespace", "default", "--kube-version", "1.36.0")

    assert [] == [each for each in manifests(done.stdout) if each["kind"] == "Pod"]
    assert 0 == done.returncode


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
    mounted = {name for name, spec in pods(documents).items() if spec["automountServiceAccountToken"]}
    accounts = [each for each in documents if each["kind"] == "ServiceAccount"]

    assert all(name.endswith("-operator") for name in mounted)
    assert not any(account["automountServiceAccountToken"] for account in accounts)


@pytest.mark.parametrize("name", VALUE_SETS)
def test_the_injector_can_read_its_settings(name: str, tmp_path: Path) -> None:
    """The rendered injector.json is what the injector's own reader accepts."""
    documents = rendered_set(name)
    (settings_map,) = (each for each in documents if each["kind"] == "ConfigMap" and "injector.json" in each["data"])
    file = tmp_path / "injector.json"
    file.write_text(settings_map["data"]["injector.json"], encoding="utf-8")

    read = injector_settings.load(file)

    assert read.operator_url.endswith("-operator.parley-system.svc:443")
    assert () == injector_settings.unknown_fields(file)


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


@pytest.mark.parametrize(("name", "tls"), [("cert-manager", "parley-tls"), ("namespaced", "parley-certificate")])
def test_a_foreign_certificate_comes_with_the_operators_bundle(name: str, tls: str) -> None:
    """Where somebody else makes the certificate, the authorities still come from the operator, and never its key."""
    volumes = {each["name"]: each for each in pods(rendered_set(name))["parley-injector"]["volumes"]}
    sources = [source["secret"] for source in volumes["tls"]["projected"]["sources"]]

    assert {tls: ["tls.crt", "tls.key"], "parley-ca": ["ca.crt"]} == {
        source["name"]: [item["key"] for item in source["items"]] for source in sources
    }


def test_cert_manager_is_asked_for_what_is_served() -> None:
    """The Certificate names both Services as the operator's own would, and the issuer that the values name."""
    spec = one(rendered_set("cert-manager"), "Certificate", "parley-tls")["spec"]

    assert sorted(serving_names(Settings("parley-system", "", "parley"))) == sorted(spec["dnsNames"])
    assert ("parley-tls", "72h") == (spec["secretName"], spec["duration"])
    assert {"name": "company", "kind": "ClusterIssuer", "group": "cert-manager.io"} == spec["issuerRef"]


def test_cert_manager_makes_an_authority_where_none_is_named() -> None:
    """Without an issuer the chart brings a chain of its own: self-signed, authority, certificate."""
    documents = rendered("--set", "certificates.mode=certManager")
    authority = one(documents, "Certificate", "parley-issuer")["spec"]
    issuer = one(documents, "Issuer", "parley-issuer")["spec"]

    assert (True, "parley-self-signed") == (authority["isCA"], authority["issuerRef"]["name"])
    assert authority["secretName"] == issuer["ca"]["secretName"]
    assert "parley-issuer" == one(documents, "Certificate", "parley-tls")["spec"]["issuerRef"]["name"]
    assert "parley-issuer" not in {each["metadata"]["name"] for each in documents if each["kind"] == "Secret"}


def test_secrets_and_lease_are_empty() -> None:
    """The chart writes nothing that the operator's leader writes: an upgrade then leaves it alone."""
    documents = rendered()
    secrets = [each for each in documents if each["kind"] == "Secret"]
    lease = one(documents, "Lease", "parley-operator")

    assert ["parley-ca", "parley-tls", "parley-store", "parley-context-key"] == [s["metadata"]["name"] for s in secrets]
    assert not any({"data", "stringData"} & set(secret) for secret in secrets)
    assert "spec" not in lease


@pytest.mark.parametrize(
    ("part", "ports", "calls_nobody"),
    [("operator", [8443, 9464], False), ("injector", [10250, 9464], True), ("redis", [6379], True)],
)
def test_policies_admit_what_is_served(part: str, ports: list[int], calls_nobody: bool) -> None:  # noqa: FBT001
    """Each part's policy selects its pods and admits its ports; injector and Redis may call nobody."""
    documents = rendered("--set", "injector.port=10250")
    spec = one(documents, "NetworkPolicy", f"parley-{part}")["spec"]
    labels = one(documents, "Deployment", f"parley-{part}")["spec"]["template"]["metadata"]["labels"]

    assert ports == [port["port"] for rule in spec["ingress"] for port in rule["ports"]]
    assert spec["podSelector"]["matchLabels"].items() <= labels.items()
    assert (["Ingress", "Egress"] if calls_nobody else ["Ingress"]) == spec["policyTypes"]
    assert "egress" not in spec


def test_the_injectors_port_is_one() -> None:
    """Its port for the API server is said to the process, to the container, and by name to the Service."""
    documents = rendered("--set", "injector.port=10250")
    settings = json.loads(one(documents, "ConfigMap", "parley-injector")["data"]["injector.json"])
    ports = {each["name"]: each["containerPort"] for each in container(documents, "injector")["ports"]}
    service = one(documents, "Service", "parley-injector")["spec"]["ports"][0]

    assert 10250 == settings["port"] == ports["webhook"]
    assert (443, "webhook") == (service["port"], service["targetPort"])


def test_objects_of_the_users_own() -> None:
    """Further objects are templates, as manifests or as text, and part of the release."""
    text = "--set-json", r'extraObjects=["apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-x"]'

    assert {"for": "the release's own operators"} == one(rendered_set("opted-in"), "ConfigMap", "parley-notes")["data"]
    assert one(rendered(*text), "ConfigMap", "parley-x")


def test_budgets_only_where_they_allow_something() -> None:
    """A part with one replica has no PodDisruptionBudget: it could never be drained."""
    budgets = [each["metadata"]["name"] for each in rendered_set("namespaced") if each["kind"] == "PodDisruptionBudget"]

    assert ["parley-injector"] == budgets
