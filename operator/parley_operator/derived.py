"""Secrets that follow from another secret, so that every replica has them and nobody stores them."""

from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32


def derived(secret: bytes, purpose: str) -> bytes:
    """Return 32 bytes for one purpose: no other purpose's follow from them, nor does `secret` (HKDF, RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"parley {purpose}".encode()).derive(secret)
