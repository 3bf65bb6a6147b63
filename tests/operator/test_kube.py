"""The API server's client: what it sends, and that every foreign fault becomes one of ours, without any content."""

import inspect
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from kubernetes.aio.client import exceptions

from parley_operator import errors, kube
from parley_operator.kube import Call, Kube
from tests.operator.small_api import SmallApi
from tests.operator.world import Plant, component, openai, secret

COMPONENT = kube.component("shop", "gpt")


@pytest.fixture
async def real(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kube]:
    """Our client on the real API server, with the operator's own rights."""
    monkeypatch.setenv("KUBECONFIG", str(plant.kubeconfig("parley-operator")))
    connected = await Kube.connect()
    yield connected
    await connected.aclose()


def test_every_fault_of_the_http_client_is_caught() -> None:
    """A new class of aiohttp's that is none of those we catch fails here, not in production."""
    raised = [kind for _, kind in inspect.getmembers(aiohttp, inspect.isclass) if issubclass(kind, Exception)]
    odd = [kind for kind in raised if not issubclass(kind, (aiohttp.ClientError, OSError, TimeoutError))]

    # What multipart bodies, a WebSocket, a payload's kind and a server raise; none of them is met here.
    known = {"BadContentDispositionHeader", "BadContentDispositionParam", "BodyPartNotFound", "EofStream"}
    known |= {"PayloadEncodingError", "WebSocketError", "WSMessageTypeError", "HttpProcessingError"}
    assert {kind.__name__ for kind in odd if not issubclass(kind, Warning)} <= known


def test_the_clients_own_faults_have_one_root() -> None:
    """What it raises for a refusal is an ApiException; the rest are faults of the call itself."""
    raised = {kind for _, kind in inspect.getmembers(exceptions, inspect.isclass) if issubclass(kind, Exception)}
    faults_of_the_call = {exceptions.OpenApiException, exceptions.ApiTypeError, exceptions.ApiValueError}
    faults_of_the_call |= {exceptions.ApiAttributeError, exceptions.ApiKeyError}

    assert all(issubclass(kind, exceptions.ApiException) for kind in raised - faults_of_the_call)


@pytest.mark.parametrize(
    ("status", "expected"), [(403, errors.Forbidden), (503, errors.ApiUnavailable), (400, errors.Invalid)]
)
async def test_a_refusal_names_the_call_and_nothing_else(
    small: SmallApi, api: Kube, status: int, expected: type[errors.OperatorError]
) -> None:
    """Verb, path and status are told; the server's words, which may quote an object, are not."""
    small.status = status
    with pytest.raises(expected) as caught:
        await api.create(kube.components("shop"), {"metadata": {"name": "gpt"}, "spec": {"key": "sk-1"}})

    assert f"POST {kube.components('shop')}: status {status}" == str(caught.value)


async def test_a_silent_server_is_unavailable(small: SmallApi, api: Kube) -> None:
    """A call ends at its limit, and one without any time left is not made at all."""
    small.silent = True
    with pytest.raises(errors.ApiUnavailable):
        await api.patch(COMPONENT, [], 0.2)
    with pytest.raises(errors.ApiUnavailable):
        await api.replace(COMPONENT, {}, 0)

    assert [f"PATCH {COMPONENT}"] == small.calls


async def test_an_answer_that_is_not_json_is_unavailable(small: SmallApi, api: Kube) -> None:
    """A proxy's error page is not the API server's word."""
    small.garbage = True
    with pytest.raises(errors.ApiUnavailable):
        await api.get(COMPONENT)


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection is worth another try."""
    nobody = {"clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}], "current-context": "c"}
    context = {"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}
    (tmp_path / "config").write_text(json.dumps(nobody | context | {"users": [{"name": "u", "user": {}}]}))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    connected = await Kube.connect()
    with pytest.raises(errors.ApiUnavailable):
        await connected.get(COMPONENT)
    await connected.aclose()


def test_a_body_is_not_shown() -> None:
    """A call may carry keys and passwords; its text has none."""
    assert "sk-1" not in repr(Call({"key": "sk-1"}))


async def test_the_token_is_sent(small: SmallApi, api: Kube) -> None:
    """The kubeconfig's user is who calls."""
    small.component("shop", "gpt")
    answer = await api.get(COMPONENT)

    assert "gpt" == answer["metadata"]["name"]
    assert os.environ["KUBECONFIG"].endswith("small-api.kubeconfig")


@pytest.mark.control_plane
async def test_a_real_server_says_what_is_wrong(plant: Plant, real: Kube) -> None:
    """Absent, not ours, outdated and malformed are told apart."""
    name = plant.namespace
    lease = kube.lease(name, "parley-operator")
    outdated = await real.get(lease)
    await real.replace(lease, {**outdated, "spec": {"leaseTransitions": 1}})
    with pytest.raises(errors.NotFound):
        await real.get(kube.component(name, "nobody"))
    with pytest.raises(errors.Forbidden):
        await real.get("/api/v1/namespaces/kube-system/configmaps/any")
    with pytest.raises(errors.Conflict):
        await real.replace(lease, {**outdated, "spec": {"leaseTransitions": 2}})
    with pytest.raises(errors.Invalid):
        await real.create(kube.TOKEN_REVIEWS, {"spec": "malformed"})


@pytest.mark.control_plane
async def test_a_list_has_all_pages(plant: Plant, real: Kube) -> None:
    """A list is read page by page to its end."""
    names = {f"paged-{number}" for number in range(5)}
    plant.apply(*(component(name) for name in names))
    items = await real.list_all(kube.components(plant.namespace), {"limit": "2"})

    assert names <= {item["metadata"]["name"] for item in items}
    plant.kubectl("delete", "conv", *sorted(names))


@pytest.mark.control_plane
async def test_a_status_is_written_beside_the_spec(plant: Plant, real: Kube) -> None:
    """Server-side apply owns the status alone, and does not make what is not there."""
    plant.apply(secret("applied", apiKey="sk-1"), openai("applied", secret="applied"))
    path = kube.component(plant.namespace, "applied")
    before = await real.get(path)
    body = {key: before[key] for key in ("apiVersion", "kind")} | {"status": {"version": "1"}}
    after = await real.apply(f"{path}/status", {**body, "metadata": {"name": "applied"}}, "tests")
    with pytest.raises(errors.NotFound):
        await real.apply(f"{path}-gone/status", {**body, "metadata": {"name": "applied-gone"}}, "tests")

    assert (before["spec"], before["metadata"]["generation"]) == (after["spec"], after["metadata"]["generation"])
    assert "1" == after["status"]["version"]
    plant.kubectl("delete", "conv", "applied")
