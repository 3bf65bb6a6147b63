"""The operator's small pure rules: leases, rounds, news, peers, patches, statuses, settings."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from parley_crds.checks import Problem
from parley_crds.component import Component
from parley_operator import errors
from parley_operator.conditions import Judged
from parley_operator.connected import Totals
from parley_operator.keeper import bundle_patch
from parley_operator.kube import refused
from parley_operator.leadership import decide, taken
from parley_operator.news import Novelty
from parley_operator.peers import addresses
from parley_operator.published import Published
from parley_operator.reconcile import Outcome
from parley_operator.rounds import round_s, users
from parley_operator.settings import Settings
from parley_operator.statuses import wanted

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
KEY = ("shop", "gpt")


GOOD = Judged()


def outcome(judged: Judged = GOOD, version: str = "v1", **secrets: str | None) -> Outcome:
    """Return what is known of a component."""
    return Outcome({"metadata": {"generation": 3, "uid": "u"}}, judged, version, secrets)


@pytest.mark.parametrize(
    ("spec", "unchanged_s", "expected"),
    [
        ({}, 0, "acquire"),
        ({"holderIdentity": ""}, 0, "acquire"),
        ({"holderIdentity": "me"}, 0, "renew"),
        ({"holderIdentity": "other", "leaseDurationSeconds": 15}, 14, "wait"),
        ({"holderIdentity": "other", "leaseDurationSeconds": 15}, 16, "acquire"),
        ({"holderIdentity": "other"}, 16, "acquire"),
    ],
)
def test_a_lease_is_taken_when_it_is_free(spec: dict[str, Any], unchanged_s: float, expected: str) -> None:
    """Free means: never held, given back, ours, or not renewed for its duration by our own clock."""
    assert expected == decide(spec, "me", unchanged_s)


def test_taking_a_lease_counts_a_transition_and_renewing_it_does_not() -> None:
    """Who looks at it sees since when it has been held, and how often it changed hands."""
    acquired = taken({"leaseTransitions": 4}, "me", NOW, "acquire")
    renewed = taken(acquired, "me", NOW.replace(hour=9), "renew")

    assert (5, 5) == (acquired["leaseTransitions"], renewed["leaseTransitions"])
    assert "2026-11-25T08:00:00.000000Z" == renewed["acquireTime"]
    assert "2026-11-25T09:00:00.000000Z" == renewed["renewTime"]


@pytest.mark.parametrize(("secrets", "expected"), [(0, 5), (100, 5), (101, 5.05), (400, 20), (100_000, 60)])
def test_rounds_over_secrets_are_quick_for_few_and_bounded_for_many(secrets: int, expected: float) -> None:
    """Five seconds up to a hundred, then twenty reads a second, and never slower than a minute."""
    assert expected == round_s(secrets)


def test_a_shared_secret_is_read_once() -> None:
    """Two components of a namespace that need it are both enqueued; another namespace's is another Secret."""
    outcomes = {KEY: outcome(openai="1"), ("shop", "b"): outcome(openai="1"), ("bank", "c"): outcome(openai=None)}

    assert {("shop", "openai"): [KEY, ("shop", "b")], ("bank", "openai"): [("bank", "c")]} == users(outcomes)


def test_only_what_changed_is_news() -> None:
    """A status write has the same uid and generation; a new object, a new spec and a deletion are news."""
    novelty = Novelty()
    changes = [
        ("ADDED", "u1", 1, ""),
        ("MODIFIED", "u1", 1, ""),
        ("MODIFIED", "u1", 2, ""),
        ("MODIFIED", "u1", 2, "2026-11-25T08:00:00Z"),
        ("DELETED", "u1", 2, ""),
        ("ADDED", "u2", 1, ""),
        ("", "u2", 1, ""),
    ]

    assert [True, False, True, True, True, True, False] == [novelty.is_new(KEY, change) for change in changes]


def test_peers_are_the_endpoints_ready_or_not() -> None:
    """A replica that is not ready may serve sidecars all the same; IPv6 addresses get their brackets."""
    slices: list[dict[str, Any]] = [
        {
            "addressType": "IPv4",
            "ports": [{"port": 8443}],
            "endpoints": [{"addresses": ["10.0.0.1"]}, {"addresses": None}],
        },
        {"addressType": "IPv6", "ports": [{"port": 8443}], "endpoints": [{"addresses": ["fd00::1"]}]},
        {"addressType": "IPv4", "ports": None, "endpoints": [{"addresses": ["10.0.0.2"]}]},
    ]

    assert {"10.0.0.1:8443", "[fd00::1]:8443"} == addresses(slices)


def test_the_bundle_is_written_where_it_differs() -> None:
    """A second look changes nothing, and the chart's other fields are left alone."""
    webhooks = [{"clientConfig": {"caBundle": "new"}}, {"clientConfig": {}}, {"clientConfig": {"caBundle": "old"}}]

    operations = bundle_patch({"webhooks": webhooks}, "new")
    assert ["/webhooks/1/clientConfig/caBundle", "/webhooks/2/clientConfig/caBundle"] == [o["path"] for o in operations]
    assert [] == bundle_patch({}, "new")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (404, errors.NotFound),
        (409, errors.Conflict),
        (401, errors.Forbidden),
        (403, errors.Forbidden),
        (422, errors.Invalid),
        (429, errors.TooManyRequests),
        (503, errors.ApiUnavailable),
        (0, errors.ApiUnavailable),
    ],
)
def test_each_status_is_its_own_error(status: int, expected: type[errors.OperatorError]) -> None:
    """The tree says whether trying again may help."""
    assert type(refused("GET /x", status)) is expected


def test_a_status_counts_the_sidecars_of_the_published_version() -> None:
    """Connected with an older version is not up to date; the summary is what kubectl shows."""
    status = wanted(outcome(), Totals(3, {"v1": 2, "v0": 1}, 0), {}, NOW)

    fine = {"breakersOpen": 0, "breakersHalfOpen": 0, "errors": [], "faults": ""}
    assert {"connected": 3, "upToDate": 2, "failed": 0, "summary": "2/3", **fine} == status["sidecars"]
    assert (3, "v1") == (status["observedGeneration"], status["version"])
    assert wanted(outcome(), Totals(3, {"v1": 2, "v0": 1}, 0), status, NOW.replace(hour=9)) == status


def test_a_component_that_was_never_good_has_no_version() -> None:
    """Nothing is up to date with nothing."""
    status = wanted(outcome(Judged(refused=Problem("UnknownType", "")), ""), Totals(), {}, NOW)

    assert ("", "0/0") == (status["version"], status["sidecars"]["summary"])


async def test_published_tells_its_changes() -> None:
    """An equal component and an absent one are no changes; a waiter gets the newest version."""
    published = Published()
    echo = Component(name="echo", namespace="shop", type="conversation.echo", version="1")
    versions = [published.version]
    changes: list[Callable[[], None]] = [
        partial(published.put, echo),
        partial(published.put, echo),
        partial(published.remove, "shop", "echo"),
        partial(published.remove, "shop", "echo"),
        published.touch,
        published.mark_synced,
        published.mark_synced,
    ]
    for change in changes:
        change()
        versions.append(published.version)

    assert [0, 1, 1, 2, 2, 3, 4, 4] == versions
    assert 4 == await published.wait_for_change(0)
    assert published.synced


def test_settings_come_from_the_environment() -> None:
    """What the chart sets is read; an empty store Secret means that the store has no credentials."""
    read = Settings.read({"PARLEY_WATCH_NAMESPACES": "a, b,", "PARLEY_STORE_SECRET": "", "PARLEY_FULLNAME": "p"})

    assert (("a", "b"), "", "p-injector") == (read.watch_namespaces, read.store_secret, read.webhook_name)
    assert "p-store" == Settings.read({"PARLEY_FULLNAME": "p"}).store_secret
