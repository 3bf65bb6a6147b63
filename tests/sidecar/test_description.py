"""The OpenAPI document."""

import json
from typing import Any

from jsonschema import Draft202012Validator

from parley_sidecar.description import conditions
from tests.sidecar.running import component, sidecar


def references(document: object) -> list[str]:
    """Return everything that the document refers to."""
    if isinstance(document, dict):
        own = [document["$ref"]] if isinstance(document.get("$ref"), str) else []
        return own + [found for value in document.values() for found in references(value)]
    return [found for item in document for found in references(item)] if isinstance(document, list) else []


async def test_the_converse_routes_are_described() -> None:
    """The plain routes stand in FastAPI's document, their bodies from the structs that decode them."""
    async with sidecar(component()) as running:
        document: dict[str, Any] = (await running.api.get("/openapi.json")).json()
        again = (await running.api.get("/openapi.json")).json()

    early = document["paths"]["/v1.0-alpha1/conversation/{name}/converse"]["post"]
    current = document["paths"]["/v1.0-alpha2/conversation/{name}/converse"]["post"]
    refusals = {"400", "401", "403", "404", "409", "413", "429", "500", "502", "503", "504"}
    assert {"200", "202"} | refusals == set(early["responses"])
    assert {"200"} | refusals == set(current["responses"])
    assert {"application/json", "text/event-stream"} == set(current["responses"]["200"]["content"])
    assert ["inputs"] == document["components"]["schemas"]["Alpha2Body"]["required"]
    assert "/v1.0/metadata" in document["paths"]
    assert document == again


async def test_every_reference_leads_somewhere() -> None:
    """Nothing in the document is left without a schema."""
    async with sidecar(component()) as running:
        document = (await running.api.get("/openapi.json")).json()

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    found = set(references(document))
    assert found
    assert found <= known


async def test_every_code_and_reason_is_described() -> None:
    """A caller finds every code and every reason in the schema of errors."""
    async with sidecar(component()) as running:
        document = (await running.api.get("/openapi.json")).json()

    properties = document["components"]["schemas"]["ConverseError"]["properties"]
    faces = [kind.face for kind in conditions()]
    assert {face.code for face in faces} == set(properties["errorCode"]["enum"])
    assert {face.reason for face in faces} == set(properties["reason"]["enum"])


async def test_replies_are_as_described() -> None:
    """Replies of each kind, and their errors, fit the schemas that the document has for them."""
    asked = {"inputs": [{"messages": [{"ofUser": {"content": [{"text": "hi"}]}}]}]}
    tools = [{"function": {"name": "f", "parameters": {"properties": {"a": {}}}}}]
    box = {"@type": "type.googleapis.com/google.protobuf.Int64Value", "value": "5"}
    room = {"contextId": "r", "tools": tools}
    async with sidecar(component(context={"ttl": "1h"})) as running:
        document = (await running.api.get("/openapi.json")).json()
        await running.alpha2({"inputs": asked["inputs"], **room})
        replies = {
            "KeptRoom": await running.api.get("/v1.0-alpha1/conversation/echo/contexts/r"),
            "Alpha1EarlyReply": await running.alpha1({"inputs": ["a"], "contextID": "c", "parameters": {"n": 1}}),
            "Alpha1Reply": await running.alpha1({"inputs": [{"content": "a"}], "parameters": {"n": box}}),
            "Alpha2Reply": await running.alpha2({**asked, "tools": tools, "contextId": "c"}),
            "ConverseError": await running.alpha2({}),
        }
        told = await running.alpha2({**asked, "tools": tools}, headers={"accept": "text/event-stream"})

    schemas = document["components"]["schemas"]
    for name, reply in replies.items():
        assert [] == faults(schemas, name, reply.json())
    data = [json.loads(line.removeprefix("data: ")) for line in told.text.splitlines() if line.startswith("data: ")]
    assert [[]] * len(data) == [faults(schemas, "Alpha2DeltaEvent", event) for event in data[:-1]] + [
        faults(schemas, "Alpha2Reply", data[-1])
    ]


def faults(schemas: dict[str, Any], name: str, document: object) -> list[str]:
    """Return what is wrong with a document by a schema; nothing may be in it that the schema does not know."""
    closed = {
        kind: {**schema, "additionalProperties": False} if "properties" in schema else schema
        for kind, schema in schemas.items()
    }
    whole = {"components": {"schemas": closed}, "$ref": f"#/components/schemas/{name}"}
    return [error.message for error in Draft202012Validator(whole).iter_errors(document)]
