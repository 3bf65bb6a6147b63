"""The operator's own Secrets, followed on a real API server."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from parley_operator.keeper import Keeper
from parley_operator.kube import Kube
from parley_operator.metrics import Metrics
from parley_operator.own_secrets import OwnSecrets, written
from parley_operator.published import Published
from tests.operator.serving import FULLNAME, SECRETS, empty, eventually, limit_s, settings
from tests.operator.world import Plant


@pytest.fixture
async def own(bare: Plant, real_api: Kube) -> AsyncIterator[OwnSecrets]:
    """A follower of the bare namespace's Secrets, which are empty."""
    bare.kubectl("delete", "secret", *SECRETS, "--ignore-not-found")
    bare.apply(*map(empty, SECRETS))
    following = OwnSecrets(real_api, settings(bare), Published(), Metrics())
    yield following
    following.close()


def files(own: OwnSecrets) -> list[Path]:
    """Name what is on disk."""
    return list(Path(own._directory.name).iterdir())


@pytest.mark.control_plane
async def test_it_serves_once_the_leader_has_filled_them(bare: Plant, real_api: Kube, own: OwnSecrets) -> None:
    """Before that there is no certificate and no store; a second look at the same changes nothing."""
    await own.once()
    before = (own.has_certificate.is_set(), own.store.section("shop").url, own.expires_at)
    await Keeper(real_api, settings(bare), limit_s).once()
    version = own._published.version
    await own.once()
    after = own._published.version
    await own.once()

    assert (False, "", 0.0) == before
    assert own.has_certificate.is_set()
    assert own.certificate.is_good(datetime.now(UTC))
    assert own.store.section("shop").url.startswith("redis://parley-shop:")
    assert bare.secret_data(f"{FULLNAME}-tls")["ca.crt"] == own.trust_anchors
    assert (version + 1, after) == (after, own._published.version)


@pytest.mark.control_plane
async def test_a_certificate_that_does_not_fit_leaves_the_one_that_is_served(
    bare: Plant, real_api: Kube, own: OwnSecrets, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, not at every look."""
    await Keeper(real_api, settings(bare), limit_s).once()
    await own.once()
    expires = own.expires_at
    bare.kubectl("patch", "secret", f"{FULLNAME}-tls", "--type=merge", "-p", '{"data": {"tls.crt": "bm9uZQ=="}}')
    await own.once()
    await own.once()

    assert expires == own.expires_at > 0
    assert "unreadable" == own.fault
    assert ["certificate not used"] == [record.getMessage() for record in caplog.records]


@pytest.mark.control_plane
async def test_a_key_is_on_no_disk_after_it_was_loaded(bare: Plant, real_api: Kube, own: OwnSecrets) -> None:
    """It lives in the process, and in the Secret."""
    await Keeper(real_api, settings(bare), limit_s).once()
    await own.once()

    assert own.has_certificate.is_set()
    assert [] == files(own)


@pytest.mark.control_plane
async def test_a_store_without_a_secret_has_no_credentials(bare: Plant, real_api: Kube) -> None:
    """As one that asks for none: nothing is waited for."""
    following = OwnSecrets(real_api, settings(bare, store_secret="", own_redis=False), Published(), Metrics())
    await following.once()

    assert "redis://bare-redis:6379" == following.store.section("shop").url
    following.close()


@pytest.mark.control_plane
async def test_a_users_context_key_that_is_none_is_told(
    bare: Plant, own: OwnSecrets, caplog: pytest.LogCaptureFixture
) -> None:
    """Without showing it, once."""
    bare.kubectl("patch", "secret", f"{FULLNAME}-context-key", "-p", '{"stringData": {"key": "hunter2"}}')
    await own.once()
    await own.once()

    assert ["a context key is not 32 bytes in base64"] == [
        record.getMessage().partition(":")[0] for record in caplog.records
    ]
    assert "hunter2" not in caplog.text + repr(own.store)


@pytest.mark.control_plane
async def test_following_is_quick_until_there_is_a_certificate(bare: Plant, real_api: Kube, own: OwnSecrets) -> None:
    """Nothing can be served before; an API server that is away does not end it."""
    following = asyncio.create_task(own.follow())
    await Keeper(real_api, settings(bare), limit_s).once()
    await eventually("a certificate", own.has_certificate.is_set)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following

    assert own.certificate.is_good(datetime.now(UTC))


def test_files_are_the_owners_alone_and_go_even_when_loading_fails() -> None:
    """Mode 0600 from the first moment on."""
    texts = {"tls.crt": "a", "tls.key": "b", "ca.crt": "c"}
    modes: set[int] = set()

    def look(directory: Path) -> None:
        with written(directory, texts):
            modes.update(path.stat().st_mode & 0o777 for path in directory.iterdir())
            raise ValueError("not loaded")

    with tempfile.TemporaryDirectory() as place:
        with pytest.raises(ValueError, match="not loaded"):
            look(Path(place))

        assert [] == list(Path(place).iterdir())
    assert {0o600} == modes
