"""The chart's renders, whole, in each value set: a change to a template shows what it changes.

PARLEY_GOLDEN=1 rewrites them.
"""

import os
from pathlib import Path

import pytest

from tests.chart.rendering import VALUE_SETS, files, rendered_text

pytestmark = pytest.mark.control_plane  # helm is built with the control plane's programs
GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", VALUE_SETS)
def test_golden_render(name: str) -> None:
    """Each value set renders as the golden file says."""
    expected = GOLDEN / f"{name}.yaml"
    actual = rendered_text(*files(VALUE_SETS[name]))
    if os.environ.get("PARLEY_GOLDEN"):
        expected.write_text(actual, encoding="utf-8")

    assert expected.read_text(encoding="utf-8") == actual


def test_golden_files_have_a_value_set() -> None:
    """No golden file is left over."""
    left = {path.stem for path in GOLDEN.iterdir()}

    assert set(VALUE_SETS) == left
