"""The sidecar as it stands in a pod: its container and its volumes.

It passes Pod Security "restricted" as it is. Its service account directory holds our own token alone: without a mount
there, the API server would add its own, give the sidecar a token for the API and call the webhook again.
"""

from collections.abc import Mapping
from typing import Any, Final

from parley_crds import names
from parley_operator.injector.eligibility import STATE_VOLUME, TOKEN_VOLUME
from parley_operator.injector.options import Options
from parley_operator.injector.ports import Ports
from parley_operator.injector.quantity import Quantity
from parley_operator.injector.settings import Settings

TOKEN_DIRECTORY: Final = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a directory
OPENAI_URL_VARIABLE: Final = "OPENAI_BASE_URL"
OPENAI_KEY_VARIABLE: Final = "OPENAI_API_KEY"
STATE_DIRECTORY: Final = "/var/run/parley"
API_TOKEN_KEY: Final = "token"  # noqa: S105 - a key's name, as Dapr's
SECOND_API_TOKEN_KEY: Final = "second-token"  # noqa: S105 - as above
METRICS_PORT_NAME: Final = "parley-metrics"

_TOKEN_LIFETIME_S: Final = 3600
_STATE_SIZE: Final = "4Mi"
_STARTUP_S: Final = 120
"""A node that cannot start the sidecar in two minutes restarts it, and the pod shows why."""
_ANY_KEY: Final = "none"
"""What OpenAI's SDKs need to start; a sidecar without an API token takes any."""

_NATIVE: Final = {"restartPolicy": "Always"}

Resources = Mapping[str, Mapping[str, Quantity]]


def container(app_id: str, ports: Ports, resources: Resources, options: Options, settings: Settings) -> dict[str, Any]:
    """Return the sidecar: an init container, or else a container; either comes first in its list."""
    return {
        "name": names.SIDECAR_CONTAINER,
        "image": options.image or settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "args": ["run"],
        **(_NATIVE if is_native(options, settings) else _holding_others_up(options)),
        "env": _environment(app_id, ports, options, settings),
        "ports": [{"name": METRICS_PORT_NAME, "containerPort": ports.metrics, "protocol": "TCP"}],
        **_probes(ports.metrics, options),
        "resources": resources,
        "securityContext": _security(settings),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": TOKEN_VOLUME, "mountPath": TOKEN_DIRECTORY, "readOnly": True},
            {"name": STATE_VOLUME, "mountPath": STATE_DIRECTORY},
        ],
    }


def volumes() -> list[dict[str, Any]]:
    """Return what the sidecar alone mounts: its token for the operator, and memory for the last known good."""
    token = {"audience": names.STREAM_AUDIENCE, "expirationSeconds": _TOKEN_LIFETIME_S, "path": "token"}
    return [
        {"name": TOKEN_VOLUME, "projected": {"sources": [{"serviceAccountToken": token}]}},
        {"name": STATE_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": _STATE_SIZE}},
    ]


def is_native(options: Options, settings: Settings) -> bool:
    """Say whether the sidecar is a native one: it then starts first, ends last and keeps no Job from ending."""
    return settings.sidecar_native if options.native is None else options.native


def application_environment(ports: Ports, options: Options) -> list[dict[str, Any]]:
    """Return what a Dapr SDK in the application reads."""
    grpc = [{"name": names.GRPC_PORT_VARIABLE, "value": str(ports.grpc)}] if ports.grpc else []
    return [{"name": names.HTTP_PORT_VARIABLE, "value": str(ports.http)}, *grpc, *_api_token(options)]


def openai_environment(ports: Ports, options: Options) -> list[dict[str, Any]]:
    """Return what an OpenAI SDK in the application reads, if the pod asks for it."""
    if not options.openai_environment:
        return []
    key = [{**variable, "name": OPENAI_KEY_VARIABLE} for variable in _api_token(options)]
    return [
        {"name": OPENAI_URL_VARIABLE, "value": f"http://127.0.0.1:{ports.http}/v1"},
        *(key or [{"name": OPENAI_KEY_VARIABLE, "value": _ANY_KEY}]),
    ]


def _holding_others_up(options: Options) -> dict[str, Any]:
    """Return how a plain container starts before others: the kubelet starts the next one when the hook has ended."""
    command = ["parley", "wait", "--seconds", str(options.startup_s or _STARTUP_S)]
    return {"lifecycle": {"postStart": {"exec": {"command": command}}}}


def _environment(app_id: str, ports: Ports, options: Options, settings: Settings) -> list[dict[str, Any]]:
    plain = {
        "PARLEY_OPERATOR_URL": settings.operator_url,
        "PARLEY_TOKEN_FILE": f"{TOKEN_DIRECTORY}/token",
        "PARLEY_TRUST_ANCHORS": settings.trust_anchors,
        "PARLEY_LAST_GOOD_FILE": f"{STATE_DIRECTORY}/last-good.json",
        "PARLEY_APP_ID": app_id,
        "PARLEY_HTTP_PORT": str(ports.http),
        "PARLEY_GRPC_PORT": str(ports.grpc),
        "PARLEY_METRICS_PORT": str(ports.metrics),
        "PARLEY_LOG_LEVEL": options.log_level or settings.sidecar_log_level,
        "PARLEY_PRECISE_STATUSES": str(options.precise_statuses).lower(),
        "PARLEY_DRAIN_SECONDS": str(settings.sidecar_drain_seconds if options.drain_s is None else options.drain_s),
        **options.environment,
    }
    return [
        _from_field("PARLEY_NAMESPACE", "metadata.namespace"),
        _from_field("PARLEY_POD_NAME", "metadata.name"),
        *({"name": name, "value": value} for name, value in plain.items()),
        *_api_token(options),
        *_second_api_token(options),
    ]


def _from_field(name: str, path: str) -> dict[str, Any]:
    """Return a variable that the kubelet fills: a pod of a Deployment has no name at admission."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _api_token(options: Options) -> list[dict[str, Any]]:
    if options.api_token_secret is None:
        return []
    key = {"name": options.api_token_secret, "key": API_TOKEN_KEY}
    return [{"name": names.API_TOKEN_VARIABLE, "valueFrom": {"secretKeyRef": key}}]


def _second_api_token(options: Options) -> list[dict[str, Any]]:
    """Return the token that is valid too, if the Secret has one: pods of either token work while they are rolled."""
    if options.api_token_secret is None:
        return []
    key = {"name": options.api_token_secret, "key": SECOND_API_TOKEN_KEY, "optional": True}
    return [{"name": names.SECOND_API_TOKEN_VARIABLE, "valueFrom": {"secretKeyRef": key}}]


def _probes(port: int, options: Options) -> dict[str, Any]:
    """Return the probes; none of them depends on the operator, Redis or a provider."""
    alive, ready = ({"httpGet": {"path": path, "port": port}} for path in ("/healthz", "/readyz"))
    asked = {
        "periodSeconds": options.probe_period_s,
        "timeoutSeconds": options.probe_timeout_s,
        "failureThreshold": options.probe_failures,
    }
    given = {name: number for name, number in asked.items() if number is not None}
    starts = {"periodSeconds": 1, "timeoutSeconds": options.probe_timeout_s or 3}
    return {
        "startupProbe": {**alive, **starts, "failureThreshold": options.startup_s or _STARTUP_S},
        "readinessProbe": {**ready, "periodSeconds": 5, "timeoutSeconds": 3, "failureThreshold": 3, **given},
        "livenessProbe": {**alive, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6, **given},
    }


def _security(settings: Settings) -> dict[str, Any]:
    """Return what Pod Security "restricted" wants; the ids, because a pod that runs as root would hand its own down."""
    ids = {"runAsUser": settings.run_as_user, "runAsGroup": settings.run_as_group}
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        **{name: number for name, number in ids.items() if number is not None},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
