"""Dapr's messages: generated from our files, and the published ones, field by field."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from parley_sidecar.rpc import ai_pb2, dapr_pb2
from parley_sidecar.rpc.__main__ import generated, main

PUBLISHED = """
import json
from dapr.proto.runtime.v1 import ai_pb2, dapr_pb2, metadata_pb2
messages = {}
for file in (ai_pb2, dapr_pb2, metadata_pb2):
    for message in file.DESCRIPTOR.message_types_by_name.values():
        messages[message.name] = sorted(
            [field.name, field.number, field.type, field.is_repeated, field.has_presence,
             field.message_type.full_name if field.message_type else ""]
            for field in message.fields
        )
methods = {
    method.name: [method.input_type.full_name, method.output_type.full_name]
    for method in dapr_pb2.DESCRIPTOR.services_by_name["Dapr"].methods
}
print(json.dumps({"messages": messages, "methods": methods}))
"""
"""Run in a process of its own: the SDK registers the same names as we do."""


def test_every_field_is_dapr_s() -> None:
    """Name, number, type and presence of each are those of the published SDK, of every message that we have."""
    done = subprocess.run([sys.executable, "-c", PUBLISHED], capture_output=True, text=True, check=True)
    published = json.loads(done.stdout)
    ours = {
        message.name: sorted(
            [
                field.name,
                field.number,
                field.type,
                field.is_repeated,
                field.has_presence,
                field.message_type.full_name if field.message_type else "",
            ]
            for field in message.fields
        )
        for file in (ai_pb2, dapr_pb2)
        for message in file.DESCRIPTOR.message_types_by_name.values()
    }
    methods = {
        method.name: [method.input_type.full_name, method.output_type.full_name]
        for method in dapr_pb2.DESCRIPTOR.services_by_name["Dapr"].methods
    }
    partly = ours.pop("GetMetadataResponse")

    assert {name: published["messages"][name] for name in ours} == ours
    assert all(field in published["messages"]["GetMetadataResponse"] for field in partly)
    assert {name: published["methods"][name] for name in methods} == methods


def test_the_modules_are_up_to_date() -> None:
    """As `make check` asks."""
    assert 0 == main(["--check"])


def test_what_is_stale_is_told_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A module that differs from its source, one that is missing, and one that has no source."""
    assert 0 == main([], tmp_path)
    written = sorted(path.name for path in tmp_path.iterdir())
    (tmp_path / "ai_pb2.py").write_text("")
    (tmp_path / "dapr_pb2.pyi").unlink()
    (tmp_path / "old_pb2.py").write_text("")
    code = main(["--check"], tmp_path)
    told = capsys.readouterr().err
    mended = main([], tmp_path)

    assert (1, 0, 0) == (code, mended, main(["--check"], tmp_path))
    assert {"ai_pb2.py", "dapr_pb2.pyi", "old_pb2.py"} == {line.split(" ")[0] for line in told.splitlines()}
    assert ["ai_pb2.py", "ai_pb2.pyi", "dapr_pb2.py", "dapr_pb2.pyi"] == written


def test_what_does_not_compile_is_an_error(tmp_path: Path) -> None:
    """So that nothing is taken for up to date."""
    with pytest.raises(RuntimeError, match="protoc failed"):
        generated(tmp_path, tmp_path)
