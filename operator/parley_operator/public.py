"""What the operator shows on plain HTTP: its health for the kubelet, its metrics for Prometheus."""

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from parley_crds import names
from parley_operator.health import verdicts
from parley_operator.metrics import ALONE, Gauge
from parley_operator.pods.tallies import Tallies

if TYPE_CHECKING:
    from parley_operator.operate import Operator


def create_public_app(operator: "Operator") -> Starlette:
    """Return health and metrics, on plain HTTP: for the kubelet and for Prometheus."""

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def livez(_: Request) -> Response:
        complaints = verdicts(operator.judges)
        return PlainTextResponse("\n".join(complaints) + "\n", 503) if complaints else PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        return PlainTextResponse("ok\n") if operator.is_ready else PlainTextResponse("not ready\n", 503)

    async def metrics(_: Request) -> Response:
        return Response(
            await asyncio.to_thread(generate_latest, operator.metrics.registry), media_type=CONTENT_TYPE_LATEST
        )

    pages = {"/healthz": healthz, "/livez": livez, "/readyz": readyz, "/metrics": metrics}
    return Starlette(routes=[Route(path, page) for path, page in pages.items()])


def gauges(operator: "Operator") -> Iterator[Gauge]:
    """Return what is read from live objects at each scrape."""
    yield from _work_gauges(operator)
    yield from _health_gauges(operator)
    yield from _stream_gauges(operator)
    yield from pod_gauges(operator.pods.tallies)


def _work_gauges(operator: "Operator") -> Iterator[Gauge]:
    """Return what tells of components, and of who works on them."""
    yield Gauge(
        "parley_operator_components",
        "Components by state (ready, failed) and kind (ConversationComponent, or Dapr's Component).",
        lambda: _components(operator),
        ("state", "kind"),
    )
    yield _alone("parley_operator_leader", "1 while this replica holds the Lease.", lambda: operator.leadership.is_held)
    yield _alone("parley_operator_synced", "1 once all components are known.", lambda: operator.published.synced)
    yield _alone("parley_operator_watching", "1 while changes are watched.", lambda: operator.watchers[0].is_watching)
    yield _alone("parley_operator_queue_depth", "Components that wait to be reconciled.", lambda: operator.queue.depth)


def _health_gauges(operator: "Operator") -> Iterator[Gauge]:
    """Return what the process judges itself by."""
    yield _alone(
        "parley_operator_loop_lag_seconds",
        "How late the event loop was, at most, in the last minute.",
        operator.lag.worst_s,
    )
    yield _alone(
        "parley_operator_watch_age_seconds",
        "Time since a watch was last answered, or told of a change: 30 s at most when all is well.",
        operator.watch_age_s,
    )
    yield _alone(
        "parley_operator_queue_age_seconds", "How long the oldest component has been due.", operator.queue.age_s
    )
    yield _alone(
        "parley_operator_lease_age_seconds",
        "Time since this replica last read or renewed the Lease.",
        operator.leadership.pulse.age_s,
    )


def _stream_gauges(operator: "Operator") -> Iterator[Gauge]:
    """Return what tells of sidecars, and of the certificate that they meet."""
    yield _alone("parley_operator_sidecars", "Sidecars connected to this replica.", lambda: len(operator.connected))
    yield _alone(
        "parley_operator_certificate_expiry_timestamp_seconds",
        "When the served certificate ends, as a Unix time.",
        lambda: operator.own.expires_at,
    )
    yield _alone(
        "parley_operator_certificate_not_before_timestamp_seconds",
        "When its validity begins, as a Unix time.",
        lambda: operator.own.begins_at,
    )
    yield _alone(
        "parley_operator_sidecars_behind",
        "Connected sidecars that do not run the current version of all that they may use.",
        operator.connected.behind,
    )
    yield Gauge(
        "parley_operator_certificate_fault",
        "1 for what is wrong with the certificate in the Secret: the last good one is served meanwhile.",
        lambda: {(operator.own.fault,): 1.0} if operator.own.fault else {},
        ("reason",),
    )


def _components(operator: "Operator") -> dict[tuple[str, ...], float]:
    """Count the components by state and kind."""
    kinds = [names.KIND, names.DAPR_KIND] if operator.settings.read_dapr_components else [names.KIND]
    counted: dict[tuple[str, ...], float] = {(state, kind): 0.0 for state in ("ready", "failed") for kind in kinds}
    for outcome in list(operator.reconciler.outcomes.values()):
        state = "failed" if outcome.judged.fault else "ready"
        counted[(state, names.KIND if outcome.is_ours else names.DAPR_KIND)] += 1
    return counted


def _alone(name: str, meaning: str, read: Callable[[], float]) -> Gauge:
    """Return a gauge without labels."""
    return Gauge(name, meaning, lambda: {ALONE: float(read())})


def pod_gauges(tallies: Tallies) -> Iterator[Gauge]:
    """Return what the leader counts in its rounds over all pods, by namespace; a standby shows none."""
    by_namespace = ("namespace",)

    def tallied(name: str, meaning: str, labels: tuple[str, ...] = by_namespace) -> Gauge:
        return Gauge(f"parley_operator_{name}_pods", meaning, lambda: tallies.read(name), labels)

    yield tallied("missed", "Pods that ask for a sidecar and have none, though they could have one.")
    yield tallied(
        "marked",
        "Pods that ask for a sidecar and could not have one, by the injector's reason.",
        (*by_namespace, "reason"),
    )
    yield tallied("unconnected", "Pods whose sidecar has been running for two minutes or more and is not connected.")
    yield tallied("damaged", "Pods whose sidecar was taken out or cannot work, because another webhook changed it.")
    yield tallied("outdated", "Pods whose sidecar was made by other settings, or another version, than the present.")
