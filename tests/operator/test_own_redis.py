"""The chart's own Redis, the operator that makes its users, and a sidecar that uses it: all of them real processes."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from parley_operator.redis_acl import OPERATOR, PASSWORD_KEY, password_of, user
from tests.conftest import free_port, until
from tests.operator.world import Plant, Replica, RunningSidecar, component
from tests.sidecar.own_redis import OwnRedis, own_redis

pytestmark = pytest.mark.control_plane


@contextmanager
def as_the_chart_starts_it(plant: Plant, directory: Path, port: int) -> Iterator[OwnRedis]:
    """Start Redis as soon as the Secret's file is there, as the kubelet does."""
    text = until("the file of users", lambda: plant.secret_data("parley-store").get("redis.acl", ""))
    (directory / "users.acl").write_text(text)
    flags = ("--port", str(port), "--aclfile", str(directory / "users.acl"))
    with own_redis(directory, *flags, port=port) as running:
        yield running


def keys(plant: Plant, port: int) -> int:
    """Count what lies in Redis, by the namespace's own user; 0 while there is none."""
    root = plant.secret_data("parley-store")[PASSWORD_KEY]
    name, password = user(plant.namespace), password_of(plant.namespace, root)
    try:
        with redis.Redis(port=port, username=name, password=password) as client:
            return int(client.info("keyspace").get("db0", {"keys": 0})["keys"])
    except redis.AuthenticationError:
        return 0


def test_a_sidecar_uses_redis_as_its_namespaces_user(plant: Plant, tmp_path: Path) -> None:
    """Nobody configures anything; a Redis that starts anew gets its users back, and the sidecar goes on meanwhile."""
    port = free_port()
    url = f"redis://127.0.0.1:{port}"
    plant.apply(component("remembered", cache={"ttl": "5m"}))
    plant.pod("remembering", "shop")
    with plant.operators(PARLEY_STORE_URL=url) as (replica,), as_the_chart_starts_it(plant, tmp_path, port) as server:
        replica.ready()
        with running(plant, replica) as sidecar:
            answered = lies_there(plant, sidecar, port)
            server.send(signal.SIGKILL)
            sidecar.answers(202, "remembered", "without Redis")
            server.start()
            again = lies_there(plant, sidecar, port)
        root = plant.secret_data("parley-store")[PASSWORD_KEY]
        with redis.Redis(port=port, username=OPERATOR, password=root) as operator:
            users = [line.split()[1] for line in operator.acl_list()]

    assert answered
    assert again
    assert {"default", OPERATOR, user(plant.namespace)} <= set(users)


@contextmanager
def running(plant: Plant, replica: Replica) -> Iterator[RunningSidecar]:
    """Run a sidecar inside the block."""
    sidecar = RunningSidecar.start(plant, replica, "remembering", "shop")
    try:
        yield sidecar
    finally:
        sidecar.stop()


def lies_there(plant: Plant, sidecar: RunningSidecar, port: int) -> bool:
    """Ask until an answer lies in Redis."""
    numbers = iter(range(10_000))

    def asked() -> bool:
        sidecar.ask("remembered", f"question {next(numbers)}")
        return keys(plant, port) > 0

    return until("an answer in Redis", asked)
