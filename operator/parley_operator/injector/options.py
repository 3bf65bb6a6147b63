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
    native: bool | None = None
    """Whether the sidecar is a native one, or else a plain container."""
    image: str | None = None
    api_token_secret: str | None = None
    log_level: str | None = None
    precise_statuses: bool = False
    openai_environment: bool = False
    drain_s: int | None = None
    http_port: int | None = None
    grpc_port: int | None = None
    """0: no gRPC."""
    metrics_port: int | None = None
    startup_s: int | None = None
    probe_period_s: int | None = None
    probe_timeout_s: int | None = None
    probe_failures: int | None = None
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
        "native-sidecar", "native", values.SWITCH, "true, unless the chart says otherwise",
        "`true`: a native sidecar, which starts before the init containers and ends after the application. `false`: a "
        "plain container, for clusters whose other parts cannot deal with native ones.",
    ),
    Annotation(
        "image", "image", values.IMAGE, "the chart's",
        "The sidecar's image, to try another version in one place.",
    ),
    Annotation(
        "openai-env", "openai_environment", values.SWITCH, "false",
        "Whether application containers get `OPENAI_BASE_URL` and `OPENAI_API_KEY` too, so that OpenAI's SDKs find "
        "the sidecar.",
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
        "grpc-port", "grpc_port", values.PORT_OR_NONE, str(names.GRPC_PORT),
        "The gRPC API's port, on loopback; the application gets it as `DAPR_GRPC_PORT`. `0` turns gRPC off.",
    ),
    Annotation(
        "metrics-port", "metrics_port", values.PORT, f"{names.METRICS_PORT}, or the next that no container declares",
        "The port of health, probes and metrics, on all interfaces.",
    ),
    Annotation(
        "startup-seconds", "startup_s", values.START, "120",
        "How long the sidecar may take to start before it is restarted.",
    ),
    Annotation(
        "probe-period-seconds", "probe_period_s", values.PROBE_PERIOD, "5 for readiness, 10 for liveness",
        "How often the kubelet asks the sidecar how it is.",
    ),
    Annotation(
        "probe-timeout-seconds", "probe_timeout_s", values.PROBE_TIMEOUT, "3, but 5 for liveness",
        "How long the kubelet waits for its answer.",
    ),
    Annotation(
        "probe-failures", "probe_failures", values.PROBE_FAILURES, "3 for readiness, 6 for liveness",
        "How many failures in a row make the sidecar unready, or restart it.",
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

_KNOWN: Final = {row.name for row in TABLE} | {
    names.INJECTION_ANNOTATION,
    names.RESOLVED_APP_ID_ANNOTATION,
    names.REVISION_ANNOTATION,
    names.RESTARTED_ANNOTATION,
}


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
    grpc_port = names.GRPC_PORT if options.grpc_port is None else options.grpc_port
    given = [port for port in (options.http_port or names.HTTP_PORT, grpc_port, options.metrics_port) if port]
    if len(set(given)) != len(given):
        yield f"the annotations {_PREFIX}http-port, {_PREFIX}grpc-port and {_PREFIX}metrics-port must differ"
    for kind, request, limit in (
        ("cpu", options.cpu_request, options.cpu_limit),
        ("memory", options.memory_request, options.memory_limit),
    ):
        if request and limit and amount(request) > amount(limit):
            yield f"the annotation {_PREFIX}{kind}-request must not be above {_PREFIX}{kind}-limit"
