"""A component in its loaded form: checked, its Secrets resolved; what the stream carries and a pipeline is built from.

Built by `loading.load` in the operator and in the sidecar's directory source; read by the sidecar's pipeline.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from parley_crds.resource import Cache, Context, Overrides, Privacy, Resilience


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
    cache: Cache = Cache()
    privacy: Privacy = Privacy()
    context: Context = Context()
    resilience: Resilience = Resilience()
    overrides: Overrides = Overrides()
    scopes: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()

    def may_be_used_by(self, app_id: str, service_account: str | None = None) -> bool:
        """Say whether its scopes and service accounts admit a pod; None stands for a laptop, which has no account."""
        if self.scopes and app_id not in self.scopes:
            return False
        return service_account is None or not self.service_accounts or service_account in self.service_accounts


def digest(document: Any) -> str:
    """Return the SHA-256 of a document's canonical JSON, in hexadecimal."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
