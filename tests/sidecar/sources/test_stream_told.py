"""How patient a sidecar is with the operator, what it tells of its providers, and what it keeps of what is held."""

from pathlib import Path

from parley_crds.resource import Resilience
from parley_crds.stream import StoreSection, snapshot
from parley_sidecar.sources.stream import LONGEST_ASKED_S, asked_pause_s, pause_s
from tests.conftest import Vendors, eventually
from tests.sidecar.running import component
from tests.sidecar.sources.pods import pod, port_of, settings_for, snapshot_of
from tests.sidecar.sources.small_operator import SmallOperator, anchors

ECHO = component("echo")
KEYLESS = component("gpt", "conversation.openai")


def test_pauses_double_up_to_half_a_minute() -> None:
    """The first is short, none is longer than 30 s, and chance takes off half at most."""
    longest = [pause_s(failures, lambda: 1.0) for failures in (0, 1, 2, 6, 1000)]
    shortest = [pause_s(failures, lambda: 0.0) for failures in (0, 1000)]

    assert [0.5, 1.0, 2.0, 30.0, 30.0] == longest
    assert [0.25, 15.0] == shortest
    assert 0.25 <= pause_s(0) <= 0.5


async def test_a_busy_operator_is_given_the_time_that_it_asks_for(tmp_path: Path, first_ca: Path) -> None:
    """At least that; where nothing was asked, or something later went wrong, the pause is our own again."""
    operator, settings = SmallOperator(), settings_for(tmp_path, anchors(first_ca))
    operator.message, operator.refusal, operator.retry_after = snapshot_of(ECHO).model_dump_json(), 503, "7"
    async with operator.serving(first_ca, port_of(settings)), pod(settings) as running:
        await eventually(lambda: len(running.pauses_s) >= 2)
        asked = set(running.pauses_s)
        operator.refusal = None
        await eventually(lambda: operator.acknowledged)
        await operator.hang_up()
        await eventually(lambda: 0.01 in running.pauses_s)

    assert {7.01} == asked


def test_what_the_operator_may_ask_for_is_bounded() -> None:
    """Chance is added up to a second, and our own pause counts where it is longer."""
    assert (5.3, 6.0, 30.0) == (asked_pause_s(5, 0.3), asked_pause_s(5, 4.0), asked_pause_s(5, 30.0))
    assert LONGEST_ASKED_S + 0.5 == asked_pause_s(3600, 0.5)


async def test_the_health_of_providers_is_told_as_it_changes(tmp_path: Path, first_ca: Path, vendors: Vendors) -> None:
    """With each answer and between them: why the provider failed and that it is left alone, until it answers again."""
    operator, settings = SmallOperator(), settings_for(tmp_path, anchors(first_ca))
    given = {name.lower(): value for name, value in vendors.settings("conversation.openai").items()}
    impatient = Resilience(retries=0, breaker_faults=2, breaker_pause="1ms")
    gpt = component("gpt", "conversation.openai", settings=given | {"model": "status-503"}, resilience=impatient)
    sent = snapshot_of(ECHO, gpt)
    operator.message = sent.model_dump_json()

    def told() -> dict[str, dict[str, str]]:
        return dict(operator.acknowledged[-1]["providers"])

    async with operator.serving(first_ca, port_of(settings)), pod(settings) as running:
        await eventually(lambda: operator.acknowledged)
        first = told()
        assert "unavailable" == await running.ask("gpt")
        await eventually(lambda: told() == {"gpt": {"breaker": "closed", "last_error": "unavailable"}})
        await running.ask("gpt")
        await eventually(lambda: told() == {"gpt": {"breaker": "open", "last_error": "unavailable"}})
        await operator.hang_up()
        again = len(operator.acknowledged)
        await eventually(lambda: len(operator.acknowledged) > again)
        after_reconnect = told()
        assert "ok" == await running.ask("gpt", model="gpt-5-nano")
        await eventually(lambda: told() == {})
        await running.ask("echo")

    assert {} == first
    assert {"gpt": {"breaker": "open", "last_error": "unavailable"}} == after_reconnect
    assert {sent.hash} == {answer["ack"] for answer in operator.acknowledged}


async def test_a_held_component_stays_until_it_is_neither_there_nor_held(tmp_path: Path, first_ca: Path) -> None:
    """Over a restart of the container, too; its namesake of the next snapshot replaces it."""
    operator, settings = SmallOperator(), settings_for(tmp_path, anchors(first_ca))
    held = snapshot((component("other"),), StoreSection(), "", ["echo", "never-seen"])
    operator.message = snapshot_of(ECHO).model_dump_json()
    async with operator.serving(first_ca, port_of(settings)), pod(settings) as running:
        await eventually(lambda: running.registry.names() == ("echo",))
        await operator.send(held.model_dump_json())
        await eventually(lambda: running.registry.names() == ("echo", "other"))
        kept = running.registry.get("echo")
        await operator.send(snapshot((), StoreSection(), "", ["echo"]).model_dump_json())
        await eventually(lambda: running.registry.names() == ("echo",))
        assert kept is running.registry.get("echo")
        await eventually(lambda: len(operator.acknowledged) == 3)

    async with pod(settings) as restarted:
        assert ("echo",) == restarted.registry.names()
        async with operator.serving(first_ca, port_of(settings)):
            await eventually(lambda: len(operator.acknowledged) == 4)
            assert ("echo",) == restarted.registry.names()
            await operator.send(snapshot_of().model_dump_json())
            await eventually(lambda: restarted.registry.names() == ())
            await operator.send(held.model_dump_json())
            await eventually(lambda: restarted.registry.names() == ("other",))
