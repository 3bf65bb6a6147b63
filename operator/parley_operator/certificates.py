"""Certificates: a small authority of our own, the leaf that operator and injector serve with, and what is due. Pure.

The authority lives a year, the leaf a week and is renewed after two thirds of it. What is trusted is a bundle, so that
a new authority can be trusted before it signs anything.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_LIFE: Final = timedelta(days=365)
CA_OVERLAP: Final = timedelta(days=30)
LEAF_LIFE: Final = timedelta(days=7)
LEAF_RENEWED_AFTER: Final = LEAF_LIFE * 2 / 3
TRUSTED_BEFORE_USE: Final = timedelta(hours=1)
"""How long a new authority is in every bundle before it signs."""
BACKDATED: Final = timedelta(minutes=5)
"""Certificates begin a little in the past, for clocks that are behind."""
MAX_FORMER: Final = 8
"""Authorities that are trusted beside the newest: each is a kilobyte in every pod, caBundle and snapshot."""
_BLOCK: Final = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, in PEM."""

    certificate: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authorities:
    """The authority that signs, and while it is near its end the one that will."""

    current: Pair
    coming: Pair | None = None


def wall_clock() -> datetime:
    """Return the time; all that goes by the calendar takes another clock in its place."""
    return datetime.now(UTC)


def make_authority(now: datetime) -> Pair:
    """Return a new authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"parley {now:%Y-%m-%d}")])
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(name, name, key.public_key(), now, CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pair(certificate, key)


def make_leaf(authority: Pair, sans: Sequence[str], now: datetime) -> Pair:
    """Return a serving certificate for these names and addresses, signed by `authority`."""
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    issuer_key = _private_key(authority.key)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, sans[0][:64])])
    certificate = (
        _builder(name, issuer.subject, key.public_key(), now, LEAF_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(list(map(_general_name, sans))), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return _pair(certificate, key)


def rotated(current: Pair | None, coming: Pair | None, now: datetime) -> Authorities:
    """Return the authorities that should be there: one near its end gets a successor, which signs an hour later.

    In that hour the successor is trusted already, by the API server and by every sidecar, and signs nothing. A pair
    that is missing, has ended, or does not fit together counts as not there.
    """
    signing, successor = _usable(current, now), _usable(coming, now)
    if current is None or signing is None:
        return Authorities(coming if coming and successor else make_authority(now))
    if now <= signing.not_valid_after_utc - CA_OVERLAP:
        return Authorities(current)
    if coming is None or successor is None:
        return Authorities(current, make_authority(now))
    if now < successor.not_valid_before_utc + BACKDATED + TRUSTED_BEFORE_USE:
        return Authorities(current, coming)
    return Authorities(coming)


def leaf_is_due(leaf: Pair | None, authority: Pair, sans: Iterable[str], now: datetime) -> bool:
    """Say whether the leaf must be made anew: none, of another authority, for other names, or old."""
    certificate = _usable(leaf, now)
    if certificate is None or now > certificate.not_valid_before_utc + BACKDATED + LEAF_RENEWED_AFTER:
        return True
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    return not _is_signed_by(certificate, issuer) or set(_names(certificate)) != set(sans)


def bundle(authorities: Authorities, earlier: str, now: datetime) -> str:
    """Return what is trusted: the authorities, then those of an earlier bundle that are still valid."""
    pairs = (authorities.current, authorities.coming)
    return merged("\n".join(pair.certificate for pair in pairs if pair), earlier, now)


def merged(newest: str, earlier: str, now: datetime) -> str:
    """Return a bundle of the newest authorities, then the earlier ones that are still valid; empty if there are none.

    What is in either of them and is no certificate is left out, and of very many earlier ones the oldest.
    """
    first = [pem for pem in dict.fromkeys(certificates_of(newest)) if _certificate(pem)]
    former = [pem for pem in dict.fromkeys(certificates_of(earlier)) if pem not in first and _ends_after(pem, now)]
    return "".join(f"{pem}\n" for pem in first + former[:MAX_FORMER])


def certificates_of(bundled: str) -> list[str]:
    """Return the certificates of a bundle, each as it stands there, in PEM."""
    return [block.strip() for block in _BLOCK.findall(bundled)]


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + life)
    )


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Pair(certificate.public_bytes(serialization.Encoding.PEM).decode(), encoded.decode())


def _usable(pair: Pair | None, now: datetime) -> x509.Certificate | None:
    """Return the certificate of a pair that fits together and has not ended; None for anything else."""
    certificate = _certificate(pair.certificate) if pair else None
    if pair is None or certificate is None or now > certificate.not_valid_after_utc:
        return None
    try:
        fits = certificate.public_key() == _private_key(pair.key).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return certificate if fits else None


def _certificate(pem: str) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        return None


def _private_key(pem: str) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("not an elliptic curve key")
    return key


def _is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _names(certificate: x509.Certificate) -> list[str]:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return [str(name.value) for name in extension.value]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _ends_after(pem: str, now: datetime) -> bool:
    certificate = _certificate(pem)
    return certificate is not None and certificate.not_valid_after_utc > now
