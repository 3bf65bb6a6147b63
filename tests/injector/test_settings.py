"""The settings file."""

import json
from pathlib import Path
from typing import Any

import pytest

from parley_operator.injector.settings import Settings, SettingsError, file_from, load, shown, unknown_fields

LEAST = {"image": "parley-sidecar:1", "operatorUrl": "https://parley-operator.parley-system.svc:443"}


def written(directory: Path, **fields: Any) -> Path:
    """Write a settings file with these fields beside the two that are required."""
    file = directory / "injector.json"
    file.write_text(json.dumps({**LEAST, **fields}), encoding="utf-8")
    return file


def test_two_fields_are_enough(tmp_path: Path) -> None:
    """All others have defaults."""
    settings = load(written(tmp_path))

    assert Settings(image=LEAST["image"], operator_url=LEAST["operatorUrl"]) == settings
    assert ({"cpu": "50m", "memory": "96Mi"}, {"memory": "256Mi"}) == (
        settings.resources.requests,
        settings.resources.limits,
    )


def test_all_fields_are_camel_case(tmp_path: Path) -> None:
    """What a chart writes is read; null leaves the ids to the platform."""
    settings = load(
        written(
            tmp_path,
            imagePullPolicy="Always",
            resources={"requests": {"cpu": "1"}, "limits": {}},
            cpuLimitWhenRequired="2",
            runAsUser=None,
            runAsGroup=None,
            sidecarLogLevel="debug",
            sidecarDrainSeconds=0,
            failurePolicy="Fail",
            logLevel="warning",
            host="127.0.0.1",
            port=9443,
            metricsPort=9465,
            tlsDirectory="/tls",
            drainSeconds=1,
            maxInFlight=1,
        )
    )

    assert ("Always", None, "Fail", 9443) == (
        settings.image_pull_policy,
        settings.run_as_user,
        settings.failure_policy,
        settings.port,
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"failurePolicy": "ignore"}, "failurePolicy"),
        ({"runAsUser": 0}, "runAsUser"),
        ({"operatorUrl": "parley-operator"}, "operatorUrl"),
        ({"operatorUrl": "https://operator/path"}, "operatorUrl"),
        ({"image": ""}, "image"),
        ({"resources": {"limits": {"memory": "lots"}}}, "resources.memory"),
        ({"cpuLimitWhenRequired": "half"}, "cpuLimitWhenRequired"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, Any], words: str, tmp_path: Path) -> None:
    """The injector does not start, and says which field of which file is at fault."""
    with pytest.raises(SettingsError, match=words) as caught:
        load(written(tmp_path, **fields))

    assert "injector.json" in str(caught.value)


def test_an_unknown_field_does_not_keep_the_injector_from_starting(tmp_path: Path) -> None:
    """The file may be of the next version, or misspelt: what it says beside is read, and the log names the field."""
    file = written(tmp_path, imagePullPolice="Always", port=9443)

    assert 9443 == load(file).port
    assert ("imagePullPolice",) == unknown_fields(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """So is one that cannot be read at all."""
    with pytest.raises(SettingsError, match=r"nowhere\.json"):
        load(tmp_path / "nowhere.json")


def test_where_the_file_is() -> None:
    """Where the chart mounts it, unless the environment says otherwise."""
    assert Path("/etc/parley/injector.json") == file_from({})
    assert Path("/x.json") == file_from({"PARLEY_INJECTOR_SETTINGS": "/x.json"})


def test_settings_are_shown_without_the_anchors() -> None:
    """They are long, and change while running."""
    text = shown(Settings(image="i", operator_url="https://o", trust_anchors="PEM"))

    assert "i" == text["image"]
    assert "trustAnchors" not in text
