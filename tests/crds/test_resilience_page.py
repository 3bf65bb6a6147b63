"""docs/resilience.md lists every setting of resilience as the model has it."""

import re
from pathlib import Path
from typing import Any

from parley_crds.dapr import TYPED_FIELDS
from parley_crds.resource import Resilience

PAGE = Path("docs/resilience.md").read_text()
ROWS = [
    [cell.strip().strip("`") for cell in line.strip("|").split("|")]
    for line in re.findall(r"^\| `.*\|$", PAGE, re.MULTILINE)
]
FLAT = {field: name for name, (section, field) in TYPED_FIELDS.items() if section == "resilience"}


def shown(default: object) -> str:
    """Return a default as the page shows it."""
    return str(default) if default is not None and default != [] else "none"


def bounds(name: str) -> list[int]:
    """Return a number's least and greatest value; nothing for what is no number."""
    schema: dict[str, Any] = Resilience.model_json_schema()["properties"][name]
    numbers: dict[str, Any] = next(
        (kind for kind in schema.get("anyOf", [schema]) if kind.get("type") == "integer"), {}
    )
    return [numbers[end] for end in ("minimum", "maximum") if end in numbers]


def test_the_table_names_every_field_with_its_flat_name_and_default() -> None:
    """Nothing is missing, nothing is invented, and no default is out of date."""
    expected = [
        (str(field.alias), FLAT[str(field.alias)], shown(field.default)) for field in Resilience.model_fields.values()
    ]

    assert expected == [(name, flat.lower(), default) for name, flat, default, *_ in ROWS]


def test_the_table_names_the_limits_of_numbers() -> None:
    """What the schema refuses is said before it does."""
    written = {
        name: [int(number) for number in re.findall(r"\d+", limits)]
        for name, _, _, unit, limits, _ in ROWS
        if unit in {"attempts", "faults", "requests"}
    }

    assert {name: bounds(name) for name in written} == written
    assert {str(field.alias) for field in Resilience.model_fields.values() if bounds(str(field.alias))} == set(written)
