"""What the metrics learn of personal data: how many values of which kind, and what became of them; never the values."""

from collections.abc import Callable
from typing import Literal

from parley_sidecar.pii.kinds import Kind

Direction = Literal["prompt", "answer", "restored", "blocked"]
CountPii = Callable[[Direction, Kind, int], None]
"""Takes what became of the values, their kind, and how many there were."""
