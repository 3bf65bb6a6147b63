"""The operator's own Secrets, followed by every replica: what it serves with, whom sidecars trust, where the store is.

The leader fills them (`keeper`); a standby reads the same. New connections get the newest certificate.
"""

import asyncio
import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from parley_crds.loading import SecretData
from parley_operator.edges import succeeded
from parley_operator.gather import read_secret
from parley_operator.injector.certificate import ServedCertificate
from parley_operator.kube import Kube
from parley_operator.published import Published
from parley_operator.settings import Settings
from parley_operator.store_section import StoreSource

POLL_S: Final = 5.0
FIRST_POLL_S: Final = 0.5
TLS_FILES: Final = ("tls.crt", "tls.key", "ca.crt")

logger = logging.getLogger(__name__)


class OwnSecrets:
    """Holds what the Secrets said last, and tells `published` when it changed."""

    def __init__(self, api: Kube, settings: Settings, published: Published) -> None:
        self._api = api
        self._settings = settings
        self._published = published
        # Python loads a certificate and its key from files only; the chart mounts memory where temporary files go.
        self._directory = tempfile.TemporaryDirectory(prefix="parley-tls-")
        self.certificate = ServedCertificate(Path(self._directory.name))
        self.store = self._source(None, None)
        self._seen = ""
        self.has_certificate = asyncio.Event()
        """Set once there is something to serve with."""

    @property
    def trust_anchors(self) -> str:
        """PEM of the authorities that sidecars must trust from now on."""
        return self.certificate.trust_anchors

    @property
    def expires_at(self) -> float:
        """When the served certificate ends, as a Unix time; 0 before there is one."""
        return self.certificate.expires.timestamp()

    async def once(self) -> None:
        """Read the Secrets, and use what changed; raises `errors.OperatorError`."""
        tls = await self._read("tls")
        changed = self._serve(tls) if tls else False
        store = await self._read_named(self._settings.store_secret) if self._settings.store_secret else None
        changed |= self._use(self._source(store, await self._read("context-key")))
        if changed:
            self._published.touch()

    async def follow(self) -> None:
        """Read again and again until cancelled, at first often: nothing can be served without a certificate."""
        while True:
            await succeeded(self.once(), "own secrets not read")
            await asyncio.sleep(POLL_S if self.has_certificate.is_set() else FIRST_POLL_S)

    def close(self) -> None:
        """Remove the files."""
        self._directory.cleanup()

    def _use(self, source: StoreSource) -> bool:
        if source == self.store:
            return False
        self.store = source
        if source.has_unusable_key:
            logger.error("a context key is not 32 bytes in base64: its rooms are not kept in the store")
        return True

    def _source(self, store: SecretData | None, context: SecretData | None) -> StoreSource:
        return StoreSource(self._settings.store_url, bool(self._settings.store_secret), store, context)

    async def _read(self, suffix: str) -> SecretData | None:
        return await self._read_named(f"{self._settings.fullname}-{suffix}")

    async def _read_named(self, name: str) -> SecretData | None:
        return await read_secret(self._api, self._settings.namespace, name)

    def _serve(self, tls: SecretData) -> bool:
        if tls.resource_version == self._seen or not all(tls.data.get(name) for name in TLS_FILES):
            return False
        self._seen = tls.resource_version
        with written(Path(self._directory.name), tls.data):
            changed = self.certificate.refresh()
        if changed:
            self.has_certificate.set()
        return changed


@contextmanager
def written(directory: Path, data: Mapping[str, str]) -> Iterator[None]:
    """Keep the files in `directory`, mode 0600, while the block loads them: a key on disk is a key to steal."""
    try:
        for name in TLS_FILES:
            (directory / name).touch(mode=0o600)
            (directory / name).write_text(data[name], encoding="utf-8")
        yield
    finally:
        for name in TLS_FILES:
            (directory / name).unlink(missing_ok=True)
