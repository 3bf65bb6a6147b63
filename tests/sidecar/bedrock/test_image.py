"""What the sidecar's image leaves out of botocore, and what signing in needs of it."""

import ast
import re
from pathlib import Path

import botocore
from botocore import credentials, tokens

DOCKERFILE = Path("sidecar/Dockerfile")
MODELS = Path(botocore.__file__).parent / "data"
WORDS = {"account", "config"}
"""What botocore's code says of accounts and configurations, not of the services of these names."""


def kept() -> set[str]:
    """Return the services whose models stay in the image."""
    line = next(line for line in DOCKERFILE.read_text().splitlines() if 'case "$model"' in line)
    return set(re.findall(r"\*/([a-z0-9-]+)/", line))


def named(module: str) -> set[str]:
    """Return the services that a module of botocore names."""
    constants = (node.value for node in ast.walk(ast.parse(Path(module).read_text())) if isinstance(node, ast.Constant))
    words = {value for value in constants if isinstance(value, str)}
    return words & {path.name for path in MODELS.iterdir() if path.is_dir()} - WORDS


def test_the_image_keeps_what_signing_in_needs() -> None:
    """Every service that botocore asks for credentials has its model in the image; a new one fails here."""
    assert kept() == named(credentials.__file__) | named(tokens.__file__)
