"""Who runs what: sums over sidecars and replicas, by name and version."""

from parley_crds.component import Component
from parley_crds.stream import Acknowledgement, StoreSection, snapshot
from parley_operator.authentication import Identity
from parley_operator.connected import MAX_UNANSWERED, Connected, Counts, Sidecar, Totals, summed

SHOP = Identity("shop", "web", "web-1", "web")


def sent(sidecar: Sidecar, **versions: str) -> str:
    """Send a snapshot of components with these versions; return its hash."""
    components = [
        Component(name=name, namespace="shop", type="conversation.echo", version=version, settings={"key": "sk-secret"})
        for name, version in versions.items()
    ]
    made = snapshot(components, StoreSection(), "")
    sidecar.sent(made)
    return made.hash


def test_a_sidecar_counts_by_the_version_it_said_it_runs() -> None:
    """Connected as soon as it may use a component, up to date once it has answered, and with the old one until then."""
    connected = Connected()
    sidecar = connected.add(SHOP)
    first = sent(sidecar, a="1", b="1")
    before = summed([connected.counts()])
    sidecar.acknowledged(Acknowledgement(ack=first))
    sent(sidecar, a="2", b="1")
    between = summed([connected.counts()])

    assert {("shop", "a"): Totals(1), ("shop", "b"): Totals(1)} == before
    assert Totals(1, {"1": 1}) == between["shop", "a"]


def test_what_it_could_not_load_is_counted_as_failed() -> None:
    """It runs no version of it, as far as we know."""
    connected = Connected()
    sidecar = connected.add(SHOP)
    sidecar.acknowledged(Acknowledgement(ack=sent(sidecar, a="1", b="1"), failed={"b": "why", "strange": "who"}))

    assert {("shop", "a"): Totals(1, {"1": 1}), ("shop", "b"): Totals(1, {}, 1)} == summed([connected.counts()])


def test_an_answer_to_what_was_never_sent_changes_nothing() -> None:
    """A sidecar cannot make up what it runs."""
    connected = Connected()
    sidecar = connected.add(SHOP)
    sent(sidecar, a="1")
    sidecar.acknowledged(Acknowledgement(ack="made up"))

    assert {("shop", "a"): Totals(1)} == summed([connected.counts()])


def test_a_sidecar_that_never_answers_costs_no_more_with_time() -> None:
    """The newest snapshots are remembered, for a late answer; older ones are not."""
    connected = Connected()
    sidecar = connected.add(SHOP)
    hashes = [sent(sidecar, a=str(number)) for number in range(MAX_UNANSWERED + 2)]
    sidecar.acknowledged(Acknowledgement(ack=hashes[0]))
    forgotten = summed([connected.counts()])
    sidecar.acknowledged(Acknowledgement(ack=hashes[-2]))

    assert {("shop", "a"): Totals(1)} == forgotten
    assert {("shop", "a"): Totals(1, {str(MAX_UNANSWERED): 1})} == summed([connected.counts()])


def test_a_sidecar_that_has_gone_is_not_counted() -> None:
    """Removing it twice does no harm."""
    connected = Connected()
    sidecar = connected.add(SHOP)
    sent(sidecar, a="1")
    connected.remove(sidecar)
    connected.remove(sidecar)

    assert {} == summed([connected.counts()])
    assert 0 == len(connected)


def test_replicas_are_added_up_and_show_no_key() -> None:
    """What travels between replicas is names, versions and numbers."""
    replicas = [Connected(), Connected()]
    for connected, versions in zip(replicas, ("1", "2"), strict=True):
        sidecar = connected.add(SHOP)
        sidecar.acknowledged(Acknowledgement(ack=sent(sidecar, a=versions)))
    wire = [connected.counts().model_dump_json() for connected in replicas]

    assert {("shop", "a"): Totals(2, {"1": 1, "2": 1})} == summed(map(Counts.model_validate_json, wire))
    assert "sk-secret" not in "".join(wire)
