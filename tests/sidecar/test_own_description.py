"""The API against its own OpenAPI document: schemathesis asks a running sidecar whatever the document allows, and more.

Status, content type and body of every reply must be the documented ones. Unknown keys and lenient types are accepted by
design, as Dapr does, so no check asks whether they were refused. /v1.0/shutdown is left out: it would end the run.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.sidecar.processes import EXAMPLES, parley_run

CHECKS: list[CheckFunction] = [content_type_conformance, response_schema_conformance, status_code_conformance]
NAMED = {
    "/v1.0-alpha1/conversation/{name}/converse",
    "/v1.0-alpha2/conversation/{name}/converse",
    "/v1.0-alpha1/conversation/{name}/contexts/{id}",
    "/v1.0-alpha1/conversation/{name}/cache/purge",
    "/v1/chat/completions",
}
"""The paths of which half of the requests are for the component that there is, and for a room that it has."""
ECHO = EXAMPLES / "echo.yaml"
NAMES = (
    "GET /v1.0/healthz",
    "GET /v1.0/healthz/outbound",
    "GET /v1.0/metadata",
    "PUT /v1.0/metadata/{key}",
    "POST /v1.0-alpha1/conversation/{name}/converse",
    "POST /v1.0-alpha2/conversation/{name}/converse",
    "GET /v1.0-alpha1/conversation/{name}/contexts/{id}",
    "DELETE /v1.0-alpha1/conversation/{name}/contexts/{id}",
    "POST /v1.0-alpha1/conversation/{name}/cache/purge",
    "POST /v1/chat/completions",
    "GET /v1/models",
    "GET /v1/models/{model}",
)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The document of a running sidecar, with the echo component and a room of its own for half of the requests."""
    directory = tmp_path_factory.mktemp("parley")
    (directory / "components").mkdir()
    (directory / "components/echo.yaml").write_text(f"{ECHO.read_text()}  context:\n    ttl: 1h\n")
    with parley_run(directory, "--components", str(directory / "components")) as parley:
        parley.until_up()
        assert 202 == parley.ask(body={"inputs": ["hello"], "conversationContext": "room-1"}).status
        loaded = schemathesis.openapi.from_url(f"http://127.0.0.1:{parley.http_port}/openapi.json")
        yield loaded.exclude(path="/v1.0/shutdown")
        assert [] == [entry for entry in parley.log if entry["level"] == "error"]
        assert parley.popen.poll() is None


def operations(document: Any) -> dict[str, Any]:
    """Return the document's operations by name."""
    found = [entry.ok() for entry in document.get_all_operations()]
    return {f"{operation.method.upper()} {operation.path}": operation for operation in found}


def aimed(case: Any) -> Any:
    """Return a request with the component that there is in place of the one that was made up."""
    if "name" in (case.path_parameters or {}):
        case.path_parameters["name"] = "echo"
        if case.method == "GET":
            case.path_parameters["id"] = "room-1"
    elif isinstance(case.body, dict):
        case.body["model"] = "echo"
    return case


@pytest.mark.parametrize("name", NAMES)
def test_every_reply_is_as_described(document: Any, name: str) -> None:
    """Whatever is sent, what comes back is in the document."""
    operation = operations(document)[name]

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)
        if operation.path in NAMED:
            aimed(case).call_and_validate(checks=CHECKS)

    ask()


def test_every_operation_is_asked(document: Any) -> None:
    """None of the document is left out, but for what would end the run."""
    assert set(NAMES) == set(operations(document))
