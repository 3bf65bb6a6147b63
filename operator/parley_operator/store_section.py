"""The store section of a snapshot: where the shared store is, with credentials, and the namespace's own context key.

Every replica computes the same one, because it follows from the chart's settings and the Secrets alone. Pure.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from parley_crds.component import digest
from parley_crds.loading import SecretData
from parley_crds.stream import StoreSection
from parley_operator.derived import KEY_BYTES, derived
from parley_operator.redis_acl import PASSWORD_KEY, password_of, user

CONTEXT_KEYS: Final = ("key", "former-key")
"""What the Secret calls the key for new rooms, and the one before."""


@dataclass(frozen=True, slots=True)
class StoreSource:
    """What a section is made of; a Secret that is not there, or not filled yet, is None."""

    url: str
    """The store's address without credentials; empty: there is none."""
    needs_secret: bool
    credentials: SecretData | None
    """`password`, and optionally `username`, `ca.crt`, and for Sentinels `sentinel-username`, `sentinel-password`.

    Of the chart's own Redis, `operator-password`.
    """
    context: SecretData | None
    """`key`: 32 bytes in base64; and during a rotation the one before, `former-key`."""
    own_redis: bool = False
    """Whether it is the chart's own Redis, where each namespace has a user of its own."""

    @property
    def operator_password(self) -> str:
        """The operator's password in the chart's own Redis; empty: there is none yet, or it is somebody else's."""
        return self._credentials.get(PASSWORD_KEY, "") if self.own_redis and self.url else ""

    @property
    def has_unusable_key(self) -> bool:
        """Whether somebody gave a context key that is none: what it would protect is then not kept, or not read."""
        given = self.context.data if self.context else {}
        return any(given.get(name) and not _one_key(self.context, name) for name in CONTEXT_KEYS)

    def section(self, namespace: str) -> StoreSection:
        """Return the section for one namespace."""
        key, former_key = (_context_key(self.context, name, namespace) for name in CONTEXT_KEYS)
        url, ca = self._own_address(namespace) if self.own_redis else self._address()
        version = self._version(namespace)
        return StoreSection(url=url, ca=ca, context_key=key, former_context_key=former_key, version=version)

    @property
    def _credentials(self) -> Mapping[str, str]:
        return self.credentials.data if self.credentials else {}

    def _own_address(self, namespace: str) -> tuple[str, str]:
        root = self.operator_password
        return (with_credentials(self.url, user(namespace), password_of(namespace, root)), "") if root else ("", "")

    def _address(self) -> tuple[str, str]:
        data = self._credentials
        if not self.url or (self.needs_secret and not data.get("password")):
            return "", ""
        url = with_credentials(self.url, data.get("username", ""), data.get("password", ""))
        sentinels = with_sentinel_credentials(url, data.get("sentinel-username", ""), data.get("sentinel-password", ""))
        return sentinels, data.get("ca.crt", "")

    def _version(self, namespace: str) -> str:
        """Hash what identifies the content, not the content: a version is shown where a password is not."""
        used = [[secret.uid, secret.resource_version] for secret in (self.credentials, self.context) if secret]
        return digest([self.url, namespace, used])


def with_credentials(url: str, username: str, password: str) -> str:
    """Return a Redis URL with user and password before its hosts; without a password it stays as it is."""
    if not password:
        return url
    scheme, separator, rest = url.partition("://")
    hosts, slash, path = rest.rpartition("@")[2].partition("/")
    return f"{scheme}{separator}{quote(username, safe='')}:{quote(password, safe='')}@{hosts}{slash}{path}"


def with_sentinel_credentials(url: str, username: str, password: str) -> str:
    """Return the URL of Sentinels with their own user and password; without a password, or Sentinels, as it is."""
    if not password or "+sentinel://" not in url:
        return url
    user = {"sentinelUser": username} if username else {}
    return f"{url}?{urlencode({**user, 'sentinelPassword': password})}"


def _context_key(secret: SecretData | None, name: str, namespace: str) -> str:
    """Derive a namespace's key from the one key, so that no namespace can read another's rooms; empty without one."""
    key = _one_key(secret, name)
    if not key:
        return ""
    return base64.b64encode(derived(key, f"context {namespace}")).decode()


def _one_key(secret: SecretData | None, name: str) -> bytes:
    """Return the one key; empty where there is none, or something that is none."""
    encoded = secret.data.get(name, "") if secret else ""
    try:
        key = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""
    return key if len(key) == KEY_BYTES else b""
