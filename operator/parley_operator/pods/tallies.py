"""Tallies: numbers that a round counts and a scrape shows, from any thread."""

from collections.abc import Mapping

from parley_operator.metrics import Reading


class Tallies:
    """Shows each metric's last numbers, and 0 where an earlier round had some."""

    def __init__(self) -> None:
        self._shown: dict[str, Reading] = {}

    def show(self, name: str, counted: Mapping[tuple[str, ...], float]) -> None:
        """Replace one metric's numbers."""
        self._shown[name] = {**dict.fromkeys(self._shown.get(name, ()), 0.0), **counted}

    def read(self, name: str) -> Reading:
        """Return one metric's numbers."""
        return self._shown.get(name, {})

    def clear(self) -> None:
        """Show nothing any more: another replica does."""
        self._shown = {}
