"""The OpenAPI document."""

from typing import Any

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
    assert {"200", "202", "400", "401", "403", "500", "503"} == set(early["responses"])
    assert "202" not in current["responses"]
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
