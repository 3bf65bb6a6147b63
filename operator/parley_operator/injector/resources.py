"""What the sidecar requests and may use in one pod.

| the pod                                  | CPU limit                 | requests                |
|------------------------------------------|---------------------------|-------------------------|
| as usual                                 | none                      | small                   |
| every application container has a limit  | one, as a quota demands   | small                   |
| is Guaranteed                            | one                       | equal to the limits     |
| has a budget of its own (spec.resources) | only what annotations say | only what annotations say |

Annotations win over all of it; a default never contradicts them, nor what a LimitRange gave the pod's containers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from parley_operator.injector.limit_range import default_span
from parley_operator.injector.options import Options
from parley_operator.injector.pod import Container, Pod
from parley_operator.injector.quantity import Quantity, amount
from parley_operator.injector.settings import Settings

_KINDS: Final = ("cpu", "memory")


@dataclass(frozen=True, slots=True)
class _Share:
    """One kind's request and limit."""

    request: Quantity | None
    limit: Quantity | None


def sidecar_resources(pod: Pod, options: Options, settings: Settings) -> dict[str, dict[str, Quantity]]:
    """Return the sidecar's `resources`."""
    asked = {
        "cpu": _Share(options.cpu_request, options.cpu_limit),
        "memory": _Share(options.memory_request, options.memory_limit),
    }
    shares = asked if pod.spec.resources else {kind: _fill(asked[kind], kind, pod, settings) for kind in _KINDS}
    requests = {kind: share.request for kind, share in shares.items() if share.request is not None}
    limits = {kind: share.limit for kind, share in shares.items() if share.limit is not None}
    return {name: share for name, share in (("requests", requests), ("limits", limits)) if share}


def _fill(asked: _Share, kind: str, pod: Pod, settings: Settings) -> _Share:
    """Complete what the annotations say about one kind with the defaults, which give way to them."""
    span = default_span(pod, kind)
    limit = asked.limit or span.nearest(settings.resources.limits.get(kind) or _required_limit(kind, pod, settings))
    request = asked.request or span.nearest(settings.resources.requests.get(kind))
    if _is_guaranteed(pod) and not (asked.request and asked.limit):
        equal = asked.limit or asked.request or limit or request
        return _Share(equal, equal)
    if limit is None or request is None or amount(request) <= amount(limit):
        return _Share(request, limit)
    return _Share(limit, limit) if asked.limit else _Share(request, request)


def _required_limit(kind: str, pod: Pod, settings: Settings) -> str | None:
    limited = all(kind in _limits(container) for container in pod.spec.containers or ())
    return settings.cpu_limit_when_required if kind == "cpu" and limited else None


def _is_guaranteed(pod: Pod) -> bool:
    """Say whether the pod was Guaranteed before us. Source: the API server's rule for a pod's quality of service."""
    return all(_is_fixed(container, kind) for container in pod.containers() for kind in _KINDS)


def _is_fixed(container: Container, kind: str) -> bool:
    limit = _limits(container).get(kind)
    request = _requests(container).get(kind, limit)
    return limit is not None and request is not None and amount(limit) == amount(request)


def _limits(container: Container) -> Mapping[str, Quantity]:
    return (container.resources and container.resources.limits) or {}


def _requests(container: Container) -> Mapping[str, Quantity]:
    return (container.resources and container.resources.requests) or {}
