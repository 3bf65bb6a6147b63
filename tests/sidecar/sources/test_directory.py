"""The directory source over real files and a real registry: changes, faults, Secrets, and what the log says of them."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from parley_sidecar.command_error import CommandError
from parley_sidecar.registry import Registry
from parley_sidecar.sources.directory import DirectorySource
from parley_sidecar.sources.judgement import Place
from tests.sidecar.running import surroundings

GPT = """
apiVersion: parley.dev/v1alpha1
kind: ConversationComponent
metadata: {name: gpt}
spec: {type: conversation.openai, metadata: [{name: key, secretKeyRef: {name: openai, key: apiKey}}]}
"""


def echo(name: str = "echo", **more: Any) -> str:
    """Return the manifest of an echo component; `more` stands beside its spec."""
    head = f"apiVersion: parley.dev/v1alpha1\nkind: ConversationComponent\nmetadata: {{name: {name}}}\n"
    return head + "spec: {type: conversation.echo}\n" + "".join(f"{key}: {value}\n" for key, value in more.items())


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    """A registry with nothing in it yet."""
    async with surroundings({"SET": "1"}) as shared:
        yield Registry(shared)


def source_of(directory: Path, registry: Registry, secrets: Path | None = None) -> DirectorySource:
    """Return a source for the application `shop`."""
    return DirectorySource(directory, secrets, Place("shop", "default"), registry)


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    """Return what the log says of faults: event, source and reason; and forget it."""
    records = [record for record in caplog.records if hasattr(record, "source")]
    lines = [(record.getMessage(), record.source, record.reason) for record in records]  # type: ignore[attr-defined]
    caplog.clear()
    return lines


async def test_manifests_of_both_kinds_are_loaded(tmp_path: Path, registry: Registry) -> None:
    """Our own and Dapr's, YAML and JSON; hidden files, others, and other kinds of objects are passed over."""
    (tmp_path / "a.yaml").write_text(echo("a"))
    (tmp_path / "b.yml").write_text(echo("b").replace("parley.dev", "dapr.io").replace("ConversationC", "C"))
    (tmp_path / "c.json").write_text(
        '{"apiVersion": "parley.dev/v1alpha1", "kind": "ConversationComponent", "metadata": {"name": "c"},'
        ' "spec": {"type": "conversation.echo"}}'
    )
    (tmp_path / "d.yaml").write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: d}}")
    (tmp_path / ".e.yaml").write_text(echo("e"))
    (tmp_path / "f.txt").write_text(echo("f"))
    source = source_of(tmp_path, registry)
    await source.start()

    assert (("a", "b", "c"), {}) == (registry.names(), source.left_out)


async def test_a_directory_that_is_not_there_is_told(tmp_path: Path, registry: Registry) -> None:
    """A person who mistyped it sees which one."""
    with pytest.raises(CommandError, match=f"^--components: {tmp_path}/none does not exist$"):
        await source_of(tmp_path / "none", registry).start()
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match=f"^--components: {tmp_path}/file is not a directory$"):
        await source_of(tmp_path / "file", registry).start()


async def test_an_empty_directory_serves_nothing_yet(tmp_path: Path, registry: Registry) -> None:
    """The registry is loaded, with nothing in it."""
    await source_of(tmp_path, registry).start()

    assert ((), True) == (registry.names(), registry.loaded)


async def test_changes_are_followed(tmp_path: Path, registry: Registry) -> None:
    """A file that is added, changed or removed is in use without anybody asking for it."""
    source = source_of(tmp_path, registry)
    await source.start()
    following = asyncio.create_task(source.run())
    seen = []
    (tmp_path / "a.yaml").write_text(echo("a"))
    seen.append(await until_names(registry, "a"))
    (tmp_path / "a.yaml").write_text(echo("renamed"))
    seen.append(await until_names(registry, "renamed"))
    (tmp_path / "a.yaml").unlink()
    seen.append(await until_names(registry))
    following.cancel()

    assert [True, True, True] == seen


async def until_names(registry: Registry, *names: str) -> bool:
    """Poll until exactly these components can be asked."""
    async with asyncio.timeout(30):
        while registry.names() != names:
            await asyncio.sleep(0.02)
    return True


async def test_a_broken_file_keeps_its_last_good_version(
    tmp_path: Path, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says so once, not at each look, and again when it breaks anew."""
    file = tmp_path / "a.yaml"
    file.write_text(echo("a"))
    source = source_of(tmp_path, registry)
    await source.start()
    before = registry.get("a")

    file.write_text("spec: {")
    for _ in range(3):
        await source.refresh()

    assert [("last good version stays in use", "a.yaml", "MalformedYaml")] == told(caplog)
    assert before is registry.get("a")
    file.write_text(echo("a"))
    await source.refresh()
    file.write_text("spec: {{")
    await source.refresh()
    assert [("last good version stays in use", "a.yaml", "MalformedYaml")] == told(caplog)
    assert ("a",) == registry.names()


async def test_one_fault_leaves_the_others_alone(
    tmp_path: Path, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever cannot be used is named with its reason, and the rest serves."""
    caplog.set_level(logging.INFO)
    (tmp_path / "good.yaml").write_text(echo("good"))
    (tmp_path / "typed.yaml").write_text(echo("typed").replace("echo}", "nobody}"))
    (tmp_path / "bytes.yaml").write_bytes(b"\xff")
    (tmp_path / "dir.yaml").mkdir()
    (tmp_path / "gpt.yaml").write_text(GPT.replace("secretKeyRef: {name: openai, key: apiKey}", "envRef: UNSET"))
    (tmp_path / "scoped.yaml").write_text(echo("scoped", scopes="[billing]"))
    (tmp_path / "warned.yaml").write_text(
        GPT.replace("name: gpt", "name: warned").replace("secretKeyRef: {name: openai, key: apiKey}", "envRef: SET")
        .replace("[{", "[{name: modle, value: x}, {")
    )  # fmt: skip
    source = source_of(tmp_path, registry)
    await source.start()

    assert [
        ("file cannot be used", "bytes.yaml", "Unreadable"),
        ("file cannot be used", "dir.yaml", "Unreadable"),
        ("component is not for this sidecar", "scoped.yaml#1", "OutOfScope"),
        ("component left out", "typed.yaml#1", "UnknownType"),
        ("component has a flaw", "warned.yaml#1", "UnknownSetting"),
        ("component left out", "gpt.yaml", "NotLoaded"),
    ] == told(caplog)
    assert ("good", "warned") == registry.names()
    assert {"bytes.yaml", "dir.yaml", "scoped in scoped.yaml#1", "typed in typed.yaml#1", "gpt in gpt.yaml"} == set(
        source.left_out
    )
    assert "UNSET" in source.left_out["gpt in gpt.yaml"]


async def test_secrets_are_read_anew(tmp_path: Path, registry: Registry, caplog: pytest.LogCaptureFixture) -> None:
    """A new key is in use at the next look; a broken file of Secrets keeps the last good key and says so once."""
    components = tmp_path / "components"
    components.mkdir()
    (components / "gpt.yaml").write_text(GPT)
    secrets = components / "secrets.yaml"
    secrets.write_text("openai: {apiKey: sk-1}")
    source = source_of(components, registry, secrets)
    await source.start()
    keys = [registry.get("gpt").component.settings["key"]]
    secrets.write_text("openai: {apiKey: sk-two}")
    await source.refresh()
    keys.append(registry.get("gpt").component.settings["key"])
    secrets.write_text("openai: broken")
    for _ in range(2):
        await source.refresh()
    keys.append(registry.get("gpt").component.settings["key"])

    assert ["sk-1", "sk-two", "sk-two"] == keys
    assert [("last good version stays in use", "secrets.yaml", "MalformedSecrets")] == told(caplog)


async def test_a_file_of_secrets_that_cannot_be_read_is_told_at_start(tmp_path: Path, registry: Registry) -> None:
    """Who names a file means it."""
    (tmp_path / "secrets").write_text("[")
    with pytest.raises(CommandError, match=f"^--secrets: {tmp_path}/none: cannot be read: No such file or directory$"):
        await source_of(tmp_path, registry, tmp_path / "none").start()
    with pytest.raises(CommandError, match=f"^--secrets: {tmp_path}/secrets: not YAML: line 1$"):
        await source_of(tmp_path, registry, tmp_path / "secrets").start()


async def test_a_missing_secret_heals(tmp_path: Path, registry: Registry) -> None:
    """A component without its Secret is left out until the Secret is there."""
    (tmp_path / "gpt.yaml").write_text(GPT)
    secrets = tmp_path / "secrets"
    secrets.write_text("other: {apiKey: sk-1}")
    source = source_of(tmp_path, registry, secrets)
    await source.start()

    assert {"gpt in gpt.yaml#1": "the setting key needs the Secret openai"} == source.left_out
    secrets.write_text("openai: {apiKey: sk-1}")
    await source.refresh()
    assert ("gpt",) == registry.names()


async def test_a_directory_that_goes_away_changes_nothing(
    tmp_path: Path, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    """What runs goes on running, the log says so once, and the directory's return is noticed."""
    directory = tmp_path / "components"
    directory.mkdir()
    (directory / "a.yaml").write_text(echo("a"))
    source = source_of(directory, registry)
    await source.start()
    directory.rename(tmp_path / "away")
    for _ in range(2):
        await source.refresh()

    assert [("last good version stays in use", "components", "Unreadable")] == told(caplog)
    assert ("a",) == registry.names()
    (tmp_path / "away").rename(directory)
    (directory / "b.yaml").write_text(echo("b"))
    await source.refresh()
    assert ("a", "b") == registry.names()


async def test_a_link_to_nowhere_is_passed_over(tmp_path: Path, registry: Registry) -> None:
    """A dangling link, as an editor or a mount may leave for a moment, is no component and no fault."""
    (tmp_path / "a.yaml").symlink_to(tmp_path / "nowhere")
    source = source_of(tmp_path, registry)
    await source.start()

    assert ((), {}) == (registry.names(), source.left_out)
