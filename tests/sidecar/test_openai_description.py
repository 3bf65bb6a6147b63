"""OpenAI's endpoint in the OpenAPI document."""

from typing import Any

from parley_sidecar.openai_description import with_openai
from tests.sidecar.running import component, sidecar

ROUTES = {"/v1/chat/completions": "post", "/v1/models": "get", "/v1/models/{model}": "get"}


async def test_the_routes_are_described() -> None:
    """Each has its replies and its errors, in the document that the sidecar shows."""
    async with sidecar(component()) as running:
        document: dict[str, Any] = (await running.api.get("/openapi.json")).json()

    statuses = {path: set(document["paths"][path][method]["responses"]) for path, method in ROUTES.items()}
    assert {"200", "400", "401", "403", "404", "409", "413", "429", "500", "503"} == statuses["/v1/chat/completions"]
    assert {"200", "401", "403", "503"} == statuses["/v1/models"]
    assert {"200", "401", "403", "404", "503"} == statuses["/v1/models/{model}"]
    good = document["paths"]["/v1/chat/completions"]["post"]["responses"]["200"]["content"]
    assert {"application/json", "text/event-stream"} == set(good)


def test_names_do_not_collide() -> None:
    """What other routes describe stays; schemas of this endpoint have a prefix of their own."""
    document = with_openai({"paths": {"/x": {}}, "components": {"schemas": {"Body": {}}}})

    schemas = set(document["components"]["schemas"])
    assert "/x" in document["paths"]
    assert {"Body", "OpenAIChatRequest", "OpenAICompletion", "OpenAIChunk", "OpenAIErrorReply"} <= schemas
    assert not [name for name in schemas - {"Body"} if not name.startswith("OpenAI") or "." in name]
