"""What every provider must do: one suite over all of them, found by themselves.

The vendors' side is the stand-in, a real HTTP server. A new provider is in the suite as soon as its file is there.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from parley_crds import checks
from parley_sidecar import providers
from parley_sidecar.errors import InvalidComponent, ProviderUnavailable
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import Answer, Converse, ConverseRequest, Message, Trace
from parley_sidecar.providers import __main__ as generator
from tests.conftest import Standin, free_port

TYPES = tuple(providers.component_types())


def properties(component_type: str) -> dict[str, Any]:
    """Return what a type's settings are."""
    return dict(checks.settings_schemas()[component_type]["properties"])


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """A client that is closed after the test."""
    client = HttpClient()
    yield client
    await client.aclose()


@pytest.fixture(params=TYPES)
def component_type(request: pytest.FixtureRequest) -> str:
    """Each type in turn."""
    return str(request.param)


@pytest.fixture
def provider(component_type: str, http: HttpClient, standin: Standin) -> Converse:
    """A provider with the settings that its schema knows of these."""
    known = properties(component_type)
    settings = {"key": "sk-secret", "endpoint": f"{standin.url}/v1", "model": "m-1"}
    return providers.connect(component_type, {k: v for k, v in settings.items() if k in known}, http)


def asking(*messages: Message, wants_stream: bool = False) -> ConverseRequest:
    """Return a request."""
    return ConverseRequest(messages or (Message("user", "hello there"),), Trace("1"), wants_stream=wants_stream)


async def test_an_answer_has_text_reason_and_usage(provider: Converse) -> None:
    """The parts of an answer that every door shows are there."""
    reply = await provider(asking())

    assert isinstance(reply, Answer)
    (choice,) = reply.choices
    assert "hello there" in choice.text
    assert "stop" == choice.finish_reason
    assert reply.usage
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 0


async def test_every_role_is_taken(provider: Converse) -> None:
    """System, developer, user and assistant turns, with and without names."""
    reply = await provider(
        asking(
            Message("system", "be brief"),
            Message("developer", "be kind"),
            Message("user", "hi", "ann"),
            Message("assistant", "hello"),
            Message("user", "and now?"),
        )
    )

    assert isinstance(reply, Answer)
    assert "and now?" in reply.choices[0].text


async def test_a_stream_ends_in_the_answer_it_is_made_of(provider: Converse) -> None:
    """Where a provider streams, the deltas joined are the answer's text; one that cannot answers whole."""
    reply = await provider(asking(wants_stream=True))
    if isinstance(reply, Answer):
        whole = reply
        text = whole.choices[0].text
    else:
        text = "".join([delta.text async for delta in reply])
        whole = reply.answer
        await reply.aclose()
        await reply.aclose()

    assert text == whole.choices[0].text
    assert "hello there" in text


@pytest.mark.parametrize("component_type", [name for name in TYPES if "endpoint" in properties(name)])
async def test_nobody_at_the_endpoint_is_unavailable(component_type: str, http: HttpClient) -> None:
    """Every provider that has one says so in the same way, without the address or the key."""
    settings = {"key": "sk-secret", "endpoint": f"http://127.0.0.1:{free_port()}", "model": "m-1"}
    converse = providers.connect(component_type, settings, http)

    with pytest.raises(ProviderUnavailable) as caught:
        await converse(asking())
    assert "the provider could not be reached" == caught.value.message


def test_settings_are_matched_in_any_case(component_type: str, http: HttpClient, standin: Standin) -> None:
    """Dapr's metadata names have no case; a value that cannot be read names its setting and nothing else."""
    given = {"KEY": "sk-secret", "maxtokens": "many", "Endpoint": standin.url}

    with pytest.raises(InvalidComponent, match="the setting maxTokens: ") as caught:
        providers.connect(component_type, given, http)
    assert "many" not in caught.value.message
    assert "sk-secret" not in caught.value.message


def test_every_setting_is_described(component_type: str) -> None:
    """The schema that `make generate` wrote is the model's, and says what each setting means."""
    schema = checks.settings_schemas()[component_type]

    assert all("description" in setting for setting in schema["properties"].values())
    assert schema == json.loads(json.dumps(providers.module_of(component_type).Settings.model_json_schema()))


def test_an_unknown_type_is_refused() -> None:
    """Nothing is imported for it."""
    with pytest.raises(InvalidComponent, match=r"no provider conversation\.nobody"):
        providers.module_of("conversation.nobody")


def test_generated_schemas_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    """`make check` fails when a provider's settings changed without `make generate`."""
    assert 0 == generator.main(["--check"])
    assert "" == capsys.readouterr().err


def test_schemas_are_written_and_what_has_no_provider_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed, a missing and a left-over file are each named by `--check`, and put right without it."""
    (tmp_path / "conversation.echo.json").write_text("{}")
    (tmp_path / "conversation.gone.json").write_text("{}")
    stale = generator.main(["--check"], tmp_path)
    named = capsys.readouterr().err
    written = generator.main([], tmp_path)

    assert (1, 0, 0) == (stale, written, generator.main(["--check"], tmp_path))
    assert len(TYPES) + 1 == named.count("is not up to date: run make generate")
    assert {f"{name}.json" for name in TYPES} == {path.name for path in tmp_path.iterdir()}
