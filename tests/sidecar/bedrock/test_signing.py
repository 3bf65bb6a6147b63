"""Where credentials come from, how often they are asked for, and that AWS takes what is signed with them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from parley_sidecar import providers
from parley_sidecar.bedrock.signing import Keys, Signer
from parley_sidecar.errors import InvalidComponent, ParleyError, ProviderRefused, ProviderUnavailable
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import Answer, ConverseRequest, Message, Trace
from tests.conftest import Vendors
from tests.sidecar.bedrock.aws import TEMPORARY, TOKEN, Credentials, handing_out
from tests.vendors.bedrock import ACCOUNTS, REGION, TYPE

HELLO = ConverseRequest((Message("user", "hello"),), Trace("1"))
FIXED = "AKIAVENDORFIXED"
KEYS = {"AWS_ACCESS_KEY_ID": FIXED, "AWS_SECRET_ACCESS_KEY": ACCOUNTS[FIXED].secret}
URL = "https://bedrock-runtime.eu-central-1.amazonaws.com/model/m/converse"
ROLE = "arn:aws:iam::123456789012:role/parley"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment without any credentials, for a test to set what it needs."""
    for name in (*KEYS, "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


@pytest.fixture
def aws() -> Iterator[Credentials]:
    """A server that hands out credentials."""
    with handing_out() as state:
        yield state


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """A client that is closed after the test."""
    client = HttpClient()
    yield client
    await client.aclose()


async def signs_for(vendors: Vendors, http: HttpClient, **settings: str) -> str:
    """Ask the vendor, which checks the signature, and return the session token that it got."""
    reach = {"endpoint": vendors.settings(TYPE)["endpoint"], "region": REGION}
    reply = await providers.connect(TYPE, reach | settings, http)(HELLO)
    assert isinstance(reply, Answer)
    return str(vendors.last(TYPE)["headers"].get("x-amz-security-token", ""))


async def sign_twice(signer: Signer, aws: Credentials) -> None:
    """Sign, and sign again when no more credentials are handed out."""
    await signer.headers(URL, b"{}")
    aws.refuses = True
    await signer.headers(URL, b"{}")


def web_identity(environment: pytest.MonkeyPatch, aws: Credentials, folder: Path) -> None:
    """Set what EKS sets in a pod whose service account has a role."""
    token = folder / "token"
    token.write_text("the-pods-token")
    environment.setenv("AWS_ROLE_ARN", ROLE)
    environment.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    environment.setenv("AWS_ENDPOINT_URL_STS", aws.url)


async def test_a_components_own_keys_go_first(
    vendors: Vendors, http: HttpClient, environment: pytest.MonkeyPatch
) -> None:
    """Temporary ones with their session token; what the environment has is not looked at."""
    environment.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "other")
    secret = ACCOUNTS[TEMPORARY].secret

    assert TOKEN == await signs_for(vendors, http, accessKey=TEMPORARY, secretKey=secret, sessionToken=TOKEN)


@pytest.mark.parametrize(
    "keys",
    [
        {"accessKey": FIXED, "secretKey": "wrong"},
        {"accessKey": "AKIAUNKNOWN", "secretKey": "wrong"},
        {"accessKey": TEMPORARY, "secretKey": ACCOUNTS[TEMPORARY].secret},
        {"accessKey": TEMPORARY, "secretKey": ACCOUNTS[TEMPORARY].secret, "sessionToken": "old"},
    ],
    ids=["secret", "key", "no token", "token"],
)
async def test_keys_that_aws_does_not_take_are_refused(
    vendors: Vendors, http: HttpClient, keys: dict[str, str]
) -> None:
    """The vendor computes the signature anew."""
    with pytest.raises(ProviderRefused, match="status 403"):
        await signs_for(vendors, http, **keys)


async def test_the_environments_keys_are_found(
    vendors: Vendors, http: HttpClient, environment: pytest.MonkeyPatch
) -> None:
    """The first link of the default chain."""
    for name, value in KEYS.items():
        environment.setenv(name, value)

    assert "" == await signs_for(vendors, http)


async def test_a_profile_is_found(vendors: Vendors, http: HttpClient, tmp_path: Path) -> None:
    """In the file where AWS's tools keep them."""
    secret = ACCOUNTS[FIXED].secret
    (tmp_path / "credentials").write_text(f"[default]\naws_access_key_id={FIXED}\naws_secret_access_key={secret}\n")

    assert "" == await signs_for(vendors, http)


async def test_a_pods_role_is_assumed_with_its_token(
    vendors: Vendors, http: HttpClient, environment: pytest.MonkeyPatch, aws: Credentials, tmp_path: Path
) -> None:
    """IRSA: STS gets the service account's token and no signature."""
    web_identity(environment, aws, tmp_path)

    assert TOKEN == await signs_for(vendors, http)
    (asked,) = aws.asked
    assert ("AssumeRoleWithWebIdentity", "the-pods-token", "") == (
        asked["Action"], asked["WebIdentityToken"], asked["authorization"],
    )  # fmt: skip


async def test_a_containers_endpoint_is_asked(
    vendors: Vendors, http: HttpClient, environment: pytest.MonkeyPatch, aws: Credentials
) -> None:
    """ECS, and EKS Pod Identity with its token."""
    environment.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{aws.url}/v1/credentials")
    environment.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod-identity")

    assert TOKEN == await signs_for(vendors, http)
    assert ["pod-identity"] == [asked["authorization"] for asked in aws.asked]


async def test_an_instances_metadata_are_asked(
    vendors: Vendors, http: HttpClient, environment: pytest.MonkeyPatch, aws: Credentials
) -> None:
    """The last link of the chain."""
    environment.delenv("AWS_EC2_METADATA_DISABLED")
    environment.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws.url)

    assert TOKEN == await signs_for(vendors, http)


async def test_a_components_role_is_assumed_with_what_was_found(
    vendors: Vendors, http: HttpClient, environment: pytest.MonkeyPatch, aws: Credentials
) -> None:
    """Here with the component's own keys, which sign the request to STS."""
    environment.setenv("AWS_ENDPOINT_URL_STS", aws.url)
    token = await signs_for(vendors, http, accessKey=FIXED, secretKey=ACCOUNTS[FIXED].secret, assumeRoleArn=ROLE)

    (asked,) = aws.asked
    assert TOKEN == token
    assert ("AssumeRole", ROLE, "parley") == (asked["Action"], asked["RoleArn"], asked["RoleSessionName"])
    assert f"Credential={FIXED}/" in asked["authorization"]


async def test_without_credentials_the_component_is_invalid_and_nobody_asks_on_and_on(
    environment: pytest.MonkeyPatch, aws: Credentials
) -> None:
    """The whole chain is walked once; requests soon after hear the same."""
    aws.refuses = True
    environment.delenv("AWS_EC2_METADATA_DISABLED")
    environment.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws.url)
    signer = Signer(REGION, None, None)

    for _ in range(3):
        with pytest.raises(InvalidComponent, match="no AWS credentials"):
            await signer.headers(URL, b"{}")
    assert len({asked["path"] for asked in aws.asked}) == len(aws.asked)


async def test_a_role_that_may_not_be_assumed_is_refused(environment: pytest.MonkeyPatch, aws: Credentials) -> None:
    """What STS says stays where it is."""
    aws.refuses = True
    environment.setenv("AWS_ENDPOINT_URL_STS", aws.url)

    with pytest.raises(ProviderRefused) as raised:
        await Signer(REGION, Keys(FIXED, "s"), ROLE).headers(URL, b"{}")
    assert "AWS refused to hand out credentials" == raised.value.message


@pytest.mark.parametrize("name", ["AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"])
async def test_credentials_that_cannot_be_read_may_be_there_later(environment: pytest.MonkeyPatch, name: str) -> None:
    """A profile that is not there, or a token's file."""
    environment.setenv("AWS_ROLE_ARN", ROLE)
    environment.setenv(name, "/nowhere")

    with pytest.raises(ProviderUnavailable, match="could not be read"):
        await Signer(REGION, None, None).headers(URL, b"{}")


async def test_credentials_are_asked_for_once_for_all(
    environment: pytest.MonkeyPatch, aws: Credentials, tmp_path: Path
) -> None:
    """Twenty requests at once, one of which leaves, and one later."""
    web_identity(environment, aws, tmp_path)
    signer = Signer(REGION, None, None)
    tasks = [asyncio.create_task(signer.headers(URL, b"{}")) for _ in range(20)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    signed = [*(await asyncio.gather(*tasks[1:])), await signer.headers(URL, b"{}")]

    assert {TOKEN} == {headers["X-Amz-Security-Token"] for headers in signed}
    assert 1 == len(aws.asked)


async def test_credentials_are_renewed_ahead_of_their_end(
    environment: pytest.MonkeyPatch, aws: Credentials, tmp_path: Path
) -> None:
    """The old ones hold meanwhile, and also when that fails."""
    web_identity(environment, aws, tmp_path)
    aws.lifetime_s = 700.0
    signer = Signer(REGION, None, None, pause_s=0.0)
    await signer.headers(URL, b"{}")
    aws.refuses = True
    while len(aws.asked) < 3:
        assert TOKEN == (await signer.headers(URL, b"{}"))["X-Amz-Security-Token"]
        await asyncio.sleep(0.01)

    assert TOKEN == (await signer.headers(URL, b"{}"))["X-Amz-Security-Token"]


@pytest.mark.parametrize(("lifetime_s", "kind"), [(40.0, ProviderRefused), (-1.0, ProviderUnavailable)])
async def test_credentials_that_end_are_waited_for(
    environment: pytest.MonkeyPatch, aws: Credentials, tmp_path: Path, lifetime_s: float, kind: type[ParleyError]
) -> None:
    """Those that are about to end are not used; those that come already ended are none."""
    web_identity(environment, aws, tmp_path)
    aws.lifetime_s = lifetime_s
    signer = Signer(REGION, None, None, pause_s=0.0)

    with pytest.raises(kind):
        await sign_twice(signer, aws)


def test_keys_do_not_show() -> None:
    """Neither in a log nor in an error."""
    shown = repr(Keys("AKIA1", "secret", "token"))

    assert "AKIA1" not in shown
    assert "secret" not in shown
    assert "token'" not in shown
