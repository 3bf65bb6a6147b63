"""A real sidecar whose Redis freezes, dies and comes back empty, is full, or lets nobody in: what its callers see."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pytest

from tests.conftest import until
from tests.sidecar.own_redis import OwnRedis, own_redis
from tests.sidecar.processes import Process, Reply, parley_run
from tests.sidecar.rooms.places import KEY, encoded

COMPONENT = """
apiVersion: parley.dev/v1alpha1
kind: ConversationComponent
metadata: {name: echo}
spec:
  type: conversation.echo
  cache: {ttl: 10m}
  context: {ttl: 1h}
"""
ANSWERED = 202
"""What the early form answers."""
GONE, BACK = "shared store does not answer", "shared store answers again"
ENVIRON = {"PARLEY_CONTEXT_KEY": encoded(KEY), "PARLEY_STORE_SECONDS": "1"}
"""Longer than the machine stalls: what is tested here is not how soon a silent server is given up."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A sidecar and its Redis."""

    sidecar: Process
    redis: OwnRedis
    numbers: "count[int]"

    def ask(self, room: str = "") -> Reply:
        """Ask something that was never asked, in a room if one is named."""
        named = {"contextID": room} if room else {}
        return self.sidecar.ask(body={"inputs": [f"question {next(self.numbers)}"], **named})

    def is_up(self) -> bool:
        """Return what the metrics say of the store."""
        return 1 == self.metric("parley_store_up")

    def metric(self, name: str) -> float:
        """Return the sum of a metric's series."""
        lines = str(self.sidecar.get("/metrics").body).splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))

    def until_shared(self) -> None:
        """Wait until rooms are kept in Redis again."""
        until("rooms", lambda: ANSWERED == self.ask(room="probe").status)
        until("the store is up", self.is_up)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """One of each for all tests, which leave Redis as they found it."""
    directory = tmp_path_factory.mktemp("faults")
    for name in ("components", "redis"):
        (directory / name).mkdir()
    (directory / "components/echo.yaml").write_text(COMPONENT)
    with own_redis(directory / "redis") as redis:
        words = ("--components", str(directory / "components"), "--redis", redis.url)
        with parley_run(directory, *words, environ=ENVIRON) as sidecar:
            sidecar.until_up()
            yield Pair(sidecar, redis, count())


@pytest.mark.parametrize("fault", [signal.SIGSTOP, signal.SIGKILL])
def test_requests_go_on_while_redis_is_gone(pair: Pair, fault: signal.Signals) -> None:
    """It is counted and said once; rooms answer with an error and forget nothing; that it is back is noticed."""
    pair.until_shared()
    known = pair.ask(room="kept")
    said, errors = len(pair.sidecar.log), pair.metric("parley_store_errors_total")
    pair.redis.send(fault)
    answers = [pair.ask() for _ in range(5)]
    in_a_room = pair.ask(room="kept")
    meanwhile = (pair.is_up(), pair.metric("parley_store_errors_total") > errors)
    if fault is signal.SIGSTOP:
        pair.redis.send(signal.SIGCONT)
    else:
        pair.redis.start()
    pair.until_shared()
    events = [entry["event"] for entry in pair.sidecar.log[said:] if "shared store" in entry["event"]]

    assert ANSWERED == known.status
    assert {ANSWERED} == {answer.status for answer in answers}
    assert (500, "store_unavailable") == (in_a_room.status, in_a_room.body["reason"])
    assert (False, True) == meanwhile
    assert [GONE, BACK] == events


def test_requests_go_on_while_redis_is_full(pair: Pair) -> None:
    """It refuses what would be kept: answers are not shared, and a turn that cannot be stored is no turn."""
    pair.until_shared()
    errors = pair.metric("parley_store_errors_total")
    pair.redis.fill()
    answers = [pair.ask() for _ in range(5)]
    in_a_room = pair.ask(room="full")
    meanwhile = (pair.is_up(), pair.metric("parley_store_errors_total") > errors)
    pair.redis.say("config", "set", "maxmemory", "0")
    pair.until_shared()

    assert {ANSWERED} == {answer.status for answer in answers}
    assert (500, "store_unavailable") == (in_a_room.status, in_a_room.body["reason"])
    assert (True, True) == meanwhile
    assert ["OutOfMemoryError"] == [each["fault"] for each in pair.sidecar.events("shared store refuses operations")]


def test_a_password_that_changed_is_a_fault_without_its_text(pair: Pair) -> None:
    """New connections are refused; the log names the kind of fault and not what was sent."""
    pair.until_shared()
    pair.redis.say("acl", "setuser", "default", "resetpass", ">hush")
    pair.redis.said("-a", "hush", "client", "kill", "type", "normal")
    answers = [pair.ask() for _ in range(5)]
    in_a_room = pair.ask(room="kept")
    pair.redis.say("-a", "hush", "acl", "setuser", "default", "nopass")
    pair.until_shared()
    fault = [each["fault"] for each in pair.sidecar.events(GONE)][-1]

    assert {ANSWERED} == {answer.status for answer in answers}
    assert (500, "store_unavailable") == (in_a_room.status, in_a_room.body["reason"])
    assert "Authentication" in fault
    assert "hush" not in pair.sidecar.stdout + pair.sidecar.stderr
