"""What the chart tells the operator by its environment: the store, what is switched on, which sidecar is current."""

import json
import re

import pytest

from parley_operator.settings import Settings
from tests.chart.rendering import (
    one,
    pods,
    rendered,
    rendered_set,
    variables,
)

pytestmark = pytest.mark.control_plane  # helm is built with the control plane's programs


@pytest.mark.parametrize(
    ("flags", "url", "secret"),
    [
        ("redis.enabled=true", "redis://parley-redis.parley-system.svc:6379", "parley-store"),
        ("redis.enabled=false", "", ""),
        ("redis.external.url=rediss://redis.example:6380", "rediss://redis.example:6380", ""),
        (
            "redis.external.url=redis://redis.example:6379,redis.external.existingSecret=mine",
            "redis://redis.example:6379",
            "mine",
        ),
    ],
)
def test_the_operator_learns_the_store(flags: str, url: str, secret: str) -> None:
    """The operator is told one store: the chart's, the user's, or none; the chart's runs only in the first case."""
    documents = rendered("--set", flags)
    environment = variables(documents)

    assert (url, secret) == (environment["PARLEY_STORE_URL"], environment["PARLEY_STORE_SECRET"])
    assert ("parley-redis" in url) == ("parley-redis" in pods(documents))


def test_the_operators_environment() -> None:
    """The operator gets every variable that it reads, and no others."""
    expected = {
        "PARLEY_NAMESPACE": None,
        "PARLEY_POD_NAME": None,
        "PARLEY_SERVICE_ACCOUNT": None,
        "PARLEY_FULLNAME": "parley",
        "PARLEY_WATCH_NAMESPACES": "shop,billing",
        "PARLEY_WEBHOOK_NAME": "parley-injector",
        "PARLEY_PORT": "8443",
        "PARLEY_METRICS_PORT": "9464",
        "PARLEY_PEER_TOKEN_FILE": "/var/run/secrets/parley/peer/token",
        "PARLEY_STORE_URL": "rediss://redis.example:6380/1",
        "PARLEY_STORE_SECRET": "redis-credentials",
        "PARLEY_OWN_REDIS": "",
        "PARLEY_CERTIFICATES": "external",
        "PARLEY_TLS_SECRET": "parley-certificate",
        "PARLEY_READ_DAPR_COMPONENTS": "false",
        "PARLEY_EVICT_MISSED": "false",
        "PARLEY_RESTART_OUTDATED": "false",
        "PARLEY_LOG_LEVEL": "info",
    }
    environment = variables(rendered_set("namespaced"))
    revision = environment.pop("PARLEY_SIDECAR_REVISION") or ""

    assert expected == environment
    assert re.fullmatch("[0-9a-f]{16}", revision)


def test_the_operator_reads_its_environment_as_meant() -> None:
    """What the values say is what the operator's own reader understands."""
    environment = {name: value or "" for name, value in variables(rendered_set("opted-in")).items()}
    read = Settings.read(environment)

    assert (True, True, True, True) == (
        read.own_redis,
        read.read_dapr_components,
        read.evict_missed,
        read.restart_outdated,
    )
    assert ("builtin", "parley-tls") == (read.certificates, read.tls_secret)


def test_accounts_of_the_users_own() -> None:
    """Accounts that the values name are used and not made, and the operator's rights go to the one named."""
    documents = rendered_set("cert-manager")
    used = {name: spec["serviceAccountName"] for name, spec in pods(documents).items()}
    made = [each["metadata"]["name"] for each in documents if each["kind"] == "ServiceAccount"]

    assert {"parley-operator": "parley-writer", "parley-injector": "nobody", "parley-redis": "nobody"} == used
    assert ["parley-selftest"] == made


def revision(*flags: str) -> str | None:
    """Return the sidecars' revision, of which operator and injector must say the same."""
    documents = rendered(*flags)
    settings = json.loads(one(documents, "ConfigMap", "parley-injector")["data"]["injector.json"])
    told = variables(documents)["PARLEY_SIDECAR_REVISION"]

    assert settings["sidecarRevision"] == told
    return told


@pytest.mark.parametrize(
    ("flags", "is_another"),
    [
        ("images.sidecar.tag=v2", True),
        ("sidecar.drainSeconds=5", True),
        ("sidecar.native=false", True),
        ("sidecar.runAsUser=null", True),
        ("injector.logLevel=debug", False),
        ("injector.failurePolicy=Fail", False),
        ("operator.replicas=3", False),
    ],
)
def test_the_revision_follows_what_shapes_sidecars(flags: str, is_another: bool) -> None:  # noqa: FBT001
    """A sidecar is outdated after a change that would make it otherwise, and after no other."""
    before, after = revision(), revision("--set", flags)

    assert is_another == (before != after)
