"""`transport: sdk` of conversation.openai: the openai package makes each request, signs in and knows its environment.

The only module that knows that package, its HTTP types and Azure's credentials; `providers.openai` imports it when a
component first wants it. Bytes go over the shared HTTP client, so that limits, faults and connections are everybody's;
bodies and answers are those of `completions`, so that nothing else differs from the plain transport.
"""

import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Final, Self

import httpx2
import msgspec
from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.identity.aio import ClientSecretCredential, DefaultAzureCredential, get_bearer_token_provider
from openai import APIConnectionError, APIStatusError, AsyncAzureOpenAI, AsyncOpenAI, OpenAIError

from parley_sidecar.errors import InvalidComponent, ParleyError, ProviderGarbled, ProviderRefused, ProviderUnavailable
from parley_sidecar.faults import fault
from parley_sidecar.http_client import Exchange, HttpClient, HttpReply, asked_wait_s
from parley_sidecar.model import Converse, ConverseRequest, Reply
from parley_sidecar.providers.openai import Settings, over_http
from parley_sidecar.targets import headers_in, printable, root

AZURE_SCOPE: Final = "https://cognitiveservices.azure.com/.default"
"""What a token of Entra ID is asked for. Source: Azure OpenAI's reference, "Microsoft Entra ID authentication"."""
AZURE_KEY_VARIABLES: Final = ("AZURE_OPENAI_AD_TOKEN", "AZURE_OPENAI_API_KEY")
"""Where the SDK finds a token or a key, in this order. Source: the openai package, "Microsoft Azure OpenAI"."""

_EXCHANGE: Final = "parley.exchange"
_OUR_CLIENTS: Final = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})
"""Headers that the HTTP client sets by itself."""
_DOCUMENT: Final = msgspec.json.Decoder(dict[str, Any])

QUIET_FROM: Final = {
    "openai": logging.WARNING,
    "httpx2": logging.WARNING,
    "azure": logging.ERROR,
    "msal": logging.ERROR,
}
"""The level from which on each package may log: below it they print requests, or what a server answered."""
for _name, _level in QUIET_FROM.items():
    logging.getLogger(_name).setLevel(_level)


def connect_sdk(settings: Settings, http: HttpClient) -> Converse:
    """Return the provider for one component.

    A request that brings its own key has no use for the SDK's ways to sign in, and must not take what the environment
    holds to another endpoint: it goes the plain way.

    Raises:
        InvalidComponent: when neither the settings nor the environment say where to go and with which key.
    """
    client, endpoint = (_azure if settings.api_type == "azure" else _openai)(settings, http)
    named = settings.model_copy(update=endpoint)
    through_sdk, plain = over_http(named, SdkClient(client)), over_http(named, http)

    async def converse(request: ConverseRequest, /) -> Reply:
        is_own = request.overrides.key is not None or request.overrides.endpoint is not None
        return await (plain if is_own else through_sdk)(request)

    return converse


class SdkClient(HttpClient):
    """Stands where a provider has its HTTP client, and has the SDK post what it is given, where and how it wants."""

    def __init__(self, client: AsyncOpenAI) -> None:
        super().__init__()
        self._client = client

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> HttpReply:
        """Post a chat completion and read the whole answer; a status other than 2xx is raised as what it means.

        Raises:
            ParleyError: as `exchange`.
        """
        async with self.exchange(url, headers, body) as exchange:
            return HttpReply(exchange.status, exchange.headers, await exchange.read())

    @asynccontextmanager
    async def exchange(self, url: str, headers: Mapping[str, str], body: bytes) -> AsyncIterator[Exchange]:  # noqa: ARG002
        """Post a chat completion, and hold the answer open inside the block.

        Raises:
            ParleyError: what a status other than 2xx means, or a token that cannot be had.
        """
        document = _DOCUMENT.decode(body)
        create = self._client.chat.completions.with_streaming_response.create
        asked = create(messages=(), model=document["model"], extra_body=document)
        async with AsyncExitStack() as stack:
            with mapping():
                response = await stack.enter_async_context(asked)
            exchange: Exchange = response.http_response.extensions[_EXCHANGE]
            yield exchange


class SharedTransport(httpx2.AsyncBaseTransport):
    """Lets the SDK's HTTP client send over ours."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; its answer stays open until the response is closed."""
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OUR_CLIENTS}
        body = await request.aread()
        async with AsyncExitStack() as stack:
            exchange = await stack.enter_async_context(self._http.exchange(str(request.url), headers, body))
            stream = _Body(exchange, stack.pop_all())
        extensions = {_EXCHANGE: exchange}
        return httpx2.Response(exchange.status, headers=dict(exchange.headers), stream=stream, extensions=extensions)


class _Body(httpx2.AsyncByteStream):
    """The body of an answer, for the SDK's client: it reads those of faults, and closes all."""

    def __init__(self, exchange: Exchange, stack: AsyncExitStack) -> None:
        self._exchange = exchange
        self._stack = stack

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield await self._exchange.read()

    async def aclose(self) -> None:
        await self._stack.aclose()


class EntraCredential:
    """A credential of Azure that is open only while a token is fetched, about once an hour."""

    def __init__(self, opened: Callable[[], DefaultAzureCredential | ClientSecretCredential]) -> None:
        self._opened = opened

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Fetch a token; raises AzureError when there is none. Source: azure.core's AsyncTokenCredential."""
        async with self._opened() as credential:
            return await credential.get_token(*scopes, **options)

    async def close(self) -> None:
        """Close nothing: nothing is open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


@contextmanager
def mapping() -> Iterator[None]:
    """Raise our error for one of the SDK's or of Azure's that happens inside the block."""
    try:
        yield
    except (OpenAIError, AzureError) as error:
        raise mapped(error) from error


def mapped(error: OpenAIError | AzureError) -> ParleyError:
    """Return our error for one of theirs, without a word of its text: that may hold a part of a body or a key."""
    match error:
        case APIStatusError():
            return fault(error.status_code, asked_wait_s(error.response.headers, time.time()))
        case APIConnectionError():
            return ProviderUnavailable("the provider could not be reached")
        case OpenAIError():
            return ProviderGarbled("the openai package does not understand the provider's answer")
        case ClientAuthenticationError():
            return ProviderRefused("Entra ID gives no token for Azure OpenAI")
        case _:
            return ProviderUnavailable("Entra ID could not be asked for a token")


def _openai(settings: Settings, http: HttpClient) -> tuple[AsyncOpenAI, dict[str, str]]:
    endpoint = _endpoint(settings, "OPENAI_BASE_URL") or settings.endpoint
    key = settings.key.get_secret_value() or _found("OPENAI_API_KEY", printable)
    if not key:
        raise InvalidComponent("there is no key: neither in the setting key nor in OPENAI_API_KEY")
    client = AsyncOpenAI(
        api_key=key,
        base_url=endpoint,
        organization=settings.organization,
        project=settings.project,
        max_retries=0,
        default_headers=_headers(settings),
        http_client=httpx2.AsyncClient(transport=SharedTransport(http), trust_env=False),
    )
    return client, {"endpoint": endpoint}


def _azure(settings: Settings, http: HttpClient) -> tuple[AsyncOpenAI, dict[str, str]]:
    endpoint = _endpoint(settings, "AZURE_OPENAI_ENDPOINT")
    version = settings.api_version or os.environ.get("OPENAI_API_VERSION")
    if not endpoint or not version:
        raise InvalidComponent(
            "Azure needs endpoint and apiVersion, or AZURE_OPENAI_ENDPOINT and OPENAI_API_VERSION in their place"
        )
    key = settings.key.get_secret_value() or None
    in_environment = [name for name in AZURE_KEY_VARIABLES if _found(name, printable)]
    wants_token = key is None and (settings.azure_client_id is not None or not in_environment)
    client = AsyncAzureOpenAI(
        api_key=key,
        azure_endpoint=endpoint,
        api_version=version,
        azure_ad_token_provider=_token_provider(settings) if wants_token else None,
        organization=settings.organization,
        project=settings.project,
        max_retries=0,
        default_headers=_headers(settings),
        http_client=httpx2.AsyncClient(transport=SharedTransport(http), trust_env=False),
    )
    return client, {"endpoint": endpoint, "api_version": version}


def _endpoint(settings: Settings, variable: str) -> str | None:
    return settings.endpoint if "endpoint" in settings.model_fields_set else _found(variable, root)


def _found(variable: str, read: Callable[[str], str]) -> str | None:
    """Return what `read` makes of a variable of the environment, or None where it is not set or empty."""
    text = os.environ.get(variable)
    try:
        return read(text) if text else None
    except ValueError as error:
        raise InvalidComponent(f"the environment variable {variable} {error}") from error


def _headers(settings: Settings) -> dict[str, str]:
    return headers_in(settings.headers.get_secret_value() if settings.headers else "")


def _token_provider(settings: Settings) -> Callable[[], Any]:
    """Return what gives a token of Entra ID, fetched ahead of its end, once for all who wait for it."""
    tenant, client, secret = settings.azure_tenant_id, settings.azure_client_id, settings.azure_client_secret
    identity = {"managed_identity_client_id": client, "workload_identity_client_id": client} if client else {}
    home = {"workload_identity_tenant_id": tenant} if tenant else {}

    def opened() -> DefaultAzureCredential | ClientSecretCredential:
        if tenant and client and secret:
            return ClientSecretCredential(tenant, client, secret.get_secret_value(), retry_total=0)
        return DefaultAzureCredential(**identity, **home, retry_total=0)

    return get_bearer_token_provider(EntraCredential(opened), AZURE_SCOPE)
