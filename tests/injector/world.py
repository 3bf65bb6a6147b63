"""What the injector's tests are made of: pods, reviews, and an authority that signs the webhook's certificates."""

import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import jsonpatch
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from parley_operator.injector.options import read_options
from parley_operator.injector.pod import Pod
from parley_operator.injector.review import Verdict, judge
from parley_operator.injector.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = Settings(
    image="parley-sidecar:1.0.0",
    operator_url="https://parley-operator.parley-system.svc:443",
    sidecar_revision="0123456789abcdef",
    release_namespace="parley-system",
    trust_anchors="-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
)
ENABLED = {"parley.dev/enabled": "true", "parley.dev/app-id": "shop"}
PLAIN = {**ENABLED, "parley.dev/native-sidecar": "false"}
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """Return a pod as a Deployment makes it: without a name, opted in unless `annotations` say otherwise."""
    metadata = {"generateName": "shop-", "annotations": ENABLED if annotations is None else annotations}
    containers = [{"name": "app", "image": "shop:1", "securityContext": RESTRICTED}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": containers, **spec},
    }


def container(name: str = "app", **fields: Any) -> dict[str, Any]:
    """Return a container."""
    return {"name": name, "image": "shop:1", **fields}


def view(document: dict[str, Any]) -> Pod:
    """Return what the injector reads of a pod."""
    return msgspec.convert(document, Pod)


def verdict_on(document: dict[str, Any], settings: Settings = SETTINGS, *, by_namespace: bool = False) -> Verdict:
    """Return the verdict on a pod."""
    seen = view(document)
    return judge(seen, read_options(seen.annotations, by_namespace=by_namespace), settings)


def patched(document: dict[str, Any], verdict: Verdict) -> dict[str, Any]:
    """Return the pod as the API server makes it of the verdict's patch."""
    return dict(jsonpatch.apply_patch(document, json.loads(msgspec.json.encode(verdict.patch))))


def injected(document: dict[str, Any], settings: Settings = SETTINGS, *, by_namespace: bool = False) -> dict[str, Any]:
    """Return the pod after the injector."""
    return patched(document, verdict_on(document, settings, by_namespace=by_namespace))


def sidecar(document: dict[str, Any]) -> dict[str, Any]:
    """Return the sidecar of an injected pod, in the one form or the other: it is the first of its list."""
    spec = document["spec"]
    (found,) = (
        containers[0]
        for containers in (spec["containers"], spec.get("initContainers"))
        if containers and containers[0]["name"] == "parley"
    )
    return dict(found)


def variables(of: dict[str, Any]) -> dict[str, Any]:
    """Return a container's environment: values, or where they come from."""
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in of.get("env", [])}


def review(document: Any, **fields: Any) -> dict[str, Any]:
    """Return an AdmissionReview as the API server sends it for a new pod."""
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": kind,
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "requestKind": kind,
        "namespace": "shop",
        "operation": "CREATE",
        "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
        "object": document,
        "oldObject": None,
        "dryRun": False,
        "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {**request, **fields}}


class Authority:
    """A certificate authority that signs certificates for 127.0.0.1."""

    def __init__(self, name: str = "parley-test") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(**{**dict.fromkeys(_USAGES, False), "key_cert_sign": True, "crl_sign": True})
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        builder = self._builder(self._name, self._key, timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(usage, critical=True).add_extension(identifier, critical=False)
        self.pem = _pem(builder.sign(self._key, hashes.SHA256()))

    def issue(self, directory: Path, *, lifetime: timedelta = timedelta(hours=1), bundle: str = "") -> None:
        """Write tls.crt, tls.key and ca.crt as a Secret's volume has them: links into a directory that is swapped."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "parley-injector")])
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")])
        builder = self._builder(subject, key, lifetime).add_extension(names, critical=False)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(authority, critical=False)
        certificate = _pem(builder.sign(self._key, hashes.SHA256()))
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        mount(directory, {"tls.crt": certificate, "tls.key": private.decode(), "ca.crt": bundle or self.pem})

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, lifetime: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        return builder.not_valid_before(now - timedelta(days=2)).not_valid_after(now + lifetime)


_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


def mount(directory: Path, files: dict[str, str]) -> None:
    """Write files as the kubelet does: a new generation beside the old one, then one link that is swapped."""
    directory.mkdir(exist_ok=True)
    generation = directory / f"..{len(list(directory.iterdir()))}-{datetime.now(UTC).timestamp()}"
    generation.mkdir()
    for name, text in files.items():
        (generation / name).write_text(text, encoding="ascii")
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(f"..data/{name}")
    fresh = directory / "..data_tmp"
    fresh.symlink_to(generation.name)
    fresh.replace(directory / "..data")


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
