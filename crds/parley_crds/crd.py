"""The CRD, made from the models of `resource`: structural, bounded, with CEL, columns and a status subresource.

pydantic writes JSON Schema 2020-12; the API server takes a subset of OpenAPI 3.0. `structural` is that difference.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from parley_crds.checks import settings_schemas
from parley_crds.names import GROUP, KIND, PLURAL, SHORT_NAME, VERSION
from parley_crds.resource import ConversationComponent
from parley_crds.status import ComponentStatus

_DROPPED = {"title", "$defs"}
_EXACTLY_ONE = [{"required": ["value"]}, {"required": ["secretKeyRef"]}, {"required": ["envRef"]}]
# The API server leaves the message out where the reason is FieldValueDuplicate.
_RULES = [
    {
        "rule": "self.type == oldSelf.type",
        "message": "spec.type cannot change: delete the component and apply it anew",
        "fieldPath": ".type",
        "reason": "FieldValueForbidden",
    },
    {
        "rule": "!has(self.metadata) || self.metadata.all(a, self.metadata.exists_one(b, "
        "a.name.lowerAscii() == b.name.lowerAscii()))",
        "message": "names in spec.metadata must differ by more than case",
        "fieldPath": ".metadata",
    },
]
_ONE_SOURCE = {
    "rule": "!has(self.secretKeyRef) || !has(self.envRef)",
    "messageExpression": "'the setting ' + self.name + ' has both secretKeyRef and envRef: only one can be meant'",
}
_FALLBACK = "has(self.spec.resilience) && has(self.spec.resilience.fallback)"
_OTHERS_ONLY = {
    # What was stored before there was this rule stays as it is: its status must be written all the same. The API server
    # sees to that for rules below `spec`, not for one of the whole object, of which the status is a part.
    "rule": f"!({_FALLBACK}) || !(self.metadata.name in self.spec.resilience.fallback) || "
    f"(oldSelf.hasValue() && oldSelf.value().spec == self.spec)",
    "message": "spec.resilience.fallback must not name the component itself",
    "fieldPath": ".spec.resilience.fallback",
    "optionalOldSelf": True,
}
_ONCE = {
    "rule": "self.all(a, self.exists_one(b, a == b))",
    "message": "spec.resilience.fallback must not name a component twice",
}
_COLUMNS = [
    ("Type", "string", ".spec.type", 0),
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', 0),
    ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason', 0),
    ("Sidecars", "string", ".status.sidecars.summary", 0),
    ("Faults", "string", ".status.sidecars.faults", 0),
    ("Model", "string", '.spec.metadata[?(@.name=="model")].value', 1),
    ("Version", "string", ".status.version", 1),
    ("Age", "date", ".metadata.creationTimestamp", 0),
]


def definition() -> dict[str, Any]:
    """Return the CustomResourceDefinition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": [SHORT_NAME],
                "categories": ["parley"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(*column) for column in _COLUMNS],
                    "schema": {"openAPIV3Schema": _schema()},
                }
            ],
        },
    }


def structural(node: Any, definitions: dict[str, Any]) -> Any:
    """Rewrite pydantic's JSON Schema as the API server's: references inlined, null taken out, no titles."""
    if isinstance(node, list):
        return [structural(entry, definitions) for entry in node]
    if not isinstance(node, dict):
        return node
    node = _inlined(node, definitions)
    result = {key: structural(value, definitions) for key, value in node.items() if key not in _DROPPED}
    if isinstance(result.get("properties"), dict):
        result["properties"] = {name: structural(value, definitions) for name, value in node["properties"].items()}
    return _cleaned(result)


def _inlined(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return _inlined({**target, **rest}, definitions)
    options = [option for option in node.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1:
        rest = {key: value for key, value in node.items() if key != "anyOf"}
        return _inlined({**options[0], **rest}, definitions)
    return node


def _cleaned(node: dict[str, Any]) -> dict[str, Any]:
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if node.get("additionalProperties") is False:
        del node["additionalProperties"]
    if "default" in node and (node["default"] is None or isinstance(node["default"], dict | list)):
        del node["default"]  # whoever reads fills these in; stored objects stay as their authors wrote them
    if "exclusiveMinimum" in node:
        node |= {"minimum": node.pop("exclusiveMinimum"), "exclusiveMinimum": True}
    if node.get("x-kubernetes-int-or-string"):
        node["minimum"] = 0  # of a number; the pattern is for the text
    if node.get("x-kubernetes-int-or-string") or node.get("x-kubernetes-preserve-unknown-fields"):
        node = {key: value for key, value in node.items() if key not in {"type", "anyOf"}}
    return node


def _schema() -> dict[str, Any]:
    raw = ConversationComponent.model_json_schema(by_alias=True)
    schema: dict[str, Any] = structural(raw, raw.get("$defs", {}))
    status = ComponentStatus.model_json_schema(by_alias=True)
    properties = schema["properties"]
    properties |= {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        "status": structural(status, status.get("$defs", {})),
    }
    schema["description"] = "A conversation component: a provider, its settings, and what Parley adds to it."
    schema["required"] = ["spec"]
    properties["status"]["description"] = "What the operator found, and what its sidecars say. Written by it alone."
    _add_rules(schema)
    return schema


def _add_rules(schema: dict[str, Any]) -> None:
    """Add what the API server must refuse and no schema can say: only what is wrong whatever comes later."""
    schema["x-kubernetes-validations"] = [_OTHERS_ONLY]
    spec = schema["properties"]["spec"]
    spec["x-kubernetes-validations"] = [*_RULES, *_required_settings()]
    item = spec["properties"]["metadata"]["items"]
    item |= {"oneOf": _EXACTLY_ONE, "x-kubernetes-validations": [_ONE_SOURCE]}
    spec["properties"]["resilience"]["properties"]["fallback"]["x-kubernetes-validations"] = [_ONCE]


def _required_settings() -> Iterator[dict[str, Any]]:
    """Yield a rule for each setting that a type cannot do without.

    CEL does not see a setting's value, because it may be of any type: where another setting may make it needless, that
    one's presence is enough here, and the operator's checks say the rest.
    """
    for kind, schema in sorted(settings_schemas().items()):
        for name, others in _needed(schema):
            listed = ", ".join(f"'{each.lower()}'" for each in (name, *others))
            unless = f", unless {' or '.join(others)} says otherwise" if others else ""
            yield {
                "rule": f"self.type != '{kind}' || "
                f"(has(self.metadata) && self.metadata.exists(a, a.name.lowerAscii() in [{listed}]))",
                "message": f"{kind} needs the setting {name} in spec.metadata{unless}",
                "fieldPath": ".metadata",
                "reason": "FieldValueRequired",
            }


def _needed(schema: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield each setting that is required, and those whose presence may make it needless."""
    yield from ((name, ()) for name in schema.get("required", ()))
    for rule in schema.get("allOf", ()):
        yield from ((name, rule["if"]["required"]) for name in rule.get("else", {}).get("required", ()))


def _column(name: str, kind: str, path: str, priority: int) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path}
    return column | ({"priority": priority} if priority else {})
