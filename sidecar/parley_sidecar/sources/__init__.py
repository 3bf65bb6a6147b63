"""Where a sidecar's components come from: a directory on a laptop, the operator's stream in a cluster.

`run` starts one of them; each feeds the registry and keeps the last good version of what it fed.
"""

from collections.abc import Mapping
from typing import Protocol


class Source(Protocol):
    """One way for components to reach the registry."""

    @property
    def left_out(self) -> Mapping[str, str]:
        """What is not in use as it stands now, by component or file, and why; safe to show."""
        ...

    async def start(self) -> None:
        """Load what is at hand, so that the first request can be answered; raises CommandError for a person's slip."""
        ...

    async def run(self) -> None:
        """Follow every change until cancelled; whatever goes wrong is logged once and tried again."""
        ...
