"""What each provider documents not to have, beside the suite that asks for it: nothing is left out without a word here.

A vendor's name is where its stand-in's paths begin: its component type, and more where a type has several vendors.
"""

from collections.abc import Mapping
from typing import Literal, get_args

Feature = Literal[
    "a vendor", "a developer role", "names", "a tool choice", "any JSON", "bounds in schemas", "strict tools",
    "a filter", "cached tokens", "reasoning tokens", "prompt retention", "own endpoints",
]  # fmt: skip
"""A part of the surface that some provider lacks."""
FEATURES: tuple[Feature, ...] = get_args(Feature)

_NO_DEVELOPER = "developer messages are sent as system messages"
_NO_RETENTION = "a retention is accepted without effect"
_NO_CACHED = "the vendor does not say what it read from its cache"
_NO_REASONING = "the vendor does not count a model's thoughts apart"
_NO_NAMES = "messages have no participants' names: a user's is told in the text"
_NO_ANY_JSON = "JSON without a schema cannot be asked for, and is refused"
_NO_STRICT = "functions have no strict"

LACKS: Mapping[str, Mapping[Feature, str]] = {
    "conversation.openai": {},
    "conversation.openai-azure": {"prompt retention": _NO_RETENTION},
    "conversation.openai-sdk": {},
    "conversation.openai-azure-sdk": {"prompt retention": _NO_RETENTION},
    "conversation.mistral": {
        "a developer role": _NO_DEVELOPER,
        "names": _NO_NAMES,
        "a filter": "no word says that an answer was filtered; the stand-in says that it broke off",
        "reasoning tokens": _NO_REASONING,
        "prompt retention": _NO_RETENTION,
    },
    "conversation.deepseek": {
        "a developer role": _NO_DEVELOPER,
        "strict tools": _NO_STRICT,
        "prompt retention": _NO_RETENTION,
    },
    "conversation.huggingface": {
        "a developer role": _NO_DEVELOPER,
        "strict tools": _NO_STRICT,
        "cached tokens": _NO_CACHED,
        "reasoning tokens": _NO_REASONING,
        "prompt retention": _NO_RETENTION,
    },
    "conversation.ollama": {
        "a developer role": _NO_DEVELOPER,
        "names": _NO_NAMES,
        "a tool choice": "tools that may not be asked for are left out, a missing call is an error",
        "strict tools": _NO_STRICT,
        "cached tokens": _NO_CACHED,
        "reasoning tokens": _NO_REASONING,
        "prompt retention": _NO_RETENTION,
    },
    "conversation.googleai": {
        "a developer role": _NO_DEVELOPER,
        "names": _NO_NAMES,
        "strict tools": _NO_STRICT,
        "cached tokens": _NO_CACHED,
        "reasoning tokens": _NO_REASONING,
        "prompt retention": _NO_RETENTION,
    },
    "conversation.anthropic": {
        "a developer role": _NO_DEVELOPER,
        "names": _NO_NAMES,
        "any JSON": _NO_ANY_JSON,
        "bounds in schemas": "the vendor refuses minimum, minLength and the like",
        "reasoning tokens": _NO_REASONING,
    },
    "conversation.aws.bedrock": {
        "a developer role": _NO_DEVELOPER,
        "names": _NO_NAMES,
        "any JSON": _NO_ANY_JSON,
        "reasoning tokens": _NO_REASONING,
        "own endpoints": "refused: a request is signed, and a signature needs more than a key",
    },
    "conversation.echo": {
        "a vendor": "it asks nobody: it says what it was told, and asks for each tool, as in Dapr",
    },
}
