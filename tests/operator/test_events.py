"""Events on a real API server: written once, told again after they were over, and where a person looks for them."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from parley_crds.checks import Problem
from parley_operator import kube
from parley_operator.component_events import ComponentEvents
from parley_operator.conditions import Judged
from parley_operator.errors import ApiUnavailable
from parley_operator.events import FORGOTTEN_S, MAX_MESSAGE, MOST_AT_ONCE, Chronicle, Event, Events, Subject, manifest
from parley_operator.kube import Kube
from parley_operator.metrics import Metrics
from parley_operator.reconcile import Outcome
from parley_operator.workqueue import Key
from tests.operator.serving import Clock, limit_s
from tests.operator.small_api import SmallApi
from tests.operator.world import Plant, component

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
FAULT = Problem("SecretNotFound", "the Secret openai does not exist")


def subject(plant: Plant, name: str) -> Subject:
    """Return a ConfigMap of the plant's namespace as a subject, there or not."""
    return Subject("v1", "ConfigMap", plant.namespace, name, f"uid-of-{name}")


def told(plant: Plant, name: str) -> list[tuple[str, str]]:
    """Read type and reason of each Event about an object, oldest first."""
    text = plant.kubectl("get", "events", "--field-selector", f"involvedObject.name={name}", "-o", "json")
    found = sorted(json.loads(text)["items"], key=lambda event: int(event["metadata"]["resourceVersion"]))
    return [(event["type"], event["reason"]) for event in found]


@pytest.mark.control_plane
async def test_the_same_event_is_written_once_by_however_many_replicas(bare: Plant, real_api: Kube) -> None:
    """Other words, or a namesake of the object, are another one; what is refused holds up no other."""
    metrics = Metrics()
    event = Event(subject(bare, "same"), "Broken", "it is broken")
    for reporter in ("one", "other"):
        await Events(real_api, reporter, metrics).tell(event)
    await Events(real_api, "one", metrics).tell(replace(event, message="more so" * 1000))
    await Events(real_api, "one", metrics).tell(replace(event, subject=replace(event.subject, uid="another")))
    await Events(real_api, "one", metrics).tell(replace(event, subject=replace(event.subject, namespace="nowhere")))

    assert [("Warning", "Broken")] * 3 == told(bare, "same")
    assert 3 == metrics.registry.get_sample_value("parley_operator_events_total", {"reason": "Broken"})


@pytest.mark.parametrize("name", ["a", "a" * 253, "a" * 199 + "-" + "b" * 53, "a" * 198 + ".." + "b" * 53])
def test_an_events_name_is_a_good_one(name: str) -> None:
    """Whatever the object is called: cut, and not cut at a hyphen or a dot."""
    found = manifest(Event(Subject("v1", "Pod", "shop", name, "u"), "Broken", "x" * 2000), "me", NOW)
    cut, _, digest = found["metadata"]["name"].rpartition(".")

    assert name.startswith(cut)
    assert cut[-1].isalnum()
    assert 16 == len(digest)
    assert MAX_MESSAGE == len(found["message"])
    assert "2026-11-28T09:00:00Z" == found["firstTimestamp"] == found["lastTimestamp"]


@pytest.mark.control_plane
async def test_what_is_back_after_it_was_over_is_told_again(bare: Plant, real_api: Kube) -> None:
    """Not while it goes on, and at most once a minute while it comes and goes."""
    clock = Clock()
    chronicle = Chronicle(Events(real_api, "tested", Metrics()), limit_s, clock)
    event = Event(subject(bare, "recurring"), "Broken", "it is broken")
    seen = []
    for present in ([event], [event], [], [event], [event], [], [event], []):
        await chronicle.tell(present)
        seen.append(len(told(bare, "recurring")))
    clock.now = 60.0
    await chronicle.tell([event])

    assert [1, 1, 1, 2, 2, 2, 2, 2] == seen
    assert 3 == len(told(bare, "recurring"))


@pytest.mark.control_plane
async def test_the_next_leader_tells_nothing_twice(bare: Plant, real_api: Kube) -> None:
    """It knows nothing of what was told; the API server does."""
    event = Event(subject(bare, "inherited"), "Broken", "it is broken")
    for _ in range(2):
        await Chronicle(Events(real_api, "tested", Metrics()), limit_s).tell([event])

    assert 1 == len(told(bare, "inherited"))


async def test_what_goes_on_is_written_anew_when_the_api_server_has_forgotten_it(small: SmallApi, api: Kube) -> None:
    """An hour and a little later, and not before; a failure is made up for in the next round."""
    clock = Clock()
    chronicle = Chronicle(Events(api, "tested", Metrics()), limit_s, clock)
    event = Event(Subject("v1", "Pod", "shop", "a", "u"), "Broken", "it is broken")
    small.status = 503
    with pytest.raises(ApiUnavailable):
        await chronicle.tell([event])
    small.status = 0
    small.calls.clear()
    calls = []
    for clock.now in (1.0, FORGOTTEN_S, FORGOTTEN_S + 2):
        await chronicle.tell([event])
        calls.append(len(small.calls))

    assert [1, 1, 2] == calls


async def test_many_faults_are_told_in_turn(small: SmallApi, api: Kube) -> None:
    """A few at once: the API server has other work."""
    chronicle = Chronicle(Events(api, "tested", Metrics()), limit_s)
    many = [Event(Subject("v1", "Pod", "shop", f"p{n}", f"u{n}"), "Broken", "it is") for n in range(MOST_AT_ONCE + 5)]
    await chronicle.tell(many)
    first = len(small.calls)
    for _ in range(2):
        await chronicle.tell(many)

    assert MOST_AT_ONCE == first
    assert len(many) == len(small.calls) == small.calls.count(f"POST {kube.events('shop')}")


@pytest.mark.control_plane
async def test_a_components_fault_and_its_end_are_told(plant: Plant, real_api: Kube) -> None:
    """Once each however often it is looked at, in `kubectl describe` too, and again when it is back; Dapr's alike."""
    plant.apply(component("told"))
    document = plant.read("conv", "told")
    key: Key = (plant.namespace, "told")
    foreign = {**document, "apiVersion": "dapr.io/v1alpha1", "kind": "Component"}
    foreign["metadata"] = document["metadata"] | {"name": "foreign", "uid": "foreign"}
    faulty, good = Judged(unresolved=FAULT), Judged()
    outcomes: dict[Key, Outcome] = {("x", "foreign"): Outcome(foreign, faulty, "", {})}
    events = ComponentEvents(outcomes, Events(real_api, "tested", Metrics()), limit_s, time.time)
    seen = []
    for judged in (good, faulty, faulty, good, good, faulty):
        outcomes[key] = Outcome(document, judged, "", {})
        await events.once()
        seen.append(len(told(plant, "told")))
    del outcomes[key]
    await events.once()

    assert [0, 1, 1, 2, 2, 3] == seen
    fault = ("Warning", "SecretNotFound")
    assert [fault, ("Normal", "Ready"), fault] == told(plant, "told")
    assert [fault] == told(plant, "foreign")
    assert FAULT.message in plant.kubectl("describe", "conv", "told")


async def test_a_recovery_that_could_not_be_told_is_told_later(small: SmallApi, api: Kube) -> None:
    """The next look makes up for it; a component that is gone is told nothing."""
    document = small.component("shop", "gpt")
    outcomes: dict[Key, Outcome] = {("shop", "gpt"): Outcome(document, Judged(unresolved=FAULT), "", {})}
    events = ComponentEvents(outcomes, Events(api, "tested", Metrics()), limit_s)
    await events.once()
    outcomes["shop", "gpt"] = Outcome(document, Judged(), "", {})
    small.status = 503
    with pytest.raises(ApiUnavailable):
        await events.once()
    small.status = 0
    small.calls.clear()
    await events.once()
    await events.once()

    assert [f"POST {kube.events('shop')}"] == small.calls
