"""conversation.aws.bedrock: every model of Amazon Bedrock that can converse, over Converse and ConverseStream.

Own wire forms over the shared HTTP client; botocore gives credentials and signatures alone.
Source: the API reference of Amazon Bedrock Runtime; settings from Dapr's component of the same type.
"""

import os
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from parley_sidecar.bedrock import reply, stream
from parley_sidecar.bedrock.request import to_wire
from parley_sidecar.bedrock.signing import Keys, Signer
from parley_sidecar.drafts import Draft, begun
from parley_sidecar.errors import InvalidComponent, InvalidParameters
from parley_sidecar.faults import OK
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import Converse, ConverseRequest, Delta, Overrides, Reply
from parley_sidecar.targets import printable, root

REGION_VARIABLES: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
"""Where the region comes from if no setting says it; EKS sets them where it gives a pod an identity."""
_REGION: Final = re.compile(r"[a-z]{2,3}(-[a-z]+)+-[0-9]+")
_MODEL: Final = re.compile(r"[A-Za-z0-9._:/-]{1,2048}")
"""Characters that a model's id or ARN has. Source: ConversationalModelId."""
_DOMAINS: Final = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
}
"""Where AWS's hosts are of regions that begin so. Source: partitions.json of AWS's endpoint rules."""
_DEFAULT_MODEL: Final = "amazon.nova-lite-v1:0"
"""Amazon's own cheap one: no contract with a third party, and it has system prompts, tools and streams. The one that
Dapr's component ends up with, Titan Text Lite, is retired."""


class Settings(BaseModel):
    """What a component of this type may set."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"additionalProperties": False})

    region: str | None = Field(
        None, description="The AWS region; if left out, AWS_REGION of the sidecar's environment, which must be there."
    )
    endpoint: str | None = Field(
        None, description="The root of the API, for a VPC endpoint; if left out, the region's public one."
    )
    access_key: SecretStr | None = Field(
        None, alias="accessKey", description="An access key's id; if left out, AWS's default credential chain."
    )
    secret_key: SecretStr | None = Field(None, alias="secretKey", description="The secret of the access key.")
    session_token: SecretStr | None = Field(
        None, alias="sessionToken", description="The session token of a temporary access key."
    )
    assume_role_arn: str | None = Field(
        None, alias="assumeRoleArn", description="A role to assume with the credentials that were found."
    )
    trust_anchor_arn: str | None = Field(
        None, alias="trustAnchorArn", description="Refused: there is no IAM Roles Anywhere here."
    )
    trust_profile_arn: str | None = Field(
        None, alias="trustProfileArn", description="Refused: there is no IAM Roles Anywhere here."
    )
    model: str = Field(_DEFAULT_MODEL, description="The model, inference profile or ARN that answers.")
    max_tokens: int | None = Field(None, alias="maxTokens", description="Tokens that an answer has at most.")

    @field_validator("region")
    @classmethod
    def _region_is_one(cls, region: str | None) -> str | None:
        return region and region_like(region)

    @field_validator("endpoint")
    @classmethod
    def _endpoint_is_a_url(cls, endpoint: str | None) -> str | None:
        return root(endpoint) if endpoint else None

    @field_validator("model")
    @classmethod
    def _model_is_one(cls, model: str) -> str:
        if not _MODEL.fullmatch(model):
            raise ValueError("must be a model's id or ARN")
        return model

    @field_validator("access_key", "secret_key", "session_token")
    @classmethod
    def _key_is_printable(cls, key: SecretStr | None) -> SecretStr | None:
        return SecretStr(printable(key.get_secret_value())) if key and key.get_secret_value() else None

    @field_validator("trust_anchor_arn", "trust_profile_arn")
    @classmethod
    def _no_roles_anywhere(cls, arn: str | None) -> str | None:
        if arn:
            raise ValueError("IAM Roles Anywhere is not supported: use a role of the pod (IRSA), or an access key")
        return None

    @model_validator(mode="after")
    def _keys_are_whole(self) -> Self:
        if (self.access_key is None) != (self.secret_key is None) or (self.session_token and not self.access_key):
            raise ValueError("accessKey and secretKey go together, and sessionToken goes with both")
        return self


def connect(settings: Settings, http: HttpClient) -> Converse:
    """Return the provider for one component.

    Raises:
        InvalidComponent: when no region is known.
    """
    region = settings.region or _region_of_environment()
    signer = Signer(region, _keys(settings), settings.assume_role_arn or None)
    api = settings.endpoint or public_root(region)

    async def streamed(url: str, body: bytes, draft: Draft) -> AsyncGenerator[Delta, None]:
        headers = await signer.headers(url, body)
        async with http.exchange(url, headers, body) as exchange:
            if exchange.status != OK:
                answer = await exchange.read()
                raise reply.refusal(exchange.status, exchange.headers, answer, exchange.retry_after_s)
            async with aclosing(stream.deltas(exchange.chunks(), draft)) as pieces:
                async for delta in pieces:
                    yield delta

    async def converse(request: ConverseRequest, /) -> Reply:
        model = _model(request.overrides, settings.model)
        body = to_wire(request, model, settings.max_tokens)
        url = f"{api}/model/{quote(model, safe=':')}/converse"
        if request.wants_stream:
            draft = Draft(model=model)
            return await begun(streamed(f"{url}-stream", body, draft), draft)
        answer = await http.post(url, await signer.headers(url, body), body)
        if answer.status != OK:
            raise reply.refusal(answer.status, answer.headers, answer.body, answer.retry_after_s)
        return reply.from_wire(answer.body, model)

    return converse


def region_like(text: str) -> str:
    """Return a region's name; raises ValueError for what cannot be one, for it becomes a part of a host name."""
    if not _REGION.fullmatch(text):
        raise ValueError("must be the name of an AWS region, such as eu-central-1")
    return text


def _region_of_environment() -> str:
    found = next((os.environ[name] for name in REGION_VARIABLES if os.environ.get(name)), "")
    try:
        return region_like(found)
    except ValueError:
        raise InvalidComponent("the setting region is missing, and AWS_REGION does not say it either") from None


def public_root(region: str) -> str:
    """Return the root of a region's public API."""
    domain = next((domain for start, domain in _DOMAINS.items() if region.startswith(start)), "amazonaws.com")
    return f"https://bedrock-runtime.{region}.{domain}"


def _keys(settings: Settings) -> Keys | None:
    access, secret, token = settings.access_key, settings.secret_key, settings.session_token
    if access is None or secret is None:
        return None
    return Keys(access.get_secret_value(), secret.get_secret_value(), token.get_secret_value() if token else None)


def _model(overrides: Overrides, usual: str) -> str:
    """Return the model to ask; the other overrides mean nothing to AWS, and would send a signature elsewhere.

    Raises:
        InvalidParameters: for a key, for an endpoint, or for what cannot be a model.
    """
    if overrides.key is not None:
        raise InvalidParameters("key in metadata: AWS has no single key, so a request cannot bring its own")
    if overrides.endpoint is not None:
        raise InvalidParameters("endpoint in metadata: a request to Bedrock cannot name its own")
    model = overrides.model or usual
    if not _MODEL.fullmatch(model):
        raise InvalidParameters("model in metadata must be a model's id or ARN")
    return model
