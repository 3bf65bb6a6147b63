"""The file behind `--secrets`: on a laptop it stands for the cluster's Secrets.

Either `{secret: {key: value}}` in YAML or JSON, or Secret manifests. Messages name secrets and keys, never values.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from parley_crds.loading import SecretData, Secrets

Texts = Mapping[str, Mapping[str, str]]
"""The values by Secret and key."""


class SecretFile:
    """The file's last good content, by Secret."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.secrets: Secrets = {}
        self.problem: str | None = None
        """Why the file as it is now could not be used; safe to show."""

    def load(self) -> None:
        """Read the file, if there is one to read; a fault leaves `secrets` as they were."""
        if self.path is None:
            return
        try:
            self.secrets = versioned(parse(self.path.read_text("utf-8")), self.secrets)
        except OSError as error:
            self.problem = f"cannot be read: {error.strerror}"
        except UnicodeDecodeError:
            self.problem = "not UTF-8"
        except ValueError as error:
            self.problem = str(error)
        else:
            self.problem = None


def parse(text: str) -> Texts:
    """Read every Secret of a file; raises ValueError with a sentence that is safe to show."""
    try:
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ValueError(f"not YAML{f': line {mark.line + 1}' if mark else ''}") from None
    return {name: data for document in documents for name, data in _secrets(document)}


def versioned(texts: Texts, before: Secrets) -> Secrets:
    """Give each Secret a version that changes with its content and does not follow from it."""
    return {name: _version(name, data, before.get(name)) for name, data in texts.items()}


def _version(name: str, data: Mapping[str, str], before: SecretData | None) -> SecretData:
    if before is not None and before.data == data:
        return before
    number = int(before.resource_version) + 1 if before else 1
    return SecretData(uid=name, resource_version=str(number), data=data)


def _secrets(document: object) -> Iterator[tuple[str, Mapping[str, str]]]:
    if not isinstance(document, dict):
        raise ValueError("must hold {secret: {key: value}} or Secret manifests")  # noqa: TRY004 - a fault of the file
    if document.get("kind") == "Secret":
        yield _manifest(document)
        return
    for name, data in document.items():
        if not isinstance(data, dict):
            raise ValueError(f"{name} must hold {{key: value}}")  # noqa: TRY004 - a fault of the file
        yield str(name), {str(key): _text(value, f"{name}.{key}") for key, value in data.items()}


def _manifest(document: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    """Read `data`, which is base64, and `stringData`, which wins. Source: core/v1 Secret."""
    metadata, plain, encoded = (document.get(key) or {} for key in ("metadata", "stringData", "data"))
    if not all(isinstance(part, dict) for part in (metadata, plain, encoded)) or not metadata.get("name"):
        raise ValueError("a Secret manifest must have metadata.name, and maps in data and stringData")
    name = str(metadata["name"])
    decoded = {str(key): _decoded(value, f"{name}.{key}") for key, value in encoded.items()}
    return name, decoded | {str(key): _text(value, f"{name}.{key}") for key, value in plain.items()}


def _decoded(value: object, place: str) -> str:
    try:
        return base64.b64decode(str(value), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError(f"{place} must be text in base64") from None


def _text(value: object, place: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{place} must be a text; put it in quotes")  # noqa: TRY004 - a fault of the file
    return str(value)
