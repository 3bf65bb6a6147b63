"""Every name that operator, injector, sidecar and chart must spell alike.

Used by both halves; the chart's golden test compares its copies with these.
"""

from typing import Final

GROUP: Final = "parley.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "ConversationComponent"
PLURAL: Final = "conversationcomponents"
SHORT_NAME: Final = "conv"

DAPR_API_VERSION: Final = "dapr.io/v1alpha1"
DAPR_KIND: Final = "Component"
TYPE_PREFIX: Final = "conversation."

# What a pod says, and what the injector writes on it.
ENABLED_ANNOTATION: Final = f"{GROUP}/enabled"
APP_ID_ANNOTATION: Final = f"{GROUP}/app-id"
INJECTION_ANNOTATION: Final = f"{GROUP}/injection"
"""`failed:<reason>` or `skipped:<reason>` on an opted-in pod that got no sidecar."""
RESOLVED_APP_ID_ANNOTATION: Final = f"{GROUP}/resolved-app-id"
"""The application id as the injector resolved it; the operator authorises by it."""
REVISION_ANNOTATION: Final = f"{GROUP}/sidecar-revision"
"""Which image and settings a pod's sidecar was made with; the operator compares it with the current one."""
RESTARTED_ANNOTATION: Final = f"{GROUP}/restarted-at"
"""On a pod template: when the operator restarted its pods for the sake of an outdated sidecar."""
INJECTED_LABEL: Final = f"{GROUP}/injected"
INJECT_NAMESPACE_LABEL: Final = f"{GROUP}/inject"
"""On a namespace, with the value `enabled`: its pods opt in unless they say "false"."""

SIDECAR_CONTAINER: Final = "parley"
HTTP_PORT: Final = 3500
"""The converse API, on loopback. Source: Dapr's default."""
GRPC_PORT: Final = 50001
"""Dapr's gRPC API, on loopback. Source: Dapr's default."""
METRICS_PORT: Final = 9464
"""Health, probes and metrics, on all interfaces. Source: OpenTelemetry's Prometheus exporter."""

STREAM_PATH: Final = "/v1/components"
SIDECARS_PATH: Final = "/v1/sidecars"
PODS_PATH: Final = "/v1/pods"
STREAM_AUDIENCE: Final = "parley-operator"
PEER_AUDIENCE: Final = "parley-peer"

CONVERSE_ALPHA1: Final = "/v1.0-alpha1/conversation/{name}/converse"
CONVERSE_ALPHA2: Final = "/v1.0-alpha2/conversation/{name}/converse"
ROOM: Final = "/v1.0-alpha1/conversation/{name}/contexts/{id}"
"""A chat room: to be read and erased."""
CACHE_PURGE: Final = "/v1.0-alpha1/conversation/{name}/cache/purge"

API_TOKEN_HEADER: Final = "dapr-api-token"  # noqa: S105 - a header's name
API_TOKEN_VARIABLE: Final = "DAPR_API_TOKEN"  # noqa: S105 - a variable's name
SECOND_API_TOKEN_VARIABLE: Final = "PARLEY_SECOND_API_TOKEN"  # noqa: S105 - as above
HTTP_PORT_VARIABLE: Final = "DAPR_HTTP_PORT"
GRPC_PORT_VARIABLE: Final = "DAPR_GRPC_PORT"

RESERVED_VARIABLES: Final = ("APP_API_TOKEN", "DAPR_", "PARLEY_")
"""Prefixes of environment variables that a component's envRef may not read. Source: Dapr's envRef rules, and ours."""
