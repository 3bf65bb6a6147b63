"""The stand-in of the Messages API is strict: what its reference forbids does not pass a test."""

from typing import Any

import msgspec
import pytest

from tests.vendors.anthropic_rules import Refused, read

USER = {"role": "user", "content": "hi"}
CALL: dict[str, Any] = {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "f", "input": {}}]}
RESULT = {"type": "tool_result", "tool_use_id": "c1", "content": "x"}
KEPT = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
OBJECT = {"type": "object"}


@pytest.mark.parametrize(
    "fields",
    [
        {"max_tokens": None},
        {"messages": []},
        {"unknown": 1},
        {"temperature": 1.5},
        {"messages": [{"role": "assistant", "content": "hi"}]},
        {"messages": [USER, USER]},
        {"messages": [{"role": "system", "content": "hi"}]},
        {"messages": [{"role": "user", "content": " "}]},
        {"messages": [{"role": "user", "content": []}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "name": "ann"}]}]},
        {"messages": [{"role": "user", "content": CALL["content"]}]},
        {"messages": [USER, {"role": "assistant", "content": "hi "}]},
        {"messages": [USER, CALL]},
        {"messages": [USER, CALL, USER]},
        {"messages": [USER, CALL, {"role": "user", "content": [{"type": "text", "text": "so"}, RESULT]}]},
        {"messages": [USER, CALL, {"role": "user", "content": [RESULT, RESULT]}]},
        {"messages": [{"role": "user", "content": [RESULT]}]},
        {
            "messages": [
                USER,
                {"role": "assistant", "content": CALL["content"] * 2},
                {"role": "user", "content": [RESULT]},
            ]
        },
        {"system": [{"type": "text", "text": ""}]},
        {"system": [KEPT] * 5},
        {"system": [KEPT, {**KEPT, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
        {"system": [{**KEPT, "cache_control": {"type": "ephemeral", "ttl": "24h"}}]},
        {"tools": [{"name": "f"}]},
        {"tools": [{"name": "a b", "input_schema": OBJECT}]},
        {"tools": [{"name": "f", "input_schema": {"type": "string"}}]},
        {"tools": [{"name": "f", "input_schema": OBJECT}] * 2},
        {"tools": [{"name": "f", "input_schema": OBJECT, "strict": True}]},
        {"tool_choice": {"type": "auto"}},
        {"tools": [{"name": "f", "input_schema": OBJECT}], "tool_choice": {"type": "tool", "name": "g"}},
        {"tools": [{"name": "f", "input_schema": OBJECT}], "tool_choice": "auto"},
        {"output_config": {"format": {"type": "json_object"}}},
        {"output_config": {"format": {"type": "json_schema", "schema": OBJECT}}},
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "number", "minimum": 1}}}},
    ],
)
def test_the_stand_in_is_as_strict_as_the_api(fields: dict[str, object]) -> None:
    """It takes a plain body, and none that the reference forbids."""
    plain = {"model": "m", "max_tokens": 1, "messages": [USER]}

    with pytest.raises(Refused):
        read(msgspec.json.encode(plain | fields))
    assert "m" == read(msgspec.json.encode(plain)).model
