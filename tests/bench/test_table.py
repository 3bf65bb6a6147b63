"""Tables, for a terminal and for a page."""

import pytest

from bench.table import BEGIN, END, Table, as_markdown, as_text, with_figures

TABLE = Table("Fruit", ["kind", "number"], [["apple", "12"], ["fig", "7"]])


def test_text_is_aligned() -> None:
    """Words stand to the left, numbers to the right."""
    assert "Fruit\nkind   number\napple      12\nfig         7\n" == as_text(TABLE)


def test_markdown_is_a_table() -> None:
    """A page shows the title and the same cells."""
    assert "**Fruit**\n\n| kind | number |\n| --- | ---: |\n| apple | 12 |\n| fig | 7 |\n" == as_markdown(TABLE)


def test_figures_are_put_between_the_marks() -> None:
    """What stood between the marks goes, the rest of the page stays."""
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"

    assert f"before\n{BEGIN}\n\nnew\n{END}\nafter\n" == with_figures(page, "new")


def test_a_page_without_marks_is_left_alone() -> None:
    """Figures are never put where nobody made room for them."""
    with pytest.raises(ValueError, match="needs the lines"):
        with_figures("a page", "new")
