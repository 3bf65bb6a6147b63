"""docs/status.md lists the reasons and the fields as they are."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from parley_crds.status import Sidecars

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/status.md").read_text()
JUDGES = (
    "crds/parley_crds/checks.py",
    "crds/parley_crds/loading.py",
    "operator/parley_operator/reconcile.py",
    "operator/parley_operator/advice.py",
)


def problems(path: str) -> Iterator[tuple[str, bool]]:
    """Yield each problem that a module makes: its reason, and whether it is a warning."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        match node:
            case ast.Call(func=ast.Name("Problem"), args=[ast.Constant(str(reason)), *_], keywords=told):
                yield reason, any(word.arg == "blocks" for word in told)


def rows(head: str) -> list[str]:
    """Return the words in code of the first column of the table with this head."""
    table = PAGE.split(head, 1)[1].split("\n\n", 1)[0]
    first = [line.split("|")[1] for line in table.splitlines()[2:]]
    return [word for cell in first for word in re.findall(r"`(\w+)`", cell)]


def test_every_reason_is_on_the_page() -> None:
    """Those that refuse and those that warn, each in its table."""
    found = {problem for judge in JUDGES for problem in problems(judge)}
    refusing = {reason for reason, warns in found if not warns} | {"Malformed"}
    warning = {reason for reason, warns in found if warns}

    assert refusing == set(rows("| reason | what to do |"))
    assert warning == set(rows("| warning | meaning |"))


def test_every_field_of_sidecars_is_on_the_page() -> None:
    """By the names that `kubectl` shows."""
    fields = [field.alias for field in Sidecars.model_fields.values()]

    assert sorted(map(str, fields)) == sorted(rows("| `status.sidecars` | meaning |"))
