"""Suspects: pods that ask for a sidecar and look as if they had none. Each is read whole once, and what was seen stays.

Containers cannot be added to a pod that exists, so a look at it is good for as long as it lives.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from parley_operator.injector.eligibility import UNMARKED, SkipReason, explain
from parley_operator.kube import Object
from parley_operator.pods.missed import Scope, asks, why_without
from parley_operator.pods.seen import Metadata, Seen


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a suspect has no sidecar; no reason: it is missed."""

    reason: SkipReason | None
    sentences: tuple[str, ...] = ()
    """The reason in words."""


class Suspects:
    """Remembers what was seen of suspects."""

    def __init__(self) -> None:
        self._verdicts: dict[str, Verdict] = {}

    def keep(self, present: Iterable[Seen]) -> None:
        """Forget all but these."""
        uids = {seen.uid for seen in present}
        self._verdicts = {uid: verdict for uid, verdict in self._verdicts.items() if uid in uids}

    def due(self, present: Iterable[Seen]) -> Iterator[Seen]:
        """Yield those that are to be read whole."""
        return (seen for seen in present if seen.uid not in self._verdicts)

    def note(self, seen: Seen, document: Object, scope: Scope) -> None:
        """Note what a pod, read whole, looks like, unless it has changed its mind since."""
        options = asks(msgspec.convert(document["metadata"], Metadata), scope)
        if options:
            reason = why_without(document, options)
            self._verdicts[seen.uid] = Verdict(reason, explain(reason, options) if reason else ())

    def missed(self, present: Iterable[Seen]) -> Iterator[Seen]:
        """Yield those that are missed."""
        return (seen for seen in present if (known := self._verdicts.get(seen.uid)) and known.reason is None)

    def explained(self, present: Iterable[Seen]) -> Iterator[tuple[Seen, SkipReason, tuple[str, ...]]]:
        """Yield those that the injector would have marked, with the reason and its words."""
        for seen in present:
            known = self._verdicts.get(seen.uid)
            if known and known.reason and known.reason not in UNMARKED:
                yield seen, known.reason, known.sentences
