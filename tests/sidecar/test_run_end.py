"""How `parley run` ends: in order, with what was asked before answered, and at once if it is told twice."""

import json
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Standin, until
from tests.sidecar.processes import EXAMPLES, gpt, parley_run


def test_sigterm_drains(tmp_path: Path) -> None:
    """The sidecar is unready at once, answers what still comes, and ends by itself once it is quiet."""
    with parley_run(tmp_path, "--components", str(EXAMPLES), environ={"PARLEY_DRAIN_SECONDS": "60"}) as parley:
        parley.until_up()
        parley.signal()
        until("unreadiness", lambda: parley.get("/readyz").status == 503)
        late, alive = parley.ask().status, parley.get("/healthz").status
        code = parley.ended()

    assert (202, 200, 0) == (late, alive, code)
    assert ["sidecar ended"] == [entry["event"] for entry in parley.log[-1:]]


def test_dapr_s_shutdown_drains(tmp_path: Path) -> None:
    """A job's application ends its sidecar by a request; either valid token may ask."""
    environ = {"DAPR_API_TOKEN": "t-1", "PARLEY_SECOND_API_TOKEN": "t-2", "PARLEY_DRAIN_SECONDS": "60"}
    with parley_run(tmp_path, "--components", str(EXAMPLES), environ=environ) as parley:
        parley.until_up()
        asked = [
            parley.request(parley.http_port, "/v1.0/shutdown", b"", headers).status
            for headers in ({"dapr-api-token": "t-3"}, {"dapr-api-token": "t-2"})
        ]
        code = parley.ended()

    assert ([401, 204], 0) == (asked, code)
    assert "t-2" not in parley.stdout


def test_a_running_request_is_finished(tmp_path: Path, standin: Standin) -> None:
    """Though the drain time is over, and what comes then gets 503."""
    components = gpt(tmp_path, standin)
    flags = ["--components", str(components), "--secrets", str(tmp_path / "secrets.yaml")]
    replies: list[int] = []
    with parley_run(tmp_path, *flags, environ={"PARLEY_DRAIN_SECONDS": "0.1"}) as parley:
        parley.until_up()
        body = {"inputs": ["slow"], "metadata": {"model": "slow-3000"}}
        before = standin.count()
        asking = threading.Thread(target=lambda: replies.append(parley.ask("gpt", body).status))
        asking.start()
        until("the request at the provider", lambda: standin.count() > before)
        parley.signal()
        until("the closed door", lambda: parley.ask("gpt").status == 503)
        asking.join()
        code = parley.ended()

    assert ([202], 0) == (replies, code)


@pytest.mark.parametrize(
    ("path", "body", "end"),
    [
        (
            "/v1.0-alpha2/conversation/gpt/converse",
            {"inputs": [{"messages": [{"ofUser": {"content": [{"text": "hi"}]}}]}], "metadata": {"model": "slow-3000"}},
            "event: complete",
        ),
        (
            "/v1/chat/completions",
            {"model": "slow", "messages": [{"role": "user", "content": "hi"}], "stream": True},
            "data: [DONE]",
        ),
    ],
    ids=["alpha2", "openai"],
)
def test_a_running_stream_is_finished(
    tmp_path: Path, standin: Standin, path: str, body: dict[str, Any], end: str
) -> None:
    """A stream that was asked for before SIGTERM is sent to its end, and so is what the cache keeps of it."""
    components = gpt(tmp_path, standin)
    slow = (components / "gpt.yaml").read_text().replace("name: gpt", "name: slow")
    (components / "slow.yaml").write_text(
        slow.replace("  metadata:\n", "  metadata:\n  - {name: model, value: slow-3000}\n")
    )
    flags = ["--components", str(components), "--secrets", str(tmp_path / "secrets.yaml")]
    replies: list[str] = []
    with parley_run(tmp_path, *flags, environ={"PARLEY_DRAIN_SECONDS": "0.1"}) as parley:
        parley.until_up()
        content, before = json.dumps(body).encode(), standin.count()
        headers = {"accept": "text/event-stream"}
        asking = threading.Thread(
            target=lambda: replies.append(parley.request(parley.http_port, path, content, headers).body)
        )
        asking.start()
        until("the request at the provider", lambda: standin.count() > before)
        parley.signal()
        asking.join()
        code = parley.ended()

    assert 0 == code
    assert end in replies[0]


def test_a_second_signal_waits_for_nobody(tmp_path: Path, standin: Standin) -> None:
    """The request is cut, the process ends."""
    components = gpt(tmp_path, standin)
    flags = ["--components", str(components), "--secrets", str(tmp_path / "secrets.yaml")]
    with parley_run(tmp_path, *flags) as parley:
        parley.until_up()
        before = standin.count()
        body = {"inputs": ["slow"], "metadata": {"model": "hang"}}

        def asked() -> None:
            with suppress(OSError):
                parley.ask("gpt", body)

        asking = threading.Thread(target=asked)
        asking.start()
        until("the request at the provider", lambda: standin.count() > before)
        parley.signal(signal.SIGINT)
        until("its stopping", lambda: parley.events("sidecar is stopping"))
        parley.signal(signal.SIGINT)
        code = parley.ended()
        asking.join()

    assert 0 == code
