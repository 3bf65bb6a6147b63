"""What a pod may ask for: one table of annotations, and the options it makes of a pod's.

The table is the whole truth: docs/annotations.md shows it (a test compares), and nothing else reads these annotations.
A bad value is a problem, a sentence that names the annotation and the expected form. It never repeats the value, which
may be a secret in the wrong place.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from parley_crds import names
from parley_operator.injector import values
from parley_operator.injector.quantity import amount
from parley_operator.injector.values import Form

_PREFIX: Final = f"{names.GROUP}/"


@dataclass(frozen=True, slots=True)
class Options:
    """What one pod asks for. None: it does not say, and the injector's settings decide."""

    asked: bool
    """Whether the pod or its namespace opted in, with a good value or a bad one."""
    enabled: bool = True
    app_id: str | None = None
    api_token_secret: str | None = None
    log_level: str | None = None
    precise_statuses: bool = False
    drain_s: int | None = None
    http_port: int | None = None
    grpc_port: int | None = None
    metrics_port: int | None = None
    cpu_request: str | None = None
    cpu_limit: str | None = None
    memory_request: str | None = None
    memory_limit: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    """What is wrong with the annotations, a sentence each; the options that they name are at their defaults."""
    unknown: tuple[str, ...] = ()
    """Annotations of our group that mean nothing, such as misspelt ones."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """One row: how a pod spells an option, and what it may say."""

    key: str
    """Its name after `parley.dev/`."""
    option: str
    """The field of `Options` that it sets."""
    form: Form
    default: str
    about: str

    @property
    def name(self) -> str:
        """Return the annotation's whole name."""
        return f"{_PREFIX}{self.key}"


TABLE: Final = (
    Annotation(
        "enabled", "enabled", values.SWITCH, "false, or as the namespace says",
        "Whether the pod gets a sidecar; `false` wins over the namespace's label.",
    ),
    Annotation(
        "app-id", "app_id", values.APP_ID, "the label `app.kubernetes.io/name`, else `app`",
        "The application id: which components the pod may use (`scopes`), and whose cache it shares.",
    ),
    Annotation(
        "api-token-secret", "api_token_secret", values.SECRET, "no token",
        "A Secret whose key `token` callers must send; the application gets it as `DAPR_API_TOKEN`.",
    ),
    Annotation(
        "log-level", "log_level", values.LOG_LEVEL, "info, unless the chart says otherwise",
        "How much the sidecar logs.",
    ),
    Annotation(
        "precise-statuses", "precise_statuses", values.SWITCH, "false",
        "Whether errors of the Dapr routes have the statuses 429, 502 and 504 instead of Dapr's 500.",
    ),
    Annotation(
        "drain-seconds", "drain_s", values.SECONDS, "10, unless the chart says otherwise",
        "How long the sidecar goes on serving after SIGTERM; keep it below the pod's grace period.",
    ),
    Annotation(
        "http-port", "http_port", values.PORT, str(names.HTTP_PORT),
        "The converse API's port, on loopback; the application gets it as `DAPR_HTTP_PORT`.",
    ),
    Annotation(
        "grpc-port", "grpc_port", values.PORT, str(names.GRPC_PORT),
        "The gRPC API's port, on loopback; the application gets it as `DAPR_GRPC_PORT`.",
    ),
    Annotation(
        "metrics-port", "metrics_port", values.PORT, f"{names.METRICS_PORT}, or the next that no container declares",
        "The port of health, probes and metrics, on all interfaces.",
    ),
    Annotation(
        "cpu-request", "cpu_request", values.CPU, "50m, unless the chart says otherwise",
        "CPU that the sidecar requests, in cores.",
    ),
    Annotation(
        "cpu-limit", "cpu_limit", values.CPU, "none, but 500m where all containers of the pod have one",
        "CPU that the sidecar may use, in cores.",
    ),
    Annotation(
        "memory-request", "memory_request", values.MEMORY, "96Mi, unless the chart says otherwise",
        "Memory that the sidecar requests.",
    ),
    Annotation(
        "memory-limit", "memory_limit", values.MEMORY, "256Mi, unless the chart says otherwise",
        "Memory that the sidecar may use.",
    ),
    Annotation(
        "env", "environment", values.ENVIRONMENT, "none",
        "Variables of the sidecar's own environment, such as those that a component's `envRef` names.",
    ),
)  # fmt: skip

_KNOWN: Final = {row.name for row in TABLE} | {names.INJECTION_ANNOTATION, names.RESOLVED_APP_ID_ANNOTATION}


def read_options(annotations: Mapping[str, str], *, by_namespace: bool = False) -> Options:
    """Return what a pod asks for; `by_namespace` says that its namespace opted in for it."""
    read, problems = _read(annotations)
    options = Options(
        asked=by_namespace or names.ENABLED_ANNOTATION in annotations,
        problems=problems,
        unknown=tuple(sorted(key for key in annotations if key.startswith(_PREFIX) and key not in _KNOWN)),
        **read,
    )
    return options if problems else replace(options, problems=tuple(_contradictions(options)))


def _read(annotations: Mapping[str, str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    read: dict[str, object] = {}
    problems = []
    for row in (row for row in TABLE if row.name in annotations):
        try:
            read[row.option] = row.form.read(annotations[row.name])
        except ValueError:
            problems.append(f"the annotation {row.name} must be {row.form.words.replace('`', '')}")
    return read, tuple(problems)


def _contradictions(options: Options) -> Iterator[str]:
    """Yield what is wrong between annotations that are each good."""
    ports = (options.http_port or names.HTTP_PORT, options.grpc_port or names.GRPC_PORT, options.metrics_port)
    given = [port for port in ports if port]
    if len(set(given)) != len(given):
        yield f"the annotations {_PREFIX}http-port, {_PREFIX}grpc-port and {_PREFIX}metrics-port must differ"
    for kind, request, limit in (
        ("cpu", options.cpu_request, options.cpu_limit),
        ("memory", options.memory_request, options.memory_limit),
    ):
        if request and limit and amount(request) > amount(limit):
            yield f"the annotation {_PREFIX}{kind}-request must not be above {_PREFIX}{kind}-limit"
