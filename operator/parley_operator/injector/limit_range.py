"""What a LimitRange of the pod's namespace lets a container have, as far as the pod itself tells.

The injector reads nothing but the pod. But before it is asked, the API server has given each container without
resources the LimitRange's defaults, and written on the pod which. What lies between such a default request and default
limit is within the LimitRange's minimum, maximum and ratio, because both ends are; a sidecar outside would have the
pod refused.

Source: Kubernetes, plugin/pkg/admission/limitranger.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from parley_operator.injector.pod import Pod, Resources
from parley_operator.injector.quantity import Quantity, amount

_ANNOTATION: Final = "kubernetes.io/limit-ranger"
_PREFIX: Final = "LimitRanger plugin set: "
_ENTRY: Final = re.compile(r"(.+) (request|limit) for (?:init )?container (.+)")


@dataclass(frozen=True, slots=True)
class Span:
    """Between which amounts of one kind a container is surely allowed; None: nothing is known."""

    least: Quantity | None = None
    most: Quantity | None = None

    def nearest(self, wanted: Quantity | None) -> Quantity | None:
        """Return the amount nearest to `wanted` that is surely allowed; None wants nothing and stays."""
        if wanted is None:
            return None
        if self.least is not None and amount(wanted) < amount(self.least):
            return self.least
        if self.most is not None and amount(wanted) > amount(self.most):
            return self.most
        return wanted


def default_span(pod: Pod, kind: str) -> Span:
    """Return what is known about one kind, cpu or memory."""
    return Span(next(_defaults(pod, kind, "request"), None), next(_defaults(pod, kind, "limit"), None))


def _defaults(pod: Pod, kind: str, end: Literal["request", "limit"]) -> Iterator[Quantity]:
    """Yield the requests or limits of one kind that are defaults."""
    resources = {container.name: container.resources or Resources() for container in pod.containers()}
    for entry in pod.annotations.get(_ANNOTATION, "").removeprefix(_PREFIX).split("; "):
        told = _ENTRY.fullmatch(entry)
        if told and told[2] == end and kind in told[1].split(", ") and told[3] in resources:
            found = resources[told[3]]
            given = (found.requests if end == "request" else found.limits) or {}
            if kind in given:
                yield given[kind]
