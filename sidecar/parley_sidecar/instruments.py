"""Counters, gauges and histograms as plain attributes, and their text exposition in slices.

Used by `metrics`, which declares them, and by `public`, which shows them. Why not prometheus_client's own: an
observation costs a seventh, and a scrape gives the event loop back after every child instead of holding it throughout.
Source of the form: Prometheus text format 0.0.4.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeVar

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Kind = Literal["counter", "gauge", "histogram"]


class Child(Protocol):
    """One time series, or one histogram's, of a family."""

    def lines(self, name: str, labels: str) -> Iterator[str]:
        """Return its lines of exposition; `labels` is the inside of the braces."""
        ...


class Value:
    """A counter's or a gauge's number; whoever keeps it adds to it or sets it."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def add(self, amount: float = 1.0) -> None:
        """Add `amount`, which is negative for gauges only."""
        self.value += amount

    def lines(self, name: str, labels: str) -> Iterator[str]:
        """Return its one line."""
        yield f"{name}{{{labels}}} {_number(self.value)}\n" if labels else f"{name} {_number(self.value)}\n"


class Histogram:
    """Observations counted by their upper bounds, in the family's unit."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self, name: str, labels: str) -> Iterator[str]:
        """Return a cumulative line for each bound, then sum and count."""
        before = f"{labels}," if labels else ""
        reached = 0
        for bound, count in zip((*map(_number, self._bounds), "+Inf"), self._counts, strict=True):
            reached += count
            yield f'{name}_bucket{{{before}le="{bound}"}} {reached}\n'
        yield f"{name}_sum{{{labels}}} {_number(self._sum)}\n"
        yield f"{name}_count{{{labels}}} {reached}\n"


C = TypeVar("C", bound=Child)


@dataclass(slots=True)
class Family(Generic[C]):
    """A metric's name, meaning and labels, and its children by their labels' values."""

    name: str
    help: str
    kind: Kind
    labels: tuple[str, ...]
    make: Callable[[], C]
    children: dict[tuple[str, ...], C] = field(default_factory=dict)

    def child(self, *values: str) -> C:
        """Return the child with these label values, made at first use. Keep it: a look-up costs more than counting."""
        known = self.children.get(values)
        if known is None:
            known = self.children[values] = self.make()
        return known

    def head(self) -> str:
        """Return the lines before the first child."""
        return f"# HELP {self.name} {self.help}\n# TYPE {self.name} {self.kind}\n"

    def slices(self) -> Iterator[str]:
        """Return the exposition, one piece for each child."""
        yield self.head()
        for values, child in tuple(self.children.items()):
            pairs = zip(self.labels, values, strict=True)
            yield "".join(child.lines(self.name, ",".join(f'{key}="{_escaped(value)}"' for key, value in pairs)))


async def exposition(families: Iterable[Family[Value] | Family[Histogram]]) -> bytes:
    """Return everything in the text format, giving the event loop back after each child."""
    pieces: list[str] = []
    for family in families:
        for piece in family.slices():
            pieces.append(piece)
            await asyncio.sleep(0)
    return "".join(pieces).encode()


def counter(name: str, meaning: str, *labels: str) -> Family[Value]:
    """Declare a family of numbers that only grow; `name` ends in _total, except for Dapr's."""
    return Family(name, meaning, "counter", labels, Value)


def gauge(name: str, meaning: str, *labels: str) -> Family[Value]:
    """Declare a family of numbers that rise and fall."""
    return Family(name, meaning, "gauge", labels, Value)


def histogram(name: str, meaning: str, bounds: tuple[float, ...], *labels: str) -> Family[Histogram]:
    """Declare a family of distributions; `bounds` are upper bounds in the unit that `name` ends with."""
    return Family(name, meaning, "histogram", labels, lambda: Histogram(bounds))


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
