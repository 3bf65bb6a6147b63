"""The sidecar's metrics: what they count, and that the page about them is complete."""

import re
from pathlib import Path

import pytest

from parley_sidecar import metrics as module
from parley_sidecar.instruments import exposition
from parley_sidecar.metrics import Metrics
from parley_sidecar.model import CacheStatus, Usage

PAGE = Path("docs/metrics.md").read_text()


async def samples(metrics: Metrics) -> dict[str, float]:
    """Return what is not zero, by name and labels."""
    text = (await exposition(metrics.families())).decode()
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {series: float(value) for series, value in lines if float(value)}


def test_the_page_lists_every_metric() -> None:
    """docs/metrics.md has exactly the metrics of the code, with their types and labels."""
    rows = re.findall(r"^\| `([a-z_]+)` \| ([a-z]+) \|([^|]*)\|", PAGE, re.MULTILINE)
    written = {(name, kind, tuple(re.findall(r"`([a-z_]+)`", labels))) for name, kind, labels in rows}

    counted = {(family.name, family.kind, family.labels) for family in Metrics("a", "n").families()}
    assert counted == written


def test_names_say_their_kind_and_unit() -> None:
    """Counters end in _total and histograms in their unit, except for Dapr's names."""
    endings = {"counter": ("_total",), "histogram": ("_seconds",)}
    ours = [family for family in Metrics("a", "n").families() if not family.name.startswith("dapr_")]

    assert all(family.name.endswith(endings.get(family.kind, "")) for family in ours)


async def test_a_request_that_is_over_is_counted() -> None:
    """One request counts under our names and under Dapr's, there in milliseconds."""
    metrics = Metrics("shop", "ns")
    metrics.component("gpt").settle("alpha2", "ok", 0.25, 0.24)
    metrics.component("gpt").settle("alpha2", "ok", 0.25, 0.24)
    metrics.component("gpt").settle("alpha1", "timeout", 0.001, 0.0)

    seen = await samples(metrics)
    dapr = 'app_id="shop",component="gpt",namespace="ns",success='
    expected = {
        'parley_requests_total{component="gpt",api="alpha2",outcome="ok"}': 2,
        'parley_requests_total{component="gpt",api="alpha1",outcome="timeout"}': 1,
        'parley_request_duration_seconds_count{component="gpt"}': 3,
        'parley_provider_duration_seconds_sum{component="gpt"}': 0.48,
        'parley_provider_duration_seconds_count{component="gpt"}': 2,
        'parley_overhead_seconds_count{component="gpt"}': 3,
        f'dapr_component_conversation_count{{{dapr}"true"}}': 2,
        f'dapr_component_conversation_count{{{dapr}"false"}}': 1,
        f'dapr_component_conversation_latencies_sum{{{dapr}"true"}}': 500,
        f'dapr_component_conversation_latencies_bucket{{{dapr}"true",le="250"}}': 2,
        f'dapr_component_conversation_latencies_count{{{dapr}"false"}}': 1,
    }
    assert expected == {series: seen.get(series) for series in expected}
    assert not [series for series in seen if series.startswith("dapr") and 'le="200"' in series and '"true"' in series]


async def test_overhead_is_never_negative() -> None:
    """Clocks that differ by a little do not make a negative overhead."""
    metrics = Metrics("shop", "ns")
    metrics.component("gpt").settle("alpha2", "ok", 1.0, 1.1)

    assert 'parley_overhead_seconds_sum{component="gpt"}' not in await samples(metrics)


@pytest.mark.parametrize(("saved", "name"), [(False, "parley_tokens_total"), (True, "parley_tokens_saved_total")])
async def test_tokens_are_spent_or_saved(saved: bool, name: str) -> None:  # noqa: FBT001 - a table's column
    """An answer's tokens count as spent, or as saved when they came from the cache."""
    metrics = Metrics("shop", "ns")
    metrics.component("gpt").count_usage(Usage(3, 4), saved=saved)

    seen = {series: value for series, value in (await samples(metrics)).items() if "tokens" in series}
    prompt, completion = f'{name}{{component="gpt",type="prompt"}}', f'{name}{{component="gpt",type="completion"}}'
    assert {prompt: 3, completion: 4} == seen


async def test_the_cache_is_counted_by_tier() -> None:
    """Hits count under their tier, misses without one."""
    metrics = Metrics("shop", "ns")
    for status in (CacheStatus(hit=True, tier="redis"), CacheStatus(hit=True, tier="redis"), CacheStatus(hit=False)):
        metrics.component("gpt").count_cache(status)

    seen = {series: value for series, value in (await samples(metrics)).items() if "cache" in series}
    expected = {
        'parley_cache_requests_total{component="gpt",result="hit",tier="redis"}': 2,
        'parley_cache_requests_total{component="gpt",result="miss",tier=""}': 1,
    }
    assert expected == seen


async def test_rejections_and_store_faults_are_counted() -> None:
    """What never reached a component, and what failed on the store, have counters of their own."""
    metrics = Metrics("shop", "ns")
    metrics.reject("alpha1", "malformed")
    metrics.count_store_fault("get")

    seen = await samples(metrics)
    assert 1 == seen['parley_rejected_requests_total{api="alpha1",reason="malformed"}']
    assert 1 == seen['parley_store_errors_total{operation="get"}']


async def test_the_process_shows_what_it_uses() -> None:
    """Memory, CPU time, start and version are there and plausible."""
    seen = await samples(Metrics("shop", "ns"))

    assert seen["process_resident_memory_bytes"] > 1_000_000
    assert seen["process_cpu_seconds_total"] > 0
    assert seen["process_start_time_seconds"] > 1_600_000_000
    assert 1 == seen['parley_build_info{version="0.1.0"}']


@pytest.mark.parametrize(("platform", "memory_bytes"), [("darwin", 5000), ("linux", 5000 * 1024)])
def test_the_peak_stands_in_where_there_is_no_proc(platform: str, memory_bytes: int) -> None:
    """The peak of getrusage is in KiB, on macOS in bytes."""
    assert memory_bytes == module.peak_bytes(5000, platform)
