"""The certificate that the webhook serves, followed on disk without closing the listener.

A Secret's volume changes as a whole: its files are links into a directory that is swapped. The chart mounts it, the
operator's leader fills the Secret, the kubelet swaps the directory.
"""

import logging
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from parley_operator.certificates import wall_clock
from parley_operator.verification import SENTENCES, fault, services

_CERTIFICATE: Final = "tls.crt"
_KEY: Final = "tls.key"
_AUTHORITIES: Final = "ca.crt"
_NEVER: Final = datetime.fromtimestamp(0, UTC)

_log = logging.getLogger(__name__)


class UnfitError(ValueError):
    """A certificate that would not be accepted; the sentence says why."""


class ServedCertificate:
    """A TLS context whose certificate is that of the directory; new connections get the newest one."""

    def __init__(self, directory: Path, clock: Callable[[], datetime] = wall_clock) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.begins = self.expires = _NEVER
        self.trust_anchors = ""
        """PEM of the authorities that sign it and the operator's: two while the authority changes."""
        self._directory = directory
        self._clock = clock
        self._seen: tuple[object, ...] = ()
        self._refused: tuple[object, ...] = ()
        self._services: tuple[str, ...] = ()

    def is_good(self, now: datetime) -> bool:
        """Say whether a certificate is loaded and has not expired."""
        return now < self.expires

    def refresh(self) -> bool:
        """Load the files if they changed, and say so; files that do not fit leave what was loaded and are logged."""
        seen: tuple[object, ...] = ()
        try:
            files = self._files()
            seen = tuple((file, file.stat().st_mtime_ns) for file in files)
            if seen == self._seen:
                return False
            self._load(*files)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            self._say(seen, str(error) if isinstance(error, UnfitError) else type(error).__name__)
            return False
        self._seen = seen
        _log.info("certificate loaded", extra={"expires": self.expires.isoformat(timespec="seconds")})
        return True

    def _say(self, seen: tuple[object, ...], problem: str) -> None:
        """Log why files were not loaded, once for each generation of them."""
        if not seen or seen != self._refused:
            _log.warning("certificate not loaded", extra={"problem": problem})
        self._refused = seen

    def _files(self) -> tuple[Path, Path, Path]:
        """Return the files behind the links, so that all three are of one generation."""
        directory = (self._directory / _CERTIFICATE).resolve(strict=True).parent
        return directory / _CERTIFICATE, directory / _KEY, directory / _AUTHORITIES

    def _load(self, certificate: Path, key: Path, authorities: Path) -> None:
        """Load a pair that fits: a failed load leaves the live context with a certificate and another one's key.

        While one is served that is good, its successor must be vouched for by what is trusted (the leader has that
        trusted everywhere before it is written here), and be for the same Services.
        """
        leaf = x509.load_pem_x509_certificate(certificate.read_bytes())
        anchors = authorities.read_text(encoding="ascii")
        now = self._clock()
        if self.is_good(now):
            data = {_CERTIFICATE: certificate.read_text("ascii"), _KEY: key.read_text("ascii")}
            if found := fault(data, anchors, self._services, now):
                raise UnfitError(SENTENCES[found])
        x509.load_pem_x509_certificates(anchors.encode())
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        self.context.load_cert_chain(certificate, key)
        self._services = services(leaf)
        self.begins, self.expires, self.trust_anchors = leaf.not_valid_before_utc, leaf.not_valid_after_utc, anchors
