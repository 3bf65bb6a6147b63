"""Reads the `# --` comments of values.yaml and writes README.md's table from them."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

LINE = re.compile(r"^(?P<indent> *)(?:# -- (?P<begin>.+)|# (?P<more>.+)|(?P<key>[A-Za-z]+):.*)$")
START, END = "<!-- values -->\n", "<!-- end of values -->\n"


def comments(text: str) -> dict[str, str]:
    """Return the comment of each value by its dotted path; a value below a commented one has none of its own."""
    found: dict[str, str] = {}
    path: list[str] = []
    pending = ""
    for line in map(LINE.match, text.splitlines()):
        if not line:
            pending = ""
        elif line["begin"]:
            pending = line["begin"]
        elif line["more"]:
            pending = f"{pending} {line['more']}" if pending else ""
        else:
            path = [*path[: len(line["indent"]) // 2], line["key"]]
            if pending:
                found[".".join(path)] = pending
            pending = ""
    return found


def leaves(values: dict[str, Any], stops: set[str], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted paths with their defaults, going no deeper than a path in `stops`."""
    for key, value in values.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and path not in stops:
            yield from leaves(value, stops, f"{path}.")
        else:
            yield path, value


def table(text: str) -> str:
    """Return the Markdown table of all values."""
    described = comments(text)
    rows = (
        f"| `{path}` | `{json.dumps(default)}` | {described.get(path, '')} |\n"
        for path, default in leaves(yaml.safe_load(text), set(described))
    )
    return "| Value | Default | |\n|---|---|---|\n" + "".join(rows)


def replaced(readme: str, new_table: str) -> str:
    """Return README.md with the table between its marks replaced."""
    before, _, rest = readme.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{new_table}\n{END}{after}"
