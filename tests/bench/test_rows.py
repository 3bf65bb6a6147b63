"""The table of rows: what it asks for is there, and the sidecar takes its components."""

from bench.job import PLACE
from bench.rows import BY_NAME, PROMPT, ROWS, manifests
from parley_crds.checks import check
from parley_crds.manifests import read
from parley_crds.resource import ConversationComponent


def test_every_floor_is_a_row_without_a_floor() -> None:
    """A row is compared with one that is the least."""
    assert [""] * 5 == [BY_NAME[row.floor].floor for row in ROWS if row.floor]


def test_prompts_have_a_kibibyte_and_a_number() -> None:
    """The number's place is in every body once."""
    assert 1024 == len(PROMPT)
    assert [1] * len(ROWS) == [row.body.count(PLACE) for row in ROWS]


def test_components_pass_the_checks_and_are_those_of_the_rows() -> None:
    """Each row of the sidecar has a component of its own, and the operator would take it."""
    documents = read(manifests(8000), "bench.yaml")
    resources = [document.parsed for document in documents if isinstance(document.parsed, ConversationComponent)]
    asked = {row.path.split("/")[3] for row in ROWS if row.server == "sidecar"}

    assert asked == {resource.name for resource in resources}
    assert [()] * len(documents) == [check(resource) for resource in resources]
