"""Missed pods: those that ask for a sidecar and have none. What tells them from all others. Pure.

The injector's own reader of annotations and its own rules decide, so that the two cannot disagree:

| the pod                                                             | is                                    |
|---------------------------------------------------------------------|---------------------------------------|
| does not ask for a sidecar, or says "false"                         | nobody's concern                      |
| is going, or in a namespace that has no webhook                     | nobody's concern                      |
| carries the injector's mark, `failed:` or `skipped:` with a reason  | marked, counted by that reason        |
| carries the injector's label                                        | injected                              |
| anything else                                                       | suspect: read whole before it is told |

A suspect may have its sidecar all the same (somebody took the label off), or be one that the injector would have given
none (then it counts as marked). Otherwise it is missed: no injector answered when it was created, or it asked later.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from parley_crds import names
from parley_operator.injector.eligibility import SkipReason, is_system, why_skip
from parley_operator.injector.options import Options, read_options
from parley_operator.injector.pod import Pod
from parley_operator.kube import Object
from parley_operator.pods.seen import Metadata

_REASONS: Final = {reason.value: reason for reason in SkipReason}


@dataclass(frozen=True, slots=True)
class Scope:
    """Which namespaces' pods may be missed."""

    opted_in: AbstractSet[str]
    """Those labelled `parley.dev/inject: enabled`."""
    release_namespace: str
    """Whose pods are left out, as the system's are."""

    def options(self, pod: Metadata) -> Options:
        """Return what a pod asks for, as the injector reads it."""
        return read_options(pod.annotations, by_namespace=pod.namespace in self.opted_in)


class Damage(StrEnum):
    """What is wrong with the sidecar of a pod that the injector's label is on."""

    MISSING = "the container that the injector added is gone: another webhook took it out"
    NEVER_ENDS = (
        f"another webhook took restartPolicy off the init container {names.SIDECAR_CONTAINER}: the pod waits for it "
        "to end, and it never does"
    )


def asks(pod: Metadata, scope: Scope) -> Options | None:
    """Return what a pod asks for if it asks for a sidecar and may get one where it is, else None."""
    if pod.deletion_timestamp or is_system(pod.namespace, scope.release_namespace):
        return None
    options = scope.options(pod)
    return options if options.asked and options.enabled else None


def mark(pod: Metadata) -> SkipReason | None:
    """Return why the injector gave a pod no sidecar, None if it did not say so: anybody may write annotations."""
    reason = pod.annotations.get(names.INJECTION_ANNOTATION, "").partition(":")[2]
    return _REASONS.get(reason)


def why_without(document: Object, options: Options) -> SkipReason | None:
    """Return why a suspect, read whole, has no sidecar or needs none; None: it is missed."""
    stamped = names.RESOLVED_APP_ID_ANNOTATION in document["metadata"].get("annotations", {})
    if stamped and has_sidecar(document):
        return SkipReason.ALREADY_INJECTED
    return why_skip(msgspec.convert(document, Pod), options)


def damage(document: Object) -> Damage | None:
    """Return what is wrong with the sidecar of a pod that has the injector's label, None if it is as it was made."""
    if has_sidecar(document):
        return None
    return Damage.NEVER_ENDS if _sidecar(document, "initContainers") else Damage.MISSING


def has_sidecar(document: Object) -> bool:
    """Say whether our container is there, as a native sidecar or beside the application's."""
    native = _sidecar(document, "initContainers")
    return bool(native and native.get("restartPolicy") == "Always") or bool(_sidecar(document, "containers"))


def _sidecar(document: Object, place: str) -> dict[str, Any] | None:
    containers = document["spec"].get(place) or ()
    return next((container for container in containers if container["name"] == names.SIDECAR_CONTAINER), None)
