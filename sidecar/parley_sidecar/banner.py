"""What a person sees who starts a sidecar in a terminal: where it is, what to try, what was left out and why. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from parley_crds import __version__
from parley_crds.component import Component
from parley_crds.names import API_TOKEN_HEADER, API_TOKEN_VARIABLE, CONVERSE_ALPHA1
from parley_sidecar.settings import Settings


def banner(settings: Settings, components: Iterable[Component], left_out: Mapping[str, str]) -> str:
    """Return the text; `left_out` has a reason for each component, or file, that is not in use."""
    return "\n".join(_lines(settings, tuple(components), left_out)) + "\n"


def _lines(settings: Settings, components: tuple[Component, ...], left_out: Mapping[str, str]) -> Iterator[str]:
    yield f"Parley {__version__} on http://localhost:{settings.http_port}, components from {settings.components}"
    for component in components:
        yield f"\n  {component.name} ({component.type})"
        yield f"    {_curl(settings, component.name)}"
    if not components:
        yield "\n  no component can be used yet; files are read again when they change"
    for name, reason in left_out.items():
        yield f"\n  {name} is left out: {reason}"
    grpc = f"gRPC, as Dapr's SDKs speak it, on localhost:{settings.grpc_port}. " if settings.grpc_port else ""
    yield f"\n{grpc}Metrics on http://localhost:{settings.metrics_port}/metrics. Ctrl+C ends it."


def _curl(settings: Settings, component_name: str) -> str:
    path = CONVERSE_ALPHA1.format(name=component_name)
    token = f' -H "{API_TOKEN_HEADER}: ${API_TOKEN_VARIABLE}"' if settings.api_token else ""
    return f'curl localhost:{settings.http_port}{path}{token} -d \'{{"inputs": ["hello"]}}\''
