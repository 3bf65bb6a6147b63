"""The store section of a snapshot: where the shared store is, with credentials, and the namespace's own context key.

Every replica computes the same one, because it follows from the chart's settings and the Secrets alone. Pure.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from parley_crds.component import digest
from parley_crds.loading import SecretData
from parley_crds.stream import StoreSection

KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class StoreSource:
    """What a section is made of; a Secret that is not there, or not filled yet, is None."""

    url: str
    """The store's address without credentials; empty: there is none."""
    needs_secret: bool
    credentials: SecretData | None
    """`password`, and optionally `username` and `ca.crt`."""
    context: SecretData | None
    """`key`: 32 bytes in base64."""

    @property
    def has_unusable_key(self) -> bool:
        """Whether somebody gave a context key that is none: rooms are then not kept in the store."""
        return bool(self.context and self.context.data.get("key") and not _one_key(self.context))

    def section(self, namespace: str) -> StoreSection:
        """Return the section for one namespace."""
        context_key = _context_key(self.context, namespace)
        url, ca = self._address()
        return StoreSection(url=url, ca=ca, context_key=context_key, version=self._version(namespace))

    def _address(self) -> tuple[str, str]:
        data = self.credentials.data if self.credentials else {}
        if not self.url or (self.needs_secret and not data.get("password")):
            return "", ""
        return with_credentials(self.url, data.get("username", ""), data.get("password", "")), data.get("ca.crt", "")

    def _version(self, namespace: str) -> str:
        """Hash what identifies the content, not the content: a version is shown where a password is not."""
        used = [[secret.uid, secret.resource_version] for secret in (self.credentials, self.context) if secret]
        return digest([self.url, namespace, used])


def with_credentials(url: str, username: str, password: str) -> str:
    """Return a Redis URL with user and password in it; without a password it stays as it is."""
    if not password:
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(username, safe='')}:{quote(password, safe='')}@{host}"))


def _context_key(secret: SecretData | None, namespace: str) -> str:
    """Derive a namespace's key from the one key, so that no namespace can read another's rooms; empty without one."""
    key = _one_key(secret)
    if not key:
        return ""
    derive = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"parley context {namespace}".encode())
    return base64.b64encode(derive.derive(key)).decode()


def _one_key(secret: SecretData | None) -> bytes:
    """Return the one key; empty where there is none, or something that is none."""
    encoded = secret.data.get("key", "") if secret else ""
    try:
        key = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""
    return key if len(key) == KEY_BYTES else b""
