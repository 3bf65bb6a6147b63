"""Components as OpenAI's models."""

import json

from openai.types import Model

from parley_sidecar.wire import openai_models
from tests.sidecar.running import component


def test_a_component_is_a_model() -> None:
    """Its name is the id, its type the owner."""
    body = openai_models.model(component("gpt", "conversation.openai"), 5)

    Model.model_validate_json(body, strict=True)
    assert {"id": "gpt", "object": "model", "created": 5, "owned_by": "conversation.openai"} == json.loads(body)


def test_all_components_are_listed() -> None:
    """The list holds each of them, in their order."""
    body = json.loads(openai_models.models([component("a"), component("b")], 5))

    assert ("list", ["a", "b"]) == (body["object"], [model["id"] for model in body["data"]])
