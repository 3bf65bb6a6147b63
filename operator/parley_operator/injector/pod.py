"""What the injector reads of a pod: a view of the JSON, never written back.

The patch touches the JSON that the API server has, so fields that are unknown here are kept. A list or map is None
where the JSON has none, because a patch must create it first.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from parley_operator.injector.quantity import Quantity


class _View(msgspec.Struct, frozen=True, rename="camel"):
    """Fields that are not named are ignored."""


class Metadata(_View, frozen=True):
    """Who the pod is. A pod of a Deployment has no name yet, only its beginning."""

    name: str = ""
    generate_name: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class Port(_View, frozen=True):
    """A port that a container declares."""

    container_port: int = 0
    protocol: str | None = None


class Variable(_View, frozen=True):
    """An environment variable's name; its value is nobody's business here."""

    name: str = ""


class Resources(_View, frozen=True):
    """A container's, or the whole pod's, requests and limits."""

    requests: dict[str, Quantity] | None = None
    limits: dict[str, Quantity] | None = None


class Container(_View, frozen=True):
    """An application container or an init container."""

    name: str = ""
    restart_policy: str | None = None
    env: list[Variable] | None = None
    env_from: list[Any] | None = None
    """Where more variables come from; which, only the kubelet learns."""
    ports: list[Port] | None = None
    resources: Resources | None = None

    @property
    def is_native(self) -> bool:
        """Say whether it runs beside the application although it is an init container."""
        return self.restart_policy == "Always"


class Volume(_View, frozen=True):
    """A volume's name."""

    name: str = ""


class OperatingSystem(_View, frozen=True):
    """What the pod's nodes run: linux or windows."""

    name: str = ""


class Spec(_View, frozen=True):
    """What the pod runs."""

    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    volumes: list[Volume] | None = None
    resources: Resources | None = None
    """A budget for the pod as a whole; most pods have none."""
    host_network: bool | None = None
    restart_policy: str | None = None
    os: OperatingSystem | None = None
    termination_grace_period_seconds: int | None = None


class Pod(_View, frozen=True):
    """The pod under review."""

    metadata: Metadata
    spec: Spec

    @property
    def labels(self) -> dict[str, str]:
        """Return its labels, none if it has none."""
        return self.metadata.labels or {}

    @property
    def annotations(self) -> dict[str, str]:
        """Return its annotations, none if it has none."""
        return self.metadata.annotations or {}

    @property
    def title(self) -> str:
        """Return what to call it in a log: its name, or the beginning of it."""
        return self.metadata.name or self.metadata.generate_name

    def containers(self) -> Iterator[Container]:
        """Yield the application containers, then the init containers."""
        yield from self.spec.containers or ()
        yield from self.spec.init_containers or ()
