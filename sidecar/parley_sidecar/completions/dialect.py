"""What one vendor calls the things of a chat completion, and what it lacks: all that the family asks about it.

The defaults are what most compatible servers have; each provider states its own, with its source.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal


def unchanged(call_id: str) -> str:
    """Return a tool call's id as it is."""
    return call_id


def nothing_more(_: str) -> None:
    """Return that a model wants nothing more to be said."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One vendor's form of the chat completions API."""

    max_tokens: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    developer: Literal["developer", "system"] = "system"
    """The role that a developer's message is sent with."""
    has_names: bool = False
    """Whether a message may carry its participant's name."""
    has_result_names: bool = False
    """Whether a tool's result carries the tool's name."""
    no_content: str | None = None
    """The content of an assistant's turn that has none beside its tool calls."""
    call_id: Callable[[str], str] = unchanged
    """Makes an id that the vendor takes of one that another vendor may have given."""
    call_extra: Callable[[str], Mapping[str, object] | None] = nothing_more
    """Makes what a model wants to see in `extra_content` of the tool calls of earlier turns."""
    bridge: str | None = None
    """What the assistant is made to say between a tool's result and a user's turn, where the vendor wants that."""
    required: Literal["required", "any"] = "required"
    """The tool choice that makes the model ask for some tool."""
    chooses_tools: bool = True
    """Whether there is a tool choice; without one, the tools that may not be asked for are left out."""
    bare_tools_need_parameters: bool = False
    """Whether a tool without parameters must say so with an empty schema."""
    has_strict_tools: bool = True
    has_schemas: bool = True
    """Whether an answer can be made to fit a schema; without that, JSON is asked for, and the schema told in words."""
    keeps_prompts: bool = False
    """Whether `prompt_cache_retention` is known."""
    asks_for_usage: bool = True
    """Whether a stream reports usage only if `stream_options` ask for it."""


PLAIN = Dialect()
"""What most compatible servers speak."""
