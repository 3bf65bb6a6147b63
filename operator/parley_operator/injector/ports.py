"""Which ports the sidecar gets in one pod: all containers of a pod share one set."""

from dataclasses import dataclass
from itertools import count
from typing import Final

from parley_crds import names
from parley_operator.injector.options import Options
from parley_operator.injector.pod import Pod

DAPR_CONTAINER: Final = "daprd"
_DAPR_ENABLED: Final = "dapr.io/enabled"
_TRUE_TO_DAPR: Final = frozenset({"1", "on", "t", "true", "y", "yes"})
"""Source: Dapr's kit, utils.IsTruthy."""
_DAPR_PORTS: Final = frozenset({3500, 3501, 9090, 50001, 50002})
"""Source: Dapr's defaults: API, public API, metrics, gRPC, internal gRPC."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The sidecar's ports: `http` and `grpc` on loopback, `metrics` (health and probes too) on all interfaces.

    `grpc` is 0 where there is no gRPC.
    """

    http: int
    grpc: int
    metrics: int


def choose_ports(pod: Pod, options: Options) -> Ports | None:
    """Return the sidecar's ports, or None if one that cannot move is taken by a container of the pod.

    Only the default metrics port moves by itself: nobody has it in the application's code.
    """
    taken = _taken(pod)
    http = options.http_port or names.HTTP_PORT
    grpc = names.GRPC_PORT if options.grpc_port is None else options.grpc_port
    if not taken.isdisjoint({http, grpc, options.metrics_port} - {0}):
        return None
    return Ports(http, grpc, options.metrics_port or _free(taken | {http, grpc}))


def has_dapr(pod: Pod) -> bool:
    """Say whether Dapr's sidecar is in the pod, or is to come."""
    enabled = pod.annotations.get(_DAPR_ENABLED, "").lower() in _TRUE_TO_DAPR
    return enabled or any(container.name == DAPR_CONTAINER for container in pod.containers())


def _taken(pod: Pod) -> frozenset[int]:
    declared = (port for container in pod.containers() for port in container.ports or ())
    ports = frozenset(port.container_port for port in declared if port.protocol in {None, "TCP"})
    return ports | _DAPR_PORTS if has_dapr(pod) else ports


def _free(taken: frozenset[int]) -> int:
    return next(port for port in count(names.METRICS_PORT) if port not in taken)
