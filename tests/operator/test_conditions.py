"""Conditions: the table of the module, row by row, and when a transition time moves."""

from datetime import UTC, datetime

import pytest

from parley_crds.checks import Problem
from parley_operator.conditions import MAX_MESSAGE, Judged, findings, stamped

REFUSED = Problem("UnknownType", "no provider")
MISSING = Problem("SecretNotFound", "needs the Secret openai")
NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("judged", "expected"),
    [
        (Judged(), ["True Accepted", "True Resolved", "True Published", "True Ready"]),
        (
            Judged(refused=REFUSED),
            ["False UnknownType", "Unknown NotAccepted", "False NotPublished", "False UnknownType"],
        ),
        (
            Judged(refused=REFUSED, last_good=True),
            ["False UnknownType", "Unknown NotAccepted", "True LastGood", "False UnknownType"],
        ),
        (
            Judged(unresolved=MISSING),
            ["True Accepted", "False SecretNotFound", "False NotPublished", "False SecretNotFound"],
        ),
        (
            Judged(unresolved=MISSING, last_good=True),
            ["True Accepted", "False SecretNotFound", "True LastGood", "False SecretNotFound"],
        ),
    ],
)
def test_the_table_holds(judged: Judged, expected: list[str]) -> None:
    """Each kind of component has its four conditions."""
    assert expected == [f"{finding.status} {finding.reason}" for finding in findings(judged)]


def test_what_is_published_is_told_as_far_as_it_is_known() -> None:
    """An operator that has just started does not say that there is no good version: sidecars may run one."""
    fresh, lasting = (findings(Judged(refused=REFUSED, last_good=known))[2] for known in (False, True))

    assert "this operator knows no good version of it; a sidecar that runs an earlier one goes on" in fresh.message
    assert "sidecars get the last version that was good" == lasting.message


def test_a_warning_is_in_the_message_of_a_good_component() -> None:
    """It is accepted, and what is odd about it is said."""
    accepted = findings(Judged(warnings=(Problem("UnknownSetting", "does not know modle", blocks=False),)))[0]

    assert ("True", "does not know modle") == (accepted.status, accepted.message)


def test_a_transition_time_moves_with_its_status_only() -> None:
    """Another reason or generation does not move it."""
    first = stamped(findings(Judged(unresolved=MISSING)), [], 1, NOW)
    same = stamped(findings(Judged(unresolved=Problem("SecretKeyNotFound", ""))), first, 2, LATER)
    healed = stamped(findings(Judged()), first, 3, LATER)

    assert {"2026-11-25T08:00:00Z"} == {condition["lastTransitionTime"] for condition in first}
    assert {"2026-11-25T08:00:00Z"} == {condition["lastTransitionTime"] for condition in same}
    assert ["08", "09", "09", "09"] == [condition["lastTransitionTime"][11:13] for condition in healed]
    assert {3} == {condition["observedGeneration"] for condition in healed}


def test_a_long_message_is_cut() -> None:
    """The API server would refuse the whole status."""
    long = Judged(refused=Problem("Malformed", "x" * 5000))

    assert MAX_MESSAGE == len(stamped(findings(long), [], 1, NOW)[0]["message"])
