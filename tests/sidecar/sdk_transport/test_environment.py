"""`transport: sdk`: what the openai package finds in the environment, what it must not take along, and who pays for it.

That nothing else differs is shown by the conformance suite, which runs over it too.
"""

import json
import logging
import subprocess
import sys
import textwrap

import pytest
from msgspec.structs import replace

from parley_sidecar import sdk_transport
from parley_sidecar.errors import InvalidComponent, InvalidParameters, ProviderUnavailable
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import Answer, Overrides
from tests.conftest import Vendors
from tests.sidecar.sdk_transport.asking import AZURE_MOUNT, HELLO, MOUNT, sdk


async def test_the_environment_says_what_the_settings_do_not(
    vendors: Vendors, http: HttpClient, environment: pytest.MonkeyPatch
) -> None:
    """Key, endpoint, organization, project and headers, each under the SDK's own variable."""
    settings = vendors.settings(MOUNT)
    environment.setenv("OPENAI_API_KEY", settings["key"])
    environment.setenv("OPENAI_BASE_URL", f"{settings['endpoint']}/")
    environment.setenv("OPENAI_ORG_ID", "org-1")
    environment.setenv("OPENAI_PROJECT_ID", "proj-1")
    environment.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway: g-1")
    reply = await sdk(http)(HELLO)

    sent = vendors.last(MOUNT)
    assert isinstance(reply, Answer)
    assert ("org-1", "proj-1", "g-1") == tuple(
        sent["headers"][name] for name in ("openai-organization", "openai-project", "x-gateway")
    )
    assert "gpt-5-nano" == sent["body"]["model"]


async def test_the_settings_go_before_the_environment(
    vendors: Vendors, http: HttpClient, environment: pytest.MonkeyPatch
) -> None:
    """Whoever wrote the component meant it."""
    environment.setenv("OPENAI_API_KEY", "sk-wrong")
    environment.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9")
    environment.setenv("OPENAI_ORG_ID", "org-1")
    own = vendors.settings(MOUNT) | {"organization": "org-2", "project": "proj-2", "headers": '{"X-Gateway":"g-2"}'}
    await sdk(http, **own)(HELLO)

    headers = vendors.last(MOUNT)["headers"]
    assert ("org-2", "proj-2", "g-2") == tuple(
        headers[name] for name in ("openai-organization", "openai-project", "x-gateway")
    )


async def test_a_requests_own_key_takes_nothing_of_the_components_with_it(
    vendors: Vendors, http: HttpClient, environment: pytest.MonkeyPatch
) -> None:
    """Neither to the component's endpoint nor to the request's; an endpoint alone is refused."""
    environment.setenv("OPENAI_ORG_ID", "org-1")
    environment.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway: g-1\nAuthorization: Bearer sk-component")
    settings = vendors.settings(MOUNT)
    good, endpoint = settings.pop("key"), settings["endpoint"]
    converse = sdk(http, **settings, key="sk-component")
    for overrides in (Overrides(key=good), Overrides(key=good, endpoint=endpoint)):
        assert isinstance(await converse(replace(HELLO, overrides=overrides)), Answer)
        sent = vendors.last(MOUNT)["headers"]
        assert {"openai-organization", "x-gateway"}.isdisjoint(sent)
        assert f"Bearer {good}" == sent["authorization"]

    with pytest.raises(InvalidParameters, match="needs its own key"):
        await converse(replace(HELLO, overrides=Overrides(endpoint=endpoint)))


async def test_azures_environment_is_known_too(
    vendors: Vendors, http: HttpClient, environment: pytest.MonkeyPatch
) -> None:
    """Endpoint, version and key; the deployment is the model."""
    settings = vendors.settings(AZURE_MOUNT)
    environment.setenv("AZURE_OPENAI_ENDPOINT", f"{settings['endpoint']}/")
    environment.setenv("OPENAI_API_VERSION", settings["apiVersion"])
    environment.setenv("AZURE_OPENAI_API_KEY", settings["key"])
    converse = sdk(http, apiType="azure")

    assert isinstance(await converse(HELLO), Answer)
    assert vendors.last(AZURE_MOUNT)["path"].startswith(
        "/openai/deployments/gpt-4.1-nano/chat/completions?api-version="
    )
    assert isinstance(await converse(replace(HELLO, overrides=Overrides(key=settings["key"], model="m-2"))), Answer)
    assert vendors.last(AZURE_MOUNT)["path"].startswith("/openai/deployments/m-2/")


@pytest.mark.parametrize(
    ("settings", "variables", "words"),
    [
        ({}, {}, "neither in the setting key nor in OPENAI_API_KEY"),
        ({}, {"OPENAI_API_KEY": "sk-s3cr3t\n\x01"}, "the environment variable OPENAI_API_KEY must be printable"),
        ({"key": "sk"}, {"OPENAI_BASE_URL": "s3cr3t"}, "the environment variable OPENAI_BASE_URL must be an http"),
        ({"apiType": "azure", "key": "k"}, {}, "Azure needs endpoint and apiVersion"),
        ({"apiType": "azure", "key": "k", "endpoint": "https://a.example"}, {}, "Azure needs endpoint and apiVersion"),
        ({"transport": "http", "key": "k", "azureClientId": "me"}, {}, "an identity of Azure needs transport: sdk"),
        ({"transport": "http"}, {"OPENAI_API_KEY": "sk-s3cr3t"}, "key"),
    ],
)
def test_what_is_nowhere_is_missed(
    http: HttpClient, environment: pytest.MonkeyPatch, settings: dict[str, str], variables: dict[str, str], words: str
) -> None:
    """At once, not at the first request; the plain transport knows no environment."""
    for name, value in variables.items():
        environment.setenv(name, value)

    with pytest.raises(InvalidComponent, match=words) as raised:
        sdk(http, **settings)
    assert "s3cr3t" not in raised.value.message


async def test_nothing_is_retried(vendors: Vendors, http: HttpClient) -> None:
    """That is the retry layer's."""
    before = vendors.count(MOUNT)
    with pytest.raises(ProviderUnavailable):
        await sdk(http, **(vendors.settings(MOUNT) | {"model": "status-500"}))(HELLO)

    assert before + 1 == vendors.count(MOUNT)


@pytest.mark.parametrize("name", ["openai", "httpx2", "azure.identity", "azure.core.pipeline"])
def test_the_sdks_keep_requests_out_of_the_log(name: str) -> None:
    """At debug and info they would print them; Azure's warnings have what Entra ID answered."""
    expected = sdk_transport.QUIET_FROM[name.partition(".")[0]]

    assert expected == logging.getLogger(name).getEffectiveLevel()
    assert expected >= (logging.ERROR if "azure" in name else logging.WARNING)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("conversation.openai", {"key": "sk"}), ("conversation.echo", {}), ("conversation.anthropic", {"key": "sk"})],
)
def test_a_plain_component_imports_no_sdk(kind: str, settings: dict[str, str]) -> None:
    """They cost memory and start-up time that only those pay who want them."""
    program = textwrap.dedent(
        """
        import json, sys
        import parley_sidecar.app
        from parley_sidecar import providers
        from parley_sidecar.http_client import HttpClient
        providers.connect(sys.argv[1], json.loads(sys.argv[2]), HttpClient())
        print([name for name in ("openai", "azure", "botocore", "httpx2") if name in sys.modules])
        """
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, kind, json.dumps(settings)], capture_output=True, text=True, check=True
    )

    assert "[]" == ran.stdout.strip()
