"""Certificates that cert-manager or a person makes: what the leader trusts by them, what each replica serves.

Real Secrets and a real webhook configuration; the clock is passed, and the issuer is a real authority of another kind
than ours. cert-manager itself is not run.
"""

import base64
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from parley_operator import kube
from parley_operator.certificates import TRUSTED_BEFORE_USE, certificates_of
from parley_operator.keeper import Keeper
from parley_operator.kube import Kube
from parley_operator.metrics import Metrics
from parley_operator.own_secrets import OwnSecrets
from parley_operator.published import Published
from parley_operator.settings import Settings
from parley_operator.verification import SENTENCES, Fault
from tests.operator.issuer import Issuer
from tests.operator.serving import limit_s, settings, webhook
from tests.operator.test_keeper import Calendar
from tests.operator.world import Plant

pytestmark = pytest.mark.control_plane
NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
OLD, NEW = Issuer("old", NOW), Issuer("new", NOW + timedelta(days=1))
SOON = timedelta(days=1, minutes=1)


@dataclass(slots=True)
class Given:
    """The chart's objects where somebody else makes the certificate, under names of their own, and a clock."""

    plant: Plant
    api: Kube
    calendar: Calendar
    fullname: str

    @property
    def names(self) -> list[str]:
        """Return what the certificate must be good for."""
        return [f"{self.fullname}-{part}.{self.plant.namespace}.svc" for part in ("operator", "injector")]

    def settings(self, **different: Any) -> Settings:
        """Return an operator's settings."""
        own = {
            "fullname": self.fullname,
            "webhook_name": self.fullname,
            "tls_secret": self.secret("tls"),
            "own_redis": False,
        }
        return settings(self.plant, **{**own, "certificates": "certManager", **different})

    def keeper(self, **different: Any) -> Keeper:
        """Return a new leader's."""
        return Keeper(self.api, self.settings(**different), limit_s, self.calendar)

    def follower(self, **different: Any) -> OwnSecrets:
        """Return a new replica's."""
        return OwnSecrets(self.api, self.settings(**different), Published(), Metrics(), self.calendar)

    def secret(self, suffix: str) -> str:
        """Return the name of a Secret."""
        return f"{self.fullname}-{suffix}"

    async def put(self, data: Mapping[str, str], suffix: str = "tls") -> None:
        """Write a Secret, as whoever makes it does."""
        name = self.secret(suffix)
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded}
        await self.api.apply(kube.secret(self.plant.namespace, name), body, "somebody")

    async def make_webhook(self) -> None:
        """Make the webhook configuration, with no caBundle."""
        body = webhook(self.plant)
        body["metadata"]["name"] = self.fullname
        await self.api.create(kube.webhook_configuration(""), body)

    async def read(self, suffix: str) -> Any:
        """Read a Secret."""
        return await self.api.get(kube.secret(self.plant.namespace, self.secret(suffix)))

    async def webhooks(self) -> Any:
        """Read the webhook configuration."""
        return await self.api.get(kube.webhook_configuration(self.fullname))

    async def bundles(self) -> set[str]:
        """Read what each webhook trusts."""
        found = await self.webhooks()
        return {base64.b64decode(each["clientConfig"].get("caBundle", "")).decode() for each in found["webhooks"]}

    async def trusted(self) -> list[str]:
        """Read what is trusted by the bundle of ours, which each webhook must have too."""
        encoded = (await self.read("ca")).get("data", {}).get("ca.crt", "")
        (bundle,) = {base64.b64decode(encoded).decode()} | await self.bundles()
        return certificates_of(bundle)


@pytest.fixture
async def given(bare: Plant, real_api: Kube) -> Given:
    """All of it, empty; the Secret with the certificate is not there."""
    made = Given(bare, real_api, Calendar(), f"given-{uuid.uuid4().hex[:8]}")
    for suffix in ("ca", "context-key"):
        await made.put({}, suffix)
    await made.make_webhook()
    return made


@pytest.fixture
async def own(given: Given) -> AsyncIterator[OwnSecrets]:
    """A replica that serves with the old authority's certificate."""
    await given.put(OLD.secret(given.names))
    await given.keeper().once()
    following = given.follower()
    await following.once()
    yield following
    following.close()


def pem(issuer: Issuer) -> str:
    """Return an authority as it stands in a bundle."""
    return issuer.pem.strip()


async def test_what_it_makes_is_trusted_and_never_written(given: Given) -> None:
    """Neither an authority nor a leaf is made, and a second look changes nothing."""
    await given.put(OLD.secret(given.names))
    before = await given.read("tls")
    keeper = given.keeper()
    await keeper.once()
    written = await given.read("ca")
    await keeper.once()
    await given.keeper(certificates="external").once()

    assert [pem(OLD)] == await given.trusted()
    assert {"ca.crt"} == written["data"].keys()
    assert written == await given.read("ca")
    assert before == await given.read("tls")


async def test_an_authority_that_is_replaced_stays_trusted_until_it_ends(given: Given) -> None:
    """Whoever leads by then: what was trusted before is in a Secret of ours."""
    await given.put(OLD.secret(given.names))
    await given.keeper().once()
    await given.put(NEW.secret(given.names))
    given.calendar.now += SOON
    await given.keeper().once()
    both = await given.trusted()
    given.calendar.now = NOW + timedelta(days=90, minutes=1)
    await given.keeper().once()

    assert [pem(NEW), pem(OLD)] == both
    assert [pem(NEW)] == await given.trusted()


async def test_the_api_server_trusts_it_before_the_injector_can_serve_it(given: Given) -> None:
    """The bundle that the injector mounts is written after caBundle: its version is the later one."""
    await given.put(OLD.secret(given.names))
    await given.keeper().once()
    configuration = await given.webhooks()
    mounted = await given.read("ca")

    first, second = (int(each["metadata"]["resourceVersion"]) for each in (configuration, mounted))
    assert first < second


async def test_what_an_upgrade_emptied_is_put_back_with_its_overlap(given: Given) -> None:
    """In one round."""
    keeper = given.keeper()
    for issuer in (OLD, NEW):
        await given.put(issuer.secret(given.names))
        await keeper.once()
    given.plant.kubectl("delete", "secret", given.secret("ca"))
    given.plant.kubectl("delete", "mutatingwebhookconfiguration", given.fullname)
    await given.put({}, "ca")
    await given.make_webhook()
    await keeper.once()

    assert [pem(NEW), pem(OLD)] == await given.trusted()


async def test_another_way_of_making_certificates_is_trusted_beside_the_first(given: Given) -> None:
    """Back and forth: pods of the injector serve the old one until they are replaced."""
    await given.put({})
    await given.keeper(certificates="builtin").once()
    (ours,) = certificates_of("".join(await given.bundles()))
    given.plant.kubectl("delete", "secret", given.secret("tls"))
    await given.put(OLD.secret(given.names))
    await given.keeper().once()

    assert [pem(OLD), ours] == await given.trusted()


@pytest.mark.parametrize("there", [False, True])
async def test_without_its_authority_nothing_new_is_trusted(
    given: Given, caplog: pytest.LogCaptureFixture, *, there: bool
) -> None:
    """A Secret that is gone, or has none, leaves what was trusted; the former is told once."""
    await given.put(OLD.secret(given.names))
    keeper = given.keeper()
    await keeper.once()
    if there:
        await given.put({"ca.crt": "garbage"})
    else:
        given.plant.kubectl("delete", "secret", given.secret("tls"))
    await keeper.once()
    await keeper.once()

    assert [pem(OLD)] == await given.trusted()
    assert ([] if there else [given.secret("tls")]) == [record.__dict__.get("object") for record in caplog.records]


async def test_before_anything_is_there_nothing_is_trusted(given: Given) -> None:
    """An empty bundle is not written, nor is one made where the chart's own Secret is missing."""
    await given.keeper().once()
    nothing = await given.trusted()
    await given.put(OLD.secret(given.names))
    await given.keeper(fullname="elsewhere").once()

    assert [] == nothing == await given.trusted()


async def test_a_replica_serves_it(given: Given, own: OwnSecrets) -> None:
    """And tells sidecars the bundle of ours; the metric counts it."""
    assert own.has_certificate.is_set()
    assert (NOW + timedelta(days=7)).timestamp() == own.expires_at
    assert [pem(OLD)] == certificates_of(own.trust_anchors)
    assert (None, 1.0) == (own.fault, renewals(own))


def renewals(own: OwnSecrets) -> float | None:
    """Read the counter."""
    return own._metrics.registry.get_sample_value("parley_operator_certificate_renewals_total")


async def test_one_of_the_same_authority_is_served_at_once(given: Given, own: OwnSecrets) -> None:
    """Everybody trusts it already."""
    given.calendar.now += timedelta(days=4)
    await given.put(OLD.secret(given.names, given.calendar.now))
    await own.once()

    assert (NOW + timedelta(days=11)).timestamp() == own.expires_at
    assert 2.0 == renewals(own)


async def test_one_of_another_authority_is_served_when_everybody_can_know_it(given: Given, own: OwnSecrets) -> None:
    """The bundle first, to all streams; the certificate an hour later, while the old one is good."""
    given.calendar.now += SOON
    await given.put(NEW.secret(given.names))
    version = own._published.version
    await own.once()
    unknown = (own.fault, certificates_of(own.trust_anchors), own._published.version - version)
    await given.keeper().once()
    await own.once()
    known = (own.fault, certificates_of(own.trust_anchors), own._published.version - version)
    given.calendar.now += TRUSTED_BEFORE_USE - timedelta(seconds=1)
    await own.once()
    waiting = own.expires_at
    given.calendar.now += timedelta(seconds=1)
    await own.once()

    assert ("authority", [pem(OLD)], 0) == unknown
    assert (None, [pem(NEW), pem(OLD)], 1) == known
    assert (NOW + timedelta(days=7)).timestamp() == waiting
    assert (NOW + timedelta(days=8)).timestamp() == own.expires_at


async def test_it_is_served_at_once_where_there_is_no_good_one(given: Given, own: OwnSecrets) -> None:
    """By a replica that has just started, and by one whose own ends within the hour."""
    given.calendar.now += timedelta(days=6, hours=23, minutes=1)
    await given.put(NEW.secret(given.names, given.calendar.now))
    await given.keeper().once()
    new = given.follower()
    for replica in (own, new):
        await replica.once()
    new.close()

    assert {(given.calendar.now + timedelta(days=7)).timestamp()} == {own.expires_at, new.expires_at}


def broken(given: Given, how: Fault) -> dict[str, str] | None:
    """Return what is in the Secret; None: it is gone."""
    good = OLD.secret(given.names)
    wrong: dict[Fault, dict[str, str] | None] = {
        "missing": None,
        "incomplete": {**good, "tls.key": ""},
        "unreadable": {**good, "tls.crt": "garbage"},
        "key": {**good, "tls.key": OLD.secret(given.names)["tls.key"]},
        "expired": OLD.secret(given.names, NOW - timedelta(days=8)),
        "names": OLD.secret(given.names[:1]),
        "authority": NEW.secret(given.names, NOW),
    }
    return wrong[how]


@pytest.mark.parametrize("how", SENTENCES)
async def test_one_that_will_not_do_leaves_the_last_good_one(given: Given, own: OwnSecrets, how: Fault) -> None:
    """Whatever is wrong is told once, and counted; a replica that has no other serves nothing. It heals by itself."""
    expires, data = own.expires_at, broken(given, how)
    if data:
        await given.put(data)
    else:
        given.plant.kubectl("delete", "secret", given.secret("tls"))
    started = given.follower()
    for replica in (own, own, started):
        await replica.once()
    state = (own.fault, own.expires_at, started.fault, started.has_certificate.is_set())
    await given.put(OLD.secret(given.names, NOW, timedelta(days=9)))
    for replica in (own, started):
        await replica.once()
    started.close()

    assert (how, expires, how, False) == state
    assert {(NOW + timedelta(days=9)).timestamp()} == {own.expires_at, started.expires_at}
    assert (None, None) == (own.fault, started.fault)


async def test_what_is_wrong_is_told_once(given: Given, own: OwnSecrets, caplog: pytest.LogCaptureFixture) -> None:
    """In words for a person, with what happens meanwhile."""
    await given.put(broken(given, "names") or {})
    for _ in range(2):
        await own.once()

    (record,) = [record for record in caplog.records if record.getMessage() == "certificate not used"]
    facts = (given.secret("tls"), SENTENCES["names"], "the last good one is served")
    assert facts == (record.__dict__["secret"], record.__dict__["reason"], record.__dict__["meanwhile"])


async def test_an_emptied_bundle_is_not_believed(given: Given, own: OwnSecrets) -> None:
    """Sidecars would trust nobody until the leader has put it back."""
    given.plant.kubectl("delete", "secret", given.secret("ca"))
    await own.once()
    gone = own.trust_anchors
    await given.put({}, "ca")
    await own.once()

    assert [pem(OLD)] == certificates_of(gone) == certificates_of(own.trust_anchors)
    assert own.fault is None
