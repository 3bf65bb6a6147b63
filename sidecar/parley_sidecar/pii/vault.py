"""The values that were hidden, and the tokens that stand for them: of one request, or of a chat room.

`layers.scrub` fills one and restores from it; `rooms` keeps the numbers of a room where all pods find them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from parley_sidecar.pii.kinds import Kind

SECRET: Final = "SECRET"  # noqa: S105 - the name of a kind
"""The kind whose values get tokens and are never put back."""


class Named(NamedTuple):
    """A value, the kind under which it was first met, and its number within that kind."""

    kind: Kind
    value: str
    number: int


class Numbers(Protocol):
    """A room's vault: which value has which number, the same in all pods; it is only ever added to.

    Every method raises `errors.StoreUnavailable` when the store cannot answer: then the request fails.
    """

    @property
    def epoch(self) -> bytes | None:
        """Which life of the room this is, since it may be erased and made anew; None before it was read."""
        ...

    async def known(self) -> Sequence[Named]:
        """Return all values of the room; a secret's is empty, since it never comes back: see `repeats`."""
        ...

    async def assign(self, values: Sequence[tuple[Kind, str]]) -> Sequence[Named]:
        """Return each value's name: what it had already, whatever its kind now, or a new number of its kind."""
        ...

    def repeats(self, words: Iterable[str]) -> Sequence[Named]:
        """Return those words that are values of the room of which `known` has not said the text."""
        ...


NumbersOf = Callable[[str], Numbers]
"""Takes a chat room's id."""


class RequestNumbers:
    """The numbers of a request that belongs to no room; they end with it."""

    __slots__ = ("_last", "_named")

    def __init__(self) -> None:
        self._last: Counter[Kind] = Counter()
        self._named: dict[str, Named] = {}

    @property
    def epoch(self) -> None:
        """Return nothing: there is no room."""
        return

    async def known(self) -> Sequence[Named]:
        """Return nothing: a request begins with an empty vault."""
        return ()

    async def assign(self, values: Sequence[tuple[Kind, str]]) -> Sequence[Named]:
        """Return each value's name; see `Numbers`."""
        return [self._named.get(value) or self._new(kind, value) for kind, value in values]

    def repeats(self, words: Iterable[str]) -> Sequence[Named]:  # noqa: ARG002 - see `Numbers`
        """Return nothing: a request knows what it has numbered."""
        return ()

    def _new(self, kind: Kind, value: str) -> Named:
        self._last[kind] += 1
        named = self._named[value] = Named(kind, value, self._last[kind])
        return named


class Vault:
    """What one request knows: its own values, and its room's. Lives in memory, and no longer than the request."""

    __slots__ = ("epoch", "kinds", "restored", "tokens")

    def __init__(self, names: Iterable[Named], epoch: bytes | None = None) -> None:
        self.epoch = epoch
        """Which life of the room its numbers belong to."""
        self.tokens: dict[str, str] = {}
        """What stands for each value."""
        self.kinds: dict[Kind, set[int]] = {}
        """The numbers that are taken, by kind."""
        self.restored: dict[str, str] = {}
        """What may come back, by what stands in its token: `EMAIL_ADDRESS_1`, or `EMAIL_ADDRESS` if only one has it."""
        self.add(names)

    @property
    def size(self) -> int:
        """How many values have a number."""
        return sum(map(len, self.kinds.values()))

    def add(self, names: Iterable[tuple[Kind, str, int]]) -> None:
        """Take names in; one that is known changes nothing."""
        for kind, value, number in names:
            key = f"{kind}_{number}"
            if value:
                self.tokens.setdefault(value, f"<{key}>")
            taken = self.kinds.setdefault(kind, set())
            if number not in taken and kind != SECRET:
                self.restored[key] = value
                if taken:
                    self.restored.pop(kind, None)
                else:
                    self.restored[kind] = value
            taken.add(number)
