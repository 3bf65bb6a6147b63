"""The pages about the injector say what the code does. `PARLEY_GOLDEN=1` writes their tables anew."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from parley_operator.injector.eligibility import MISTAKES, SENTENCES, UNMARKED, SkipReason
from parley_operator.injector.metrics import Metrics
from parley_operator.injector.options import TABLE
from tests.injector.world import ROOT

ANNOTATIONS = ROOT / "docs/annotations.md"
INJECTOR = ROOT / "docs/injector.md"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    cells = [list(head), *(list(row) for row in rows)]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join([lines[0], "|---" * len(cells[0]) + "|", *lines[1:]])


def annotations() -> str:
    """Return the table of what a pod may say."""
    rows = ((f"`{row.name}`", row.form.words, row.default, row.about) for row in TABLE)
    return table(("Annotation", "Value", "Default", "What it does"), rows)


def reasons() -> str:
    """Return the table of why a pod has no sidecar."""
    return table(("Reason", "Mark on the pod", "Why"), ((f"`{r}`", mark(r), SENTENCES[r]) for r in SkipReason))


def mark(reason: SkipReason) -> str:
    """Return what `parley.dev/injection` says for a reason."""
    if reason in UNMARKED:
        return "none"
    return f"`failed:{reason}`" if reason in MISTAKES else f"`skipped:{reason}`"


def metrics() -> str:
    """Return the table of the injector's own metrics."""
    families = [family for family in Metrics().registry.collect() if family.name.startswith("parley_")]
    rows = [(f"`{family.name}{'_total' * (family.type == 'counter')}`", family.documentation) for family in families]
    return table(("Metric", "What it counts"), sorted(rows))


@pytest.mark.parametrize(
    ("page", "name", "expected"),
    [
        (ANNOTATIONS, "annotations", annotations()),
        (ANNOTATIONS, "reasons", reasons()),
        (INJECTOR, "metrics", metrics()),
    ],
)
def test_golden_table_of_a_page(page: Path, name: str, expected: str) -> None:
    """The page's table is the code's."""
    begin, end = f"<!-- {name} -->\n\n", f"\n\n<!-- end of {name} -->"
    pattern = re.compile(f"(?<={re.escape(begin)}).*?(?={re.escape(end)})", re.DOTALL)
    if os.environ.get("PARLEY_GOLDEN"):
        page.write_text(pattern.sub(lambda _: expected, page.read_text("utf-8")), encoding="utf-8")

    assert [expected] == pattern.findall(page.read_text("utf-8"))
