"""From a checked resource and its Secrets to the loaded component. Pure: whoever calls has gathered the Secrets."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from parley_crds.checks import Problem
from parley_crds.component import Component, digest
from parley_crds.resource import ConversationComponent, MetadataItem


@dataclass(frozen=True, slots=True)
class SecretData:
    """One Secret as far as a component needs it; uid and resource version identify its content without showing it."""

    uid: str
    resource_version: str
    data: Mapping[str, str] = field(repr=False)


Secrets = Mapping[str, SecretData]
"""Secrets of the component's namespace, by name; one that does not exist is left out."""


def secret_names(resource: ConversationComponent) -> frozenset[str]:
    """Return the names of the Secrets that a component needs."""
    return frozenset(item.secret_key_ref.name for item in resource.spec.metadata if item.secret_key_ref)


def secret_problem(resource: ConversationComponent, secrets: Secrets) -> Problem | None:
    """Return the first Secret, or key of one, that is needed and not there."""
    for item in resource.spec.metadata:
        reference = item.secret_key_ref
        if reference and reference.name not in secrets:
            return Problem("SecretNotFound", f"the setting {item.name} needs the Secret {reference.name}")
        if reference and reference.key not in secrets[reference.name].data:
            return Problem(
                "SecretKeyNotFound", f"the setting {item.name} needs the key {reference.key} in Secret {reference.name}"
            )
    return None


def load(resource: ConversationComponent, secrets: Secrets) -> Component:
    """Resolve the Secrets into settings.

    Raises:
        KeyError: when `secret_problem` would have found something.
    """
    items = resource.spec.metadata
    spec = resource.spec
    return Component(
        name=resource.name,
        namespace=resource.namespace,
        type=spec.type,
        version=_version(resource, secrets),
        settings={item.name.lower(): _value(item, secrets) for item in items if not item.env_ref},
        environment={item.name.lower(): item.env_ref for item in items if item.env_ref},
        cache=spec.cache,
        privacy=spec.privacy,
        context=spec.context,
        resilience=spec.resilience,
        overrides=spec.overrides,
        scopes=tuple(resource.scopes),
        service_accounts=tuple(spec.service_accounts),
    )


def _value(item: MetadataItem, secrets: Secrets) -> str:
    if item.secret_key_ref:
        return secrets[item.secret_key_ref.name].data[item.secret_key_ref.key]
    return str(item.value).lower() if isinstance(item.value, bool) else str(item.value)


def _version(resource: ConversationComponent, secrets: Secrets) -> str:
    """Hash what makes the component, with each Secret's identity in place of its content."""
    used = {name: [secrets[name].uid, secrets[name].resource_version] for name in secret_names(resource)}
    spec = resource.spec.model_dump(mode="json", by_alias=True)
    return digest([resource.namespace, resource.name, spec, resource.scopes, used])
