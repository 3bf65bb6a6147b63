"""Pods that the API server takes, as hypothesis builds them: in every combination that may matter to the injector."""

from typing import Any

from hypothesis import strategies as st

from tests.injector.world import RESTRICTED

AMOUNTS = {"cpu": "250m", "memory": "512Mi"}
RESOURCES = st.sampled_from(
    [{}, {"limits": AMOUNTS}, {"requests": AMOUNTS}, {"limits": AMOUNTS, "requests": {"cpu": "10m"}}]
)
PORTS = st.fixed_dictionaries(
    {"containerPort": st.sampled_from([80, 3500, 8080, 9464, 9465, 50001])},
    optional={"protocol": st.sampled_from(["TCP", "UDP"])},
)
VARIABLES = st.sampled_from(
    [
        {"name": "MODE", "value": "live"},
        {"name": "DAPR_HTTP_PORT", "value": "1"},
        {"name": "OPENAI_BASE_URL", "value": "https://gateway.example.com/v1"},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ]
)
CONTAINER: dict[str, st.SearchStrategy[Any]] = {
    "resources": RESOURCES,
    "ports": st.lists(PORTS, max_size=2, unique_by=repr),
    "env": st.lists(VARIABLES, max_size=2, unique_by=repr),
    "envFrom": st.just([{"secretRef": {"name": "keys", "optional": True}}]),
    "securityContext": st.sampled_from([RESTRICTED, {"runAsUser": 0}, {"privileged": True}]),
    "volumeMounts": st.just([{"name": "data", "mountPath": "/data"}]),
}
HOOK = {"exec": {"command": ["true"]}}
APPLICATION = st.fixed_dictionaries({}, optional={**CONTAINER, "lifecycle": st.just({"postStart": HOOK})})
INIT = st.fixed_dictionaries({}, optional={**CONTAINER, "restartPolicy": st.just("Always")})
SPEC = st.fixed_dictionaries(
    {},
    optional={
        "restartPolicy": st.sampled_from(["Always", "OnFailure", "Never"]),
        "automountServiceAccountToken": st.booleans(),
        "shareProcessNamespace": st.booleans(),
        "terminationGracePeriodSeconds": st.sampled_from([0, 5, 60]),
        "securityContext": st.sampled_from([{"runAsUser": 0}, {"fsGroup": 1000}, {"runAsNonRoot": True}]),
        "resources": st.just({"requests": {"cpu": "8", "memory": "16Gi"}}),
        "os": st.just({"name": "linux"}),
    },
)
ANNOTATIONS = st.fixed_dictionaries(
    {"enabled": st.just("true"), "app-id": st.just("shop")},
    optional={
        "native-sidecar": st.sampled_from(["true", "false", "false"]),
        "image": st.just("registry.example.com:5000/parley-sidecar:2.0.0"),
        "openai-env": st.just("true"),
        "api-token-secret": st.just("calls"),
        "http-port": st.just("3600"),
        "grpc-port": st.sampled_from(["0", "50100"]),
        "metrics-port": st.just("9999"),
        "startup-seconds": st.sampled_from(["1", "3600"]),
        "probe-period-seconds": st.sampled_from(["1", "300"]),
        "probe-timeout-seconds": st.sampled_from(["1", "60"]),
        "probe-failures": st.sampled_from(["1", "100"]),
        "cpu-request": st.just("20m"),
        "cpu-limit": st.just("1.5"),
        "memory-request": st.just("32Mi"),
        "memory-limit": st.just("1.5Gi"),
        "drain-seconds": st.just("0"),
        "env": st.just("A=1, B="),
    },
)


def _made(
    annotations: dict[str, str], applications: list[dict[str, Any]], inits: list[dict[str, Any]], spec: dict[str, Any]
) -> dict[str, Any]:
    """Return a pod of these parts, with a volume that any container may mount."""
    named = {
        "containers": [{"name": f"app-{index}", "image": "shop:1", **of} for index, of in enumerate(applications)],
        "initContainers": [{"name": f"init-{index}", "image": "shop:1", **of} for index, of in enumerate(inits)],
    }
    told = {f"parley.dev/{key}": text for key, text in annotations.items()}
    volumes = [{"name": "data", "emptyDir": {}}]
    return {"metadata": {"name": "any", "annotations": told}, "spec": {**spec, **named, "volumes": volumes}}


VALID_PODS = st.builds(
    _made, ANNOTATIONS, st.lists(APPLICATION, min_size=1, max_size=3), st.lists(INIT, max_size=2), SPEC
)
