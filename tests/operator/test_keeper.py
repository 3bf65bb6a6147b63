"""The keeper, on real Secrets and a real webhook configuration; its clock is passed."""

import base64
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from parley_operator import kube
from parley_operator.certificates import (
    CA_LIFE,
    CA_OVERLAP,
    LEAF_RENEWED_AFTER,
    TRUSTED_BEFORE_USE,
    Pair,
    leaf_is_due,
)
from parley_operator.errors import ApiUnavailable, Conflict
from parley_operator.gather import read_secret
from parley_operator.keeper import MANAGER, Keeper, context_key, redis_credentials, serving_names
from parley_operator.kube import Kube
from parley_operator.redis_acl import file
from parley_operator.settings import Settings
from tests.operator.serving import FULLNAME, SECRETS, empty, limit_s, settings, webhook
from tests.operator.world import Plant

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


class Calendar:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        """Return what it shows."""
        return self.now


def contents(plant: Plant) -> dict[str, Mapping[str, str]]:
    """Read the four Secrets, by the end of their names."""
    return {name.removeprefix(f"{FULLNAME}-"): plant.secret_data(name) for name in SECRETS}


def versions(plant: Plant) -> list[str]:
    """Read the resource versions of all that the keeper writes."""
    objects = [plant.read("secret", name) for name in SECRETS]
    objects.append(plant.read("mutatingwebhookconfiguration", f"{plant.namespace}-injector"))
    return [each["metadata"]["resourceVersion"] for each in objects]


def bundles(plant: Plant) -> list[str]:
    """Read what each webhook trusts."""
    entries = plant.read("mutatingwebhookconfiguration", f"{plant.namespace}-injector")["webhooks"]
    return [base64.b64decode(entry["clientConfig"].get("caBundle", "")).decode() for entry in entries]


def emptied(plant: Plant) -> Plant:
    """Make the chart's objects anew, empty."""
    plant.kubectl("delete", "secret", *SECRETS, "--ignore-not-found")
    plant.kubectl("delete", "mutatingwebhookconfiguration", f"{plant.namespace}-injector", "--ignore-not-found")
    plant.apply(*map(empty, SECRETS), webhook(plant))
    return plant


@pytest.fixture
def place(bare: Plant) -> Plant:
    """The chart's objects, empty again."""
    return emptied(bare)


def pair(data: Mapping[str, str], prefix: str = "tls") -> Pair:
    """Return a pair that a Secret holds."""
    return Pair(data[f"{prefix}.crt"], data[f"{prefix}.key"])


@pytest.mark.control_plane
async def test_it_fills_what_is_empty_and_then_changes_nothing(place: Plant, real_api: Kube) -> None:
    """Authority, leaf, credentials and key are there after one round; a second one, also of another leader, rests."""
    keeper = Keeper(real_api, settings(place), limit_s, Calendar())
    await keeper.once()
    first, found = versions(place), contents(place)
    await keeper.once()
    await Keeper(real_api, settings(place), limit_s, Calendar()).once()

    assert first == versions(place)
    assert {"tls.crt", "tls.key"} == found["ca"].keys()
    assert {"tls.crt", "tls.key", "ca.crt"} == found["tls"].keys()
    assert file(found["store"]["operator-password"]) == found["store"]["redis.acl"]
    assert 32 == len(base64.b64decode(found["context-key"]["key"]))
    assert not leaf_is_due(pair(found["tls"]), pair(found["ca"]), serving_names(settings(place)), NOW)
    assert [found["tls"]["ca.crt"]] * 2 == bundles(place)


@pytest.mark.control_plane
async def test_it_writes_as_a_field_manager_of_its_own(place: Plant, real_api: Kube) -> None:
    """So an upgrade of the chart, which mentions no data, leaves it alone."""
    await Keeper(real_api, settings(place), limit_s).once()
    text = place.kubectl("get", "secret", f"{FULLNAME}-tls", "--show-managed-fields", "-o", "json")

    assert '"manager": "parley-keeper"' in text
    assert '"operation": "Apply"' in text


@pytest.mark.control_plane
async def test_a_leaf_is_renewed_after_two_thirds_of_its_life(
    place: Plant, real_api: Kube, caplog: pytest.LogCaptureFixture
) -> None:
    """The authority stays, and so does everything else."""
    calendar = Calendar()
    keeper = Keeper(real_api, settings(place), limit_s, calendar)
    await keeper.once()
    before = contents(place)
    calendar.now += LEAF_RENEWED_AFTER + timedelta(minutes=1)
    with caplog.at_level(logging.INFO):
        await keeper.once()
    after = contents(place)

    assert before["tls"]["tls.crt"] != after["tls"]["tls.crt"]
    assert before["tls"]["ca.crt"] == after["tls"]["ca.crt"]
    assert {**before, "tls": after["tls"]} == after
    assert "certificate renewed" in [record.getMessage() for record in caplog.records]


@pytest.mark.control_plane
async def test_a_new_authority_is_trusted_everywhere_an_hour_before_it_signs(place: Plant, real_api: Kube) -> None:
    """Bundle and caBundle hold both; the leaf changes hands later; the old one stays trusted until it ends."""
    calendar = Calendar()
    keeper = Keeper(real_api, settings(place), limit_s, calendar)
    await keeper.once()
    old = pair(contents(place)["ca"])
    calendar.now += CA_LIFE - CA_OVERLAP + timedelta(minutes=1)
    await keeper.once()
    both, trusted = contents(place), bundles(place)
    calendar.now += TRUSTED_BEFORE_USE + timedelta(minutes=1)
    await keeper.once()
    after = contents(place)

    sans = serving_names(settings(place))
    assert old == pair(both["ca"])
    assert not leaf_is_due(pair(both["tls"]), old, sans, calendar.now)
    assert 2 == both["tls"]["ca.crt"].count("BEGIN CERTIFICATE")
    assert [both["tls"]["ca.crt"]] * 2 == trusted
    assert {"tls.crt", "tls.key"} == after["ca"].keys()
    assert pair(both["ca"], "next") == pair(after["ca"])
    assert not leaf_is_due(pair(after["tls"]), pair(after["ca"]), sans, calendar.now)
    assert 2 == after["tls"]["ca.crt"].count("BEGIN CERTIFICATE")


@pytest.mark.control_plane
async def test_what_an_upgrade_emptied_is_put_back(place: Plant, real_api: Kube) -> None:
    """The very same, or all rooms were lost, Redis shut, and every sidecar would trust somebody else."""
    keeper = Keeper(real_api, settings(place), limit_s, Calendar())
    await keeper.once()
    await keeper.once()
    before = contents(place)
    emptied(place)
    await keeper.once()

    assert before == contents(place)
    assert [before["tls"]["ca.crt"]] * 2 == bundles(place)


@pytest.mark.control_plane
async def test_what_is_missing_is_said_once(place: Plant, real_api: Kube, caplog: pytest.LogCaptureFixture) -> None:
    """It is the chart's to make; the rest is done meanwhile, and it is filled as soon as it is there."""
    name, configuration = f"{FULLNAME}-tls", f"{place.namespace}-injector"
    place.kubectl("delete", "secret", name)
    keeper = Keeper(real_api, settings(place), limit_s)
    await keeper.once()
    await keeper.once()
    said = [getattr(record, "object", "") for record in caplog.records]
    place.apply(empty(name))
    place.kubectl("delete", "mutatingwebhookconfiguration", configuration)
    await keeper.once()
    await keeper.once()

    assert [name] == said
    assert [name, configuration] == [getattr(record, "object", "") for record in caplog.records]
    assert contents(place)["context-key"]
    assert contents(place)["tls"]


@pytest.mark.control_plane
async def test_credentials_of_somebody_elses_store_are_not_made(place: Plant, real_api: Kube) -> None:
    """Nor anything else of it: the Secret is the user's."""
    await Keeper(real_api, settings(place, own_redis=False), limit_s).once()

    assert {} == contents(place)["store"]


@pytest.mark.control_plane
async def test_an_older_operator_takes_no_password_away(place: Plant, real_api: Kube) -> None:
    """Which may lead once more during an upgrade: Redis has started with that password, and reads no other one."""
    older = {"username": "parley", "password": "older", "users.acl": "user parley on"}
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in older.items()}
    metadata = {"name": f"{FULLNAME}-store"}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded}
    path, keeper = kube.secret(place.namespace, metadata["name"]), Keeper(real_api, settings(place), limit_s)
    await real_api.apply(path, body, MANAGER)
    await keeper.once()
    before = contents(place)["store"]
    await real_api.apply(path, body, MANAGER)
    await keeper.once()

    assert {*older, "operator-password", "redis.acl"} == before.keys()
    assert before == contents(place)["store"]


@pytest.mark.control_plane
async def test_a_leader_that_looked_too_long_ago_writes_nothing(place: Plant, real_api: Kube) -> None:
    """Two authorities must never be made: what changed since it was read, or was made anew, is a conflict."""
    keeper = Keeper(real_api, settings(place), limit_s)
    name = f"{FULLNAME}-context-key"
    read = await read_secret(real_api, place.namespace, name)
    assert read
    await Keeper(real_api, settings(place), limit_s).once()
    written = contents(place)["context-key"]

    with pytest.raises(Conflict):
        await keeper._write("context-key", read, {"key": "another"})
    assert written == contents(place)["context-key"]
    place.kubectl("delete", "secret", name)
    with pytest.raises(Conflict):
        await keeper._write("context-key", read, {"key": "another"})
    assert {} == place.read("secret", name)


@pytest.mark.control_plane
async def test_nothing_is_written_when_the_lease_has_no_time_left(place: Plant, real_api: Kube) -> None:
    """Another leader may be there by the time the write arrives."""
    with pytest.raises(ApiUnavailable, match="no time left"):
        await Keeper(real_api, settings(place), lambda: 0.0).once()

    assert {} == contents(place)["ca"]


@pytest.mark.control_plane
async def test_no_secret_is_logged_or_printed(place: Plant, real_api: Kube, caplog: pytest.LogCaptureFixture) -> None:
    """Names of objects and of hosts are all that a log gets."""
    with caplog.at_level(logging.DEBUG):
        keeper = Keeper(real_api, settings(place), limit_s)
        await keeper.once()
    found = contents(place)
    shown = "".join(repr(vars(record)) for record in caplog.records) + repr(keeper)

    secret = [
        found["store"]["operator-password"],
        found["store"]["redis.acl"],
        found["context-key"]["key"],
        "PRIVATE KEY",
    ]
    assert [] == [text for text in secret if text in shown]


def test_the_leaf_is_good_for_both_services() -> None:
    """With and without the cluster's domain, and for what tests add."""
    read = Settings("system", "me", FULLNAME, extra_sans=("localhost", "127.0.0.1"))

    assert (
        "bare-operator.system.svc",
        "bare-injector.system.svc",
        "bare-operator.system.svc.cluster.local",
        "bare-injector.system.svc.cluster.local",
        "localhost",
        "127.0.0.1",
    ) == serving_names(read)


def test_what_is_there_is_completed_not_replaced() -> None:
    """A password that somebody set stays, and Redis is told of it; so does a key."""
    assert {"operator-password": "mine", "redis.acl": file("mine")} == redis_credentials(
        {"operator-password": "mine", "redis.acl": "stale"}
    )
    assert {"key": "mine"} == context_key({"key": "mine"})


def test_each_password_and_key_is_another() -> None:
    """They come from the system's source of randomness."""
    assert redis_credentials({}) != redis_credentials({})
    assert context_key({}) != context_key({})
