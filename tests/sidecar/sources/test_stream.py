"""The stream source against a real WebSocket server over TLS: what is taken, what is answered, what goes wrong."""

import logging
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from parley_crds.stream import StoreSection
from parley_sidecar.errors import NoComponentsYet
from tests.conftest import eventually
from tests.sidecar.running import component
from tests.sidecar.sources.pods import pod, port_of, reasons, settings_for, snapshot_of
from tests.sidecar.sources.small_operator import SmallOperator, anchors

ECHO = component("echo")
KEYLESS = component("gpt", "conversation.openai")


async def test_a_snapshot_is_run_acknowledged_and_kept(tmp_path: Path, first_ca: Path, redis_url: str) -> None:
    """The components answer, the store is used, the operator hears the hash, and the file is for this user alone."""
    operator, settings = SmallOperator(), settings_for(tmp_path, anchors(first_ca))
    sent = snapshot_of(ECHO, store=StoreSection(url=redis_url, version="1"))
    operator.message = sent.model_dump_json()
    async with operator.serving(first_ca, port_of(settings)), pod(settings) as running:
        await eventually(lambda: operator.acknowledged)

        assert [{"ack": sent.hash, "failed": {}, "health": "ok", "providers": {}}] == operator.acknowledged
        assert ("echo",) == running.registry.names()
        assert running.shared.stores.shared is not None
        assert ["Bearer token-1"] == operator.tokens
        assert {} == running.source.left_out

    kept = tmp_path / "last-good.json"
    assert (sent.model_dump_json(), 0o600) == (kept.read_text(), stat.S_IMODE(kept.stat().st_mode))


async def test_what_cannot_be_loaded_is_reported(tmp_path: Path, first_ca: Path) -> None:
    """The operator hears which component failed and a safe reason; the others serve."""
    operator, settings = SmallOperator(), settings_for(tmp_path, anchors(first_ca))
    operator.message = snapshot_of(ECHO, KEYLESS).model_dump_json()
    async with operator.serving(first_ca, port_of(settings)), pod(settings) as running:
        await eventually(lambda: operator.acknowledged)

        (acknowledgement,) = operator.acknowledged
        assert ["gpt"] == list(acknowledgement["failed"])
        assert acknowledgement["failed"] == running.source.left_out
        assert ("echo",) == running.registry.names()


async def test_a_long_reason_is_cut_to_what_the_operator_takes(tmp_path: Path, first_ca: Path) -> None:
    """A component whose fault takes many words to tell does not break the acknowledgement."""
    operator, settings = SmallOperator(), settings_for(tmp_path, anchors(first_ca))
    strange = {**ECHO.model_dump(mode="json"), "environment": {letter * 300: 1 for letter in "abc"}}
    operator.message = snapshot_of().model_copy(update={"components": (strange,)}).model_dump_json(warnings=False)
    async with operator.serving(first_ca, port_of(settings)), pod(settings):
        await eventually(lambda: operator.acknowledged)

    assert 512 == len(operator.acknowledged[0]["failed"]["echo"])


async def test_changes_arrive_on_the_open_stream(tmp_path: Path, first_ca: Path) -> None:
    """Each snapshot replaces all; what it leaves out is gone."""
    operator, settings = SmallOperator(), settings_for(tmp_path, anchors(first_ca))
    operator.message = snapshot_of(ECHO).model_dump_json()
    async with operator.serving(first_ca, port_of(settings)), pod(settings) as running:
        await eventually(lambda: running.registry.names() == ("echo",))
        await operator.send(snapshot_of(component("a"), component("b")).model_dump_json())
        await eventually(lambda: running.registry.names() == ("a", "b"))
        await operator.send(snapshot_of().model_dump_json())
        await eventually(lambda: len(operator.acknowledged) == 3)

        assert () == running.registry.names()
        assert 1 == len(operator.tokens)


async def test_a_closed_stream_is_opened_again(
    tmp_path: Path, first_ca: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The components stay meanwhile, the token is read anew, and the pauses grow only while nothing arrives."""
    operator, settings = SmallOperator(), settings_for(tmp_path, anchors(first_ca))
    operator.message = snapshot_of(ECHO).model_dump_json()
    async with operator.serving(first_ca, port_of(settings)), pod(settings) as running:
        await eventually(lambda: operator.acknowledged)
        (tmp_path / "token").write_text("token-2")
        await operator.hang_up()
        await eventually(lambda: len(operator.acknowledged) == 2)
        await operator.hang_up()
        await eventually(lambda: len(operator.acknowledged) == 3)

        assert ["Bearer token-1", "Bearer token-2", "Bearer token-2"] == operator.tokens
        assert [0, 0] == running.failures
        assert ["the operator closed the connection"] * 2 == reasons(caplog)
        assert ("echo",) == running.registry.names()


async def test_a_sidecar_that_starts_alone_heals_by_itself(
    tmp_path: Path, first_ca: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without operator and without last good there are no components yet; the reason is told once, not at each try."""
    operator, settings = SmallOperator(), settings_for(tmp_path, anchors(first_ca))
    operator.message = snapshot_of(ECHO).model_dump_json()
    async with pod(settings) as running:
        await eventually(lambda: len(running.failures) >= 3)
        with pytest.raises(NoComponentsYet):
            running.registry.get("echo")

        assert [1, 2, 3] == running.failures[:3]
        assert ["the operator could not be reached"] == reasons(caplog)
        async with operator.serving(first_ca, port_of(settings)):
            await eventually(lambda: running.registry.names() == ("echo",))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "does not accept this pod's token"),
        (403, "does not let this pod in"),
        (503, "is not ready yet"),
        (418, "refused with status 418"),
    ],
)
async def test_a_refusal_is_told_once_and_tried_again(
    tmp_path: Path, first_ca: Path, caplog: pytest.LogCaptureFixture, status: int, words: str
) -> None:
    """Whatever the operator answers instead of taking the sidecar may change, and its own words are not repeated."""
    operator, settings = SmallOperator(), settings_for(tmp_path, anchors(first_ca))
    operator.message, operator.refusal = snapshot_of(ECHO).model_dump_json(), status
    async with operator.serving(first_ca, port_of(settings)), pod(settings) as running:
        await eventually(lambda: len(operator.tokens) >= 3)
        operator.refusal = None
        await eventually(lambda: running.registry.names() == ("echo",))

    (reason,) = reasons(caplog)
    assert words in reason
    assert "sk-hush" not in caplog.text


async def test_an_operator_that_does_not_answer_is_left(
    tmp_path: Path, first_ca: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection that nobody answers on does not hold the sidecar for ever."""
    operator, settings = SmallOperator(), settings_for(tmp_path, anchors(first_ca))
    operator.silent = True
    async with operator.serving(first_ca, port_of(settings)), pod(settings, open_timeout_s=0.1) as running:
        await eventually(lambda: len(running.failures) >= 2)

    assert ["the operator did not answer in time"] == reasons(caplog)


async def test_the_last_good_snapshot_bridges_an_absent_operator(tmp_path: Path, first_ca: Path) -> None:
    """A container that starts while the operator is away runs what the one before it ran."""
    settings = settings_for(tmp_path, anchors(first_ca))
    (tmp_path / "last-good.json").write_text(snapshot_of(ECHO).model_dump_json())
    async with pod(settings) as running:
        assert ("echo",) == running.registry.names()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"hash": "sk-hush', "the last good snapshot cannot be used: a snapshot that is not JSON"),
        (None, "the last good snapshot cannot be used: Is a directory"),
    ],
)
async def test_a_last_good_file_that_is_not_good_is_passed_over(
    tmp_path: Path, first_ca: Path, caplog: pytest.LogCaptureFixture, content: bytes | None, reason: str
) -> None:
    """The sidecar starts as if there were none, and where it cannot be written either, goes on without."""
    operator, settings = SmallOperator(), settings_for(tmp_path, anchors(first_ca))
    operator.message = snapshot_of(ECHO).model_dump_json()
    path = tmp_path / "last-good.json"
    if content is None:
        (path / "in the way").mkdir(parents=True)
    else:
        path.write_bytes(content)
    async with operator.serving(first_ca, port_of(settings)), pod(settings):
        await eventually(lambda: operator.acknowledged)

    assert reason == reasons(caplog)[0]
    assert (content is None) == any("cannot be kept" in told for told in reasons(caplog))
    assert "sk-hush" not in caplog.text


async def test_without_a_file_nothing_is_kept(tmp_path: Path, first_ca: Path) -> None:
    """A pod without the volume works, as long as its operator does."""
    operator, settings = SmallOperator(), replace(settings_for(tmp_path, anchors(first_ca)), last_good_file=None)
    operator.message = snapshot_of(ECHO).model_dump_json()
    async with operator.serving(first_ca, port_of(settings)), pod(settings):
        await eventually(lambda: operator.acknowledged)

    assert not (tmp_path / "last-good.json").exists()


async def test_garbage_changes_nothing(tmp_path: Path, first_ca: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is answered with the hash that still runs and why, the file stays, and the next snapshot is taken."""
    operator, settings = SmallOperator(), settings_for(tmp_path, anchors(first_ca))
    good = snapshot_of(ECHO)
    operator.message = good.model_dump_json()
    async with operator.serving(first_ca, port_of(settings)), pod(settings) as running:
        await eventually(lambda: len(operator.acknowledged) == 1)
        await operator.send('{"hash": "sk-hush"')
        await eventually(lambda: len(operator.acknowledged) == 2)
        names, kept = running.registry.names(), (tmp_path / "last-good.json").read_text()
        await operator.send(snapshot_of(component("next")).model_dump_json())
        await eventually(lambda: running.registry.names() == ("next",))

    told = {"ack": good.hash, "failed": {}, "health": "ignored a snapshot that is not JSON", "providers": {}}
    assert told == operator.acknowledged[1]
    assert (("echo",), good.model_dump_json()) == (names, kept)
    assert ["the operator sent a snapshot that is not JSON"] == reasons(caplog)[:1]
    assert 1 == len(operator.tokens)


async def test_a_store_with_a_bad_url_costs_the_store_only(
    tmp_path: Path, first_ca: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The components are used, and the log does not repeat the URL."""
    operator, settings = SmallOperator(), settings_for(tmp_path, anchors(first_ca))
    operator.message = snapshot_of(
        ECHO, store=StoreSection(url="redis://:sk-hush@r:port", version="1")
    ).model_dump_json()
    async with operator.serving(first_ca, port_of(settings)), pod(settings) as running:
        await eventually(lambda: operator.acknowledged)

        assert ("echo",) == running.registry.names()
        assert running.shared.stores.shared is None
    assert "the shared store cannot be used" in caplog.messages
    assert "sk-hush" not in caplog.text


async def test_new_trust_anchors_count_from_the_next_connect(
    tmp_path: Path, first_ca: Path, second_ca: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An operator whose certificate comes from an announced authority is trusted; one from nowhere is not."""
    operator, settings = SmallOperator(), settings_for(tmp_path, anchors(first_ca))
    operator.message = snapshot_of(ECHO, trust=anchors(first_ca) + anchors(second_ca)).model_dump_json()
    async with pod(settings) as running:
        async with operator.serving(second_ca, port_of(settings)):
            await eventually(lambda: len(running.failures) >= 2)
        assert [] == operator.acknowledged
        async with operator.serving(first_ca, port_of(settings)):
            await eventually(lambda: len(operator.acknowledged) == 1)
        async with operator.serving(second_ca, port_of(settings)):
            await eventually(lambda: len(operator.acknowledged) == 2)

    assert any("certificate" in reason for reason in reasons(caplog))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"token_file": Path("/nowhere/token")}, "No such file or directory"),
        ({"trust_anchors": "no PEM"}, "trust anchors are no certificates"),
        ({"operator_url": "https://no.such.host.invalid:443"}, "resolved"),
    ],
)
async def test_what_a_pod_lacks_is_told(
    tmp_path: Path, first_ca: Path, caplog: pytest.LogCaptureFixture, change: Mapping[str, object], words: str
) -> None:
    """A token, anchors or an address that cannot be used are reasons like any other: told once, tried again."""
    settings = replace(settings_for(tmp_path, anchors(first_ca)), **change)  # type: ignore[arg-type]
    async with pod(settings) as running:
        await eventually(lambda: len(running.failures) >= 2)

    (reason,) = reasons(caplog)
    assert words in reason


async def test_what_is_loaded_is_logged_without_secrets(
    tmp_path: Path, first_ca: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Names and hash, no settings."""
    caplog.set_level(logging.INFO)
    operator, settings = SmallOperator(), settings_for(tmp_path, anchors(first_ca))
    gpt = component("gpt", "conversation.openai", settings={"key": "sk-hush"})
    operator.message = snapshot_of(gpt).model_dump_json()
    async with operator.serving(first_ca, port_of(settings)), pod(settings):
        await eventually(lambda: operator.acknowledged)

    (record,) = [record for record in caplog.records if record.getMessage() == "components loaded"]
    assert ("gpt",) == record.components  # type: ignore[attr-defined]
    assert "sk-hush" not in str(vars(record)) + caplog.text
