"""A run with peers: figures beside the sidecar's, the goals' verdicts, and what is told of peers without figures."""

import msgspec

from bench.figures import MANY
from bench.peers.goals import goals
from bench.peers.shown import markdown, text
from tests.bench.peer_samples import report


def line(shown: str, begin: str, title: str = "") -> list[str]:
    """Return the words of the first line after a title that begins so."""
    rest = shown[shown.index(title) :] if title else shown
    return next(one for one in rest.splitlines() if one.startswith(begin)).split()[len(begin.split()) :]


def test_goals_are_judged_within_a_round() -> None:
    """Each figure is a median of ratios to a peer in the same round, or the sidecar's own."""
    judged = {goal.quantity: (goal.measured, goal.verdict) for goal in goals(report("parley", "daprd", "litellm"))}

    assert {
        "pass-through, to daprd: CPU": (0.5, "reached"),
        "pass-through, to daprd: requests/s": (2.0, "reached"),
        "pass-through, to daprd: added p50": (0.5, "reached"),
        "pass-through, to daprd: added p99": (0.5, "reached"),
        "pass-through, to LiteLLM: CPU": (0.025, "reached"),
        "hit in memory, to daprd's: p50": (0.6, "reached"),
        "hit in memory, to daprd's: CPU": (0.5, "reached"),
        "hit in Redis, to daprd's in memory: p50": (0.6, "reached"),
        "hit in Redis, to daprd's in memory: requests/s": (2.0, "reached"),
        "calls for 100 equal requests at once": (3, "missed"),
        "stream: added time to its first event, p50": (0.2, "reached"),
        "stream: CPU": (0.15, "reached"),
        "gRPC echo, to daprd's: requests/s": (2.0, "reached"),
        "memory, idle": (70, "met"),
        "start to first answer": (0.8, "met"),
    } == judged


def test_without_a_peer_its_goals_are_open() -> None:
    """What there is nothing to compare with is neither met nor missed."""
    judged = {goal.quantity: goal.verdict for goal in goals(report("parley"))}

    assert {"unknown"} == {verdict for quantity, verdict in judged.items() if ", to " in quantity}
    assert "met" == judged["memory, idle"]


def test_a_row_has_what_a_peer_adds_and_its_ratio_to_the_sidecar() -> None:
    """The stand-in's own time is subtracted where it is asked, and only there."""
    shown = text(report("parley", "daprd", "litellm"))

    assert ["400", "(2.00x)", "800", "(2.00x)", "3,333", "(0.50x)", "300", "(2.00x)", "0.0"] == line(shown, "daprd")
    assert ["300", "(1.00x)"] == line(shown, "parley", "Hit in memory")[:2]
    assert ["8,000", "(40.00x)"] == line(shown, "litellm", "Pass-through, OpenAI's form")[:2]


def test_processes_and_bursts_are_told() -> None:
    """Starts are medians, of bursts the worst one counts."""
    shown = text(report("parley", "daprd"))

    assert ["3", "2"] == line(shown, "daprd", "100 equal")
    assert ["1.0", "0.40", "0.80", "70", "80", "90"] == line(shown, "daprd", "Processes")


def test_what_was_not_measured_is_told_with_its_reason() -> None:
    """No peer is left out in silence, neither as a whole nor for one kind of request."""
    shown = markdown(report("parley"))

    assert "| ferro | everything | not available: there is no pip here |" in shown
    assert "| portkey | stream of 22 events | status 500 |" in shown


def test_a_peer_that_failed_half_way_is_shown_as_far_as_it_came() -> None:
    """It has figures at one connection and none at many."""
    whole = report("parley", "daprd")
    samples = [one for one in whole.samples if (one.peer, one.connections) != ("daprd", MANY)]

    shown = text(msgspec.structs.replace(whole, samples=samples))

    assert ["400", "(2.00x)", "800", "(2.00x)", "-", "-", "-"] == line(shown, "daprd")


def test_the_text_says_where_it_ran() -> None:
    """Machine, rounds and cores stand above the tables."""
    head = text(report("parley")).split("\n\n")[0]

    assert "commit abc: 3 rounds in 60 s" in head
    assert "a CPU, cores used: 2, each server alone on one" in head
