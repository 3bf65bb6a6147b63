"""The API reference's early form, as documented: several plain strings, one output each, 202."""

from typing import Any

import pytest

from parley_sidecar.door import Door
from tests.conftest import Standin
from tests.sidecar.running import component, sidecar

DOCUMENTED: dict[str, Any] = {
    "inputs": ["what is Dapr", "Why use Dapr"],
    "parameters": {},
    "metadata": {
        "model": "model-ID-string-based-on-component-used",
        "key": "key1",
        "cacheTTL": "10m",
        "endpoint": "http://localhost:3500",
    },
}
OWN = Door("shop", own_ports=frozenset({3500, 50001, 9464}))


def openai(standin: Standin, name: str = "gpt", **fields: Any) -> Any:
    """Return a component whose provider is the stand-in."""
    settings = {"key": "component-key", "model": "m", "endpoint": f"{standin.url}/v1"}
    return component(name, "conversation.openai", settings=settings, **fields)


async def test_the_documented_request_is_answered_as_documented() -> None:
    """The request of the API reference gets 202 with two outputs, each with its parameters, though empty."""
    async with sidecar(component(), door=OWN) as running:
        reply = await running.alpha1(DOCUMENTED)

    outputs = [{"result": text, "parameters": {}} for text in DOCUMENTED["inputs"]]
    assert (202, {"outputs": outputs}) == (reply.status_code, reply.json())


async def test_a_second_time_it_is_a_hit() -> None:
    """A lifetime of its own keeps the answers for equal requests; it is a hit when all inputs are."""
    async with sidecar(component(), door=OWN) as running:
        first = await running.alpha1(DOCUMENTED)
        second = await running.alpha1(DOCUMENTED)
        third = await running.alpha1({**DOCUMENTED, "inputs": ["what is Dapr", "something else"]})

    said = [reply.headers["cache-status"] for reply in (first, second, third)]
    assert ["parley; fwd=miss; stored", "parley; fwd=miss; stored"] == [said[0], said[2]]
    assert said[1].startswith("parley; hit; ttl=")
    assert first.json() == second.json()


async def test_parameters_are_printed_and_sent(standin: Standin) -> None:
    """Custom fields go to the provider, and come back in each output as they came."""
    async with sidecar(openai(standin)) as running:
        reply = await running.alpha1({"inputs": ["a", "b"], "parameters": {"top_p": 0.5}}, "gpt")

    outputs = [{"result": f"stand-in: {text}", "parameters": {"top_p": 0.5}} for text in "ab"]
    assert (202, {"outputs": outputs}) == (reply.status_code, reply.json())
    assert 0.5 == standin.last()["body"]["top_p"]


async def test_overrides_reach_the_provider(standin: Standin) -> None:
    """The model and the key of the request replace the component's."""
    async with sidecar(openai(standin)) as running:
        await running.alpha1({"inputs": ["a"], "metadata": {"model": "other", "key": "own-key"}}, "gpt")

    sent = standin.last()
    assert ("other", "Bearer own-key") == (sent["body"]["model"], sent["headers"]["authorization"])


async def test_an_overridden_endpoint_needs_its_own_key(standin: Standin) -> None:
    """The component's key never travels to an endpoint of the request's."""
    asked = standin.count()
    async with sidecar(openai(standin)) as running:
        refused = await running.alpha1({"inputs": ["a"], "metadata": {"endpoint": f"{standin.url}/v1"}}, "gpt")
        taken = await running.alpha1(
            {"inputs": ["a"], "metadata": {"endpoint": f"{standin.url}/v1", "key": "own-key"}}, "gpt"
        )

    assert (400, "ERR_CONVERSATION_INVALID_PARMS") == (refused.status_code, refused.json()["errorCode"])
    assert (202, 1) == (taken.status_code, standin.count() - asked)
    assert "Bearer own-key" == standin.last()["headers"]["authorization"]


@pytest.mark.parametrize("port", [3500, 50001, 9464])
async def test_the_sidecar_is_no_endpoint(standin: Standin, port: int) -> None:
    """For a provider that has an endpoint, the sidecar's own ports are refused; echo has none."""
    metadata = {"endpoint": f"http://127.0.0.1:{port}/v1", "key": "own-key"}
    async with sidecar(openai(standin), component(), door=OWN) as running:
        refused = await running.alpha1({"inputs": ["a"], "metadata": metadata}, "gpt")
        without_effect = await running.alpha1({"inputs": ["a"], "metadata": metadata})

    assert (400, 202) == (refused.status_code, without_effect.status_code)
    assert "endpoint is the sidecar itself" in refused.json()["message"]


async def test_a_component_may_forbid_overrides(standin: Standin) -> None:
    """What the component does not allow is refused."""
    async with sidecar(openai(standin, overrides={"allow": ["model"]})) as running:
        reply = await running.alpha1({"inputs": ["a"], "metadata": {"key": "own-key"}}, "gpt")

    assert 400 == reply.status_code
    assert "does not let a request replace key" in reply.json()["message"]
    assert "own-key" not in reply.text


@pytest.mark.parametrize(
    ("model", "reason", "precise", "wait"),
    [
        ("status-429", "rate_limited", 429, "7"),
        ("status-401", "refused", 502, None),
        ("status-503", "unavailable", 502, None),
        ("garbage", "garbled", 502, None),
    ],
)
async def test_a_failure_fails_all(standin: Standin, model: str, reason: str, precise: int, wait: str | None) -> None:
    """If the provider fails, all fail, as Dapr says it or precisely, without a word of the provider's body."""
    body = {"inputs": ["my secret plan", "b"], "metadata": {"model": model}}
    replies = []
    for flag in (False, True):
        async with sidecar(openai(standin), door=Door("shop", precise_statuses=flag)) as running:
            replies.append(await running.alpha1(body, "gpt"))

    assert [500, precise] == [reply.status_code for reply in replies]
    assert {("ERR_CONVERSATION_INVOKE", reason)} == {
        (reply.json()["errorCode"], reply.json()["reason"]) for reply in replies
    }
    assert [wait, wait] == [reply.headers.get("retry-after") for reply in replies]
    assert not [reply for reply in replies if "told to fail" in reply.text or "secret" in reply.text]
