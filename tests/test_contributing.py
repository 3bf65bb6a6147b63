"""The code of CONTRIBUTING.md's two tutorials is run as it stands there."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from parley_sidecar.model import Answer, Choice, ConverseRequest, Message, Trace

BLOCKS = re.findall(r"```python\n(.*?)```", Path("CONTRIBUTING.md").read_text(), re.DOTALL)
REQUEST = ConverseRequest((Message("user", "hello"),), Trace("1"))


def run(block: str) -> Any:
    """Run one block of the page and return its names."""
    names: dict[str, Any] = {"__name__": "tutorial"}
    exec(compile(block, "CONTRIBUTING.md", "exec"), names)
    return SimpleNamespace(**names)


async def test_the_provider_of_the_tutorial_answers() -> None:
    """The provider that the page adds answers with its settings' defaults."""
    page = run(BLOCKS[0])

    reply = await page.connect(page.Settings(), None)(REQUEST)

    assert Answer((Choice("HELLO!"),)) == reply


async def test_the_layer_of_the_tutorial_counts() -> None:
    """The layer that the page adds counts and passes the reply on."""
    page = run(BLOCKS[1])

    async def inner(_: ConverseRequest, /) -> Answer:
        return Answer((Choice("hi"),))

    layer = page.CountCharacters(inner)
    reply = await layer(REQUEST)

    assert (5, Answer((Choice("hi"),))) == (layer.characters, reply)
