"""The patch that adds the sidecar to a pod: explicit additions, so that all else in the pod stays as it is.

Pure. Injecting an injected pod is never asked for: `why_skip` says `already_injected`.
"""

from collections.abc import Iterator
from typing import Final

from parley_crds import names
from parley_operator.injector import sidecar
from parley_operator.injector.eligibility import resolve_app_id
from parley_operator.injector.options import Options
from parley_operator.injector.patch import Operation, Patch, add_members, append, insert_first, remove_member
from parley_operator.injector.pod import Container, Pod
from parley_operator.injector.ports import DAPR_CONTAINER, Ports, choose_ports
from parley_operator.injector.resources import sidecar_resources
from parley_operator.injector.settings import Settings

_ANNOTATIONS: Final = "/metadata/annotations"
_LABELS: Final = "/metadata/labels"
_DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"
"""Which container kubectl means if none is named; without it, the first."""


def inject(pod: Pod, options: Options, settings: Settings) -> Patch:
    """Return the patch for a pod that `why_skip` has nothing against.

    Raises:
        ValueError: when it has: such a pod has no application id or no ports.
    """
    app_id, ports = resolve_app_id(pod, options), choose_ports(pod, options)
    if app_id is None or ports is None:
        raise ValueError("why_skip must be asked first")
    native = sidecar.is_native(options, settings)
    container = sidecar.container(app_id, ports, sidecar_resources(pod, options, settings), options, settings)
    place, present = _place(pod, native=native)
    stamps = {names.RESOLVED_APP_ID_ANNOTATION: app_id, **_revision(settings), **({} if native else _default(pod))}
    return (
        *_tell_containers(pod, ports, options, native=native),
        *append("/spec/volumes", pod.spec.volumes, sidecar.volumes()),
        *insert_first(place, present, container),
        *add_members(_LABELS, pod.metadata.labels, {names.INJECTED_LABEL: "true"}),
        *add_members(_ANNOTATIONS, pod.metadata.annotations, stamps),
        *remove_member(_ANNOTATIONS, pod.metadata.annotations, names.INJECTION_ANNOTATION),
    )


def mark(pod: Pod, outcome: str) -> Patch:
    """Return the patch that writes on a pod why it has no sidecar: `failed:<reason>` or `skipped:<reason>`."""
    return tuple(add_members(_ANNOTATIONS, pod.metadata.annotations, {names.INJECTION_ANNOTATION: outcome}))


def _place(pod: Pod, *, native: bool) -> tuple[str, list[Container] | None]:
    """Return the list that the sidecar comes first in, and what is in it."""
    if native:
        return "/spec/initContainers", pod.spec.init_containers
    return "/spec/containers", pod.spec.containers


def _revision(settings: Settings) -> dict[str, str]:
    """Return the stamp of what sidecars are made with now; what a pod's own annotations alter is not part of it."""
    return {names.REVISION_ANNOTATION: settings.sidecar_revision} if settings.sidecar_revision else {}


def _default(pod: Pod) -> dict[str, str]:
    """Return the annotation that keeps the application kubectl's default behind a sidecar that is first."""
    if _DEFAULT_CONTAINER in pod.annotations or not pod.spec.containers:
        return {}
    return {_DEFAULT_CONTAINER: pod.spec.containers[0].name}


def _tell_containers(pod: Pod, ports: Ports, options: Options, *, native: bool) -> Iterator[Operation]:
    """Add the application's environment to each container, by its index before the sidecar is put in front."""
    environment = sidecar.application_environment(ports, options)
    openai = sidecar.openai_environment(ports, options)
    for place, containers in (("containers", pod.spec.containers), ("initContainers", pod.spec.init_containers)):
        for index, container in enumerate(containers or ()):
            if container.name == DAPR_CONTAINER or not (native or place == "containers" or container.is_native):
                continue
            present = {variable.name for variable in container.env or ()}
            wanted = environment if sidecar.OPENAI_URL_VARIABLE in present else [*environment, *openai]
            missing = [variable for variable in wanted if variable["name"] not in present]
            yield from append(f"/spec/{place}/{index}/env", container.env, missing)
