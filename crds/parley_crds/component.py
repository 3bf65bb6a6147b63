"""A component in its loaded form: checked, its Secrets resolved; what the stream carries and a pipeline is built from.

Built by `loading.load` in the operator and in the sidecar's directory source; read by the sidecar's pipeline.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from parley_crds.resource import Cache, Context, Overrides, Privacy, Resilience


def _known_fields_of(section: type[BaseModel]) -> BeforeValidator:
    """Leave out what a newer operator adds to a section, which a manifest may not: there it is a misspelling."""
    known = {spelling for name, field in section.model_fields.items() for spelling in (name, field.alias)}

    def left(value: object) -> object:
        return {key: held for key, held in value.items() if key in known} if isinstance(value, dict) else value

    return BeforeValidator(left)


class Component(BaseModel):
    """One component that a sidecar may use. `settings` hold keys: never print or log them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    namespace: str
    type: str
    version: str
    """A hash of the whole, the same on every operator replica; it holds a Secret's version, never its value."""
    settings: Mapping[str, str] = Field({}, repr=False)
    """Lower-case names and their texts, Secrets resolved."""
    environment: Mapping[str, str] = {}
    """Lower-case setting names and the environment variables that the sidecar must read for them."""
    cache: Annotated[Cache, _known_fields_of(Cache)] = Cache()
    privacy: Annotated[Privacy, _known_fields_of(Privacy)] = Privacy()
    context: Annotated[Context, _known_fields_of(Context)] = Context()
    resilience: Annotated[Resilience, _known_fields_of(Resilience)] = Resilience()
    overrides: Annotated[Overrides, _known_fields_of(Overrides)] = Overrides()
    scopes: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()

    def may_be_used_by(self, app_id: str, service_account: str | None = None) -> bool:
        """Say whether its scopes and service accounts admit a pod; None stands for a laptop, which has no account."""
        return admits(self.scopes, self.service_accounts, app_id, service_account)


def admits(
    scopes: Collection[str], service_accounts: Collection[str], app_id: str, service_account: str | None = None
) -> bool:
    """Say whether a component with these fences may be used by a pod; empty ones keep nobody out."""
    if scopes and app_id not in scopes:
        return False
    return service_account is None or not service_accounts or service_account in service_accounts


def digest(document: Any) -> str:
    """Return the SHA-256 of a document's canonical JSON, in hexadecimal."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
