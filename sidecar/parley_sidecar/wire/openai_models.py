"""GET /v1/models and /v1/models/{id}: the components as OpenAI lists models. Source: OpenAI's models reference."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from parley_crds.component import Component
from parley_sidecar.wire.json import encode


class Model(msgspec.Struct):
    """A component. `created` is when this sidecar began, in Unix seconds; `owned_by` is the component's type."""

    id: str
    created: int
    owned_by: str
    object: Literal["model"] = "model"


class Models(msgspec.Struct):
    """All components that can be asked."""

    data: list[Model]
    object: Literal["list"] = "list"


def models(components: Iterable[Component], created_s: int) -> bytes:
    """Return the body that lists components."""
    return encode(Models([_model(component, created_s) for component in components]))


def model(component: Component, created_s: int) -> bytes:
    """Return the body that describes one component."""
    return encode(_model(component, created_s))


def _model(component: Component, created_s: int) -> Model:
    return Model(component.name, created_s, component.type)
