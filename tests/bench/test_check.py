"""The check of `make test`: its verdict on made-up figures. The check itself is a stage of its own."""

from typing import Any

import msgspec
import pytest

from bench.check import LIMITS, cpu_ratio, judged, lines
from bench.figures import MANY
from bench.report import Raw
from bench.rows import BARE_PROVIDER, PASS_THROUGH
from tests.bench.samples import MIB, raw, sample

GOOD = msgspec.structs.replace(raw(), flights=[msgspec.structs.replace(flight, calls=1) for flight in raw().flights])


def test_good_figures_keep_all_limits() -> None:
    """Each limit has its line, and the last says that all is well."""
    told = list(lines(judged(GOOD)))

    assert f"all {len(LIMITS)} limits kept" == told[-1]
    assert [True] * len(LIMITS) == [line.startswith("ok ") for line in told[:-1]]


def changed(place: str, number: int, **more: Any) -> Raw:
    """Return the good figures with one measurement changed."""
    of_place = list(getattr(GOOD, place))
    of_place[number] = msgspec.structs.replace(of_place[number], **more)
    return msgspec.structs.replace(GOOD, **{place: of_place})


def slowed(row: str, times: float) -> Raw:
    """Return the good figures with one row costing so many times as much."""
    samples = [
        msgspec.structs.replace(one, cpu_us=one.cpu_us * times) if one.row == row else one for one in GOOD.samples
    ]
    return msgspec.structs.replace(GOOD, samples=samples)


@pytest.mark.parametrize(
    ("figures", "quantity"),
    [
        (slowed(PASS_THROUGH, 2), "CPU of a pass-through request, to its floor: 2.60x"),
        (slowed("hit in memory", 4), "CPU of a hit in memory, to its floor: 4.00x"),
        (slowed("hit in Redis", 3), "CPU of a hit in Redis, to its floor: 3.00x"),
        (changed("flights", 1, calls=2), "calls for 100 equal requests at once, one and two sidecars: 2.00"),
        (changed("memory", 1, first_bytes=140 * MIB), "memory after the first answers: 140.00 MiB"),
        (changed("memory", 1, after_bytes=90 * MIB), "memory grown by 160 requests: 19.00 MiB"),
        (changed("starts", 1, cpu_s=1), "CPU from the start to the first answer, to the floor server's: 5.00x"),
    ],
)
def test_a_cost_that_has_doubled_exceeds_its_limit(figures: Raw, quantity: str) -> None:
    """The line says so with the figure, the limit and its reason."""
    exceeded = [judgement for judgement in judged(figures) if not judgement.is_kept]

    assert 1 == len(exceeded)
    assert exceeded[0].line().startswith(f"EXCEEDED {quantity}, at most {exceeded[0].limit.most:g}")
    assert f"1 of {len(LIMITS)} limits exceeded" == list(lines(judged(figures)))[-1]


def test_noisy_rounds_do_not_count() -> None:
    """The ratio is the median of the quieter half of the rounds."""
    ratios = {0: 1.2, 1: 9.0, 2: 1.4, 3: 9.0, 4: 1.3}
    samples = []
    for number, ratio in ratios.items():
        floor = msgspec.structs.replace(sample(BARE_PROVIDER, number, MANY), cpu_us=100.0)
        noise = 1.0 if ratio == 9.0 else 0.1
        samples += [floor, msgspec.structs.replace(floor, row=PASS_THROUGH, cpu_us=100 * ratio, noise_cpus=noise)]

    assert 1.3 == cpu_ratio(PASS_THROUGH, BARE_PROVIDER)(Raw(samples=samples))
