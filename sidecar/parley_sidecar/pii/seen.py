"""What was found in the texts that were looked at lately: a chat sends its history again with each turn. Used by `pii`.

Holds places and kinds under a keyed hash of the text, whose key is made with the process; never a text or a value.
"""

import hashlib
import os
from collections.abc import Sequence
from threading import Lock
from typing import Final

from parley_sidecar.pii.kinds import Span

SHORTEST: Final = 64
"""Texts of fewer characters are looked at as quickly as hashed."""
MAX_TEXTS: Final = 4096
MAX_SPANS: Final = 20_000
"""About 3 MiB of them."""
_DIGEST_BYTES: Final = 16


class Seen:
    """The texts, those that were asked for last kept longest; safe for the threads that look at long ones."""

    def __init__(self) -> None:
        self._key = os.urandom(_DIGEST_BYTES)
        self._found: dict[bytes, tuple[Span, ...]] = {}
        self._spans = 0
        self._lock = Lock()

    def digest(self, text: str) -> bytes:
        """Return what stands for a text; nobody without the key can find the text by it."""
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._key, digest_size=_DIGEST_BYTES).digest()

    def get(self, digest: bytes) -> tuple[Span, ...] | None:
        """Return what was found in a text, or None if it is not known."""
        with self._lock:
            found = self._found.pop(digest, None)
            if found is not None:
                self._found[digest] = found
        return found

    def keep(self, digest: bytes, found: Sequence[Span]) -> None:
        """Keep what was found; what was not asked for the longest makes room."""
        with self._lock:
            self._spans += len(found) - len(self._found.pop(digest, ()))
            self._found[digest] = tuple(found)
            while len(self._found) > MAX_TEXTS or self._spans > MAX_SPANS:
                oldest = next(iter(self._found))
                self._spans -= len(self._found.pop(oldest))
