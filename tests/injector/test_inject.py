"""The injected pod, part by part; the golden files show it whole."""

from typing import Any

import msgspec
import pytest

from parley_crds import names
from parley_operator.injector.inject import inject
from parley_operator.injector.options import read_options
from parley_operator.injector.settings import Settings
from tests.injector.world import ENABLED, PLAIN, SETTINGS, container, injected, pod, sidecar, variables, view


def test_the_sidecar_is_a_native_one_and_first() -> None:
    """It is started before the application's own init containers, which may call it."""
    after = injected(pod(initContainers=[container("migrate")]))

    assert ["parley", "migrate"] == [entry["name"] for entry in after["spec"]["initContainers"]]
    assert "Always" == sidecar(after)["restartPolicy"]


def test_the_start_is_bounded_and_depends_on_nothing() -> None:
    """All probes ask the sidecar about itself, where it serves health."""
    probes = sidecar(injected(pod()))

    assert {"path": "/healthz", "port": 9464} == probes["startupProbe"]["httpGet"]
    assert (1, 120) == (probes["startupProbe"]["periodSeconds"], probes["startupProbe"]["failureThreshold"])
    assert ("/readyz", "/healthz") == (
        probes["readinessProbe"]["httpGet"]["path"],
        probes["livenessProbe"]["httpGet"]["path"],
    )


def test_the_sidecars_token_is_for_the_operator_alone() -> None:
    """It lies where the API server would mount its own, in the sidecar and nowhere else."""
    after = injected(pod())
    volumes = {volume["name"]: volume for volume in after["spec"]["volumes"]}
    (source,) = volumes["parley-token"]["projected"]["sources"]

    assert names.STREAM_AUDIENCE == source["serviceAccountToken"]["audience"]
    assert "/var/run/secrets/kubernetes.io/serviceaccount" == sidecar(after)["volumeMounts"][0]["mountPath"]
    assert "volumeMounts" not in after["spec"]["containers"][0]


def test_application_and_init_containers_learn_where_the_sidecar_is() -> None:
    """With the names that Dapr's SDKs read; Dapr's own sidecar is not told."""
    annotations = {**ENABLED, "parley.dev/http-port": "3600", "parley.dev/grpc-port": "50100"}
    document = pod(annotations, containers=[container(), container("daprd")], initContainers=[container("migrate")])

    after = injected(document)

    expected = {"DAPR_HTTP_PORT": "3600", "DAPR_GRPC_PORT": "50100"}
    assert expected == variables(after["spec"]["containers"][0]) == variables(after["spec"]["initContainers"][1])
    assert {} == variables(after["spec"]["containers"][1])


def test_what_the_application_sets_itself_is_left_alone() -> None:
    """Only what is missing is added, behind what is there."""
    own = [{"name": "DAPR_HTTP_PORT", "value": "1"}, {"name": "DAPR_API_TOKEN", "value": "own"}]
    document = pod({**ENABLED, "parley.dev/api-token-secret": "token"}, containers=[container(env=own)])

    (application,) = injected(document)["spec"]["containers"]

    assert [*own, {"name": "DAPR_GRPC_PORT", "value": "50001"}] == application["env"]


def test_an_api_token_is_a_reference_on_both_sides() -> None:
    """The injector never reads it."""
    after = injected(pod({**ENABLED, "parley.dev/api-token-secret": "calls"}))
    expected = {"secretKeyRef": {"name": "calls", "key": "token"}}

    assert expected == variables(sidecar(after))["DAPR_API_TOKEN"]
    assert expected == variables(after["spec"]["containers"][0])["DAPR_API_TOKEN"]


def test_the_sidecars_environment() -> None:
    """Each variable that the sidecar reads, as the settings and the pod's annotations say."""
    annotations = {
        **ENABLED,
        "parley.dev/log-level": "debug",
        "parley.dev/precise-statuses": "true",
        "parley.dev/drain-seconds": "0",
        "parley.dev/metrics-port": "9999",
        "parley.dev/env": "OPENAI_KEY=sk, HTTPS_PROXY=http://proxy:3128",
    }

    expected = {
        "PARLEY_NAMESPACE": {"fieldRef": {"fieldPath": "metadata.namespace"}},
        "PARLEY_POD_NAME": {"fieldRef": {"fieldPath": "metadata.name"}},
        "PARLEY_OPERATOR_URL": SETTINGS.operator_url,
        "PARLEY_TOKEN_FILE": "/var/run/secrets/kubernetes.io/serviceaccount/token",
        "PARLEY_TRUST_ANCHORS": SETTINGS.trust_anchors,
        "PARLEY_LAST_GOOD_FILE": "/var/run/parley/last-good.json",
        "PARLEY_APP_ID": "shop",
        "PARLEY_HTTP_PORT": "3500",
        "PARLEY_GRPC_PORT": "50001",
        "PARLEY_METRICS_PORT": "9999",
        "PARLEY_LOG_LEVEL": "debug",
        "PARLEY_PRECISE_STATUSES": "true",
        "PARLEY_DRAIN_SECONDS": "0",
        "OPENAI_KEY": "sk",
        "HTTPS_PROXY": "http://proxy:3128",
    }
    assert expected == variables(sidecar(injected(pod(annotations))))


@pytest.mark.parametrize("number", [65532, 1000, None])
def test_the_user_is_the_settings(number: int | None) -> None:
    """An id, so that a pod that runs as root does not hand its own down; none where the platform assigns one."""
    settings = Settings(image="i", operator_url="https://o", run_as_user=number, run_as_group=number)

    security = sidecar(injected(pod(), settings))["securityContext"]

    assert (number, number) == (security.get("runAsUser"), security.get("runAsGroup"))
    assert (number is not None) == ("runAsUser" in security)


def test_the_pod_is_stamped() -> None:
    """Monitors select by the label; the operator authorises by the annotation, whatever the template claimed."""
    after = injected(pod({**ENABLED, "parley.dev/resolved-app-id": "admin", "parley.dev/injection": "skipped:windows"}))

    assert {"parley.dev/injected": "true"} == after["metadata"]["labels"]
    stamped = {"parley.dev/resolved-app-id": "shop", "parley.dev/sidecar-revision": "0123456789abcdef"}
    assert {**ENABLED, **stamped} == after["metadata"]["annotations"]


def test_without_a_revision_there_is_no_stamp() -> None:
    """A chart that sets none compares none."""
    settings = msgspec.structs.replace(SETTINGS, sidecar_revision="")

    assert "parley.dev/sidecar-revision" not in injected(pod(), settings)["metadata"]["annotations"]


def test_an_image_of_ones_own_does_not_change_the_revision() -> None:
    """Otherwise the pod would be outdated from its first day."""
    after = injected(pod({**ENABLED, "parley.dev/image": "parley-sidecar:2.0.0-rc1"}))

    assert "parley-sidecar:2.0.0-rc1" == sidecar(after)["image"]
    assert SETTINGS.sidecar_revision == after["metadata"]["annotations"]["parley.dev/sidecar-revision"]


def test_a_plain_sidecar_is_the_first_container_and_holds_the_others_up() -> None:
    """The kubelet starts the next container only when the hook has ended."""
    after = injected(pod({**PLAIN, "parley.dev/startup-seconds": "30"}, initContainers=[container("migrate")]))
    ours = sidecar(after)

    assert ["parley", "app"] == [entry["name"] for entry in after["spec"]["containers"]]
    assert ["migrate"] == [entry["name"] for entry in after["spec"]["initContainers"]]
    assert {"postStart": {"exec": {"command": ["parley", "wait", "--seconds", "30"]}}} == ours["lifecycle"]
    assert "restartPolicy" not in ours
    assert ours["securityContext"] == sidecar(injected(pod()))["securityContext"]
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(ours)


@pytest.mark.parametrize(
    ("setting", "said", "native"),
    [(True, None, True), (False, None, False), (True, "false", False), (False, "true", True)],
)
def test_the_pods_word_on_the_form_wins(setting: bool, said: str | None, native: bool) -> None:  # noqa: FBT001 - table
    """Over the chart's."""
    annotations = ENABLED if said is None else {**ENABLED, "parley.dev/native-sidecar": said}

    after = injected(pod(annotations), msgspec.structs.replace(SETTINGS, sidecar_native=setting))

    assert native == ("initContainers" in after["spec"])
    assert native == (len(after["spec"]["containers"]) == 1)


def test_before_a_plain_sidecar_runs_nobody_is_told_of_it() -> None:
    """Init containers that end before it starts get no variables; one that stays gets them."""
    stays = container("logs", restartPolicy="Always")

    after = injected(pod(PLAIN, initContainers=[container("migrate"), stays]))

    migrate, logs = after["spec"]["initContainers"]
    assert {} == variables(migrate)
    assert {"DAPR_HTTP_PORT", "DAPR_GRPC_PORT"} == set(variables(logs))


def test_kubectl_still_means_the_application() -> None:
    """Its default is the first container, unless an annotation names one; the owner's own stays."""
    name = "kubectl.kubernetes.io/default-container"
    own = injected(pod({**PLAIN, name: "b"}, containers=[container(), container("b")]))

    assert "app" == injected(pod(PLAIN))["metadata"]["annotations"][name]
    assert "b" == own["metadata"]["annotations"][name]
    assert name not in injected(pod())["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, {"OPENAI_BASE_URL": "http://127.0.0.1:3500/v1", "OPENAI_API_KEY": "none"}),
        (
            {"parley.dev/http-port": "3600", "parley.dev/api-token-secret": "calls"},
            {
                "OPENAI_BASE_URL": "http://127.0.0.1:3600/v1",
                "OPENAI_API_KEY": {"secretKeyRef": {"name": "calls", "key": "token"}},
            },
        ),
        ({"parley.dev/openai-env": "false"}, {}),
    ],
)
def test_an_openai_sdk_finds_the_sidecar(more: dict[str, str], expected: dict[str, Any]) -> None:
    """With the API token as its key, else with any: the SDKs start with none."""
    document = pod({**ENABLED, "parley.dev/openai-env": "true", **more}, initContainers=[container("migrate")])
    after = injected(document)

    for told in (after["spec"]["containers"][0], after["spec"]["initContainers"][1]):
        assert expected == {name: value for name, value in variables(told).items() if name.startswith("OPENAI_")}
    assert "OPENAI_API_KEY" not in variables(sidecar(after))


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"OPENAI_BASE_URL": "https://gateway/v1"}, {"OPENAI_BASE_URL": "https://gateway/v1"}),
        ({"OPENAI_API_KEY": "sk"}, {"OPENAI_API_KEY": "sk", "OPENAI_BASE_URL": "http://127.0.0.1:3500/v1"}),
    ],
)
def test_what_the_application_says_about_openai_is_left_alone(own: dict[str, str], expected: dict[str, str]) -> None:
    """The token goes to no address but ours: where the application has its own, it gets no key of ours."""
    env = [{"name": name, "value": value} for name, value in own.items()]
    annotations = {**ENABLED, "parley.dev/openai-env": "true", "parley.dev/api-token-secret": "calls"}

    (application,) = injected(pod(annotations, containers=[container(env=env)]))["spec"]["containers"]

    assert expected == {name: value for name, value in variables(application).items() if name.startswith("OPENAI_")}


def test_grpc_can_be_off() -> None:
    """The sidecar is told so, and the application is not told a port."""
    after = injected(pod({**ENABLED, "parley.dev/grpc-port": "0"}))

    assert "0" == variables(sidecar(after))["PARLEY_GRPC_PORT"]
    assert {"DAPR_HTTP_PORT": "3500"} == variables(after["spec"]["containers"][0])


def test_probes_can_be_slower() -> None:
    """One word for readiness and liveness; the start keeps its second, and has its own time."""
    asked = {
        "probe-period-seconds": "20",
        "probe-timeout-seconds": "7",
        "probe-failures": "9",
        "startup-seconds": "600",
    }
    ours = sidecar(injected(pod({**ENABLED, **{f"parley.dev/{key}": text for key, text in asked.items()}})))

    assert [(1, 7, 600), (20, 7, 9), (20, 7, 9)] == [
        tuple(ours[probe][field] for field in ("periodSeconds", "timeoutSeconds", "failureThreshold"))
        for probe in ("startupProbe", "readinessProbe", "livenessProbe")
    ]


@pytest.mark.parametrize(
    "document", [pod({}), pod(containers=[container(ports=[{"containerPort": 3500}])])], ids=["no id", "no port"]
)
def test_injecting_without_asking_first_is_an_error(document: dict[str, Any]) -> None:
    """A pod that why_skip objects to is never half injected."""
    seen = view(document)

    with pytest.raises(ValueError, match="why_skip"):
        inject(seen, read_options(seen.annotations), SETTINGS)
