"""What a sidecar can answer with, and how that changes."""

import asyncio
import threading
from pathlib import Path

import pytest

from parley_crds.resource import Cache, Resilience
from parley_sidecar import providers
from parley_sidecar.errors import ComponentNotFound, NoComponentsYet, ProviderUnavailable
from parley_sidecar.model import ConverseRequest, Message, Trace
from parley_sidecar.registry import Registry
from tests.conftest import eventually
from tests.sidecar.running import component, surroundings

BROKEN = component("gpt", "conversation.openai")
"""It has no key."""


async def test_before_the_first_load_nothing_is_known() -> None:
    """Until components were given, a caller is asked to come back."""
    async with surroundings() as shared:
        registry = Registry(shared)

        with pytest.raises(NoComponentsYet) as raised:
            registry.get("echo")

    assert (False, 1.0) == (registry.loaded, raised.value.retry_after_s)


async def test_after_an_empty_load_nothing_is_there() -> None:
    """Once it is known that there are none, a component is not found."""
    async with surroundings() as shared:
        registry = Registry(shared)
        await registry.replace(())

        with pytest.raises(ComponentNotFound):
            registry.get("echo")

    assert registry.loaded


async def test_components_are_found_by_name() -> None:
    """What was given can be asked and listed."""
    given = component("b"), component("a")
    async with surroundings() as shared:
        registry = Registry(shared)
        failed = await registry.replace(given)

    assert {} == failed
    assert given[0] == registry.get("b").component
    assert (("a", "b"), (given[1], given[0])) == (registry.names(), registry.components())


async def test_an_unchanged_component_keeps_its_pipeline() -> None:
    """The same version keeps its pipeline and its state; another version gets a new one; what is gone is gone."""
    async with surroundings() as shared:
        registry = Registry(shared)
        await registry.replace([component("a", version="1"), component("b", version="1"), component("c")])
        before = registry.get("a"), registry.get("b")

        await registry.replace([component("a", version="1"), component("b", version="2")])

    assert (True, False) == (before[0] is registry.get("a"), before[1] is registry.get("b"))
    assert ("a", "b") == registry.names()


async def test_a_bad_component_stands_alone() -> None:
    """A component that cannot be built is reported with a safe reason, and leaves the others alone."""
    async with surroundings() as shared:
        registry = Registry(shared)

        failed = await registry.replace([BROKEN, component("echo")])

    assert ["gpt"] == list(failed)
    assert "key" in failed["gpt"]
    assert ("echo",) == registry.names()


async def test_a_bad_version_leaves_the_last_good_one() -> None:
    """A component whose new version cannot be built is answered by its last good one."""
    good = component("gpt", "conversation.openai", settings={"key": "k"})
    async with surroundings() as shared:
        registry = Registry(shared)
        await registry.replace([good])

        failed = await registry.replace([BROKEN])

    assert ["gpt"] == list(failed)
    assert good == registry.get("gpt").component


async def test_a_fault_of_ours_stands_alone() -> None:
    """A component that breaks its builder is reported without the fault's text."""
    odd = component("odd").model_copy(update={"settings": "sk-secret"})
    async with surroundings() as shared:
        registry = Registry(shared)

        failed = await registry.replace([odd, component("echo")])

    assert {"odd": "a fault of the sidecar; its log says where"} == failed
    assert ("echo",) == registry.names()


SLOW = """
from parley_sidecar import providers
from parley_sidecar.providers.echo import Settings, connect

providers.importing.set()
providers.may_go_on.wait(60)
"""
"""A provider whose import takes long, as an SDK's does."""


async def test_requests_are_answered_while_a_provider_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A component that comes with an SDK keeps no request for another one waiting."""
    (tmp_path / "slow.py").write_text(SLOW)
    importing, may_go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(tmp_path)])
    monkeypatch.setattr(providers, "importing", importing, raising=False)
    monkeypatch.setattr(providers, "may_go_on", may_go_on, raising=False)
    async with surroundings() as shared:
        registry = Registry(shared)
        await registry.replace([component()])
        replacing = asyncio.create_task(registry.replace([component(), component("slow", "conversation.slow")]))
        await eventually(importing.is_set)
        answer = await registry.get("echo").answer(asking())
        meanwhile = registry.names()
        may_go_on.set()

        failed = await replacing

    assert ("one two three", ("echo",)) == (answer.choices[0].text, meanwhile)
    assert ({}, ("echo", "slow")) == (failed, registry.names())


async def test_states_are_counted() -> None:
    """The metrics say how many components can be asked and how many failed."""
    async with surroundings() as shared:
        await Registry(shared).replace([BROKEN, component("echo")])
        states = shared.metrics.components.children

    assert {("loaded",): 1.0, ("failed",): 1.0} == {state: child.value for state, child in states.items()}


def asking() -> ConverseRequest:
    """Return a request."""
    return ConverseRequest((Message("user", "one two three"),), Trace("1"))


AWAY = component(
    "gpt",
    "conversation.openai",
    settings={"key": "k", "endpoint": "http://127.0.0.1:9/v1"},
    resilience=Resilience(retries=0, fallback=["other"]),
    cache=Cache(ttl="10m"),
)
"""Nothing listens there; it falls back to `other`."""


async def test_a_fallback_is_found_when_it_is_needed() -> None:
    """Another component of this application steps in, in whichever version is loaded by then, and not before."""
    async with surroundings() as shared:
        registry = Registry(shared)
        await registry.replace([AWAY])
        asked = registry.get("gpt")
        with pytest.raises(ProviderUnavailable):
            await asked.answer(asking())
        texts = []
        for settings in ({"maxtokens": "1"}, {"maxtokens": "2"}):
            await registry.replace([AWAY, component("other", settings=settings)])
            texts.append((await asked.answer(asking())).choices[0].text)
        await registry.replace([AWAY])

        with pytest.raises(ProviderUnavailable):
            await asked.answer(asking())

    assert ["one", "one two"] == texts


async def test_a_fallbacks_answer_is_not_kept() -> None:
    """Neither the cache of the one that was asked nor that of the one that answered has it."""
    async with surroundings() as shared:
        registry = Registry(shared)
        await registry.replace([AWAY, component("other", cache=Cache(ttl="10m"))])
        first, second = asking(), asking()

        await registry.get("gpt").answer(first)
        await registry.get("other").answer(second)

    assert "other" == first.trace.answered_by
    assert [(False, False), (False, True)] == [
        (status.hit, status.stored) for status in (first.trace.cache, second.trace.cache) if status
    ]


async def test_two_that_fall_back_to_each_other_end() -> None:
    """A fallback is asked without its own, so a circle is asked once."""
    back = AWAY.model_copy(update={"name": "other", "resilience": Resilience(retries=0, fallback=["gpt"])})
    async with surroundings() as shared:
        registry = Registry(shared)
        await registry.replace([AWAY, back])

        with pytest.raises(ProviderUnavailable):
            await registry.get("gpt").answer(asking())

        counted = {labels: child.value for labels, child in shared.metrics.fallbacks.children.items()}

    assert {("gpt", "other", "failed"): 1} == counted
