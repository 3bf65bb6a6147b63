"""What only an operator has to say of a component that is good: warnings, for its status. Pure."""

from collections.abc import Iterator

from parley_crds.checks import Problem, known_settings
from parley_crds.resource import ConversationComponent


def advice(resource: ConversationComponent, *, has_store: bool) -> Iterator[Problem]:
    """Yield the warnings; `has_store` says whether sidecars are told of a shared store."""
    exposed = [item.name for item, schema in known_settings(resource) if item.value and schema.get("writeOnly")]
    if exposed:
        sentence = f"{', '.join(exposed)} stands here for whoever may read components: use secretKeyRef"
        yield Problem("SecretInTheOpen", sentence, blocks=False)
    if resource.spec.context.ttl is not None and not has_store:
        sentence = "spec.context.ttl needs a shared store, and there is none: requests with a context id fail"
        yield Problem("NoStore", sentence, blocks=False)
    if resource.spec.cache.ttl is not None and not has_store:
        sentence = "there is no shared store: with spec.cache.ttl each pod keeps answers for itself"
        yield Problem("NoStore", sentence, blocks=False)
