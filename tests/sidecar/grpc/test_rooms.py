"""Chat rooms over gRPC: Dapr's two fields name them, and their errors have Dapr's codes."""

import asyncio
from typing import Any

from tests.sidecar.grpc.calling import ALPHA1, ALPHA2, calling
from tests.sidecar.held import held
from tests.sidecar.running import component

KEEPING = component(context={"ttl": "1h"}, cache={"ttl": "10m"})
ROOM = "/v1.0-alpha1/conversation/{}/contexts/{}"


def alpha1(text: str, **fields: Any) -> dict[str, Any]:
    """Return an alpha1 request."""
    return {"name": "echo", "inputs": [{"content": text}], **fields}


def alpha2(text: str, name: str = "echo", **fields: Any) -> dict[str, Any]:
    """Return an alpha2 request."""
    return {"name": name, "inputs": [{"messages": [{"ofUser": {"content": [{"text": text}]}}]}], **fields}


async def test_both_versions_continue_a_room() -> None:
    """The id is echoed, and the next call knows what was said, whichever version and door it comes by."""
    async with calling(KEEPING) as caller:
        first = await caller.call(ALPHA1, alpha1("one", contextID="r"))
        second = await caller.call(ALPHA2, alpha2("two", contextId="r"))
        shown = await caller.sidecar.api.get(ROOM.format("echo", "r"))

    (output,) = second.json["outputs"]
    assert {"contextID": "r", "outputs": [{"result": "one"}]} == first.json
    assert ("r", "one\none\ntwo") == (second.json["contextId"], output["choices"][0]["message"]["content"])
    assert 2 == shown.json()["turns"]


async def test_an_empty_id_is_none() -> None:
    """As protobuf sends a field that was set to nothing."""
    async with calling(KEEPING) as caller:
        replies = [await caller.call(ALPHA2, alpha2("one", contextId="")) for _ in range(2)]

    assert "contextId" not in replies[1].json
    assert "; hit" in replies[1].metadata["cache-status"]


async def test_the_cache_tells_of_rooms_too() -> None:
    """A room's first turn is not answered with what another room has cached."""
    async with calling(KEEPING) as caller:
        fates = [
            (await caller.call(ALPHA2, alpha2("one", contextId=context_id))).metadata["cache-status"]
            for context_id in ("r", "s")
        ]

    assert [True, True] == [fate.startswith("parley; fwd=miss") for fate in fates]


async def test_an_id_has_a_limit() -> None:
    """It is an invalid argument, in our reason too."""
    async with calling(KEEPING) as caller:
        refusal = await caller.refused(ALPHA2, alpha2("one", contextId="x" * 257))

    assert ("INVALID_ARGUMENT", "invalid_parameters") == (refusal.code, refusal.metadata["parley-reason"])
    assert "xxx" not in refusal.details


async def test_a_room_that_is_erased_or_busy_is_internal() -> None:
    """As every fault is in Dapr; the reason tells them apart."""
    async with held() as provider:
        gpt = provider.component(context={"ttl": "1h"})
        hasty = gpt.model_copy(update={"resilience": gpt.resilience.model_copy(update={"attempt_timeout": "100ms"})})
        async with calling(gpt) as caller:
            asking = asyncio.create_task(caller.refused(ALPHA2, alpha2("one", "gpt", contextId="r")))
            await provider.until_asked(1)
            await caller.sidecar.registry.replace([hasty.model_copy(update={"version": "2"})])
            busy = await caller.refused(ALPHA2, alpha2("two", "gpt", contextId="r"))
            await caller.sidecar.api.delete(ROOM.format("gpt", "r"))
            provider.may_answer.set()
            lost = await asking

    assert [("INTERNAL", "room_busy"), ("INTERNAL", "room_lost")] == [
        (refusal.code, refusal.metadata["parley-reason"]) for refusal in (busy, lost)
    ]
