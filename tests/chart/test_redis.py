"""The built-in Redis, started for real with the arguments that the chart gives it."""

import subprocess
from pathlib import Path

import pytest
import redis

from parley_operator import redis_acl
from tests.chart.rendering import pods, rendered
from tests.conftest import free_port, until

pytestmark = pytest.mark.control_plane  # helm is built with the control plane's programs


def test_redis_starts_as_the_chart_says(redis_server: int, tmp_path: Path) -> None:
    """It reads the users that the operator writes, lets nobody else in, evicts by lifetime, leaves no files."""
    users = tmp_path / "users.acl"
    users.write_text(redis_acl.file("made-up"), encoding="utf-8")
    port = free_port()
    (container,) = pods(rendered())["parley-redis"]["containers"]
    places = {"/etc/parley/redis/users.acl": str(users), "6379": str(port)}
    command = [*container["command"], *(places.get(word, word) for word in container["args"]), "--bind", "127.0.0.1"]

    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=tmp_path) as process:
        try:
            with redis.Redis(port=port, username=redis_acl.OPERATOR, password="made-up") as client:
                until("redis-server", lambda: "operator" in " ".join(users_of(client)))
                client.execute_command(*redis_acl.made("shop", "made-up"))
            password = redis_acl.password_of("shop", "made-up")
            with redis.Redis(port=port, username=redis_acl.user("shop"), password=password) as client:
                said = client.info()
            with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
                stranger.ping()
        finally:
            process.terminate()

    assert ("volatile-ttl", 192 * 1024 * 1024) == (said["maxmemory_policy"], said["maxmemory"])
    assert 0 == said["aof_enabled"]
    assert ["users.acl"] == [path.name for path in tmp_path.iterdir()]


def users_of(client: redis.Redis) -> list[str]:
    """Name the users that Redis has, none while it is not up."""
    try:
        return [str(line) for line in client.acl_list()]
    except redis.ConnectionError:
        return []
