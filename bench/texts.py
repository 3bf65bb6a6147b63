"""Prompts of 2 KiB: without personal data, and full of it. Made of the labelled corpus of the tests."""

import json
from functools import cache
from pathlib import Path
from typing import Final

from bench.machine import ROOT

SIZE_BYTES: Final = 2048
PROMPTS: Final = 40
"""How many there are of each sort, so that no single text decides."""
VALUE: Final = "ann.lee@example.com"
"""Begins each dense prompt, so that its answer can be judged."""
_CORPUS: Final = ROOT / "tests/sidecar/pii/corpus"
_LONGEST: Final = 300
_STEP: Final = 7
_ASK: Final = "How do I keep the answers of a language model short and true?"


def clean() -> list[str]:
    """Return prompts without personal data: code, configuration, logs, prices, prose in several languages."""
    return [_glued([text for text, is_harmless in _labelled() if is_harmless], first) for first in range(PROMPTS)]


def dense() -> list[str]:
    """Return prompts in which every other line has personal data, some 24 values in each."""
    found = [text for text, is_harmless in _labelled() if not is_harmless and len(text) < _LONGEST]
    lines = [line for text in found for line in (text, _ASK)]
    return [f"{VALUE}\n{_glued(lines, 2 * first)}" for first in range(PROMPTS)]


@cache
def _labelled() -> list[tuple[str, bool]]:
    """Return each text of the corpus, and whether it is harmless."""
    parts = [Path(_CORPUS / f"{part}.jsonl").read_text("utf-8").splitlines() for part in ("known", "held")]
    entries = [json.loads(line) for lines in parts for line in lines]
    return [(entry["text"], entry["kind"] == "neg") for entry in entries]


def _glued(lines: list[str], first: int) -> str:
    """Return some of the lines, so many that they have the size."""
    text, place = "", first
    while len(text.encode()) < SIZE_BYTES:
        text += lines[place % len(lines)] + "\n"
        place += _STEP
    return text.encode()[:SIZE_BYTES].decode("utf-8", "ignore")
