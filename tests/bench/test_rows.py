"""The table of rows: what it asks for is there, and the sidecar takes its components."""

import json
from collections.abc import Sequence

import pytest

from bench import texts
from bench.components import FLIGHT, manifests, many, nth
from bench.job import PLACE
from bench.rows import BARE_PROVIDER, COMPLETIONS, DIRECT, PLAIN_TEXT, PROMPT, ROWS, SIDECARS, Row, with_floors
from bench.stream_rows import CROWDS, STREAM_ROWS
from parley_crds.checks import check
from parley_crds.manifests import read
from parley_crds.resource import ConversationComponent
from parley_sidecar.pii import spans


@pytest.mark.parametrize("rows", [ROWS, STREAM_ROWS, CROWDS])
def test_every_row_is_compared_with_one_before_it(rows: Sequence[Row]) -> None:
    """What a row is compared with is measured in the same round."""
    names = [row.name for row in rows]

    assert [] == [row.name for row in rows if row.floor and row.floor not in names[: names.index(row.name)]]


def test_prompts_have_a_kibibyte_and_a_number() -> None:
    """The number's place is in every body once."""
    rows = (*ROWS, *STREAM_ROWS, *CROWDS)

    assert 1024 == len(PROMPT)
    assert [1] * len(rows) == [row.body.count(PLACE) for row in rows]


def component(row: Row) -> str:
    """Return the name of the component that a row asks."""
    return str(json.loads(row.body)["model"]) if row.path == COMPLETIONS else row.path.split("/")[3]


def test_components_pass_the_checks_and_are_those_of_the_rows() -> None:
    """Each row of the sidecar has a component of its own, and the operator would take it."""
    documents = read(manifests(8000), "bench.yaml")
    resources = [document.parsed for document in documents if isinstance(document.parsed, ConversationComponent)]
    asked = [component(row) for row in (*ROWS, *STREAM_ROWS, *CROWDS) if row.server in SIDECARS]

    assert {*asked, FLIGHT} == {resource.name for resource in resources}
    assert len({*asked}) == len(asked) - 1  # both rows of rooms have the same, in two sidecars
    assert [()] * len(documents) == [check(resource) for resource in resources]


def test_many_components_have_names_of_their_own() -> None:
    """As many as asked for, which the operator would take."""
    resources = [document.parsed for document in read(many(8000, 3), "bench.yaml")]

    assert [nth(0), nth(1), nth(2)] == [getattr(resource, "name", None) for resource in resources]


def test_chosen_rows_come_with_what_they_are_compared_with() -> None:
    """Floors, floors of floors, and the row that asks the stand-in; in the order of the table."""
    chosen = with_floors(ROWS, ["hidden and put back, nothing in 2 KiB"], DIRECT)

    assert [DIRECT, BARE_PROVIDER, PLAIN_TEXT, "hidden and put back, nothing in 2 KiB"] == [row.name for row in chosen]
    assert [] == with_floors(ROWS, [], DIRECT)


def test_dense_prompts_have_what_they_hide() -> None:
    """The number of values that the rows name is that of the prompts, on average."""
    found = [len(spans(text)) for text in texts.dense()]

    assert 23 <= sum(found) / len(found) <= 25
