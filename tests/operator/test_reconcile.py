"""Gather, judge, publish, for one component: what is read, what is made of it, and what stays published.

Left to tests/crds: every check. Left to test_reconciling: the same with the real operator on a real API server.
"""

import base64
import contextlib
import logging

import pytest

from parley_crds.loading import SecretData
from parley_crds.manifests import parse
from parley_crds.resource import ConversationComponent
from parley_operator import errors, kube
from parley_operator.conditions import Judged
from parley_operator.gather import Gathered, gather, read_secret
from parley_operator.kinds import DAPRS, OURS
from parley_operator.kube import Kube
from parley_operator.metrics import Metrics
from parley_operator.published import Published
from parley_operator.reconcile import Reconciler, judge
from tests.operator.small_api import Object, SmallApi, dapr_path

KEY = ("shop", "gpt")
PATH = kube.component(*KEY)
SECRET = kube.secret("shop", "openai")
OPENAI = {
    "type": "conversation.openai",
    "metadata": [{"name": "key", "secretKeyRef": {"name": "openai", "key": "apiKey"}}],
}


def gathered(spec: Object, *secrets: str, forbidden: str = "") -> Gathered:
    """Return what was read of a component whose Secrets hold an apiKey."""
    document = {"metadata": {"name": "gpt", "namespace": "shop", "uid": "u"}, "spec": {"version": "v1", **spec}}
    data = {name: SecretData(f"uid-{name}", "7", {"apiKey": "sk-1"}) for name in secrets}
    return Gathered(document, parse(document), data, frozenset({forbidden} - {""}))


def store(small: SmallApi, **data: bytes) -> None:
    """Store the Secret openai."""
    small.put(SECRET, data={name: base64.b64encode(value).decode() for name, value in data.items()})


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        (gathered({"type": "conversation.echo"}), ("", "", True)),
        (gathered(OPENAI, "openai"), ("", "", True)),
        (gathered(OPENAI), ("", "SecretNotFound", False)),
        (gathered(OPENAI, forbidden="openai"), ("", "SecretForbidden", False)),
        (gathered({"type": "conversation.nobody"}), ("UnknownType", "", False)),
        (gathered({"type": "conversation.echo", "cache": {"ttl": "soon"}}), ("Malformed", "", False)),
    ],
)
def test_a_component_is_judged(world: Gathered, expected: tuple[str, str, bool]) -> None:
    """It is refused, unresolved, or loaded: never two of them."""
    judged, component = judge(world, last_good=False)

    refused = judged.refused.reason if judged.refused else ""
    unresolved = judged.unresolved.reason if judged.unresolved else ""
    assert expected == (refused, unresolved, component is not None)


def test_a_judgement_says_whether_something_older_stays() -> None:
    """The reason is the new version's, the sidecars have the old one."""
    judged, _ = judge(gathered(OPENAI), last_good=True)

    assert (True, "SecretNotFound") == (judged.last_good, judged.fault and judged.fault.reason)


async def test_a_component_is_gathered_with_its_secrets(small: SmallApi, api: Kube) -> None:
    """Each Secret is read by name; what is not text in it cannot be a setting and is left out."""
    small.component("shop", "gpt", **OPENAI)
    store(small, apiKey=b"sk-1", image=b"\xff\xfe")
    world = await gather(api, KEY, Metrics())

    assert world
    assert isinstance(world.parsed, ConversationComponent)
    assert {"openai": {"apiKey": "sk-1"}} == {name: secret.data for name, secret in world.secrets.items()}
    assert [f"GET {PATH}", f"GET {SECRET}"] == small.calls


async def test_an_empty_secret_is_there(small: SmallApi, api: Kube) -> None:
    """The chart's Secrets have no data at first."""
    small.put(SECRET)
    found = await read_secret(api, "shop", "openai")

    assert found
    assert {} == found.data


async def test_what_is_being_deleted_is_gone(small: SmallApi, api: Kube) -> None:
    """A finalizer of somebody else's does not keep a component in use."""
    small.put(PATH, metadata={"deletionTimestamp": "2026-11-25T08:00:00Z"}, spec={})

    assert await gather(api, KEY, Metrics()) is None
    assert await gather(api, ("shop", "never"), Metrics()) is None


async def test_a_missing_right_is_the_components_own_fault(small: SmallApi, api: Kube) -> None:
    """One Secret that must not be read keeps nobody else waiting for the first list to end."""
    small.component("shop", "gpt", **OPENAI)
    small.refused[SECRET] = 403
    world = await gather(api, KEY, Metrics())

    assert world
    assert frozenset({"openai"}) == world.forbidden


async def test_an_outage_is_no_judgement(small: SmallApi, api: Kube) -> None:
    """A Secret that could not be asked for is not a missing one: what is published stays until it can be."""
    published = Published()
    reconciler = Reconciler(api, published, Metrics())
    small.component("shop", "gpt", **OPENAI)
    store(small, apiKey=b"sk-1")
    await reconciler(KEY)
    small.refused[SECRET] = 503
    with pytest.raises(errors.ApiUnavailable):
        await reconciler(KEY)

    assert published.get(*KEY)
    assert reconciler.outcomes[KEY].judged == Judged()


async def test_a_good_component_is_published_until_it_is_deleted(small: SmallApi, api: Kube) -> None:
    """Its key is resolved; a new resourceVersion of the Secret is a new version of the component."""
    published = Published()
    reconciler = Reconciler(api, published, Metrics())
    small.component("shop", "gpt", **OPENAI)
    versions = []
    for key in (b"sk-1", b"sk-2"):
        store(small, apiKey=key)
        await reconciler(KEY)
        versions.append(reconciler.outcomes[KEY].version)
    (component,) = published.components("shop")
    del small.objects[PATH]
    await reconciler(KEY)

    assert "sk-2" == component.settings["key"]
    assert versions[0] != versions[1]
    assert ((), {}) == (published.components("shop"), reconciler.outcomes)


async def test_the_last_good_version_stays_when_a_secret_goes(small: SmallApi, api: Kube) -> None:
    """The sidecars keep their key; the outcome knows what to wait for."""
    published = Published()
    reconciler = Reconciler(api, published, Metrics())
    small.component("shop", "gpt", **OPENAI)
    store(small, apiKey=b"sk-1")
    await reconciler(KEY)
    good = reconciler.outcomes[KEY]
    del small.objects[SECRET]
    await reconciler(KEY)
    bad = reconciler.outcomes[KEY]

    assert (good.version, {"openai": None}) == (bad.version, bad.secrets)
    assert bad.judged.last_good
    assert good.uid == bad.uid == "uid-of-gpt"


async def test_a_fault_is_logged_once(small: SmallApi, api: Kube, caplog: pytest.LogCaptureFixture) -> None:
    """Not at every resync, and never with a value."""
    caplog.set_level(logging.WARNING)
    reconciler = Reconciler(api, Published(), Metrics())
    small.component("shop", "gpt", **OPENAI)
    for _ in range(3):
        await reconciler(KEY)
    store(small, other=b"sk-1")
    await reconciler(KEY)

    assert ["SecretNotFound", "SecretKeyNotFound"] == [getattr(record, "reason", "") for record in caplog.records]
    assert "sk-1" not in caplog.text


async def test_nothing_secret_is_shown(small: SmallApi, api: Kube) -> None:
    """An outcome may be printed."""
    reconciler = Reconciler(api, Published(), Metrics())
    small.component("shop", "gpt", **OPENAI)
    store(small, apiKey=b"sk-1")
    await reconciler(KEY)

    assert "sk-1" not in repr(reconciler.outcomes)


async def test_reconciles_are_counted(small: SmallApi, api: Kube) -> None:
    """By result, with their time; so are reads of a Secret that were refused, or got no answer."""
    metrics = Metrics()
    reconciler = Reconciler(api, Published(), metrics)
    small.component("shop", "gpt", **OPENAI)
    await reconciler(KEY)
    for status in (403, 503):
        small.refused[SECRET] = status
        with contextlib.suppress(errors.ApiUnavailable):
            await reconciler(KEY)

    samples = {
        f"{sample.name} {sample.labels.get('result', '')}".strip(): sample.value
        for metric in metrics.registry.collect()
        for sample in metric.samples
    }
    assert 2 == samples["parley_operator_reconciles_total ok"]
    assert 1 == samples["parley_operator_reconciles_total failed"]
    assert 3 == samples["parley_operator_reconcile_seconds_count"]
    assert 2 == samples["parley_operator_secret_errors_total"]


async def test_a_guest_that_may_not_be_read_any_more_stays(small: SmallApi, api: Kube) -> None:
    """A right that was taken away is no proof that the component is gone; where nothing was published, nothing is."""
    published = Published()
    reconciler = Reconciler(api, published, Metrics(), (OURS, DAPRS))
    small.dapr_component("shop", "gpt")
    await reconciler(KEY)
    small.refused |= {dapr_path("shop", name): 403 for name in ("gpt", "never")}
    with pytest.raises(errors.Forbidden):
        await reconciler(KEY)
    await reconciler(("shop", "never"))

    assert ["gpt"] == [component.name for component in published.components("shop")]
    assert [KEY] == list(reconciler.outcomes)


async def test_our_own_that_may_not_be_read_is_no_absence(small: SmallApi, api: Kube) -> None:
    """Whoever else has one of its name."""
    reconciler = Reconciler(api, Published(), Metrics(), (OURS, DAPRS))
    small.dapr_component("shop", "gpt")
    small.refused[PATH] = 403

    with pytest.raises(errors.Forbidden):
        await reconciler(KEY)


async def test_a_component_that_our_own_code_fails_on_is_held(
    small: SmallApi, api: Kube, caplog: pytest.LogCaptureFixture
) -> None:
    """It does not keep others waiting: sidecars keep what they have of it, and the log tells of it, but no value."""
    small.component("shop", "gpt", **OPENAI)
    store(small, apiKey=b"sk-1")
    del small.objects[SECRET]["metadata"]["resourceVersion"]  # an API server never answers so
    published = Published()
    await Reconciler(api, published, Metrics())(KEY)

    assert ["gpt"] == [held.name for held in published.held("shop")]
    assert "component not judged" in caplog.messages
    assert "sk-1" not in caplog.text
