"""`transport: sdk` for Azure: tokens of Entra ID for managed identities, secrets and pods, over real servers."""

import asyncio
import json
import os
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from parley_sidecar.errors import ProviderRefused
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import Answer
from tests.conftest import ROOT, free_port, listens, started, until
from tests.sidecar.sdk_transport.asking import HELLO, sdk
from tests.sidecar.sdk_transport.entra import IDENTITY_HEADER

SERVER = str(ROOT / "tests/sidecar/sdk_transport/entra.py")


@pytest.fixture(scope="module")
def entra() -> Iterator[str]:
    """The root of Azure's OpenAI for identities, with the endpoint of a managed one."""
    port = free_port()
    with started([sys.executable, SERVER, "--port", str(port)]):
        until("Azure for identities", lambda: listens(port))
        yield f"http://127.0.0.1:{port}"


def asked_of(entra: str) -> list[dict[str, str]]:
    """Return what tokens were asked for."""
    with urllib.request.urlopen(f"{entra}/asked", timeout=10) as reply:
        return list(json.load(reply))


async def test_a_managed_identity_signs_in(entra: str, http: HttpClient, environment: pytest.MonkeyPatch) -> None:
    """Without a key, a token of Entra ID is asked for once, for the identity that is named, and used for all."""
    environment.setenv("IDENTITY_ENDPOINT", f"{entra}/msi/token")
    environment.setenv("IDENTITY_HEADER", IDENTITY_HEADER)
    azure = {"apiType": "azure", "endpoint": entra, "apiVersion": "2026-01-01", "azureClientId": "me"}
    converse = sdk(http, **azure)
    before = len(asked_of(entra))
    replies = [*await asyncio.gather(*(converse(HELLO) for _ in range(5))), await converse(HELLO)]

    asked = asked_of(entra)[before:]
    assert all(isinstance(reply, Answer) for reply in replies)
    assert ["me"] == [one["client_id"] for one in asked]


async def test_an_identity_without_a_token_is_refused(
    entra: str, http: HttpClient, environment: pytest.MonkeyPatch
) -> None:
    """What Azure says stays where it is."""
    environment.setenv("IDENTITY_ENDPOINT", f"{entra}/msi/token")
    environment.setenv("IDENTITY_HEADER", IDENTITY_HEADER)
    azure = {"apiType": "azure", "endpoint": entra, "apiVersion": "2026-01-01", "azureClientId": "stranger"}

    with pytest.raises(ProviderRefused) as raised:
        await sdk(http, **azure)(HELLO)
    assert "Entra ID gives no token for Azure OpenAI" == raised.value.message


async def test_a_token_in_the_environment_is_enough(
    entra: str, http: HttpClient, environment: pytest.MonkeyPatch
) -> None:
    """The SDK's own variable, before any identity is asked."""
    environment.setenv("AZURE_OPENAI_AD_TOKEN", "entra-token")
    before = len(asked_of(entra))
    reply = await sdk(http, apiType="azure", endpoint=entra, apiVersion="2026-01-01")(HELLO)

    assert isinstance(reply, Answer)
    assert before == len(asked_of(entra))


ASK = textwrap.dedent(
    """
    import asyncio, json, sys
    from parley_sidecar import providers
    from parley_sidecar.errors import ParleyError
    from parley_sidecar.http_client import HttpClient
    from parley_sidecar.model import ConverseRequest, Message, Trace

    async def main(settings):
        http = HttpClient()
        try:
            await providers.connect("conversation.openai", settings, http)(
                ConverseRequest((Message("user", "hello"),), Trace("1"))
            )
            print("answered")
        except ParleyError as error:
            print(error.message)
        finally:
            await http.aclose()

    asyncio.run(main(json.loads(sys.argv[1])))
    """
)


@pytest.fixture(scope="module")
def entra_over_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The same over TLS, as Entra ID wants it, and the authority to trust."""
    folder = tmp_path_factory.mktemp("entra")
    certificate, key = self_signed(folder)
    port = free_port()
    command = [sys.executable, SERVER, "--port", str(port)]
    with started([*command, "--certificate", str(certificate), "--key", str(key)]):
        until("Entra ID", lambda: listens(port))
        yield f"https://127.0.0.1:{port}", certificate


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Write a certificate of 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    lasting = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    signed = lasting.add_extension(address, critical=False).sign(key, hashes.SHA256())
    certificate_path, key_path = folder / "tls.crt", folder / "tls.key"
    certificate_path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8
    key_path.write_bytes(key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption()))
    return certificate_path, key_path


@pytest.mark.parametrize(
    ("settings", "variables", "expected"),
    [
        ({"azureTenantId": "t-1", "azureClientId": "me", "azureClientSecret": "good-secret"}, {}, "answered"),
        (
            {"azureTenantId": "t-1", "azureClientId": "me", "azureClientSecret": "bad-secret"},
            {},
            "Entra ID gives no token for Azure OpenAI",
        ),
        ({}, {"AZURE_CLIENT_ID": "me", "AZURE_TENANT_ID": "t-1", "AZURE_FEDERATED_TOKEN_FILE": "{token}"}, "answered"),
        ({"azureTenantId": "t-1", "azureClientId": "me"}, {"AZURE_FEDERATED_TOKEN_FILE": "{token}"}, "answered"),
        (
            {"azureTenantId": "t-1", "azureClientId": "me", "azureClientSecret": "good-secret"},
            {"AZURE_AUTHORITY_HOST": "https://127.0.0.1:9"},
            "Entra ID could not be asked for a token",
        ),
    ],
    ids=["secret", "wrong secret", "workload identity", "its tenant and client in settings", "nobody there"],
)
def test_entra_id_gives_a_token(
    entra_over_tls: tuple[str, Path],
    tmp_path: Path,
    settings: dict[str, str],
    variables: dict[str, str],
    expected: str,
) -> None:
    """To a secret, and to a pod's service account; in a process of its own, for it trusts another authority."""
    url, certificate = entra_over_tls
    (tmp_path / "token").write_text("the-pods-token")
    azure = {"transport": "sdk", "apiType": "azure", "endpoint": url, "apiVersion": "2026-01-01"}
    given = {name: value.format(token=tmp_path / "token") for name, value in variables.items()}
    environ = {"AZURE_AUTHORITY_HOST": url, "SSL_CERT_FILE": str(certificate), "PATH": "/nowhere"} | given
    command = [sys.executable, "-c", ASK, json.dumps(azure | settings)]
    ran = subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, timeout=60, check=False)

    assert (expected, "") == (ran.stdout.strip(), ran.stderr)
