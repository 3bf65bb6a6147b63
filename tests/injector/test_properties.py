"""What holds for every pod, whatever is in it."""

import copy
from collections import Counter
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from parley_operator.injector.review import Result
from tests.injector.world import injected, patched, sidecar, verdict_on

NAMES = st.sampled_from(["app", "b", "proxy", "daprd", "parley"])
PORTS = st.builds(
    lambda port, more: {"containerPort": port, **more},
    st.sampled_from([80, 3500, 3501, 8080, 9464, 9465, 50001]),
    st.sampled_from([{}, {"protocol": "TCP"}, {"protocol": "UDP"}, {"name": "web"}, {"hostPort": 80}]),
)
VARIABLES = st.sampled_from(
    [
        {"name": "A", "value": "1"},
        {"name": "DAPR_HTTP_PORT", "value": "9"},
        {"name": "OPENAI_BASE_URL", "value": "https://gateway"},
        {"name": "B", "valueFrom": {"x": {}}},
    ]
)
QUANTITIES = st.dictionaries(
    st.sampled_from(["cpu", "memory", "nvidia.com/gpu"]), st.sampled_from(["1", "1000m", 1, "1Gi", "1024Mi", "0.5"])
)
RESOURCES = st.fixed_dictionaries({}, optional={"limits": QUANTITIES, "requests": QUANTITIES, "claims": st.just([1])})
LIMIT_RANGER = [
    "LimitRanger plugin set: cpu, memory request for container app; memory limit for init container b",
    "LimitRanger plugin set: cpu limit for container nobody; ; x",
    "",
]
UNKNOWN: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {}, optional={"futureField": st.sampled_from([None, [], {"deep": [{"x": 1}]}, "text"]), "x-1/2~3": st.just(True)}
)


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return values that may also be null."""
    return st.none() | values


def merged(known: dict[str, Any], unknown: dict[str, Any]) -> dict[str, Any]:
    """Return an object with fields that nobody here knows."""
    return {**unknown, **known}


CONTAINERS = st.builds(
    merged,
    st.fixed_dictionaries(
        {"name": NAMES},
        optional={
            "env": optional(st.lists(VARIABLES, max_size=2)),
            "envFrom": optional(st.lists(st.sampled_from([{"secretRef": {"name": "x"}}, {"new": 1}]), max_size=1)),
            "ports": optional(st.lists(PORTS, max_size=2)),
            "resources": optional(RESOURCES),
            "restartPolicy": st.just("Always"),
        },
    ),
    UNKNOWN,
)
SPECS = st.builds(
    merged,
    st.fixed_dictionaries(
        {"containers": st.lists(CONTAINERS, min_size=1, max_size=3)},
        optional={
            "initContainers": optional(st.lists(CONTAINERS, max_size=2)),
            "volumes": optional(st.lists(st.sampled_from([{"name": "data"}, {"name": "parley-token"}]), max_size=1)),
            "hostNetwork": optional(st.booleans()),
            "restartPolicy": st.sampled_from(["Always", "Never"]),
            "resources": optional(RESOURCES),
        },
    ),
    UNKNOWN,
)
ANNOTATIONS = st.fixed_dictionaries(
    {},
    optional={
        "parley.dev/enabled": st.sampled_from(["true", "true", "false", "maybe"]),
        "parley.dev/app-id": st.sampled_from(["shop", "a.b", "not valid"]),
        "parley.dev/http-port": st.sampled_from(["3600", "3500", "80"]),
        "parley.dev/grpc-port": st.sampled_from(["50100", "3600", "0"]),
        "parley.dev/native-sidecar": st.sampled_from(["true", "false"]),
        "parley.dev/openai-env": st.sampled_from(["true", "false"]),
        "parley.dev/api-token-secret": st.just("calls"),
        "parley.dev/image": st.sampled_from(["parley:2", "latest"]),
        "parley.dev/startup-seconds": st.just("10"),
        "kubernetes.io/limit-ranger": st.sampled_from(LIMIT_RANGER),
        "kubectl.kubernetes.io/default-container": st.just("b"),
        "parley.dev/memory-limit": st.just("1Gi"),
        "parley.dev/injection": st.just("skipped:port_conflict"),
        "parley.dev/resolved-app-id": st.just("forged"),
        "dapr.io/enabled": st.just("true"),
        "other/annotation": st.just("kept"),
    },
)
LABELS = st.dictionaries(
    st.sampled_from(["app", "app.kubernetes.io/name", "parley.dev/injected", "x/y~z"]),
    st.sampled_from(["shop", "true"]),
)
METADATA = st.builds(
    merged,
    st.fixed_dictionaries({}, optional={"annotations": optional(ANNOTATIONS), "labels": optional(LABELS)}),
    UNKNOWN,
)
PODS = st.builds(
    lambda metadata, spec, unknown: {"kind": "Pod", **unknown, "metadata": metadata, "spec": spec},
    METADATA,
    SPECS,
    UNKNOWN,
)
SIDECAR = "parley"


@given(PODS, st.booleans())
def test_injecting_twice_is_injecting_once(document: dict[str, Any], by_namespace: bool) -> None:  # noqa: FBT001
    """The API server may ask again; a pod that was marked as failed or skipped is not marked again either."""
    once = injected(document, by_namespace=by_namespace)

    assert once == injected(once, by_namespace=by_namespace)
    assert () == verdict_on(once, by_namespace=by_namespace).patch


@given(PODS)
def test_everything_else_in_the_pod_is_kept(document: dict[str, Any]) -> None:
    """What the patch added can be taken away again, and what is left is the pod, unknown fields included."""
    before = copy.deepcopy(document)
    verdict = verdict_on(document, by_namespace=True)

    after = patched(document, verdict)

    assert before == document
    assert leaves(before) <= leaves(shifted(after) if verdict.result is Result.INJECTED else after)


@given(PODS)
def test_an_injected_pod_has_one_sidecar_with_ports_of_its_own(document: dict[str, Any]) -> None:
    """No other container has its name or one of its ports, and every new volume and variable is there once."""
    verdict = verdict_on(document, by_namespace=True)
    after = patched(document, verdict)
    if verdict.result is not Result.INJECTED:
        assert after["spec"] == document["spec"]
        return
    ours = sidecar(after)
    everybody = [*(after["spec"].get("initContainers") or ()), *after["spec"]["containers"]]
    others = [container for container in everybody if container != ours]
    variables = {entry["name"]: entry.get("value") for entry in ours["env"]}
    ports = [int(variables[f"PARLEY_{kind}_PORT"]) for kind in ("HTTP", "GRPC", "METRICS")]

    assert len(everybody) - 1 == len(others)
    assert SIDECAR not in {container["name"] for container in others}
    assert ("restartPolicy" in ours) != ("lifecycle" in ours)
    assert 3 == len(set(ports))
    assert set(ports).isdisjoint(tcp_ports(others))
    assert 1 == max(Counter(volume["name"] for volume in after["spec"]["volumes"]).values())
    before = [*(document["spec"].get("initContainers") or ()), *document["spec"]["containers"]]
    for was, container in zip(before, others, strict=True):
        declared, now = variable_names(was), variable_names(container)
        told = [name for name in now if name.startswith(("DAPR_", "OPENAI_"))]
        assert all(now[name] == max(1, declared[name]) for name in told)


@given(PODS)
def test_a_patch_only_adds(document: dict[str, Any]) -> None:
    """Whole lists and objects are created only where there was none; the one removal is of our own mark."""
    patch = verdict_on(document, by_namespace=True).patch

    assert {operation.path for operation in patch if operation.op == "remove"} <= {
        "/metadata/annotations/parley.dev~1injection"
    }
    empty = [operation.path for operation in patch if operation.value in ([], {})]
    assert all(not at(document, path) for path in empty)


def variable_names(container: dict[str, Any]) -> Counter[str]:
    """Count the names in a container's environment."""
    return Counter(entry["name"] for entry in container.get("env") or ())


def tcp_ports(containers: list[dict[str, Any]]) -> set[int]:
    """Return the TCP ports that containers declare."""
    declared = [port for container in containers for port in container.get("ports") or ()]
    return {port["containerPort"] for port in declared if port.get("protocol", "TCP") == "TCP"}


def shifted(after: dict[str, Any]) -> dict[str, Any]:
    """Return an injected pod with its containers at their old places."""
    lists = {name: after["spec"].get(name) or [] for name in ("containers", "initContainers")}
    others = {name: of[1:] if of and of[0]["name"] == SIDECAR else of for name, of in lists.items()}
    return {**after, "spec": {**after["spec"], **others}}


def at(document: Any, path: str) -> Any:
    """Return what stands at a JSON pointer, None if nothing does."""
    for part in path.lstrip("/").split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        document = document[int(key)] if isinstance(document, list) else document.get(key)
        if document is None:
            return None
    return document


def leaves(document: Any) -> set[tuple[str, str]]:
    """Return every value with its path, but for what the injector owns and for empty things, which it may fill."""
    owned = ("/metadata/annotations/parley.dev/", "/metadata/labels/parley.dev/")
    return {(path, repr(value)) for path, value in walk("", document) if not path.startswith(owned)}


def walk(path: str, document: Any) -> Iterator[tuple[str, Any]]:
    """Yield the values of a document with their paths."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from walk(f"{path}/{key}", value)
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from walk(f"{path}/{index}", value)
    elif document is not None:
        yield path, document
