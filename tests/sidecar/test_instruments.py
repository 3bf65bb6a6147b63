"""Counters, gauges and histograms, and their exposition as Prometheus' own parser reads it."""

import asyncio

from prometheus_client.parser import text_string_to_metric_families

from parley_sidecar.instruments import counter, exposition, gauge, histogram


async def test_the_exposition_is_what_prometheus_reads() -> None:
    """Every kind, with labels that need escaping, is read back by Prometheus' parser as it was counted."""
    asked = counter("asked_total", "What was asked.", "name")
    asked.child('a"b\\c\nd').add()
    asked.child('a"b\\c\nd').add(2)
    level = gauge("level", "How high.")
    level.child().value = -1.5
    took = histogram("took_seconds", "How long.", (0.1, 1.0), "name")
    for value in (0.05, 0.1, 0.5, 7.0):
        took.child("x").observe(value)

    read = text_string_to_metric_families((await exposition([asked, level, took])).decode())
    samples = {(sample.name, *sample.labels.values()): sample.value for family in read for sample in family.samples}
    expected = {
        ("asked_total", 'a"b\\c\nd'): 3.0,
        ("level",): -1.5,
        ("took_seconds_bucket", "x", "0.1"): 2.0,
        ("took_seconds_bucket", "x", "1"): 3.0,
        ("took_seconds_bucket", "x", "+Inf"): 4.0,
        ("took_seconds_sum", "x"): 7.65,
        ("took_seconds_count", "x"): 4.0,
    }
    assert expected == samples


async def test_a_histogram_without_labels_is_read_too() -> None:
    """Without labels the bound stands alone in the braces."""
    took = histogram("took_seconds", "How long.", (1.0,))
    took.child().observe(1.0)

    lines = (await exposition([took])).decode().splitlines()
    assert ['took_seconds_bucket{le="1"} 1', 'took_seconds_bucket{le="+Inf"} 1'] == lines[2:4]


async def test_the_exposition_lets_others_run() -> None:
    """The event loop is given back after each child, so a scrape never holds it for long."""
    asked = counter("asked_total", "What was asked.", "name")
    for number in range(100):
        asked.child(str(number)).add()
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(take_turns())
    await exposition([asked])
    other.cancel()

    assert turns >= 100


def test_a_child_is_made_once() -> None:
    """The same label values always mean the same child."""
    asked = counter("asked_total", "What was asked.", "name")

    assert asked.child("a") is asked.child("a")
