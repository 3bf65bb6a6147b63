"""Pods in, verdicts and patches out: each case is a pod as YAML beside the expected answer as JSON.

`PARLEY_GOLDEN=1` writes the answers anew. Pods of `annotated/` come by the first webhook entry, those of `namespace/`
by the second.
"""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tests.injector.world import injected, verdict_on

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.relative_to(GOLDEN) for path in GOLDEN.rglob("*.yaml"))


def answer(case: Path) -> dict[str, Any]:
    """Return the injector's answer to a case."""
    document = yaml.safe_load((GOLDEN / case).read_text("utf-8"))
    verdict = verdict_on(document, by_namespace=case.parent.name == "namespace")
    return {
        "result": verdict.result,
        "reason": verdict.reason,
        "warnings": list(verdict.warnings),
        "patch": msgspec.to_builtins(verdict.patch),
    }


@pytest.mark.parametrize("case", CASES, ids=str)
def test_golden(case: Path) -> None:
    """The answer is the one on file."""
    expected = (GOLDEN / case).with_suffix(".json")
    text = json.dumps(answer(case), indent=2) + "\n"
    if os.environ.get("PARLEY_GOLDEN"):
        expected.write_text(text, encoding="utf-8")

    assert expected.read_text("utf-8") == text


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_second_time_changes_nothing(case: Path) -> None:
    """Whatever became of the pod, asking again about the pod as it is now has an empty patch."""
    by_namespace = case.parent.name == "namespace"
    once = injected(yaml.safe_load((GOLDEN / case).read_text("utf-8")), by_namespace=by_namespace)

    assert () == verdict_on(once, by_namespace=by_namespace).patch
    assert once == injected(once, by_namespace=by_namespace)


def test_golden_files_are_all_used() -> None:
    """No answer is left behind by a case that went."""
    answers = {path.relative_to(GOLDEN).with_suffix(".yaml") for path in GOLDEN.rglob("*.json")}

    assert set() == answers - set(CASES)
