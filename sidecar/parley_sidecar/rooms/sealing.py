"""What of a chat room may lie in Redis: sealed with a key of its own, derived from the namespace's context key.

AES-256-GCM with random nonces; what a blob is stands in its associated data, so that none can be put in another's
place. In the process's own store nothing is sealed. Sources: NIST SP 800-38D, RFC 5869 (HKDF).
"""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from parley_sidecar.errors import RoomSealed

FORMAT: Final = b"\x01"
"""What the first byte of a room's meta and of each blob says: which form the rest has."""
KEY_CHECK_BYTES: Final = 8
EPOCH_BYTES: Final = 16
NONCE_BYTES: Final = 12
"""96 bits, by chance. Source: NIST SP 800-38D 8.2.2."""
NAME_BYTES: Final = 16
UNSEALED: Final = bytes(KEY_CHECK_BYTES)
"""What stands for a key where there is none."""


class Cipher(Protocol):
    """An authenticated cipher, such as AES-256-GCM."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """Return the sealed data."""
        ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """Return the data; raises InvalidTag for what was sealed otherwise."""
        ...


@dataclass(frozen=True, slots=True)
class Keys:
    """The context keys that are valid now, the one for new rooms first; none where nothing leaves the process."""

    context_keys: Sequence[bytes] = field(repr=False)
    process_key: bytes = field(repr=False)
    """Random; names the vault's values where there is no context key."""

    def meta(self) -> bytes:
        """Return what is said of a new room: the key that seals it, and an epoch that no room had before."""
        check = key_check(self.context_keys[0]) if self.context_keys else UNSEALED
        return FORMAT + check + secrets.token_bytes(EPOCH_BYTES)

    def sealing(self, tag: bytes, meta: bytes) -> "Sealing":
        """Return how the room with this tag and meta is sealed.

        Raises:
            RoomSealed: when its key is not valid here, or its form is not known here.
        """
        check, epoch = meta[1 : 1 + KEY_CHECK_BYTES], meta[1 + KEY_CHECK_BYTES :]
        if not meta.startswith(FORMAT) or len(epoch) != EPOCH_BYTES:
            raise RoomSealed("the chat room was stored in a form that this version cannot read")
        if check == UNSEALED and not self.context_keys:
            return Sealing(epoch, self.process_key, None)
        for key in self.context_keys:
            if key_check(key) == check:
                return _derived(key, tag, epoch)
        raise RoomSealed("the chat room was sealed with a key that is not valid any more; it can be erased")


@dataclass(frozen=True, slots=True)
class Sealing:
    """One room's seal."""

    epoch: bytes
    """Random; made with the room."""
    _name_key: bytes = field(repr=False)
    _cipher: Cipher | None = field(repr=False)

    def seal(self, what: bytes, data: bytes) -> bytes:
        """Return `data` as it may lie in the store; `what` says what it is, and must be said again to read it."""
        if self._cipher is None:
            return data
        nonce = secrets.token_bytes(NONCE_BYTES)
        return FORMAT + nonce + self._cipher.encrypt(nonce, data, what)

    def unseal(self, what: bytes, blob: bytes) -> bytes | None:
        """Return what was sealed as `what` in this room, or None for anything else."""
        if self._cipher is None:
            return blob
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - a laptop without a key does not pay for it

        nonce, sealed = blob[1 : 1 + NONCE_BYTES], blob[1 + NONCE_BYTES :]
        if not blob.startswith(FORMAT) or len(nonce) != NONCE_BYTES:
            return None
        try:
            return self._cipher.decrypt(nonce, sealed, what)
        except InvalidTag:
            return None

    def name(self, value: str) -> bytes:
        """Return what names a value of the vault without showing it."""
        return hmac.digest(self._name_key, value.encode(errors="surrogatepass"), "sha256")[:NAME_BYTES].hex().encode()


def key_check(key: bytes) -> bytes:
    """Return what tells keys apart without showing them."""
    return hmac.digest(key, b"parley context key", "sha256")[:KEY_CHECK_BYTES]


def _derived(key: bytes, tag: bytes, epoch: bytes) -> Sealing:
    """Derive a room's two keys: one room's blobs mean nothing in another, and no key seals too much."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415 - as above

    derived = HKDF(SHA256(), 64, salt=None, info=b"parley room 1 " + tag).derive(key)
    return Sealing(epoch, derived[32:], AESGCM(derived[:32]))
