"""Pods as the leader's rounds see them: metadata alone, decoded from a page's bytes; and what is kept of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from parley_crds import names
from parley_operator.errors import ApiUnavailable

UNFINISHED: Final = "status.phase!=Succeeded,status.phase!=Failed"
"""The field selector that leaves out pods that have ended: they never get a sidecar, and need none."""


class Reference(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """An owner of an object."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """What a round looks at. Fields that are not named are passed over without being decoded."""

    namespace: str
    name: str
    uid: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[Reference, ...] = ()
    deletion_timestamp: str = ""

    @property
    def controller(self) -> Reference | None:
        """The owner that makes such pods, if there is one."""
        return next((owner for owner in self.owner_references if owner.controller), None)

    @property
    def is_injected(self) -> bool:
        """Whether the injector's label is on it."""
        return self.labels.get(names.INJECTED_LABEL) == "true"


class _Item(msgspec.Struct, frozen=True):
    metadata: Metadata


class _Page(msgspec.Struct, frozen=True):
    items: list[_Item] | None = None
    """The API server writes null where there are none."""


_PAGES: Final = msgspec.json.Decoder(_Page)


def read_page(data: bytes) -> Sequence[Metadata]:
    """Return the pods of a page.

    Raises:
        ApiUnavailable: when it is no such page: something between us and the API server answers for it.
    """
    try:
        return [item.metadata for item in _PAGES.decode(data).items or ()]
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ApiUnavailable("a page of pods: the answer is not one") from None  # its text may quote the page


@dataclass(frozen=True, slots=True)
class Seen:
    """A pod that something is the matter with: what is kept of it after its page."""

    namespace: str
    name: str
    uid: str
    controller: Reference | None

    @classmethod
    def of(cls, pod: Metadata) -> "Seen":
        """Return what is kept of a pod."""
        return cls(pod.namespace, pod.name, pod.uid, pod.controller)

    @property
    def owner_uid(self) -> str:
        """The uid of its controller, or its own where it has none: what is told or done once for all such pods."""
        return self.controller.uid if self.controller else self.uid
