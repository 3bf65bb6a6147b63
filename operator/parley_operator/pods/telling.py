"""What the owner of a pod is told about it. Pure.

A message names no pod and no number where many pods have the same fault, so that they make one Event together.
"""

from typing import Final

from parley_operator.events import Event, Subject
from parley_operator.injector.eligibility import MISTAKES, SkipReason
from parley_operator.pods.missed import Damage

MISSED: Final = "SidecarMissing"
FAILED: Final = "InjectionFailed"
SKIPPED: Final = "InjectionSkipped"
DAMAGED: Final = "SidecarDamaged"
EVICTED: Final = "PodEvicted"
BLOCKED: Final = "EvictionBlocked"
EVICTED_IN_VAIN: Final = "EvictionDidNotHelp"
RESTARTED: Final = "SidecarsRestarted"
RESTARTED_IN_VAIN: Final = "RestartDidNotHelp"


def missed(subject: Subject) -> Event:
    """Tell that a pod has no sidecar though it asks for one."""
    return Event(
        subject,
        MISSED,
        f"{_who(subject)} asks for Parley's sidecar and has none: no injector answered when it was created, or it "
        "asked only later. A pod that is created anew gets its sidecar",
    )


def marked(subject: Subject, reason: SkipReason, sentences: tuple[str, ...]) -> Event:
    """Tell what the injector said of a pod when it gave it no sidecar."""
    told = "; ".join(sentences)
    if reason in MISTAKES:
        return Event(subject, FAILED, told)
    return Event(subject, SKIPPED, told, "Normal")


def damaged(subject: Subject, damage: Damage) -> Event:
    """Tell what is wrong with a sidecar that was injected."""
    return Event(subject, DAMAGED, f"{_who(subject)} has no working sidecar: {damage}")


def evicted(subject: Subject, pod_name: str) -> Event:
    """Tell that a pod was evicted."""
    return Event(
        subject, EVICTED, f"evicted the pod {pod_name}, which has no sidecar, so that it is created anew", "Normal"
    )


def blocked(subject: Subject) -> Event:
    """Tell that a disruption budget holds pods without their sidecar."""
    return Event(subject, BLOCKED, "a pod without its sidecar is not evicted now: a disruption budget holds it")


def evicted_in_vain(subject: Subject, pause_s: float) -> Event:
    """Tell that the pod made after an eviction was missed too, and when the next one may be evicted."""
    return Event(
        subject,
        EVICTED_IN_VAIN,
        "the pod that was made after an eviction has no sidecar either; see whether an injector runs. "
        f"No other is evicted for {round(pause_s / 60)} minutes",
    )


def restarted(subject: Subject) -> Event:
    """Tell that an owner was told to make its pods anew."""
    return Event(subject, RESTARTED, "restarted: pods of it have an outdated sidecar", "Normal")


def restarted_in_vain(subject: Subject) -> Event:
    """Tell that pods made after a restart are as outdated as before."""
    return Event(
        subject,
        RESTARTED_IN_VAIN,
        "pods made after the restart have an outdated sidecar too: see whether the injector was upgraded. "
        "Nothing else is restarted until they are created anew",
    )


def _who(subject: Subject) -> str:
    return "the pod" if subject.kind == "Pod" else "a pod of it"
