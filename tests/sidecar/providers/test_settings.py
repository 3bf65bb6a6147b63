"""The settings of every provider: how they are matched and described, and that the contract has them as they are."""

import json
from pathlib import Path
from typing import Any

import pytest

from parley_crds import checks
from parley_sidecar import providers
from parley_sidecar.errors import InvalidComponent
from parley_sidecar.http_client import HttpClient
from parley_sidecar.providers import __main__ as generator
from tests.sidecar.providers.asking import TYPES

PAGE = Path(__file__).parents[3] / "docs" / "providers.md"


def properties(component_type: str) -> dict[str, Any]:
    """Return what a type's settings are."""
    return dict(checks.settings_schemas()[component_type]["properties"])


@pytest.mark.parametrize("component_type", TYPES)
def test_settings_are_matched_in_any_case(component_type: str, http: HttpClient) -> None:
    """Dapr's metadata names have no case; a value that cannot be read names its setting and nothing else."""
    given = {"KEY": "sk-secret", "maxtokens": "many", "Endpoint": "http://localhost", "REGION": "eu-west-1"}

    with pytest.raises(InvalidComponent, match="the setting maxTokens: ") as caught:
        providers.connect(component_type, given, http)
    assert "many" not in caught.value.message
    assert "sk-secret" not in caught.value.message


@pytest.mark.parametrize("component_type", TYPES)
def test_every_setting_is_described(component_type: str) -> None:
    """The schema that `make generate` wrote is the model's, and says what each setting means."""
    schema = checks.settings_schemas()[component_type]

    assert all("description" in setting for setting in schema["properties"].values())
    assert schema == json.loads(json.dumps(providers.module_of(component_type).Settings.model_json_schema()))


@pytest.mark.parametrize("component_type", TYPES)
def test_every_setting_is_on_the_page(component_type: str) -> None:
    """docs/providers.md has the type, and each of its settings in the type's own section."""
    sections = PAGE.read_text("utf-8").split("\n## ")
    (section,) = [one for one in sections if one.startswith(f"{component_type}\n")]
    missing = [name for name in properties(component_type) if f"`{name}`" not in section]

    assert [] == missing


@pytest.mark.parametrize("component_type", [name for name in TYPES if "key" in properties(name)])
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"key": " \n"}, "the setting key: must be printable"),
        ({"key": "sk-\nsecret"}, "the setting key: must be printable"),
        ({"endpoint": "api.sk-secret.com"}, "the setting endpoint: must be an http"),
        ({"endpoint": "https://user:sk-secret@host"}, "the setting endpoint: must be an http"),
        ({"endpoint": "https://host:sk-secret"}, "the setting endpoint: must be an http"),
        ({"endpoint": "https://host/v1?key=sk-secret"}, "the setting endpoint: must be an http"),
    ],
)
def test_settings_that_cannot_work_are_named_at_load(
    component_type: str, http: HttpClient, settings: dict[str, str], words: str
) -> None:
    """Not at the first request, and never with their values."""
    with pytest.raises(InvalidComponent, match=words) as caught:
        providers.connect(component_type, {"key": "k"} | settings, http)

    assert "secret" not in caught.value.message


@pytest.mark.parametrize("component_type", [name for name in TYPES if "key" in properties(name)])
def test_a_key_is_needed_where_it_has_no_default(component_type: str, http: HttpClient) -> None:
    """Ollama takes any; all others say that theirs is missing."""
    if component_type == "conversation.ollama":
        providers.connect(component_type, {}, http)
        return

    with pytest.raises(InvalidComponent, match="the setting key: Field required"):
        providers.connect(component_type, {}, http)


@pytest.mark.parametrize("component_type", TYPES)
def test_no_secret_shows_in_a_printed_form(component_type: str) -> None:
    """Settings hide what may be secret."""
    given = {"key": "sk-secret", "accessKey": "sk-secret", "secretKey": "sk-secret", "region": "eu-west-1"}
    settings = providers.module_of(component_type).Settings(**given)

    assert "sk-secret" not in repr(settings)


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
