"""Gather: everything that judging one component needs, read from the API server. All reading of a reconcile is here."""

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass

from parley_crds import manifests
from parley_crds.checks import Problem
from parley_crds.loading import SecretData, Secrets, secret_names
from parley_crds.resource import ConversationComponent
from parley_operator import kube
from parley_operator.errors import Forbidden, NotFound, OperatorError
from parley_operator.kinds import OURS, Kind
from parley_operator.kube import Kube, Object
from parley_operator.metrics import Metrics
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


@dataclass(frozen=True, slots=True)
class Reach:
    """Where components are looked for."""

    kinds: Sequence[Kind] = (OURS,)
    """In this order: the first one that has an object of the name wins."""
    holds_guest: bool = False
    """Whether a guest's object is published now: a refusal to read it is then no proof that it is gone."""


async def gather(api: Kube, key: Key, metrics: Metrics, reach: Reach = Reach()) -> Gathered | None:
    """Read a component and its Secrets; None: no kind has one of this name that counts."""
    document = await _document(api, key, reach)
    if document is None:
        return None
    parsed = manifests.parse(document)
    wanted = () if isinstance(parsed, Problem) else sorted(secret_names(parsed))
    found = dict(
        zip(wanted, await asyncio.gather(*(_seen(api, metrics, key[0], name) for name in wanted)), strict=True)
    )
    secrets = {name: seen for name, seen in found.items() if isinstance(seen, SecretData)}
    forbidden = frozenset(name for name, seen in found.items() if isinstance(seen, Forbidden))
    return Gathered(document, parsed, secrets, forbidden)


async def _document(api: Kube, key: Key, reach: Reach) -> Object | None:
    """Read the first object of a name that counts: one that is being deleted does not, nor one of another type."""
    namespace, name = key
    for kind in reach.kinds:
        try:
            document = await api.get(f"{kind.path(namespace)}/{name}")
        except NotFound:
            continue
        except Forbidden:
            if not kind.is_guest or reach.holds_guest:
                raise
            continue
        if kind.counts(document) and not document["metadata"].get("deletionTimestamp"):
            return document
    return None


async def _seen(api: Kube, metrics: Metrics, namespace: str, name: str) -> SecretData | Forbidden | None:
    """Read a Secret; a missing right is a fault of this component, and must not keep the others waiting."""
    try:
        return await read_secret(api, namespace, name)
    except Forbidden as error:
        metrics.secret_errors.inc()
        return error
    except OperatorError:
        metrics.secret_errors.inc()
        raise


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
