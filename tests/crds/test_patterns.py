"""The patterns that a component may bring: what is taken, what is refused, and that the bounds hold on any text."""

import re
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from parley_crds.patterns import LONGEST, MOST_STEPS, Bounds, bounds, bounds_of
from parley_crds.resource import Pattern


@pytest.mark.parametrize(
    ("regex", "expected"),
    [
        (r"\bEMP-[0-9]{4,8}\b", Bounds(12, 18)),
        (r"(?<!\d)\d{6}(?!\d)", Bounds(7, 10)),
        (r"(?i)case (?:no\.?|nr\.?) ?(\d{5,9})", Bounds(18, 59)),
        (r"\d{3}(?:[ -]?\d{3}){3}", Bounds(15, 21)),
        (r"[A-Z]{2,4}-[0-9]{4,8}", Bounds(13, 16)),
        (r"[\w.]{1,64}@[\w.]{1,64}", Bounds(129, 193)),
        (r"[^\s@]{1,20}\t[\]-]{,3}x", Bounds(25, 49)),
        (r"a{0}b|c??d|[+--]\x", None),
    ],
)
def test_what_a_pattern_can_cost_is_known(regex: str, expected: Bounds | None) -> None:
    """Length of a match and steps at one place, from the pattern alone."""
    if expected is None:
        with pytest.raises(ValueError, match="at character"):
            bounds(regex)
    else:
        assert expected == bounds(regex)


@pytest.mark.parametrize(
    ("regex", "place", "words"),
    [
        (r"EMP-\d+", 7, "have no bound"),
        (r".*x", 2, "have no bound"),
        (r"(a{1,3}){1,9}b", None, "steps at each character"),
        (r"[ab]{1,60}[ac]{1,60}", None, "steps at each character"),
        (r"a{300}", None, "300 characters"),
        (r"(?:a{99}){99}", None, "9801 characters"),
        (r"a|", None, "nothing at all"),
        (r"\b(?=a)", None, "nothing at all"),
        (r"", None, "nothing at all"),
        (r"^a", 1, "within a text"),
        (r"a$", 2, "within a text"),
        (r"(a", 1, "without its )"),
        (r"(?:a)b)", 7, "without its ("),
        (r"[a", 1, "without its ]"),
        (r"[", 1, "without its ]"),
        (r"[]a]", 2, "needs a \\"),
        (r"[a[]", 3, "needs a \\"),
        (r"[a&&b]", 3, "needs a \\"),
        (r"[z-a]", 5, "ends before it begins"),
        (r"[a-\d]", 6, "ends before it begins"),
        (r"a{3}{4}", 5, "repetition of a repetition"),
        (r"a{1,2}?+", 8, "repetition of a repetition"),
        (r"a{4,3}", 2, "fewest"),
        (r"?a", 1, "nothing to repeat"),
        (r"x{y}", 2, "nothing to repeat"),
        (r"\b{2}a", 3, "nothing to repeat"),
        (r"(?=a){2}a", 6, "nothing to repeat"),
        (r"(a)\1", 4, "not supported"),
        (r"\Aa", 1, "not supported"),
        (r"a\\\\"[:2], 2, "not supported"),
        (r"[\b]", 2, "not supported"),
        (r"(?P<n>a)", 2, "not supported"),
        (r"(?>a)", 2, "not supported"),
        (r"a(?i)b", 3, "not supported"),
        (r"(?<=a{1,2})b", 1, "one length"),
        ("(" * 200 + "a" + ")" * 200, 9, "groups within groups"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused(regex: str, place: int | None, words: str) -> None:
    """The sentence says why and where, and holds nothing of the pattern."""
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        bounds(regex)

    assert str(caught.value).startswith(f"at character {place}: " if place else "it ")


def test_the_patterns_of_a_component_share_a_limit() -> None:
    """Each may be fine, and all together too much; the first that is not is named by its type."""
    costly = Pattern(type="A", regex=r"[\w.]{1,64}@[\w.]{1,64}")

    assert [193] * 5 == [one.steps for one in bounds_of([costly] * 5)]
    with pytest.raises(ValueError, match="together could take 1158 steps"):
        bounds_of([costly] * 6)
    with pytest.raises(ValueError, match="the pattern of EMPLOYEE_ID cannot be used: at character 2"):
        bounds_of([costly, Pattern(type="EMPLOYEE_ID", regex="a+")])


class Node:
    """A part of a pattern: how it is written, and a search of its own that counts its steps."""

    def __init__(self, written: str, ends: "Callable[[Counter, str, int], Iterator[int]]") -> None:
        self.written = written
        self.ends = ends

    def __repr__(self) -> str:
        return self.written


class Counter:
    """Counts the steps of one search."""

    steps = 0


def one(written: str, matches: Callable[[str], bool]) -> Node:
    """Return a part that reads one character."""

    def ends(counter: Counter, text: str, at: int) -> Iterator[int]:
        counter.steps += 1
        if at < len(text) and matches(text[at]):
            yield at + 1

    return Node(written, ends)


def sequence(parts: list[Node]) -> Node:
    """Return a part that reads these in their order."""

    def ends(counter: Counter, text: str, at: int, index: int = 0) -> Iterator[int]:
        if index == len(parts):
            yield at
            return
        for middle in parts[index].ends(counter, text, at):
            yield from ends(counter, text, middle, index + 1)

    return Node("".join(part.written for part in parts), ends)


def either(parts: list[Node]) -> Node:
    """Return a part that reads one of these."""

    def ends(counter: Counter, text: str, at: int) -> Iterator[int]:
        for part in parts:
            yield from part.ends(counter, text, at)

    return Node(f"(?:{'|'.join(part.written for part in parts)})", ends)


def times(part: Node, low: int, more: int, mark: str) -> Node:
    """Return a part that reads this one several times, as many as it can first."""
    high = low + more

    def ends(counter: Counter, text: str, at: int, done: int = 0) -> Iterator[int]:
        if done < high:
            for middle in part.ends(counter, text, at):
                yield from ends(counter, text, middle, done + 1)
        if done >= low:
            yield at

    return Node(f"(?:{part.written}){{{low},{high}}}{mark}", ends)


CHARACTERS = some.sampled_from(
    [
        one("a", lambda sign: sign == "a"),
        one("-", lambda sign: sign == "-"),
        one("[ab]", lambda sign: sign in "ab"),
        one("[^-]", lambda sign: sign != "-"),
        one(r"\w", lambda sign: sign != "-"),
        one(r"\W", lambda sign: sign == "-"),
        one(".", lambda _: True),
    ]
)
PARTS = some.recursive(
    CHARACTERS,
    lambda inner: (
        some.lists(inner, min_size=1, max_size=4).map(sequence)
        | some.lists(inner, min_size=1, max_size=3).map(either)
        | some.builds(times, inner, some.integers(0, 2), some.integers(1, 5), some.sampled_from(["", "?"]))
    ),
    max_leaves=8,
)


@settings(max_examples=300)
@given(PARTS, some.text("ab-", max_size=24))
def test_no_text_costs_more_than_the_bounds_say(part: Node, text: str) -> None:
    """Not even where a search tries every way at every place; and no match is longer."""
    try:
        limits = bounds(part.written)
    except ValueError:
        return
    for at in range(len(text) + 1):
        counter = Counter()
        ends = list(part.ends(counter, text, at))

        assert counter.steps <= limits.steps <= MOST_STEPS
        assert max(ends, default=at) - at <= limits.longest <= LONGEST
    assert all(len(found.group()) <= limits.longest for found in re.finditer(part.written, text))


@given(some.text("ab-[](){}?+*|\\^$.,:=!<0123dwsbi", max_size=12))
def test_what_passes_is_python(regex: str) -> None:
    """Whatever is written, there are bounds and it compiles, or there is a sentence; nothing else is raised."""
    try:
        limits, sentence = bounds(regex), ""
    except ValueError as error:
        limits, sentence = None, str(error)

    assert (limits is None) == sentence.startswith(("it ", "at character "))
    assert limits is None or (limits.steps > 0 and re.compile(regex).fullmatch("") is None)


@given(some.text(max_size=40))
def test_characters_of_any_script_can_be_written(text: str) -> None:
    """With a backslash before each sign, a text is a pattern of itself, and its cases fold as the search folds them."""
    if not text:
        return
    written = re.sub(r"([^\w\s])", r"\\\1", text)

    assert len(text) == bounds(written).longest
    assert re.fullmatch(written, text)
    assert bounds(f"(?i){written}").steps == len(text)


@pytest.mark.parametrize(
    ("run", "sign", "text"),
    [
        ("[a-z]", "\u017f", "s"),
        ("[a-z]", "\u212a", "k"),
        ("[^é]", "s", "s"),
        ("[^A]", "\u017f", "s"),
        ("[à-\u017f]", "s", "\u017f"),
    ],
)
def test_letters_that_fold_beyond_ascii_may_be_the_same(run: str, sign: str, text: str) -> None:
    """A run is not taken for apart from what follows it where cases make them meet; without folding they are apart."""
    regex = f"{run}{{1,20}}{sign}[a-z]{{9}}"

    assert re.fullmatch(f"(?i){regex}", text * 15)
    assert 20 + 20 * 10 == bounds(f"(?i){regex}").steps


def test_a_run_and_what_cannot_be_in_it_cost_little() -> None:
    """Only the run's end can go on."""
    assert 20 + 20 + 10 == bounds("[a-z]{1,20}-[a-z]{9}").steps
    assert 20 + 20 * 10 == bounds("[a-z]{1,20}b[a-z]{9}").steps
