"""Somebody else's authority: what cert-manager, or a person, puts into a TLS Secret."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def new_key() -> Key:
    """Return a key of a kind that we never make ourselves."""
    return ec.generate_private_key(ec.SECP384R1())


class Issuer:
    """An authority with its certificate, which may be signed by another one."""

    def __init__(
        self,
        name: str,
        begin: datetime,
        life: timedelta = timedelta(days=90),
        above: "Issuer | None" = None,
        key: Key | None = None,
    ) -> None:
        self.name = name
        self.begin = begin
        self.above = above
        self.key = key or new_key()
        signer = above or self
        builder = _builder(name, signer.name, self.key, begin, life)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.pem = _pem(builder.sign(signer.key, hashes.SHA256()))

    def secret(
        self, names: Sequence[str], begin: datetime | None = None, life: timedelta = timedelta(days=7)
    ) -> dict[str, str]:
        """Return what it writes into the Secret: without a common name, as cert-manager does it."""
        key = new_key()
        builder = _builder("", self.name, key, begin or self.begin, life)
        sans = x509.SubjectAlternativeName(list(map(x509.DNSName, names)))
        leaf = _pem(builder.add_extension(sans, critical=True).sign(self.key, hashes.SHA256()))
        between, root = (self.pem, self.above.pem) if self.above else ("", self.pem)
        return {"tls.crt": leaf + between, "tls.key": _key_pem(key), "ca.crt": root}


def _builder(subject: str, issuer: str, key: Key, begin: datetime, life: timedelta) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(_name(issuer), _name(subject), key.public_key(), x509.random_serial_number())
    return builder.not_valid_before(begin.astimezone(UTC)).not_valid_after(begin.astimezone(UTC) + life)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)] if text else [])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: Key) -> str:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain).decode()
