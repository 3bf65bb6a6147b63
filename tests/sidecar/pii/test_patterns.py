"""Own patterns as a detector: the same matches as one search of the whole text, in short searches."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as some

from parley_crds.resource import Pattern
from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.patterns import OwnPatterns, _matches, _Own

EXPRESSIONS = (
    r"a{1,3}b?", r"\bab{0,3}\b", r"(?<=a)b{1,2}", r"a(?=b{2})", r"(?<!b)a{2}(?!a)", r"(?i)A-?b", r"a.{0,3}b", r"\Ba-",
)  # fmt: skip


def own(*patterns: tuple[str, str]) -> OwnPatterns:
    """Return patterns by type and expression."""
    return OwnPatterns([Pattern(type=kind, regex=regex) for kind, regex in patterns])


@given(some.text("ab- \n", max_size=60), some.sampled_from(EXPRESSIONS), some.integers(1, 5))
def test_short_searches_find_what_one_finds(text: str, regex: str, width: int) -> None:
    """Wherever a window ends, boundaries and lookarounds see what stands behind it."""
    expression = re.compile(regex)
    reach = 8
    windowed = _Own("A", expression, reach, width + reach)

    assert [found.span() for found in expression.finditer(text)] == [found.span() for found in _matches(windowed, text)]


@pytest.mark.parametrize(
    ("regex", "expected"),
    [
        (r"id ([0-9]{3})", [Span(3, 6, "A")]),
        (r"(?:id) [0-9]{3}", [Span(0, 6, "A")]),
        (r"(x)|id [0-9]{3}", [Span(0, 6, "A")]),
        (r"id (\b) ?[0-9]{3}", []),
        (r"(id) ([0-9]{3})", [Span(0, 2, "A")]),
    ],
)
def test_the_first_group_is_the_value(regex: str, expected: Sequence[Span]) -> None:
    """Where it took no part the whole match is, and where it is empty there is none."""
    assert expected == list(own(("A", regex))("id 123"))


def test_each_pattern_finds_its_own() -> None:
    """In their order, several of one type too."""
    found = own(("A", "a{2}"), ("B", "b"), ("A", "c"))

    assert [Span(0, 2, "A"), Span(2, 3, "B"), Span(3, 4, "A")] == list(found("aabc"))
    assert found.steps == 4
    assert [] == list(own()("aabc"))


def test_a_long_text_is_searched_to_its_end() -> None:
    """Every one of many values, over many windows."""
    text = "x" * 70_000 + " " + "EMP-0042 " * 9_000

    assert 9_000 == sum(1 for _ in own(("A", r"(?:[a-z]{1,8}-){0,1}\bEMP-[0-9]{4}\b"))(text))


@pytest.mark.parametrize("patterns", [[("A", "a*")], [("A", "a"), ("B", "(")]])
def test_what_has_no_bounds_is_not_searched_for(patterns: list[tuple[str, str]]) -> None:
    """The first bad one refuses all of them."""
    with pytest.raises(ValueError, match="cannot be used"):
        own(*patterns)
