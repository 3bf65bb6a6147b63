"""What a pod tells about the LimitRange of its namespace."""

import pytest

from parley_operator.injector.limit_range import Span, default_span
from tests.injector.world import container, pod, view

FILLED = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
BOTH = "LimitRanger plugin set: cpu, memory request for container app; cpu, memory limit for container app"


@pytest.mark.parametrize(
    ("told", "kind", "expected"),
    [
        (BOTH, "cpu", Span("100m", "1")),
        (BOTH, "memory", Span("64Mi", "1Gi")),
        ("LimitRanger plugin set: cpu request for container app", "cpu", Span("100m", None)),
        ("LimitRanger plugin set: cpu request for container app", "memory", Span()),
        ("LimitRanger plugin set: memory limit for init container migrate", "memory", Span(None, "2Gi")),
        ("LimitRanger plugin set: memory limit for container gone", "memory", Span()),
        ("LimitRanger plugin set: cpu limit for init container bare", "cpu", Span()),
        ("something else; cpu", "cpu", Span()),
        (None, "cpu", Span()),
    ],
)
def test_defaults_are_the_ends_of_what_is_allowed(told: str | None, kind: str, expected: Span) -> None:
    """Only what the annotation says was filled in counts, in containers and init containers; else nothing is known."""
    inits = [container("migrate", resources={"limits": {"memory": "2Gi"}}), container("bare")]
    document = pod({} if told is None else {"kubernetes.io/limit-ranger": told}, initContainers=inits)
    document["spec"]["containers"] = [container(resources=FILLED)]

    assert expected == default_span(view(document), kind)


@pytest.mark.parametrize(
    ("span", "wanted", "expected"),
    [
        (Span("100m", "1"), "50m", "100m"),
        (Span("100m", "1"), "1500m", "1"),
        (Span("100m", "1"), "1000m", "1000m"),
        (Span("100m", None), "8", "8"),
        (Span(None, "1Gi"), "96Mi", "96Mi"),
        (Span("100m", "1"), None, None),
        (Span(), "50m", "50m"),
    ],
)
def test_the_nearest_allowed_amount(span: Span, wanted: str | None, expected: str | None) -> None:
    """What is allowed stays as it is written, and what nobody wants is not wanted."""
    assert expected == span.nearest(wanted)
