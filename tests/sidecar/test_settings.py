"""Settings from flags and environment."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from parley_sidecar.command_error import CommandError
from parley_sidecar.settings import Settings

CLUSTER = {"PARLEY_OPERATOR_URL": "https://parley-operator.parley-system.svc:443/", "PARLEY_TOKEN_FILE": "/t/token"}


def test_a_directory_is_enough() -> None:
    """Everything else has a default that works on a laptop."""
    settings = Settings.read({"components": "here"}, {})

    assert (Path("here"), 3500, 50001, 9464) == (
        settings.components,
        settings.http_port,
        settings.grpc_port,
        settings.metrics_port,
    )
    assert ("local", "default", None, None) == (
        settings.app_id,
        settings.namespace,
        settings.redis,
        settings.operator_url,
    )


def test_what_the_injector_sets_is_read() -> None:
    """In a cluster everything comes from the environment, and the empty variables of a template count as unset."""
    more = {
        "PARLEY_TRUST_ANCHORS": "PEM",
        "PARLEY_LAST_GOOD_FILE": "/state/last-good.json",
        "PARLEY_APP_ID": "shop",
        "PARLEY_NAMESPACE": "retail",
        "PARLEY_HTTP_PORT": "3600",
        "PARLEY_LOG_LEVEL": "DEBUG",
        "PARLEY_PRECISE_STATUSES": "true",
        "PARLEY_DRAIN_SECONDS": "2.5",
        "PARLEY_ALLOWED_HOSTS": "parley.local, other ,",
        "PARLEY_REDIS": "",
        "DAPR_API_TOKEN": "open sesame",
    }

    expected = Settings(
        operator_url="https://parley-operator.parley-system.svc:443",
        token_file=Path("/t/token"),
        trust_anchors="PEM",
        last_good_file=Path("/state/last-good.json"),
        app_id="shop",
        namespace="retail",
        http_port=3600,
        log_level="debug",
        precise_statuses=True,
        drain_s=2.5,
        allowed_hosts=("parley.local", "other"),
        api_token="open sesame",
    )

    assert expected == Settings.read({}, {**CLUSTER, **more})


def test_grpc_can_be_switched_off() -> None:
    """By a port that is none."""
    assert 0 == Settings.read({"components": "here", "grpc_port": "0"}, {}).grpc_port


def test_a_flag_wins_over_its_variable() -> None:
    """What is typed is meant more than what is inherited."""
    settings = Settings.read({"components": "here", "http_port": "4000"}, {"PARLEY_HTTP_PORT": "5000"})

    assert 4000 == settings.http_port


@pytest.mark.parametrize(
    ("flags", "environ", "sentence"),
    [
        ({"http_port": "http"}, {}, "--http-port must be a port from 1 to 65535"),
        ({"http_port": "65536"}, {}, "--http-port must be a port from 1 to 65535"),
        ({"grpc_port": "-1"}, {}, "--grpc-port must be a port from 1 to 65535"),
        ({}, {"PARLEY_METRICS_PORT": "0"}, "PARLEY_METRICS_PORT must be a port from 1 to 65535"),
        ({}, {"PARLEY_DRAIN_SECONDS": "-1"}, "PARLEY_DRAIN_SECONDS must be a number of seconds, such as 10"),
        ({}, {"PARLEY_DRAIN_SECONDS": "inf"}, "PARLEY_DRAIN_SECONDS must be a number of seconds, such as 10"),
        ({}, {"PARLEY_PRECISE_STATUSES": "yes"}, "PARLEY_PRECISE_STATUSES must be true or false"),
        ({}, {"PARLEY_LOG_LEVEL": "loud"}, "PARLEY_LOG_LEVEL must be one of debug, info, warning, error"),
        (
            {"redis": "redis://one,two"},
            {},
            "--redis must name one host; several are for redis+cluster:// and redis+sentinel://",
        ),
        (
            {},
            {"PARLEY_OPERATOR_URL": "http://plain"},
            "PARLEY_OPERATOR_URL must be a URL that starts with https:// or wss://",
        ),
    ],
)
def test_a_value_that_means_nothing_is_told(flags: dict[str, str], environ: dict[str, str], sentence: str) -> None:
    """The sentence names the flag or the variable, whichever was used, and the exit code is that of a wrong use."""
    with pytest.raises(CommandError) as caught:
        Settings.read({"components": "here", **flags}, environ)

    assert (sentence, 2) == (str(caught.value), caught.value.exit_code)


@pytest.mark.parametrize(
    ("flags", "environ", "words"),
    [
        ({}, {}, "one source of components"),
        ({"components": "here"}, CLUSTER, "one source of components"),
        ({}, {"PARLEY_OPERATOR_URL": CLUSTER["PARLEY_OPERATOR_URL"]}, "needs PARLEY_TOKEN_FILE"),
    ],
)
def test_there_is_one_source(flags: dict[str, str], environ: dict[str, str], words: str) -> None:
    """A directory or the operator, never both and never none."""
    with pytest.raises(CommandError, match=re.escape(words)):
        Settings.read(flags, environ)


def test_secrets_are_not_shown() -> None:
    """Neither what is logged at start nor the repr holds a secret; that one is set may be seen."""
    environ = {"PARLEY_REDIS": "redis://:hush@cache:6379", "DAPR_API_TOKEN": "hush", "PARLEY_TRUST_ANCHORS": "hush"}
    settings = Settings.read({"components": "here"}, environ)

    assert "hush" not in repr(settings) + str(settings.shown())
    assert (True, True, "here") == (
        settings.shown()["redis"],
        settings.shown()["api_token"],
        settings.shown()["components"],
    )


def test_every_option_has_a_variable_of_its_own() -> None:
    """Two options never read the same variable or flag."""
    variables = [option.metadata["variable"] for option in fields(Settings)]
    flags = [flag for option in fields(Settings) if (flag := option.metadata["flag"])]

    assert len(variables) == len(set(variables))
    assert len(flags) == len(set(flags))
