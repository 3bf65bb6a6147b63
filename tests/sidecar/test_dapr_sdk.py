"""Dapr's published Python SDK, unchanged, against a real `parley run`: it knows nothing but Dapr's variables."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Vendors, until
from tests.sidecar.processes import Process, parley_run

CLIENT = Path(__file__).with_name("dapr_client.py")
OPENAI = "conversation.openai"
TOKEN = "t-1"


def application(parley: Process, *words: str, token: str = TOKEN) -> "subprocess.CompletedProcess[str]":
    """Run an application beside the sidecar."""
    variables = {
        "DAPR_HTTP_PORT": str(parley.http_port),
        "DAPR_GRPC_PORT": str(parley.grpc_port),
        "DAPR_API_TOKEN": token,
        "DAPR_HEALTH_TIMEOUT": "30",
    }
    command = [sys.executable, "-W", "ignore", str(CLIENT), *words]
    return subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=120, check=False
    )


def manifest(name: str, kind: str, settings: Mapping[str, str]) -> str:
    """Return one of Dapr's own manifests; its key stands in a Secret."""
    secret = {"name": "key", "secretKeyRef": {"name": "openai", "key": "apiKey"}}
    entries = [secret if key == "key" else {"name": key, "value": value} for key, value in settings.items()]
    document = {
        "apiVersion": "dapr.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": name},
        "spec": {"type": kind, "version": "v1", "metadata": entries},
    }
    return json.dumps(document)


@pytest.fixture(scope="module")
def parley(tmp_path_factory: pytest.TempPathFactory, vendors: Vendors) -> Iterator[Process]:
    """A sidecar that asks for a token, with an echo, another one that keeps chat rooms, and a strict provider."""
    directory = tmp_path_factory.mktemp("parley")
    components = directory / "components"
    components.mkdir()
    (components / "echo.yaml").write_text(manifest("echo", "conversation.echo", {}))
    (components / "room.yaml").write_text(manifest("room", "conversation.echo", {"contextTTL": "1h"}))
    settings = {**vendors.settings(OPENAI), "model": "gpt-5"}
    (components / "gpt.yaml").write_text(manifest("gpt", OPENAI, settings))
    (directory / "secrets.yaml").write_text(json.dumps({"openai": {"apiKey": settings["key"]}}))
    flags = ["--components", str(components), "--secrets", str(directory / "secrets.yaml"), "--app-id", "shop"]
    with parley_run(directory, *flags, environ={"DAPR_API_TOKEN": TOKEN}) as running:
        running.until_up()
        yield running


@pytest.mark.parametrize("client", ["sync", "aio"])
def test_the_sdk_works_unchanged(parley: Process, client: str) -> None:
    """Its probe at construction, both versions of the API, tools and back, a room, a schema, metadata and errors."""
    done = application(parley, client)
    assert 0 == done.returncode, done.stderr
    heard: dict[str, Any] = json.loads(done.stdout)

    assert {
        "context_id": "c-1",
        "results": ["one\ntwo"],
        "parameters": ["n", "on", "share", "word"],
    } == heard["alpha1"]
    assert "Tool Response for tool ID 'call_1' with name 'weather': sunny" in heard["alpha2"]["text"]
    assert ("c-2", "stop", 0) == tuple(heard["alpha2"][name] for name in ("context_id", "finish_reason", "index"))
    assert ["one", "one\none\ntwo"] == [heard[name]["text"] for name in ("room", "room again")]
    assert heard["room"]["context_id"] == heard["room again"]["context_id"]
    assert 4 == json.loads(heard["structured"]["text"])["result"]
    assert heard["structured"]["total_tokens"] > 0
    assert {"code": "INVALID_ARGUMENT", "details": "failed finding conversation component nobody"} == heard["refused"]
    assert {"called": "weather", "then": "stop"} == heard["tools"]
    assert {"id": "shop", "names": ["echo", "gpt", "room"], "team": "blue"} == heard["metadata"]


def test_the_sdk_s_token_is_asked_for(parley: Process) -> None:
    """A wrong one is refused; the probe at construction needs none, as in Dapr."""
    done = application(parley, "sync", token="t-2")

    assert 1 == done.returncode
    assert "StatusCode.UNAUTHENTICATED" in done.stderr
    assert "invalid api token" in done.stderr


def test_the_sdk_ends_the_sidecar(tmp_path: Path) -> None:
    """As a job's application does when it is done: in order, and without a word on standard error."""
    (tmp_path / "components").mkdir()
    (tmp_path / "components/echo.yaml").write_text(manifest("echo", "conversation.echo", {}))
    with parley_run(tmp_path, "--components", str(tmp_path / "components")) as parley:
        before = until("the banner", lambda: parley.stderr)
        done = application(parley, "shutdown")
        code = parley.ended()

    assert (0, 0, before) == (done.returncode, code, parley.stderr)
