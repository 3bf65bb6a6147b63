"""AdmissionReview in, AdmissionReview out: bytes to a pod, a verdict on it, and the verdict as bytes. Pure.

Source: admission.k8s.io/v1. A review that is not one is the caller's fault, and said so with a sentence.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal, TypeVar

import msgspec

from parley_operator.injector.eligibility import MISTAKES, UNMARKED, SkipReason, explain, is_system, why_skip
from parley_operator.injector.inject import inject, mark
from parley_operator.injector.options import Options, read_options
from parley_operator.injector.patch import Patch
from parley_operator.injector.pod import Pod
from parley_operator.injector.settings import Settings
from parley_operator.injector.sidecar import is_native

_MAX_WARNING_CHARS: Final = 256
"""Source: the API server cuts longer ones."""
_DEFAULT_GRACE_S: Final = 30
_UNPROCESSABLE: Final = 422

View = TypeVar("View")


class MalformedReviewError(ValueError):
    """The body is not an AdmissionReview of version v1 with a pod in it."""


class Result(StrEnum):
    """What became of a pod."""

    INJECTED = "injected"
    SKIPPED = "skipped"
    FAILED = "failed"
    DENIED = "denied"


class GroupVersionKind(msgspec.Struct, frozen=True):
    """What is under review."""

    kind: str = ""
    group: str = ""
    version: str = ""


class Request(msgspec.Struct, frozen=True, rename="camel"):
    """The question. The object stays bytes until it is known to be a pod."""

    uid: str
    kind: GroupVersionKind
    operation: str
    object: msgspec.Raw = msgspec.Raw(b"null")
    namespace: str = ""
    sub_resource: str = ""
    dry_run: bool | None = False


class Review(msgspec.Struct, frozen=True, rename="camel", tag_field="kind", tag="AdmissionReview"):
    """The envelope of the question."""

    api_version: Literal["admission.k8s.io/v1"]
    request: Request


class Status(msgspec.Struct, frozen=True):
    """Why a pod is denied, as kubectl and the ReplicaSet's events show it."""

    code: int
    reason: str
    message: str


class Response(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The answer; `patch` becomes base64."""

    uid: str
    allowed: bool
    patch_type: str | None = None
    patch: bytes | None = None
    warnings: tuple[str, ...] = ()
    status: Status | None = None


class Answer(msgspec.Struct, frozen=True, rename="camel", tag_field="kind", tag="AdmissionReview"):
    """The envelope of the answer."""

    api_version: str
    response: Response


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is done with a pod; `reason` says why it gets no sidecar."""

    result: Result
    reason: SkipReason | None = None
    patch: Patch = ()
    warnings: tuple[str, ...] = ()
    """What the pod's owner should know; for a denial, why."""


def read_review(body: bytes) -> Request:
    """Return the question.

    Raises:
        MalformedReviewError: when it is none.
    """
    return _decode(body, Review).request


def judge_request(request: Request, settings: Settings, *, by_namespace: bool) -> tuple[str, Verdict]:
    """Return what to call the pod in a log, and the verdict on it.

    Raises:
        MalformedReviewError: when the object is not a pod.
    """
    if (request.kind.kind, request.operation, request.sub_resource) != ("Pod", "CREATE", ""):
        return "", Verdict(Result.SKIPPED, SkipReason.NOT_A_NEW_POD)
    pod = _decode(request.object, Pod)
    if is_system(request.namespace, settings.release_namespace):
        return pod.title, Verdict(Result.SKIPPED, SkipReason.SYSTEM_NAMESPACE)
    return pod.title, judge(pod, read_options(pod.annotations, by_namespace=by_namespace), settings)


def judge(pod: Pod, options: Options, settings: Settings) -> Verdict:
    """Return the verdict on a new pod."""
    reason = why_skip(pod, options)
    if reason is None:
        return Verdict(Result.INJECTED, None, inject(pod, options, settings), tuple(_advice(pod, options, settings)))
    if reason in UNMARKED:
        return Verdict(Result.SKIPPED, reason)
    sentences = explain(reason, options)
    if reason in MISTAKES and settings.failure_policy == "Fail":
        return Verdict(Result.DENIED, reason, (), sentences)
    result = Result.FAILED if reason in MISTAKES else Result.SKIPPED
    return Verdict(result, reason, mark(pod, f"{result}:{reason}"), sentences)


def write_review(uid: str, verdict: Verdict) -> bytes:
    """Return the answer's bytes."""
    if verdict.result is Result.DENIED:
        status = Status(_UNPROCESSABLE, "Invalid", "; ".join(verdict.warnings))
        return _encode(Response(uid, allowed=False, status=status))
    warnings = tuple(text[:_MAX_WARNING_CHARS] for text in verdict.warnings)
    if not verdict.patch:
        return _encode(Response(uid, allowed=True, warnings=warnings))
    patch = msgspec.json.encode(verdict.patch)
    return _encode(Response(uid, allowed=True, patch_type="JSONPatch", patch=patch, warnings=warnings))


def _encode(response: Response) -> bytes:
    return msgspec.json.encode(Answer("admission.k8s.io/v1", response))


def _advice(pod: Pod, options: Options, settings: Settings) -> list[str]:
    """Return what the owner of an injected pod may have meant otherwise."""
    advice = [f"Parley does not know the annotation {name}" for name in options.unknown]
    if not is_native(options, settings) and pod.spec.restart_policy in {"Never", "OnFailure"}:
        advice.append("The sidecar is a plain container: the pod ends only if the application posts to /v1.0/shutdown")
    if options.openai_environment and any(container.env_from for container in pod.containers()):
        advice.append("The sidecar's OPENAI_BASE_URL and OPENAI_API_KEY win over those of a container's envFrom")
    grace_s = pod.spec.termination_grace_period_seconds
    if (options.drain_s or 0) > (_DEFAULT_GRACE_S if grace_s is None else grace_s):
        advice.append("The sidecar's drain-seconds are more than the pod's terminationGracePeriodSeconds")
    return advice


def _decode(body: Any, view: type[View]) -> View:
    try:
        return msgspec.json.decode(body, type=view)
    except msgspec.DecodeError as error:
        raise MalformedReviewError(f"not an AdmissionReview of a pod: {error}") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise MalformedReviewError("not an AdmissionReview of a pod: not UTF-8, or nested too deep") from error
