"""Adding to a document without replacing anything."""

from typing import Any

import jsonpatch
import msgspec
import pytest

from parley_operator.injector.patch import Operation, add_members, append, insert_first, member, remove_member


def apply(document: dict[str, Any], *operations: Operation) -> Any:
    """Return the document after the operations, as the API server applies them."""
    return jsonpatch.apply_patch(document, msgspec.to_builtins(operations))


@pytest.mark.parametrize("document", [{}, {"labels": None}, {"labels": {}}])
def test_a_missing_object_is_created_first(document: dict[str, Any]) -> None:
    """Absent, null or empty: the member ends up in it."""
    steps = add_members("/labels", document.get("labels"), {"a/b~c": "1"})

    assert {"labels": {"a/b~c": "1"}} == apply(document, *steps)


def test_members_that_are_as_wanted_need_no_step() -> None:
    """Others are kept."""
    present = {"a": "1", "b": "2"}

    steps = list(add_members("/labels", present, {"a": "1", "b": "3"}))

    assert [Operation("add", "/labels/b", "3")] == steps
    assert [] == list(add_members("/labels", None, {}))


@pytest.mark.parametrize(("document", "expected"), [({}, [1, 2]), ({"x": None}, [1, 2]), ({"x": [0]}, [0, 1, 2])])
def test_items_are_put_behind(document: dict[str, Any], expected: list[int]) -> None:
    """In order, whether there was a list or not."""
    assert {"x": expected} == apply(document, *append("/x", document.get("x"), [1, 2]))


def test_nothing_to_append_makes_no_list() -> None:
    """A pod is not touched for nothing."""
    assert [] == list(append("/x", None, []))


@pytest.mark.parametrize(("document", "expected"), [({}, [9]), ({"x": None}, [9]), ({"x": [0, 1]}, [9, 0, 1])])
def test_an_item_is_put_first(document: dict[str, Any], expected: list[int]) -> None:
    """Before all others, whether there was a list or not."""
    assert {"x": expected} == apply(document, *insert_first("/x", document.get("x"), 9))


def test_a_member_is_removed_where_it_is() -> None:
    """A removal of nothing would fail the whole patch."""
    assert {"x": {}} == apply({"x": {"a": "1"}}, *remove_member("/x", {"a": "1"}, "a"))
    assert [] == list(remove_member("/x", None, "a"))
    assert b'{"op":"remove","path":"/x/a"}' == msgspec.json.encode(next(remove_member("/x", {"a": "1"}, "a")))


def test_a_pointer_escapes_its_two_characters() -> None:
    """Source: RFC 6901, 3."""
    assert "/metadata/labels/a~1b~0c" == member("/metadata/labels", "a/b~c")
