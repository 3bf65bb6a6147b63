"""A request's identity: canonical bytes of everything that alters its answer, and the cache key made of them.

Used by the cache layer alone. Canonical means that the order of keys never causes a miss.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from parley_crds import checks
from parley_crds.component import Component
from parley_sidecar.model import ConverseRequest, Message, NamedTool

_FORMAT: Final = 4
"""Changes with the form of keys or stored answers, so that older entries are never met."""
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


class Identity:
    """The keys of one component, made of all that its answers depend on, and of the application if it keeps apart.

    The component is one whose settings from the environment are already looked up.
    """

    def __init__(self, component: Component, app_id: str) -> None:
        secret = _secret_settings(component.type)
        altering = {name: value for name, value in component.settings.items() if name not in secret}
        application = app_id if component.cache.scope == "application" else None
        partition = [_FORMAT, component.namespace, component.name, component.type, altering, application]
        self._partition = hashlib.sha256(_ENCODER.encode(partition)).digest()

    def key(self, request: ConverseRequest, epoch: bytes) -> bytes:
        """Return the key of a request in an epoch, 64 hexadecimal digits; a provider key enters as an HMAC only."""
        overrides, room = request.overrides, request.partition
        payer = overrides.key and hmac.digest(self._partition, overrides.key.encode(), "sha256")
        document = (
            [_message(message) for message in request.messages],
            request.temperature,
            request.max_tokens,
            dict(request.parameters),
            overrides.model,
            overrides.endpoint,
            payer,
            _tools(request) if request.tools or request.tool_choice else None,
            request.response_format,
            epoch,
            room and (room.tag, room.epoch),
        )
        return hashlib.sha256(self._partition + _ENCODER.encode(document)).hexdigest().encode()


def _message(message: Message) -> tuple[object, ...]:
    said = (message.role, message.text, message.name)
    return (*said, message.tool_calls, message.tool_call_id) if message.tool_calls or message.tool_call_id else said


def _tools(request: ConverseRequest) -> tuple[object, ...]:
    choice = request.tool_choice
    return request.tools, ["tool", choice.name] if isinstance(choice, NamedTool) else choice


def _secret_settings(component_type: str) -> frozenset[str]:
    """Return the settings that choose who pays, not what is answered: those whose schema is write-only."""
    properties: Mapping[str, Any] = checks.settings_schemas().get(component_type, {}).get("properties", {})
    return frozenset(name.lower() for name, schema in properties.items() if _is_secret(schema))


def _is_secret(schema: Mapping[str, Any]) -> bool:
    return any(option.get("writeOnly") for option in (schema, *schema.get("anyOf", ())))
