"""Verification: whether a serving certificate will do for those who connect to it. Pure.

Whoever made it, the keeper, cert-manager or a person: every replica looks before it serves with a new one, and says
what is wrong with it. The injector looks too. As strict as a TLS client is, and no stricter: no rules of public
authorities.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

Fault = Literal["missing", "incomplete", "unreadable", "key", "expired", "names", "authority"]

SENTENCES: Final[Mapping[Fault, str]] = {
    "missing": "there is no such Secret",
    "incomplete": "tls.crt, tls.key or the authority's ca.crt is not there",
    "unreadable": "tls.crt, tls.key or ca.crt is not PEM, or of a kind that is not supported",
    "key": "tls.key is the key of another certificate",
    "expired": "the certificate has ended, or not begun",
    "names": "the certificate is not for the names that the operator and the injector are called by",
    "authority": "no authority that is trusted has signed the certificate",
}
"""What a person reads; each key is a metric's label value."""

# RSA from 2048 bits, or ECDSA on P-256, P-384 or P-521, by the library's own rule.
_LEAF: Final = ExtensionPolicy.permit_all().require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
_AUTHORITY: Final = ExtensionPolicy.permit_all().require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)


def fault(data: Mapping[str, str], authorities: str, names: Sequence[str], now: datetime) -> Fault | None:
    """Return what is wrong with `tls.crt` and `tls.key` for those who trust `authorities` (PEM); None: nothing.

    `tls.crt` may bring the authorities between it and a trusted one. It must be good for all `names`.
    """
    if not (data.get("tls.crt") and data.get("tls.key") and authorities):
        return "incomplete"
    try:
        leaf, *between = x509.load_pem_x509_certificates(data["tls.crt"].encode())
        own_key = load_pem_private_key(data["tls.key"].encode(), password=None).public_key() == leaf.public_key()
        trusted = x509.load_pem_x509_certificates(authorities.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "unreadable"
    if not own_key:
        return "key"
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        return "expired"
    if not all(_is_for(leaf, name, now) for name in names):
        return "names"
    return None if _is_signed(leaf, between, trusted, now) else "authority"


def services(leaf: x509.Certificate) -> tuple[str, ...]:
    """Return the names of Services that a certificate is for, without those that stand for several."""
    try:
        sans = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    names = sans.get_values_for_type(x509.DNSName)
    return tuple(name for name in names if name.endswith(".svc") and not name.startswith("*"))


def _is_for(leaf: x509.Certificate, name: str, now: datetime) -> bool:
    """Say whether a client that trusts the certificate itself accepts it for `name`."""
    try:
        _policy([leaf], now).build_server_verifier(x509.DNSName(name)).verify(leaf, [])
    except VerificationError:
        return False
    return True


def _is_signed(
    leaf: x509.Certificate, between: list[x509.Certificate], trusted: list[x509.Certificate], now: datetime
) -> bool:
    try:
        _policy(trusted, now).build_client_verifier().verify(leaf, between)
    except VerificationError:
        return False
    return True


def _policy(trusted: list[x509.Certificate], now: datetime) -> PolicyBuilder:
    return PolicyBuilder().store(Store(trusted)).time(now).extension_policies(ca_policy=_AUTHORITY, ee_policy=_LEAF)
