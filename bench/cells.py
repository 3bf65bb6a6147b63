"""Figures as the cells of tables. Pure."""

from bench.figures import Figure
from bench.report import MIB


def with_floor(figure: Figure) -> str:
    """Return a figure with its ratio to the floor."""
    value = whole(figure)
    return value if figure.to_floor is None else f"{value} ({figure.to_floor:.2f}x)"


def whole(figure: Figure) -> str:
    """Return a figure without any ratio."""
    return f"{round(figure.value):,}"  # an integer, for there is no -0 among them


def times(ratio: float | None) -> str:
    """Return a ratio, or that there is none."""
    return "-" if ratio is None else f"{ratio:.2f}x"


def mib(figure: Figure) -> str:
    """Return bytes as MiB."""
    return f"{figure.value / MIB:.1f}"
