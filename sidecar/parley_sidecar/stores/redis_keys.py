"""Where things lie in Redis: `parley:<namespace>:<kind>:{<tag>}/<name>`.

What shares a tag shares a hash slot, so that one script may touch it all in a cluster. docs/store.md lists the kinds.
Source: Redis Cluster specification, hash tags.
"""

from dataclasses import dataclass

TURN = b"turn"
"""The name of the lease that a room's turn holds."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of one namespace."""

    namespace: str

    def value(self, key: bytes) -> bytes:
        """Return where a key's value lies."""
        return self._of(b"v", key)

    def lease(self, key: bytes) -> bytes:
        """Return where the token of a key's holder lies."""
        return self._of(b"l", key)

    def result(self, key: bytes, token: bytes) -> bytes:
        """Return where the end of a token's flight lies."""
        return b"%b#%b" % (self._of(b"r", key), token)

    def channel(self, key: bytes) -> bytes:
        """Return the channel of a key's messages."""
        return self._of(b"c", key)

    def room(self, tag: bytes) -> bytes:
        """Return where a chat room lies."""
        return self._of(b"m", tag)

    def index(self, key: bytes) -> bytes:
        """Return where the names are listed that are kept under the key's tag."""
        return self._of(b"i", key.partition(b"/")[0])

    def turn(self, tag: bytes) -> bytes:
        """Return where the lease of a room's turn lies."""
        return self.lease(b"%b/%b" % (tag, TURN))

    def _of(self, kind: bytes, key: bytes) -> bytes:
        tag, slash, name = key.partition(b"/")
        return b"parley:%b:%b:{%b}%b%b" % (self.namespace.encode(), kind, tag, slash, name)
