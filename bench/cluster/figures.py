"""What a run says: figures, each with what it may cost and the verdict, and the report that they stand in. Pure."""

from collections.abc import Iterable, Sequence
from math import isinf
from typing import Literal

import msgspec

from bench.machine import Description

Verdict = Literal["", "reached", "met", "missed"]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure; with a budget where there is one. The budgets are our own: nobody publishes such figures."""

    run: str
    quantity: str
    value: float
    unit: str = ""
    must: float | None = None
    """What the value must not exceed; or reach, where more is better."""
    reach: float | None = None
    """What it should come to, where that is another number."""
    more_is_better: bool = False

    @property
    def verdict(self) -> Verdict:
        """Judge it; nothing where there is no budget."""
        if self.must is None:
            return ""
        if self._keeps(self.must if self.reach is None else self.reach):
            return "reached"
        return "met" if self._keeps(self.must) else "missed"

    def _keeps(self, budget: float) -> bool:
        return self.value >= budget if self.more_is_better else self.value <= budget


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one run has to say."""

    name: str
    meaning: str
    seconds: float
    busy_cpus: float
    """How many CPUs of the machine were busy meanwhile, with the run or with anything else."""
    figures: Sequence[Figure] = ()
    failure: str = ""
    """Why there are no more figures."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the command."""

    time: str
    """When it began, in UTC."""
    command: str
    machine: Description
    runs: Sequence[RunReport]


def quantile_of_buckets(buckets: Iterable[tuple[float, float]], share: float) -> float:
    """Return what `share` of a histogram's values do not exceed, taking them as evenly spread in a bucket; 0 of none.

    `buckets` are the cumulative counts by their upper bounds, the last one's infinite: what lies there counts as the
    bound before it. Source: Prometheus' histogram_quantile.
    """
    ordered = sorted(buckets)
    wanted = share * ordered[-1][1] if ordered else 0.0
    below, before = 0.0, 0.0
    for bound, count in ordered:
        if wanted and count >= wanted:
            return below if isinf(bound) else below + (bound - below) * (wanted - before) / (count - before)
        below, before = bound, count
    return 0.0
