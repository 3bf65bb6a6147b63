"""The table of rows: what it asks for is there, and the sidecar takes its components."""

from bench import texts
from bench.job import PLACE
from bench.rows import PROMPT, ROWS, SIDECARS, flight_path, manifests
from parley_crds.checks import check
from parley_crds.manifests import read
from parley_crds.resource import ConversationComponent
from parley_sidecar.pii import spans


def test_every_row_is_compared_with_one_before_it() -> None:
    """What a row is compared with is measured in the same round."""
    names = [row.name for row in ROWS]

    assert [] == [row.name for row in ROWS if row.floor and row.floor not in names[: names.index(row.name)]]


def test_prompts_have_a_kibibyte_and_a_number() -> None:
    """The number's place is in every body once."""
    assert 1024 == len(PROMPT)
    assert [1] * len(ROWS) == [row.body.count(PLACE) for row in ROWS]


def test_components_pass_the_checks_and_are_those_of_the_rows() -> None:
    """Each row of the sidecar has a component of its own, and the operator would take it."""
    documents = read(manifests(8000), "bench.yaml")
    resources = [document.parsed for document in documents if isinstance(document.parsed, ConversationComponent)]
    paths = [*(row.path for row in ROWS if row.server in SIDECARS), flight_path()]

    assert {path.split("/")[3] for path in paths} == {resource.name for resource in resources}
    assert [()] * len(documents) == [check(resource) for resource in resources]


def test_dense_prompts_have_what_they_hide() -> None:
    """The number of values that the rows name is that of the prompts, on average."""
    found = [len(spans(text)) for text in texts.dense()]

    assert 23 <= sum(found) / len(found) <= 25
