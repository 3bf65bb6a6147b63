"""Manifests to components: YAML text, or one object from the API server, of our kind or of Dapr's.

Used by the operator, by `parley check` and by the sidecar's directory source.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from parley_crds.checks import Problem
from parley_crds.dapr import lifted
from parley_crds.names import API_VERSION, DAPR_API_VERSION, DAPR_KIND, KIND, TYPE_PREFIX
from parley_crds.resource import ConversationComponent

MAX_FAULTS = 5
"""Faults named in one message."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One document of a file, read or not."""

    source: str
    """File and number of the document, such as `gpt.yaml#1`."""
    name: str
    """The component's name as far as it could be read."""
    parsed: ConversationComponent | Problem


def read(text: str, source: str) -> list[Manifest]:
    """Read every component of a YAML text; other kinds of objects and Dapr components of other types are left out."""
    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        return [Manifest(source, "", Problem("MalformedYaml", f"not YAML{_place(error)}"))]
    numbered = [
        (f"{source}#{number}", document) for number, document in enumerate(documents, 1) if document is not None
    ]
    return [Manifest(place, _name(document), parse(document)) for place, document in numbered if _is_ours(document)]


def parse(document: Any) -> ConversationComponent | Problem:
    """Validate one object; a problem names the fields at fault, never their values."""
    if not isinstance(document, dict) or not _name(document):
        return Problem("Malformed", "not a Kubernetes object with apiVersion, kind and metadata.name")
    try:
        return ConversationComponent.model_validate(_as_ours(document))
    except ValidationError as error:
        return Problem("Malformed", _sentences(error))
    except ValueError as error:
        return Problem("Malformed", str(error))


def _as_ours(document: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(document.get("spec"), dict):
        raise ValueError("spec is missing")  # noqa: TRY004 - a fault of the manifest, told like the others
    ours = {**document, "apiVersion": API_VERSION, "kind": KIND, "spec": lifted(document["spec"])}
    return {key: value for key, value in ours.items() if value is not None}


def _is_ours(document: object) -> bool:
    if not isinstance(document, dict):
        return True  # reported as malformed
    identity = (document.get("apiVersion"), document.get("kind"))
    if identity == (DAPR_API_VERSION, DAPR_KIND):
        spec = document.get("spec")
        return isinstance(spec, dict) and str(spec.get("type", "")).startswith(TYPE_PREFIX)
    return identity == (API_VERSION, KIND) or KIND in identity or None in identity


def _name(document: object) -> str:
    metadata = document.get("metadata") if isinstance(document, dict) else None
    return str(metadata.get("name") or "") if isinstance(metadata, dict) else ""


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f": line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _sentences(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    told = [f"{'.'.join(map(str, fault['loc'])) or 'object'}: {fault['msg']}" for fault in faults[:MAX_FAULTS]]
    rest = len(faults) - len(told)
    return "; ".join([*told, *([f"and {rest} more"] if rest > 0 else [])])
