"""The operator's own Secrets, followed by every replica: what it serves with, whom sidecars trust, where the store is.

The leader fills them (`keeper`), or cert-manager or a person the certificate; a standby reads the same. New connections
get the newest certificate that will do. One that will not, for whatever reason, leaves the last good one in use; one of
an authority that has just come waits until every sidecar that is connected, or comes back, knows that authority.
"""

import asyncio
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from parley_crds.loading import SecretData
from parley_operator.certificates import TRUSTED_BEFORE_USE, certificates_of, wall_clock
from parley_operator.edges import succeeded
from parley_operator.gather import read_secret
from parley_operator.injector.certificate import ServedCertificate
from parley_operator.kube import Kube
from parley_operator.metrics import Metrics
from parley_operator.published import Published
from parley_operator.settings import Settings
from parley_operator.store_section import StoreSource
from parley_operator.verification import SENTENCES, Fault, fault

POLL_S: Final = 5.0
FIRST_POLL_S: Final = 0.5
LONG_AGO: Final = datetime.fromtimestamp(0, UTC)
TLS_FILES: Final = ("tls.crt", "tls.key", "ca.crt")

logger = logging.getLogger(__name__)


class OwnSecrets:
    """Holds what the Secrets said last, and tells `published` when it changed."""

    def __init__(
        self,
        api: Kube,
        settings: Settings,
        published: Published,
        metrics: Metrics,
        clock: Callable[[], datetime] = wall_clock,
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        self._api = api
        self._settings = settings
        self._published = published
        # Python loads a certificate and its key from files only; the chart mounts memory where temporary files go.
        self._directory = tempfile.TemporaryDirectory(prefix="parley-tls-")
        self.certificate = ServedCertificate(Path(self._directory.name), clock)
        self.trust_anchors = ""
        """PEM of the authorities that sidecars must trust from now on."""
        self.fault: Fault | None = None
        """What is wrong with the certificate that the Secret holds; another one may be served meanwhile."""
        self.store = self._source(None, None)
        self._served = ""
        self._told_since: dict[str, datetime] = {}
        self.has_certificate = asyncio.Event()
        """Set once there is something to serve with."""

    @property
    def expires_at(self) -> float:
        """When the served certificate ends, as a Unix time; 0 before there is one."""
        return self.certificate.expires.timestamp()

    @property
    def begins_at(self) -> float:
        """When its validity begins, as a Unix time; 0 before there is one."""
        return self.certificate.begins.timestamp()

    async def once(self) -> None:
        """Read the Secrets, and use what changed; raises `errors.OperatorError`."""
        tls = await self._read_named(self._settings.tls_secret)
        given = tls.data if tls else {}
        bundled = given.get("ca.crt", "")
        if self._settings.certificates != "builtin":
            trust = await self._read("ca")
            bundled = trust.data.get("ca.crt", "") if trust else ""
        changed = self._trust(bundled)
        self._serve(tls)
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
        settings = self._settings
        return StoreSource(settings.store_url, bool(settings.store_secret), store, context, settings.own_redis)

    async def _read(self, suffix: str) -> SecretData | None:
        return await self._read_named(f"{self._settings.fullname}-{suffix}")

    async def _read_named(self, name: str) -> SecretData | None:
        return await read_secret(self._api, self._settings.namespace, name)

    def _trust(self, bundled: str) -> bool:
        """Take what is trusted from now on; an emptied Secret changes nothing."""
        anchors = certificates_of(bundled)
        if not anchors or bundled == self.trust_anchors:
            return False
        # What is there at the first look may have been there for long, and others may serve by it.
        since = self._clock() if self.trust_anchors else LONG_AGO
        self._told_since = {pem: self._told_since.get(pem, since) for pem in anchors}
        self.trust_anchors = bundled
        return True

    def _serve(self, tls: SecretData | None) -> None:
        """Serve with what the Secret holds, unless that will not do, or not yet."""
        data = tls.data if tls else {}
        now = self._clock()
        found = self._fault(data, self.trust_anchors, now) if tls else "missing"
        self._say(found)
        if found or data["tls.crt"] == self._served or self._must_wait(data, now):
            return
        with written(Path(self._directory.name), {**data, "ca.crt": self.trust_anchors}):
            if self.certificate.refresh():
                self._served = data["tls.crt"]
                self.has_certificate.set()
                self._metrics.certificate_renewals.inc()

    def _fault(self, data: Mapping[str, str], authorities: str, now: datetime) -> Fault | None:
        return fault(data, authorities, called_names(self._settings), now)

    def _must_wait(self, data: Mapping[str, str], now: datetime) -> bool:
        """Say whether only an authority that came lately vouches for it, while there is another one to serve with.

        The keeper's own authorities wait before they sign; others sign at once.
        """
        if not self.certificate.is_good(now + TRUSTED_BEFORE_USE):
            return False
        known = [pem for pem, since in self._told_since.items() if now >= since + TRUSTED_BEFORE_USE]
        return self._fault(data, "\n".join(known), now) is not None

    def _say(self, found: Fault | None) -> None:
        """Log what is wrong, once; what our own leader has not filled yet is no fault, it says what keeps it."""
        before, self.fault = self.fault, found
        unfilled = self._settings.certificates == "builtin" and found in {"missing", "incomplete"}
        if found and found != before and not unfilled:
            goes_on = "the last good one is served" if self._served else "nothing can be served"
            facts = {"secret": self._settings.tls_secret, "reason": SENTENCES[found], "meanwhile": goes_on}
            logger.error("certificate not used", extra=facts)


def called_names(settings: Settings) -> tuple[str, ...]:
    """Return what the certificate must be good for: what sidecars and the API server call the two Services."""
    return tuple(f"{settings.fullname}-{part}.{settings.namespace}.svc" for part in ("operator", "injector"))


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
