"""The names that a chat room has in a body, and what they may say."""

from typing import Any

import pytest

from parley_sidecar.errors import MalformedBody
from parley_sidecar.wire.spellings import InContext


@pytest.mark.parametrize("keeps_rooms", [True, False])
def test_contradicting_ids_are_malformed(keeps_rooms: bool) -> None:  # noqa: FBT001 - a table's column
    """Whether rooms are kept or not; the reference's name counts as one of them."""
    for body in (InContext(context_dapr1="a", context_dapr2="b"), InContext(context_proto="a", room="b")):
        with pytest.raises(MalformedBody, match="contextId is given twice, and differs"):
            body.room_id(keeps_rooms=keeps_rooms)


@pytest.mark.parametrize(
    ("fields", "kept", "echoed"),
    [
        ({}, None, None),
        ({"context_dapr1": "", "room": ""}, None, None),
        ({"context_dapr1": "a", "context_dapr2": "a", "context_proto": "", "room": "a"}, "a", "a"),
        ({"room": "a"}, "a", None),
        ({"context_dapr2": "a"}, "a", "a"),
    ],
)
def test_ids_that_agree_are_one(fields: dict[str, Any], kept: str | None, echoed: str | None) -> None:
    """An empty text names no room; what came by the reference's name alone is not echoed."""
    body = InContext(**fields)

    assert (kept, echoed) == (body.room_id(keeps_rooms=True), body.context_id)


def test_only_a_name_of_dapr_s_may_be_forgotten() -> None:
    """Dapr promises an echo and nothing else; the reference's name promises a conversation."""
    echoed, promised = InContext(context_dapr1="a"), InContext(context_dapr1="a", room="a")

    assert (None, "a") == (echoed.room_id(keeps_rooms=False), promised.room_id(keeps_rooms=False))
