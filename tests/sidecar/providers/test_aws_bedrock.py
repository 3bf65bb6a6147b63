"""conversation.aws.bedrock: its settings, where it sends, and what a request cannot replace there."""

import asyncio

import pytest
from msgspec.structs import replace

from parley_sidecar import providers
from parley_sidecar.errors import InvalidComponent, InvalidParameters, ProviderUnavailable
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import Answer, Converse, ConverseRequest, Message, Overrides, Trace
from parley_sidecar.providers.aws_bedrock import public_root
from tests.conftest import Vendors, until
from tests.vendors.bedrock import TYPE

HELLO = ConverseRequest((Message("user", "hello"),), Trace("1"))
PROFILE = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2"


def bedrock(vendors: Vendors, http: HttpClient, **settings: str) -> Converse:
    """Return a provider of the vendor's stand-in."""
    return providers.connect(TYPE, vendors.settings(TYPE) | settings, http)


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("eu.amazon.nova-pro-v1:0", "/model/eu.amazon.nova-pro-v1:0/converse"),
        (PROFILE, f"/model/{PROFILE.replace('/', '%2F')}/converse"),
    ],
)
async def test_a_models_name_or_arn_is_one_segment_of_the_path(
    vendors: Vendors, http: HttpClient, model: str, path: str
) -> None:
    """What is signed is what goes over the wire, also where the name has colons and slashes; the answer names it."""
    reply = await bedrock(vendors, http, model=model)(HELLO)

    assert isinstance(reply, Answer)
    assert model == reply.model
    assert path == vendors.last(TYPE)["path"]


async def test_a_stream_is_asked_for_at_a_path_of_its_own(vendors: Vendors, http: HttpClient) -> None:
    """The body is the same."""
    stream = await bedrock(vendors, http)(replace(HELLO, wants_stream=True))
    assert not isinstance(stream, Answer)
    told = [delta.text async for delta in stream]

    assert ["hello"] == told
    assert "/model/amazon.nova-lite-v1:0/converse-stream" == vendors.last(TYPE)["path"]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (Overrides(key="sk-own"), "AWS has no single key"),
        (Overrides(endpoint="https://example.com"), "cannot name its own"),
        (Overrides(key="sk-own", endpoint="https://example.com"), "AWS has no single key"),
        (Overrides(model="../other"), None),
        (Overrides(model="a model"), "must be a model's id or ARN"),
        (Overrides(model="a?b"), "must be a model's id or ARN"),
    ],
)
async def test_a_request_replaces_the_model_alone(
    vendors: Vendors, http: HttpClient, overrides: Overrides, words: str | None
) -> None:
    """A key or an endpoint is refused with a sentence, and a model cannot leave its segment of the path."""
    before = vendors.count(TYPE)
    if words is None:
        await bedrock(vendors, http)(replace(HELLO, overrides=overrides))
        assert "/model/..%2Fother/converse" == vendors.last(TYPE)["path"]
        return

    with pytest.raises(InvalidParameters, match=words):
        await bedrock(vendors, http)(replace(HELLO, overrides=overrides))
    assert before == vendors.count(TYPE)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"region": "Frankfurt"}, "the setting region: must be the name of an AWS region"),
        ({"region": "eu-central-1.example.com/"}, "the setting region"),
        ({"endpoint": "ftp://example.com"}, "the setting endpoint"),
        ({"model": "a b"}, "the setting model"),
        ({"maxTokens": "many"}, "the setting maxTokens"),
        ({"accessKey": "AKIA1"}, "accessKey and secretKey go together"),
        ({"secretKey": "s3cr3t"}, "accessKey and secretKey go together"),
        ({"sessionToken": "s3cr3t"}, "sessionToken goes with both"),
        ({"accessKey": "AKIA1", "secretKey": "s3cr3t\x01"}, "the setting secretKey: must be printable"),
        ({"trustAnchorArn": "arn:aws:rolesanywhere:x"}, "IAM Roles Anywhere is not supported"),
        ({"trustProfileArn": "arn:aws:rolesanywhere:x"}, "IAM Roles Anywhere is not supported"),
    ],
)
def test_settings_that_cannot_be_used_are_named(http: HttpClient, settings: dict[str, str], words: str) -> None:
    """The message never holds a value that may be secret."""
    with pytest.raises(InvalidComponent, match=words) as raised:
        providers.connect(TYPE, {"region": "eu-central-1"} | settings, http)
    assert "s3cr3t" not in raised.value.message


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_may_come_from_the_environment(http: HttpClient, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """As EKS sets it where it gives a pod an identity; a setting left empty is none."""
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.setenv(name, "eu-west-1")

    converse = providers.connect(TYPE, {"region": "", "endpoint": "", "accessKey": "", "trustAnchorArn": ""}, http)

    assert callable(converse)


def test_without_a_region_there_is_no_component(http: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is none that would do for everybody."""
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)

    with pytest.raises(InvalidComponent, match="region is missing"):
        providers.connect(TYPE, {}, http)


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "https://bedrock-runtime.eu-central-1.amazonaws.com"),
        ("us-gov-west-1", "https://bedrock-runtime.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"),
        ("eusc-de-east-1", "https://bedrock-runtime.eusc-de-east-1.amazonaws.eu"),
    ],
)
def test_the_public_root_is_the_regions(region: str, host: str) -> None:
    """China and the European sovereign cloud have domains of their own."""
    assert host == public_root(region)


async def test_a_stream_that_the_caller_leaves_ends_the_call(vendors: Vendors, http: HttpClient) -> None:
    """The vendor sees the connection go."""
    stream = await bedrock(vendors, http, model="silent")(replace(HELLO, wants_stream=True))
    assert not isinstance(stream, Answer)
    busy = vendors.open(TYPE)
    await stream.aclose()
    await asyncio.to_thread(until, "the end of the call", lambda: vendors.open(TYPE) < busy)


async def test_nobody_there_is_unavailable(vendors: Vendors, http: HttpClient) -> None:
    """Nothing listens at the endpoint."""
    with pytest.raises(ProviderUnavailable):
        await bedrock(vendors, http, endpoint="http://127.0.0.1:9")(HELLO)
