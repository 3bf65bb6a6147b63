"""The Job of docs/annotations.md, as a reader would copy it."""

import re
import textwrap
from typing import Any

import yaml

from tests.conftest import ROOT

PAGE = ROOT / "docs/annotations.md"


def job() -> dict[str, Any]:
    """Return the manifest that is on the page."""
    (text,) = re.findall(r"<!-- job -->\n\n(.*?)\n\n<!-- end of job -->", PAGE.read_text("utf-8"), re.DOTALL)
    return dict(yaml.safe_load(textwrap.dedent(text)))
