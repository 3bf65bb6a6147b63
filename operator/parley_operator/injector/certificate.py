"""The certificate that the webhook serves, followed on disk without closing the listener.

A Secret's volume changes as a whole: its files are links into a directory that is swapped. The chart mounts it, the
operator's leader fills the Secret, the kubelet swaps the directory.
"""

import logging
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

_CERTIFICATE: Final = "tls.crt"
_KEY: Final = "tls.key"
_AUTHORITIES: Final = "ca.crt"
_NEVER: Final = datetime.fromtimestamp(0, UTC)

_log = logging.getLogger(__name__)


class ServedCertificate:
    """A TLS context whose certificate is that of the directory; new connections get the newest one."""

    def __init__(self, directory: Path) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.expires = _NEVER
        self.trust_anchors = ""
        """PEM of the authorities that sign it and the operator's: two while the authority changes."""
        self._directory = directory
        self._seen: tuple[object, ...] = ()

    def is_good(self, now: datetime) -> bool:
        """Say whether a certificate is loaded and has not expired."""
        return now < self.expires

    def refresh(self) -> bool:
        """Load the files if they changed, and say so; files that do not fit leave what was loaded and are logged."""
        try:
            files = self._files()
            seen = tuple((file, file.stat().st_mtime_ns) for file in files)
            if seen == self._seen:
                return False
            self._load(*files)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            _log.warning("certificate not loaded", extra={"problem": type(error).__name__})
            return False
        self._seen = seen
        _log.info("certificate loaded", extra={"expires": self.expires.isoformat(timespec="seconds")})
        return True

    def _files(self) -> tuple[Path, Path, Path]:
        """Return the files behind the links, so that all three are of one generation."""
        directory = (self._directory / _CERTIFICATE).resolve(strict=True).parent
        return directory / _CERTIFICATE, directory / _KEY, directory / _AUTHORITIES

    def _load(self, certificate: Path, key: Path, authorities: Path) -> None:
        """Load a pair that fits: a failed load leaves the live context with a certificate and another one's key."""
        expires = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
        anchors = authorities.read_text(encoding="ascii")
        x509.load_pem_x509_certificates(anchors.encode())
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        self.context.load_cert_chain(certificate, key)
        self.expires, self.trust_anchors = expires, anchors
