"""The kinds of components that the operator reads: ours, and Dapr's where that is switched on. Both share their names.

A key (namespace, name) stands for one component: ours, and where there is none, Dapr's of that name.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from parley_crds import names
from parley_operator import kube
from parley_operator.errors import Forbidden, NotFound
from parley_operator.kube import Kube, Object
from parley_operator.workqueue import Key


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource as the API server has it, and which of its objects count."""

    api_version: str
    """Group and version."""
    plural: str
    path: Callable[[str | None], str]
    """Where it is listed: in a namespace, or in all."""
    types: str = ""
    """What `spec.type` begins with in the objects that count; empty: all of them count."""
    is_guest: bool = False
    """Whether a cluster, or our rights, may be without it."""

    def counts(self, document: Object) -> bool:
        """Say whether an object, as it is now, is a component."""
        spec = document.get("spec")
        return not self.types or (isinstance(spec, dict) and str(spec.get("type", "")).startswith(self.types))

    def paths(self, namespaces: Iterable[str]) -> list[str]:
        """Return where it is listed for these namespaces; none named: in all at once."""
        return [self.path(namespace) for namespace in namespaces] or [self.path(None)]


OURS: Final = Kind(names.API_VERSION, names.PLURAL, kube.components)
DAPRS: Final = Kind(names.DAPR_API_VERSION, "components", kube.dapr_components, names.TYPE_PREFIX, is_guest=True)


async def listed(api: Kube, kind: Kind, namespaces: Iterable[str]) -> set[Key]:
    """Return the keys of all components of a kind; none where a guest is not there. Raises `errors.OperatorError`."""
    keys: set[Key] = set()
    for path in kind.paths(namespaces):
        try:
            items: list[dict[str, Any]] = await api.list_all(path)
        except (NotFound, Forbidden):
            if not kind.is_guest:
                raise
            continue
        keys |= {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in items if kind.counts(item)}
    return keys
