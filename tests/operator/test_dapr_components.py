"""Dapr's components beside ours, on a real API server with Dapr's own resource definition.

Left to test_operate: an API server without that resource, or without the right to read it. Left to tests/crds: what a
Dapr manifest means.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster import Cluster
from parley_crds import names
from parley_crds.component import Component
from parley_operator.events import Subject
from parley_operator.handlers import Pace
from parley_operator.kube import Kube
from parley_operator.operate import Operator
from parley_operator.reconcile import Outcome
from tests.conftest import ROOT
from tests.operator.reading import following
from tests.operator.serving import eventually
from tests.operator.world import Plant, component, secret

pytestmark = pytest.mark.control_plane

OURS = ROOT / "crds/conversationcomponents.parley.dev.yaml"
DEFINITION = Path(__file__).with_name("dapr_components_crd.yaml")
CRD = "components.dapr.io"


@pytest.fixture(scope="module", autouse=True)
def definition(bare: Plant) -> None:
    """Our own resource definition, which no chart has brought."""
    bare.define(OURS, "conversationcomponents.parley.dev")


@pytest.fixture
def dapr(bare: Plant) -> None:
    """Dapr's resource definition, in use."""
    bare.define(DEFINITION, CRD)


@pytest.fixture(params=["everywhere", "in its namespace"])
async def operator(bare: Plant, real_api: Kube, request: pytest.FixtureRequest) -> AsyncIterator[Operator]:
    """A replica that reads both kinds, in all namespaces or in one."""
    namespaces = () if request.param == "everywhere" else (bare.namespace,)
    async with beside_dapr(bare, real_api, namespaces) as running:
        yield running


@contextlib.asynccontextmanager
async def beside_dapr(plant: Plant, api: Kube, namespaces: tuple[str, ...] = ()) -> AsyncIterator[Operator]:
    """Run what reads and publishes, looking often for what is absent; in the end what a test made is deleted."""
    pace = Pace(guest_absent_s=0.2)
    async with following(plant, api, pace, read_dapr_components=True, watch_namespaces=namespaces) as operator:
        yield operator
    await asyncio.to_thread(plant.kubectl, "delete", "conv,components.dapr.io,secret", "-l", "made=here")


def daprs(name: str, *items: dict[str, Any], type_: str = "conversation.echo", **fields: Any) -> dict[str, Any]:
    """Return a component of Dapr's."""
    metadata = {"name": name, "labels": {"made": "here"}}
    spec = {"type": type_, "version": "v1", "metadata": list(items)}
    kind = {"apiVersion": names.DAPR_API_VERSION, "kind": names.DAPR_KIND}
    return {**kind, "metadata": metadata, "spec": spec, **fields}


def ours(name: str, **spec: Any) -> dict[str, Any]:
    """Return a component of ours."""
    made = component(name, **spec)
    made["metadata"]["labels"] = {"made": "here"}
    return made


async def apply(plant: Plant, *manifests: dict[str, Any]) -> None:
    """Apply, while the loop goes on."""
    await asyncio.to_thread(plant.apply, *manifests)


async def delete(plant: Plant, kind: str, name: str) -> None:
    """Delete, while the loop goes on."""
    await asyncio.to_thread(plant.kubectl, "delete", kind, name)


def published(operator: Operator, name: str) -> Component | None:
    """Return what is published under a name."""
    return operator.published.get(operator.settings.namespace, name)


def outcome(operator: Operator, name: str) -> Outcome | None:
    """Return what became of the component of a name."""
    return operator.reconciler.outcomes.get((operator.settings.namespace, name))


@pytest.mark.usefixtures("dapr")
async def test_an_existing_manifest_works_unchanged(bare: Plant, operator: Operator) -> None:
    """Keys from Secrets, values without quotes, scopes: as in Dapr; and nothing is written to the object."""
    key = {"name": "key", "secretKeyRef": {"name": "dapr-openai", "key": "apiKey"}}
    items: list[dict[str, Any]] = [
        key,
        {"name": "model", "value": "gpt-4o"},
        {"name": "responseCacheTTL", "value": "10m"},
    ]
    fields = {"scopes": ["checkout"], "auth": {"secretStore": "kubernetes"}}
    manifest = daprs("gpt", *items, {"name": "maxTokens", "value": 100}, type_="conversation.openai", **fields)
    manifest["spec"] |= {"ignoreErrors": True, "initTimeout": "5s"}
    credentials = secret("dapr-openai", apiKey="sk-1")
    credentials["metadata"]["labels"] = {"made": "here"}
    await apply(bare, credentials, manifest)
    before = await asyncio.to_thread(bare.read, "components.dapr.io", "gpt")
    await eventually("published", lambda: published(operator, "gpt"))
    found = published(operator, "gpt")

    assert found
    assert (("checkout",), "sk-1", "gpt-4o") == (found.scopes, found.settings["key"], found.settings["model"])
    assert "10m" == found.cache.ttl
    assert before == await asyncio.to_thread(bare.read, "components.dapr.io", "gpt")


@pytest.mark.usefixtures("dapr")
async def test_our_component_wins_over_daprs_of_the_same_name(bare: Plant, operator: Operator) -> None:
    """Whichever comes first; when ours goes, Dapr's takes its place."""
    await apply(bare, daprs("both", scopes=["daprs"]))
    await eventually("Dapr's", lambda: (found := published(operator, "both")) and found.scopes == ("daprs",))
    await apply(bare, {**ours("both"), "scopes": ["ours"]})
    await eventually("ours", lambda: (found := published(operator, "both")) and found.scopes == ("ours",))
    await apply(bare, daprs("both", scopes=["daprs", "changed"]))
    await apply(bare, daprs("mark"))
    await eventually("the mark", lambda: published(operator, "mark"))
    assert ("ours",) == getattr(published(operator, "both"), "scopes", None)

    await delete(bare, "conv", "both")
    await eventually("Dapr's again", lambda: (found := published(operator, "both")) and "changed" in found.scopes)
    await delete(bare, "components.dapr.io", "both")
    await eventually("nothing", lambda: published(operator, "both") is None)


@pytest.mark.usefixtures("dapr")
async def test_other_types_of_daprs_are_none_of_our_business(bare: Plant, operator: Operator) -> None:
    """A state store is not read; a component that becomes one is gone."""
    await apply(bare, daprs("store", type_="state.redis"), daprs("turning"))
    await eventually("published", lambda: published(operator, "turning"))
    await apply(bare, daprs("turning", type_="state.redis"))
    await eventually("gone", lambda: published(operator, "turning") is None)

    assert outcome(operator, "store") is None


@pytest.mark.usefixtures("dapr")
async def test_a_fault_of_daprs_is_known_and_harms_nobody(bare: Plant, operator: Operator) -> None:
    """It is counted, an Event can name the object, and a good component beside it is published."""
    foreign = {"name": "key", "secretKeyRef": {"name": "openai", "key": "apiKey"}}
    await apply(
        bare,
        daprs("foreign", foreign, type_="conversation.openai", auth={"secretStore": "vault"}),
        daprs("unknown", type_="conversation.nobody"),
        daprs("odd", {"name": "responseCacheTTL", "value": {"of": ["any", "type"]}}),
        daprs("empty", {"name": "model"}, type_="conversation.openai"),
        daprs("beside", auth={"secretStore": "vault"}),
    )
    await eventually("published", lambda: published(operator, "beside"))
    expected = {"foreign": "UnknownSecretStore", "unknown": "UnknownType", "odd": "Malformed", "empty": "Malformed"}
    await eventually("judged", lambda: all(outcome(operator, name) for name in expected))
    found = {name: outcome(operator, name) for name in expected}

    assert expected == {name: one.judged.fault.reason for name, one in found.items() if one and one.judged.fault}
    assert not any(one.is_ours for one in found.values() if one)
    subjects = {Subject.of(one.document) for one in found.values() if one}
    kind = (names.DAPR_API_VERSION, names.DAPR_KIND)
    assert {(*kind, name) for name in expected} == {(one.api_version, one.kind, one.name) for one in subjects}


async def test_daprs_resource_may_come_and_go(bare: Plant, real_api: Kube, control_plane: Cluster) -> None:
    """Dapr may be installed long after us, and uninstalled: our own components are served throughout."""
    await asyncio.to_thread(control_plane.kubectl, "delete", "crd", CRD, "--ignore-not-found")
    async with beside_dapr(bare, real_api) as operator:
        await apply(bare, ours("steady"))
        await eventually("ours", lambda: published(operator, "steady"))
        await asyncio.to_thread(bare.define, DEFINITION, CRD)
        await eventually("Dapr's watch", lambda: operator.watchers[1].is_watching)
        await apply(bare, daprs("late"))
        await eventually("Dapr's", lambda: published(operator, "late"))
        await asyncio.to_thread(control_plane.kubectl, "delete", "crd", CRD)
        await eventually("gone", lambda: published(operator, "late") is None)
        await apply(bare, ours("later"))
        await eventually("ours again", lambda: published(operator, "later"))
        watched = operator.watchers[0].is_watching
        await asyncio.to_thread(bare.define, DEFINITION, CRD)

    assert watched
