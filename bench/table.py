"""Tables as text for a terminal and as Markdown for a page. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

BEGIN: Final = "<!-- figures: python -m bench --markdown writes what follows -->"
END: Final = "<!-- figures: end -->"
"""What stands around the figures on a page."""


@dataclass(frozen=True, slots=True)
class Table:
    """A title, the columns' heads, and rows of as many cells; the first column is words, the others are numbers."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


def as_text(table: Table) -> str:
    """Return a table for a terminal, its columns aligned."""
    lines = [table.heads, *table.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join([table.title, *(_aligned(line, widths) for line in lines)]) + "\n"


def as_markdown(table: Table) -> str:
    """Return a table for a page."""
    rule = ["---", *("---:" for _ in table.heads[1:])]
    lines = [f"| {' | '.join(line)} |" for line in (table.heads, rule, *table.rows)]
    return "\n".join([f"**{table.title}**", "", *lines]) + "\n"


def with_figures(page: str, figures: str, begin_mark: str = BEGIN) -> str:
    """Return a page with `figures` between its two marks, instead of what was there; raises ValueError without them."""
    before, begin, rest = page.partition(begin_mark)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page needs the lines {begin_mark!r} and {END!r}")
    return f"{before}{begin_mark}\n\n{figures}\n{END}{after}"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(_padded(cells, widths)).rstrip()


def _padded(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for place, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        yield cell.rjust(width) if place else cell.ljust(width)
