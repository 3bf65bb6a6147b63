"""Gather: everything that judging one component needs, read from the API server. All reading of a reconcile is here."""

import asyncio
import base64
from dataclasses import dataclass

from parley_crds import manifests
from parley_crds.checks import Problem
from parley_crds.loading import SecretData, Secrets, secret_names
from parley_crds.resource import ConversationComponent
from parley_operator import kube
from parley_operator.errors import Forbidden, NotFound
from parley_operator.kube import Kube, Object
from parley_operator.workqueue import Key


@dataclass(frozen=True, slots=True)
class Gathered:
    """The state of the world for one component."""

    document: Object
    """The object as the API server has it."""
    parsed: ConversationComponent | Problem
    secrets: Secrets
    forbidden: frozenset[str] = frozenset()
    """The Secrets that the operator has no right to read."""

    @property
    def wanted_secrets(self) -> frozenset[str]:
        """The Secrets that the component needs, there or not."""
        return frozenset() if isinstance(self.parsed, Problem) else secret_names(self.parsed)


async def gather(api: Kube, key: Key) -> Gathered | None:
    """Read a component and its Secrets; None: it does not exist, or is being deleted."""
    namespace, name = key
    try:
        document = await api.get(kube.component(namespace, name))
    except NotFound:
        return None
    if document["metadata"].get("deletionTimestamp"):
        return None
    parsed = manifests.parse(document)
    wanted = () if isinstance(parsed, Problem) else sorted(secret_names(parsed))
    found = dict(zip(wanted, await asyncio.gather(*(_seen(api, namespace, name) for name in wanted)), strict=True))
    secrets = {name: seen for name, seen in found.items() if isinstance(seen, SecretData)}
    forbidden = frozenset(name for name, seen in found.items() if isinstance(seen, Forbidden))
    return Gathered(document, parsed, secrets, forbidden)


async def _seen(api: Kube, namespace: str, name: str) -> SecretData | Forbidden | None:
    """Read a Secret; a missing right is a fault of this component, and must not keep the others waiting."""
    try:
        return await read_secret(api, namespace, name)
    except Forbidden as error:
        return error


async def read_secret(api: Kube, namespace: str, name: str) -> SecretData | None:
    """Read one Secret; None: it does not exist. A value that is not text is left out."""
    try:
        document = await api.get(kube.secret(namespace, name))
    except NotFound:
        return None
    metadata = document["metadata"]
    values = ((key, _text(value)) for key, value in (document.get("data") or {}).items())
    data = {key: text for key, text in values if text is not None}
    return SecretData(metadata["uid"], metadata["resourceVersion"], data)


def _text(encoded: str) -> str | None:
    try:
        return base64.b64decode(encoded).decode()
    except UnicodeDecodeError:
        return None
