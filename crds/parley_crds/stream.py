"""The wire form of the stream between operator and sidecar: JSON messages over one WebSocket.

The operator sends `Snapshot`s: all a sidecar may use, again at each change. The sidecar answers with an
`Acknowledgement`. Either side ignores fields that it does not know, so that versions may differ by two.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from parley_crds.component import Component, digest

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""The largest snapshot that a sidecar accepts."""
PING_INTERVAL_S = 10.0
"""Both sides ping this often, so that a half-open connection is noticed within two of them."""


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
    store: StoreSection = StoreSection()
    trust_anchors: str = ""
    """PEM bundle of the authorities that may sign the operator's certificate from now on."""


class Acknowledgement(BaseModel):
    """What a sidecar runs after a snapshot."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    ack: str
    """The snapshot's hash."""
    failed: Mapping[Annotated[str, Field(max_length=253)], Annotated[str, Field(max_length=512)]] = {}
    """Components that could not be loaded, and why: a reason that is safe to show."""
    health: str = "ok"


def snapshot(components: Iterable[Component], store: StoreSection, trust_anchors: str) -> Snapshot:
    """Put a snapshot together; its hash follows from names and versions, not from what is secret."""
    ordered = tuple(sorted(components, key=lambda component: component.name))
    versions = [[component.name, component.version] for component in ordered]
    return Snapshot(
        hash=digest([versions, store.version, digest(trust_anchors)]),
        components=ordered,
        store=store,
        trust_anchors=trust_anchors,
    )
