"""Who runs what: sums over sidecars and replicas, by name and version."""

from parley_crds.component import Component
from parley_crds.stream import Acknowledgement, ProviderHealth, StoreSection, snapshot
from parley_operator.authentication import Identity
from parley_operator.connected import MAX_UNANSWERED, Connected, Contents, Counts, Sidecar, Totals, summed
from parley_operator.workqueue import Key
from tests.operator.serving import Clock

SHOP = Identity("shop", "web", "web-1", "web")


def sent(sidecar: Sidecar, *held: str, **versions: str) -> str:
    """Send a snapshot of components with these versions, and of what is held; return its hash."""
    components = [
        Component(name=name, namespace="shop", type="conversation.echo", version=version, settings={"key": "sk-secret"})
        for name, version in versions.items()
    ]
    made = snapshot(components, StoreSection(), "", held)
    sidecar.sent(Contents.of(made))
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


def test_sidecars_of_one_snapshot_share_what_is_kept_of_them() -> None:
    """Thousands are summed as one, until one of them says something else."""
    connected, versions = Connected(), {"a": "1"}
    made = Contents("hash", versions)
    sidecars = [connected.add(SHOP) for _ in range(3)]
    for sidecar in sidecars:
        sidecar.sent(made)
        sidecar.acknowledged(Acknowledgement(ack="hash"))
    same = {sidecar.position for sidecar in sidecars}
    sidecars[0].acknowledged(Acknowledgement(ack="hash", failed={"a": "why"}))

    assert [versions] == [position.wanted.versions for position in same]
    assert 2 == len({sidecar.position for sidecar in sidecars})
    assert {("shop", "a"): Totals(3, {"1": 2}, 1)} == summed([connected.counts()])


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
    ailing = {"a": ProviderHealth(breaker="open", last_error="timeout")}
    for connected, versions in zip(replicas, ("1", "2"), strict=True):
        sidecar = connected.add(SHOP)
        sidecar.acknowledged(Acknowledgement(ack=sent(sidecar, a=versions), providers=ailing))
    wire = [connected.counts().model_dump_json() for connected in replicas]

    total = Totals(2, {"1": 1, "2": 1}, 0, {"open": 2}, {"timeout": 2})
    assert {("shop", "a"): total} == summed(map(Counts.model_validate_json, wire))
    assert "sk-secret" not in "".join(wire)


def test_a_replica_of_another_version_is_added_up_too() -> None:
    """One that does not count what we count adds nothing to it; what only a newer one counts is passed over."""
    older = '{"components": [{"namespace": "shop", "name": "a", "connected": 1, "by_version": {"1": 1}}]}'
    newer = older.replace('"connected": 1', '"connected": 1, "breakers": {"open": 1}, "moods": {"bad": 1}')

    total = Totals(2, {"1": 2}, 0, {"open": 1})
    assert {("shop", "a"): total} == summed(map(Counts.model_validate_json, (older, newer)))


def test_the_health_of_providers_is_counted_by_what_was_said_last() -> None:
    """Said again without a new snapshot, it replaces what was said before; only of what the sidecar may use."""
    connected = Connected()
    sidecar = connected.add(SHOP)
    first = sent(sidecar, a="1", b="1")
    open_, probing = ProviderHealth(breaker="open", last_error="unavailable"), ProviderHealth(breaker="half_open")
    sidecar.acknowledged(Acknowledgement(ack=first, providers={"a": open_, "strange": open_}))
    before = summed([connected.counts()])
    sidecar.acknowledged(Acknowledgement(ack=first, providers={"b": probing}))
    after = summed([connected.counts()])

    assert {"a": Totals(1, {"1": 1}, 0, {"open": 1}, {"unavailable": 1}), "b": Totals(1, {"1": 1})} == by_name(before)
    assert {"a": Totals(1, {"1": 1}), "b": Totals(1, {"1": 1}, 0, {"half_open": 1})} == by_name(after)


def by_name(totals: dict[Key, Totals]) -> dict[str, Totals]:
    """Return sums of one namespace by name."""
    return {name: total for (_, name), total in totals.items()}


def test_words_from_outside_do_not_reach_the_status() -> None:
    """What a newer sidecar calls its breaker is not counted, and its error is some other one."""
    connected = Connected()
    sidecar = connected.add(SHOP)
    strange = ProviderHealth(breaker="ajar", last_error="bored")
    sidecar.acknowledged(Acknowledgement(ack=sent(sidecar, a="1"), providers={"a": strange}))

    assert {("shop", "a"): Totals(1, {"1": 1}, 0, {}, {"other": 1})} == summed([connected.counts()])


def test_what_is_held_is_counted_as_connected_alone() -> None:
    """Who may use it is known; what it runs of it is not, and it is behind nothing."""
    connected = Connected()
    sidecar = connected.add(SHOP)
    sidecar.acknowledged(Acknowledgement(ack=sent(sidecar, "b", a="1")))

    assert {("shop", "a"): Totals(1, {"1": 1}), ("shop", "b"): Totals(1)} == summed([connected.counts()])
    assert 0 == connected.behind()


def test_who_does_not_run_what_it_should_is_behind() -> None:
    """Before it answered, after a change, and where it could not load it; counted once, however many components."""
    connected = Connected()
    quick, slow = connected.add(SHOP), connected.add(SHOP)
    seen = []
    for versions in ({"a": "1", "b": "1"}, {"a": "2", "b": "2"}):
        hashes = [sent(sidecar, **versions) for sidecar in (quick, slow)]
        seen.append(connected.behind())
        quick.acknowledged(Acknowledgement(ack=hashes[0]))
        slow.acknowledged(Acknowledgement(ack=hashes[1], failed={"b": "why"}))
        seen.append(connected.behind())

    assert [2, 1, 2, 1] == seen


def test_the_first_answer_tells_how_long_it_took() -> None:
    """Later words on the same snapshot do not; the same one sent again is waited for again."""
    clock = Clock()
    sidecar = Sidecar(SHOP, clock)
    first = sent(sidecar, a="1")
    clock.now = 2.0
    second = sent(sidecar, a="2")
    clock.now = 5.0
    told = [sidecar.acknowledged(Acknowledgement(ack=answer)) for answer in (first, first, second, second, first)]
    sent(sidecar, a="1")
    clock.now = 6.0

    assert [5.0, None, 3.0, None, None] == told
    assert 1.0 == sidecar.acknowledged(Acknowledgement(ack=first))
