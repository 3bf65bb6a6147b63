"""The patch that adds the sidecar to a pod: explicit additions, so that all else in the pod stays as it is.

Pure. Injecting an injected pod is never asked for: `why_skip` says `already_injected`.
"""

from collections.abc import Iterator

from parley_crds import names
from parley_operator.injector import sidecar
from parley_operator.injector.eligibility import resolve_app_id
from parley_operator.injector.options import Options
from parley_operator.injector.patch import Operation, Patch, add_members, append, insert_first, remove_member
from parley_operator.injector.pod import Pod
from parley_operator.injector.ports import DAPR_CONTAINER, Ports, choose_ports
from parley_operator.injector.resources import sidecar_resources
from parley_operator.injector.settings import Settings

_ANNOTATIONS = "/metadata/annotations"
_LABELS = "/metadata/labels"


def inject(pod: Pod, options: Options, settings: Settings) -> Patch:
    """Return the patch for a pod that `why_skip` has nothing against.

    Raises:
        ValueError: when it has: such a pod has no application id or no ports.
    """
    app_id, ports = resolve_app_id(pod, options), choose_ports(pod, options)
    if app_id is None or ports is None:
        raise ValueError("why_skip must be asked first")
    container = sidecar.container(app_id, ports, sidecar_resources(pod, options, settings), options, settings)
    return (
        *_tell_containers(pod, ports, options),
        *append("/spec/volumes", pod.spec.volumes, sidecar.volumes()),
        *insert_first("/spec/initContainers", pod.spec.init_containers, container),
        *add_members(_LABELS, pod.metadata.labels, {names.INJECTED_LABEL: "true"}),
        *add_members(_ANNOTATIONS, pod.metadata.annotations, {names.RESOLVED_APP_ID_ANNOTATION: app_id}),
        *remove_member(_ANNOTATIONS, pod.metadata.annotations, names.INJECTION_ANNOTATION),
    )


def mark(pod: Pod, outcome: str) -> Patch:
    """Return the patch that writes on a pod why it has no sidecar: `failed:<reason>` or `skipped:<reason>`."""
    return tuple(add_members(_ANNOTATIONS, pod.metadata.annotations, {names.INJECTION_ANNOTATION: outcome}))


def _tell_containers(pod: Pod, ports: Ports, options: Options) -> Iterator[Operation]:
    """Add the application's environment to each container, by its index before the sidecar is put in front."""
    environment = sidecar.application_environment(ports, options)
    for place, containers in (("containers", pod.spec.containers), ("initContainers", pod.spec.init_containers)):
        for index, container in enumerate(containers or ()):
            present = {variable.name for variable in container.env or ()}
            missing = [variable for variable in environment if variable["name"] not in present]
            if container.name != DAPR_CONTAINER:
                yield from append(f"/spec/{place}/{index}/env", container.env, missing)
