"""The providers: one file each, found by the component's type, imported when a component first needs it.

`conversation.aws.bedrock` lives in `aws_bedrock.py`. A file holds a `Settings` model, whose fields are the component's
metadata, and a function `connect(settings, http)` that returns a `Converse`.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from pydantic import BaseModel, ValidationError

from parley_crds.names import TYPE_PREFIX
from parley_sidecar.errors import InvalidComponent
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import Converse


def component_types() -> Iterator[str]:
    """Return every type that has a provider, sorted."""
    names = sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))
    return (TYPE_PREFIX + name.replace("_", ".") for name in names)


def module_of(component_type: str) -> ModuleType:
    """Import a type's provider.

    Raises:
        InvalidComponent: when there is none.
    """
    if component_type not in component_types():
        raise InvalidComponent(f"there is no provider {component_type}")
    return import_module(f"{__name__}.{component_type.removeprefix(TYPE_PREFIX).replace('.', '_')}")


def connect(component_type: str, settings: Mapping[str, str], http: HttpClient) -> Converse:
    """Return the provider of a component, ready to be asked; nothing is connected before the first request.

    Raises:
        InvalidComponent: naming the settings at fault, never their values.
    """
    module = module_of(component_type)
    model: type[BaseModel] = module.Settings
    spelled = {(field.alias or name).lower(): field.alias or name for name, field in model.model_fields.items()}
    given = {spelled[name.lower()]: value for name, value in settings.items() if name.lower() in spelled}
    try:
        checked = model.model_validate(given)
    except ValidationError as error:
        raise InvalidComponent(_sentence(error)) from None  # pydantic's own text shows values
    converse: Converse = module.connect(checked, http)
    return converse


def _sentence(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(_fault(fault["loc"], fault["msg"].removeprefix("Value error, ")) for fault in faults)


def _fault(place: tuple[int | str, ...], message: str) -> str:
    """Return one fault in words; one of several settings together has no place."""
    return f"the setting {place[0]}: {message}" if place else message
