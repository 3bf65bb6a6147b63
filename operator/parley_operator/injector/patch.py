"""JSON Patch as the injector needs it: adding, never replacing a list. Source: RFC 6902.

A parent that the document lacks is created first. Nothing here knows what a pod is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec


class Operation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step of a patch; a removal has no value."""

    op: Literal["add", "remove"]
    path: str
    value: Any = msgspec.UNSET


Patch = tuple[Operation, ...]


def add_members(path: str, present: Mapping[str, str] | None, entries: Mapping[str, str]) -> Iterator[Operation]:
    """Set members of an object; those that are as wanted already need no step."""
    wanted = {key: text for key, text in entries.items() if (present or {}).get(key) != text}
    if wanted and present is None:
        yield Operation("add", path, {})
    for key, text in wanted.items():
        yield Operation("add", member(path, key), text)


def append(path: str, present: Sequence[object] | None, items: Iterable[Any]) -> Iterator[Operation]:
    """Put items behind those that a list has."""
    added = list(items)
    if added and present is None:
        yield Operation("add", path, [])
    for item in added:
        yield Operation("add", f"{path}/-", item)


def insert_first(path: str, present: Sequence[object] | None, item: Any) -> Iterator[Operation]:
    """Put an item before those that a list has."""
    if present is None:
        yield Operation("add", path, [])
    yield Operation("add", f"{path}/0", item)


def remove_member(path: str, present: Mapping[str, str] | None, key: str) -> Iterator[Operation]:
    """Take a member out of an object, if it is there."""
    if key in (present or {}):
        yield Operation("remove", member(path, key))


def member(path: str, key: str) -> str:
    """Return the JSON pointer of an object's member. Source: RFC 6901, 3."""
    return f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
