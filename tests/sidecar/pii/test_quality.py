"""How much personal data is found in labelled text, and how much harmless text is left alone.

`known.jsonl` was at hand while the detectors were written; `held.jsonl` was not looked at. All values are made up. A
value counts as hidden when at most a quarter of its letters and digits is left. The bounds lie a little below what is
reached, so that a change that loses something is seen.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from parley_sidecar.pii import spans
from parley_sidecar.pii.kinds import Span

CORPUS = Path(__file__).parent / "corpus"
LEAST_FOUND = {
    "EMAIL": 0.99, "PHONE": 0.96, "CREDIT_CARD": 0.98, "IBAN": 0.99, "US_SSN": 0.98, "NATIONAL_ID": 0.95, "IP": 0.98,
    "CRYPTO": 0.98, "SECRET": 0.94, "DOB": 0.90,
}  # fmt: skip
LEAST_OF_ALL = 0.97
MOST_HARMLESS_CHANGED = 0.01
MAY_STAY = 0.25


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text, the places of its values, and what was found in it."""

    text: str
    values: list[dict[str, Any]]
    is_harmless: bool
    found: list[Span]

    def hides(self, value: dict[str, Any]) -> bool:
        """Say whether a value is hidden."""
        places = [place for place in range(value["start"], value["end"]) if self.text[place].isalnum()]
        left = [place for place in places if not any(span.start <= place < span.end for span in self.found)]
        return len(left) <= MAY_STAY * len(places)


@cache
def labelled(part: str) -> list[Labelled]:
    """Read a part of the corpus, and look for what is in it."""
    lines = (CORPUS / f"{part}.jsonl").read_text("utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    return [Labelled(one["text"], one["spans"], one["kind"] == "neg", spans(one["text"])) for one in entries]


def share_found(part: str, kinds: set[str]) -> float:
    """Return the share of the values of these kinds that is hidden."""
    hidden = [one.hides(value) for one in labelled(part) for value in one.values if value["type"] in kinds]
    return sum(hidden) / len(hidden)


@pytest.mark.parametrize("kind", LEAST_FOUND)
@pytest.mark.parametrize("part", ["known", "held"])
def test_values_are_found(part: str, kind: str) -> None:
    """Of each sort, in both parts."""
    assert share_found(part, {kind}) >= LEAST_FOUND[kind]


@pytest.mark.parametrize("part", ["known", "held"])
def test_all_sorts_together_are_found(part: str) -> None:
    """Weighed by how many there are."""
    assert share_found(part, set(LEAST_FOUND)) >= LEAST_OF_ALL


@pytest.mark.parametrize("part", ["known", "held"])
def test_harmless_text_is_left_alone(part: str) -> None:
    """Code, configuration, logs, prices, hashes and prompts are hardly ever changed."""
    harmless = [one for one in labelled(part) if one.is_harmless]

    assert sum(bool(one.found) for one in harmless) / len(harmless) <= MOST_HARMLESS_CHANGED


def test_the_corpus_is_broad_enough_to_mean_something() -> None:
    """Each part has values of every sort and harmless text, and no text is in both."""
    known, held = labelled("known"), labelled("held")

    for part in (known, held):
        assert {value["type"] for one in part for value in one.values} >= set(LEAST_FOUND)
        assert sum(one.is_harmless for one in part) >= 80
    assert not {one.text for one in known} & {one.text for one in held}
