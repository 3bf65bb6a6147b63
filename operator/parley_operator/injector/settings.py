"""The injector's settings: one JSON file that the chart mounts, read once at start.

Field names in the file are the camelCase forms of those below. An unknown one is told and passed over: in the middle
of an upgrade a pod of the last version may start with the file of the next.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from parley_crds import names
from parley_operator.injector.quantity import amount

FILE_VARIABLE: Final = "PARLEY_INJECTOR_SETTINGS"
DEFAULT_FILE: Final = "/etc/parley/injector.json"

USER_ID: Final = 65532
"""The sidecar's user and group, as its image says: a pod that runs as root would override that. Source: distroless."""

LogLevel = Literal["debug", "info", "warning", "error"]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Id = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=3600)]
Text = Annotated[str, msgspec.Meta(min_length=1)]
Url = Annotated[str, msgspec.Meta(pattern=r"^(https|wss)://[^\s/]+$")]


class SettingsError(ValueError):
    """The settings file cannot be used; the sentence names the file and the field."""


class Resources(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a sidecar requests and may use, unless its pod's annotations say otherwise: cpu, memory."""

    requests: Mapping[str, str] = msgspec.field(default_factory=lambda: {"cpu": "50m", "memory": "96Mi"})
    limits: Mapping[str, str] = msgspec.field(default_factory=lambda: {"memory": "256Mi"})
    """No CPU limit unless the pod needs one: throttling costs latency and protects nobody."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How sidecars are made, and how the injector itself serves."""

    image: Text
    """The sidecar's image, with its tag or digest."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    sidecar_native: bool = True
    """Whether sidecars are native ones unless their pod's annotation says otherwise."""
    sidecar_revision: Annotated[str, msgspec.Meta(max_length=63)] = ""
    """Of the image and the settings of sidecars together: stamped on pods, so that the operator finds outdated ones."""
    operator_url: Url
    """Where sidecars find the operator, without a path: https://parley-operator.parley-system.svc:443."""
    resources: Resources = msgspec.field(default_factory=Resources)
    cpu_limit_when_required: str = "500m"
    """A sidecar's CPU limit in pods whose containers all have one: a ResourceQuota may demand it, Guaranteed does."""
    run_as_user: Id | None = USER_ID
    """None leaves the choice to the cluster (OpenShift assigns ids)."""
    run_as_group: Id | None = USER_ID
    sidecar_log_level: LogLevel = "info"
    sidecar_drain_seconds: Seconds = 10
    failure_policy: Literal["Ignore", "Fail"] = "Ignore"
    """As in the webhook configuration: whether a pod with a mistake is admitted without a sidecar, or denied."""

    log_level: LogLevel = "info"
    """Of the injector itself."""
    release_namespace: str = ""
    """Where Parley itself runs: no pod there gets a sidecar, whatever the webhook's selectors let through."""
    host: str = ""
    """The address that both servers listen on; empty: all of them."""
    port: Port = 8443
    metrics_port: Port = names.METRICS_PORT
    tls_directory: str = "/etc/parley/tls"
    """Holds tls.crt, tls.key and ca.crt; followed while running."""
    trust_anchors: str = ""
    """PEM of the authorities a sidecar trusts; taken from ca.crt in `tls_directory`, not from the file."""
    drain_seconds: Seconds = 10
    """How long it goes on serving after SIGTERM while the cluster takes it out of its Service."""
    max_in_flight: Annotated[int, msgspec.Meta(ge=1)] = 64
    """More reviews at once are told to come back; as many of the largest bodies fit into 256 MiB."""


def load(file: Path) -> Settings:
    """Read the settings file.

    Raises:
        SettingsError: when it cannot be read, or a field is missing or malformed.
    """
    try:
        settings = msgspec.json.decode(file.read_bytes(), type=Settings)
        _check_quantities(settings)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file}: {error}") from error
    return settings


def unknown_fields(file: Path) -> tuple[str, ...]:
    """Return the fields of a settings file that can be read which mean nothing here."""
    known = {field.encode_name for field in msgspec.structs.fields(Settings)}
    return tuple(sorted(msgspec.json.decode(file.read_bytes(), type=dict[str, Any]).keys() - known))


def file_from(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the settings file is: PARLEY_INJECTOR_SETTINGS, else where the chart mounts it."""
    return Path(environment.get(FILE_VARIABLE) or DEFAULT_FILE)


def shown(settings: Settings) -> dict[str, Any]:
    """Return the settings as a log line shows them at start; none of them is secret, the anchors are long."""
    return {name: value for name, value in msgspec.to_builtins(settings).items() if name != "trustAnchors"}


def _check_quantities(settings: Settings) -> None:
    resources = settings.resources
    for name, quantity in (*resources.requests.items(), *resources.limits.items()):
        _check_quantity(f"resources.{name}", quantity)
    _check_quantity("cpuLimitWhenRequired", settings.cpu_limit_when_required)


def _check_quantity(field: str, quantity: str) -> None:
    try:
        amount(quantity)
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from error
