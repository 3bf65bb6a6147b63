"""Why a pod gets no sidecar: one enum for log, metric, annotation and test, and the ordered rules that find it.

| the pod says `parley.dev/enabled` | its namespace is labelled | sidecar                  |
|-----------------------------------|---------------------------|--------------------------|
| true                              | either                    | yes                      |
| false                             | either                    | no: explicitly_disabled  |
| anything else                     | either                    | no: bad_annotation       |
| nothing                           | yes                       | yes                      |
| nothing                           | no                        | no: not_opted_in         |
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from parley_crds import names
from parley_operator.injector.options import Options
from parley_operator.injector.pod import Pod
from parley_operator.injector.ports import choose_ports, has_dapr

TOKEN_VOLUME: Final = "parley-token"  # noqa: S105 - a volume's name
STATE_VOLUME: Final = "parley-state"
SYSTEM_NAMESPACES: Final = frozenset({"kube-system", "kube-node-lease"})
_OUR_NAMES: Final = {names.SIDECAR_CONTAINER, TOKEN_VOLUME, STATE_VOLUME}
_APP_ID_LABELS: Final = ("app.kubernetes.io/name", "app")
_MIRROR_ANNOTATION: Final = "kubernetes.io/config.mirror"


class SkipReason(StrEnum):
    """Why a pod gets no sidecar."""

    NOT_A_NEW_POD = "not_a_new_pod"
    SYSTEM_NAMESPACE = "system_namespace"
    ALREADY_INJECTED = "already_injected"
    NOT_OPTED_IN = "not_opted_in"
    EXPLICITLY_DISABLED = "explicitly_disabled"
    MIRROR_POD = "mirror_pod"
    BAD_ANNOTATION = "bad_annotation"
    APP_ID_MISSING = "app_id_missing"
    HOST_NETWORK = "host_network"
    WINDOWS = "windows"
    NAME_CONFLICT = "name_conflict"
    DAPR_SIDECAR = "dapr_sidecar"
    PORT_CONFLICT = "port_conflict"


SENTENCES: Final = {
    SkipReason.NOT_A_NEW_POD: "only pods that are being created get a sidecar",
    SkipReason.SYSTEM_NAMESPACE: "pods of the cluster's own namespaces, and of Parley's, are left alone",
    SkipReason.ALREADY_INJECTED: "the pod has its sidecar",
    SkipReason.NOT_OPTED_IN: "neither the pod nor its namespace asks for a sidecar",
    SkipReason.EXPLICITLY_DISABLED: f'the pod says {names.ENABLED_ANNOTATION}: "false"',
    SkipReason.MIRROR_POD: "a static pod's copy in the API must stay equal to what the kubelet runs",
    SkipReason.BAD_ANNOTATION: "an annotation cannot be read",
    SkipReason.APP_ID_MISSING: (
        f"the pod needs the annotation {names.APP_ID_ANNOTATION} or the label {' or '.join(_APP_ID_LABELS)}"
    ),
    SkipReason.HOST_NETWORK: "on the node's network the sidecar would answer every process of the node",
    SkipReason.WINDOWS: "the sidecar runs on Linux only",
    SkipReason.NAME_CONFLICT: (
        f"a container {names.SIDECAR_CONTAINER}, or a volume {TOKEN_VOLUME} or {STATE_VOLUME}, is in the pod already"
    ),
    SkipReason.DAPR_SIDECAR: (
        f"Dapr's sidecar has the ports; give ours others with {names.GROUP}/http-port and {names.GROUP}/grpc-port"
    ),
    SkipReason.PORT_CONFLICT: (
        "a container declares a port of the sidecar; give the sidecar another with "
        f"{names.GROUP}/http-port, {names.GROUP}/grpc-port or {names.GROUP}/metrics-port"
    ),
}

MISTAKES: Final = frozenset({SkipReason.BAD_ANNOTATION, SkipReason.APP_ID_MISSING})
"""What only the pod's owner can put right: `failed:` on the pod, or a denial if the failure policy is Fail."""
UNMARKED: Final = frozenset(
    {
        SkipReason.NOT_A_NEW_POD,
        SkipReason.SYSTEM_NAMESPACE,
        SkipReason.ALREADY_INJECTED,
        SkipReason.NOT_OPTED_IN,
        SkipReason.EXPLICITLY_DISABLED,
        SkipReason.MIRROR_POD,
    }
)
"""Reasons that are as the owner wants it, or where the pod must not be touched: no annotation, no warning."""


def resolve_app_id(pod: Pod, options: Options) -> str | None:
    """Return the application id: the annotation, else a label; None if there is neither."""
    labels = (pod.labels[label] for label in _APP_ID_LABELS if pod.labels.get(label))
    return options.app_id or next(labels, None)


def is_injected(pod: Pod) -> bool:
    """Say whether the pod has our sidecar in one form or the other, and whole: not merely a container of that name."""
    return pod.labels.get(names.INJECTED_LABEL) == "true" and _our_names(pod) == _OUR_NAMES


def is_system(namespace: str, release_namespace: str) -> bool:
    """Say whether a namespace is the cluster's own or Parley's: the last line of defence behind the selectors."""
    return namespace in SYSTEM_NAMESPACES | {release_namespace}


def _our_names(pod: Pod) -> set[str]:
    """Return which of our names are in the pod."""
    volumes = {volume.name for volume in pod.spec.volumes or ()}
    containers = {container.name for container in pod.containers()}
    return (volumes & {TOKEN_VOLUME, STATE_VOLUME}) | (containers & {names.SIDECAR_CONTAINER})


def _dapr_leaves_no_ports(pod: Pod, options: Options) -> bool:
    return has_dapr(pod) and (options.http_port is None or options.grpc_port is None)


RULES: Final[tuple[tuple[SkipReason, Callable[[Pod, Options], bool]], ...]] = (
    (SkipReason.ALREADY_INJECTED, lambda pod, _: is_injected(pod)),
    (SkipReason.NOT_OPTED_IN, lambda _, options: not options.asked),
    (SkipReason.EXPLICITLY_DISABLED, lambda _, options: not options.enabled),
    (SkipReason.MIRROR_POD, lambda pod, _: _MIRROR_ANNOTATION in pod.annotations),
    (SkipReason.BAD_ANNOTATION, lambda _, options: bool(options.problems)),
    (SkipReason.HOST_NETWORK, lambda pod, _: bool(pod.spec.host_network)),
    (SkipReason.WINDOWS, lambda pod, _: pod.spec.os is not None and pod.spec.os.name == "windows"),
    (SkipReason.NAME_CONFLICT, lambda pod, _: bool(_our_names(pod))),
    (SkipReason.APP_ID_MISSING, lambda pod, options: resolve_app_id(pod, options) is None),
    (SkipReason.DAPR_SIDECAR, _dapr_leaves_no_ports),
    (SkipReason.PORT_CONFLICT, lambda pod, options: choose_ports(pod, options) is None),
)
"""The first that applies is the reason: what the owner wants, then what is a mistake, then what cannot be."""


def why_skip(pod: Pod, options: Options) -> SkipReason | None:
    """Return why the pod gets no sidecar, or None if it gets one."""
    return next((reason for reason, applies in RULES if applies(pod, options)), None)


def explain(reason: SkipReason, options: Options) -> tuple[str, ...]:
    """Return the reason in words for the pod's owner: a sentence for each bad annotation, else one."""
    details = options.problems if reason is SkipReason.BAD_ANNOTATION else (SENTENCES[reason],)
    return tuple(f"Parley adds no sidecar: {detail}" for detail in details)
