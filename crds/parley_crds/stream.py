"""The wire form of the stream between operator and sidecar: JSON messages over one WebSocket.

The operator sends `Snapshot`s: all a sidecar may use, again at each change. The sidecar answers with an
`Acknowledgement`. Either side ignores fields that it does not know, so that versions may differ by two.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from parley_crds.component import Component, digest

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""The largest snapshot that a sidecar accepts."""
PING_INTERVAL_S = 10.0
"""Both sides ping this often, so that a half-open connection is noticed within two of them."""
MAX_PROVIDERS: Final = 256
"""Providers that one answer may tell of."""
BREAKER_STATES: Final = ("closed", "half_open", "open")
PROVIDER_FAULTS: Final = ("garbled", "rate_limited", "refused", "timeout", "unavailable")
"""Why a provider did not answer: those reasons of the sidecar's errors that are the provider's own."""

ComponentName = Annotated[str, Field(max_length=253)]


class StoreSection(BaseModel):
    """Where the shared store is, and the key that protects what lies there. Never print or log it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    url: str = Field("", repr=False)
    """A Redis URL with credentials (docs/redis.md); empty: there is none, state stays in the process."""
    ca: str = ""
    """PEM of the authorities that sign the store's certificate; empty: the system's."""
    context_key: str = Field("", repr=False)
    """32 bytes in base64 for this namespace; empty: rooms cannot be kept in Redis."""
    former_context_key: str = Field("", repr=False)
    """The key before that one, valid during a rotation; empty: there is none."""
    version: str = ""
    """Changes whenever the rest does, without giving it away."""


class Snapshot(BaseModel):
    """Everything one sidecar may use, under one hash."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    hash: str
    components: tuple[Component, ...] = ()
    held: tuple[str, ...] = ()
    """Components that exist, and of which the operator knows no good version: whoever runs one keeps it."""
    store: StoreSection = StoreSection()
    trust_anchors: str = ""
    """PEM bundle of the authorities that may sign the operator's certificate from now on."""


class ProviderHealth(BaseModel):
    """How a component's provider does, as one sidecar sees it. Words of a newer sidecar are not counted as ours."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    breaker: Annotated[str, Field(max_length=32)] = "closed"
    """One of BREAKER_STATES."""
    last_error: Annotated[str, Field(max_length=32)] = ""
    """One of PROVIDER_FAULTS, of the last request that failed because of it; empty after one that did not."""


class Acknowledgement(BaseModel):
    """What a sidecar runs after a snapshot; sent again when the health of its providers changed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    ack: str
    """The snapshot's hash."""
    failed: Mapping[ComponentName, Annotated[str, Field(max_length=512)]] = {}
    """Components that could not be loaded, and why: a reason that is safe to show."""
    health: str = "ok"
    providers: Annotated[Mapping[ComponentName, ProviderHealth], Field(max_length=MAX_PROVIDERS)] = {}
    """The providers with something wrong, by component; of all others there is nothing to say."""


def snapshot(
    components: Iterable[Component], store: StoreSection, trust_anchors: str, held: Iterable[str] = ()
) -> Snapshot:
    """Put a snapshot together; its hash follows from names and versions, not from what is secret."""
    ordered = tuple(sorted(components, key=lambda component: component.name))
    versions = [[component.name, component.version] for component in ordered]
    kept = tuple(sorted(held))
    return Snapshot(
        hash=digest([versions, store.version, digest(trust_anchors), *kept]),
        components=ordered,
        held=kept,
        store=store,
        trust_anchors=trust_anchors,
    )
