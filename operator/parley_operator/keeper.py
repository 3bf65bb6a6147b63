"""The keeper: the leader's task that fills the chart's empty Secrets and gives the webhook the authority to trust.

Authority, leaf, the store's password and the context key are made once and kept; what expires is renewed in time. The
order is: bundle in the Secret, caBundle; sidecars get it with their next snapshot. Repeated every few seconds, because
an upgrade with `--force` empties all of it: what was there before is then put back, not made anew.
"""

import base64
import hashlib
import logging
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from parley_crds.loading import SecretData
from parley_operator import kube
from parley_operator.certificates import Pair, bundle, leaf_is_due, make_leaf, rotated
from parley_operator.errors import NotFound
from parley_operator.gather import read_secret
from parley_operator.kube import Kube, Object
from parley_operator.settings import Settings

MANAGER: Final = "parley-keeper"
ROUND_S: Final = 5.0
STORE_USER: Final = "parley"
PASSWORD_BYTES: Final = 32
CLUSTER_DOMAIN: Final = "cluster.local"

logger = logging.getLogger(__name__)


def wall_clock() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class Keeper:
    """Does one round at a time; only the holder of the Lease calls it."""

    def __init__(
        self, api: Kube, settings: Settings, limit_s: Callable[[], float], clock: Callable[[], datetime] = wall_clock
    ) -> None:
        """Write with at most `limit_s()` seconds a call, what is left of the Lease."""
        self._api = api
        self._settings = settings
        self._limit_s = limit_s
        self._clock = clock
        self._missing: set[str] = set()
        self._last: dict[str, Mapping[str, str]] = {}

    async def once(self) -> None:
        """Look at everything, and write what differs; raises `errors.OperatorError`."""
        trusted = await self._keep_certificates(self._clock())
        await self._keep("context-key", context_key)
        if self._settings.store_secret == self._name("store"):
            await self._keep("store", store_credentials)
        if trusted:
            await self._keep_bundle(trusted)

    async def _keep_certificates(self, now: datetime) -> str | None:
        """Keep authority and leaf; return the bundle to trust, None where the chart's Secrets are missing."""
        ca, tls = await self._read("ca"), await self._read("tls")
        if ca is None or tls is None:
            return None
        kept = self._known("ca", ca)
        authorities = rotated(_pair(kept, "tls"), _pair(kept, "next"), now)
        await self._write("ca", ca, {**_texts(authorities.current, "tls"), **_texts(authorities.coming, "next")})
        known = self._known("tls", tls)
        trusted = bundle(authorities, known.get("ca.crt", ""), now)
        leaf = self._leaf(_pair(known, "tls"), authorities.current, now)
        await self._write("tls", tls, {**_texts(leaf, "tls"), "ca.crt": trusted})
        return trusted

    def _leaf(self, present: Pair | None, authority: Pair, now: datetime) -> Pair:
        sans = serving_names(self._settings)
        if present and not leaf_is_due(present, authority, sans, now):
            return present
        logger.info("certificate renewed", extra={"names": sans})
        return make_leaf(authority, sans, now)

    async def _keep(self, suffix: str, complete: Callable[[Mapping[str, str]], Mapping[str, str]]) -> None:
        """Fill a Secret with what it lacks."""
        present = await self._read(suffix)
        if present is not None:
            await self._write(suffix, present, complete(self._known(suffix, present)))

    async def _keep_bundle(self, trusted: str) -> None:
        path = kube.webhook_configuration(self._settings.webhook_name)
        try:
            configuration = await self._api.get(path)
        except NotFound:
            self._say_missing(self._settings.webhook_name)
            return
        self._missing.discard(self._settings.webhook_name)
        operations = bundle_patch(configuration, base64.b64encode(trusted.encode()).decode())
        if operations:
            await self._api.patch(path, operations, self._limit_s())
            logger.info("caBundle written", extra={"webhook_configuration": self._settings.webhook_name})

    def _name(self, suffix: str) -> str:
        return f"{self._settings.fullname}-{suffix}"

    def _known(self, suffix: str, present: SecretData) -> Mapping[str, str]:
        """Return what a Secret holds, or held before somebody emptied it."""
        if present.data:
            self._last[suffix] = present.data
        return self._last.get(suffix, {})

    async def _read(self, suffix: str) -> SecretData | None:
        name = self._name(suffix)
        found = await read_secret(self._api, self._settings.namespace, name)
        if found is None:
            self._say_missing(name)
        else:
            self._missing.discard(name)
        return found

    async def _write(self, suffix: str, present: SecretData, wanted: Mapping[str, str]) -> None:
        """Write what differs. A Secret that changed since it was read is left alone: another leader may be at it."""
        if wanted.items() <= present.data.items():
            return
        name = self._name(suffix)
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "uid": present.uid, "resourceVersion": present.resource_version},
            "data": {key: base64.b64encode(text.encode()).decode() for key, text in wanted.items()},
        }
        await self._api.apply(kube.secret(self._settings.namespace, name), body, MANAGER, self._limit_s())
        self._last[suffix] = wanted
        logger.info("secret filled", extra={"secret": name})

    def _say_missing(self, name: str) -> None:
        """Log it once until it is there."""
        if name not in self._missing:
            self._missing.add(name)
            logger.error("an object of the chart is missing: upgrade or reinstall it", extra={"object": name})


def serving_names(settings: Settings) -> tuple[str, ...]:
    """Return what the leaf is good for: both Services, with and without the cluster's domain, and what tests add."""
    services = [f"{settings.fullname}-{part}.{settings.namespace}.svc" for part in ("operator", "injector")]
    return (*services, *(f"{service}.{CLUSTER_DOMAIN}" for service in services), *settings.extra_sans)


def bundle_patch(configuration: Object, encoded: str) -> list[Object]:
    """Return the JSON patch that gives every webhook the bundle; empty when all have it. Pure."""
    return [
        {"op": "add", "path": f"/webhooks/{number}/clientConfig/caBundle", "value": encoded}
        for number, webhook in enumerate(configuration.get("webhooks") or ())
        if webhook["clientConfig"].get("caBundle") != encoded
    ]


def acl(password: str) -> str:
    """Return the users of the chart's Redis: ours, and no default one. Source: Redis ACL files."""
    digest = hashlib.sha256(password.encode()).hexdigest()
    return f"user default off\nuser {STORE_USER} on #{digest} ~parley:* &parley:* +@all -@admin -@dangerous +info\n"


def store_credentials(present: Mapping[str, str]) -> Mapping[str, str]:
    """Return the store's user, its password, made if there is none, and the file that lets it in."""
    password = present.get("password") or secrets.token_urlsafe(PASSWORD_BYTES)
    return {"username": STORE_USER, "password": password, "users.acl": acl(password)}


def context_key(present: Mapping[str, str]) -> Mapping[str, str]:
    """Return the key that protects rooms, made if there is none: with another one they would all be lost."""
    return {"key": present.get("key") or base64.b64encode(secrets.token_bytes(32)).decode()}


def _pair(data: Mapping[str, str], prefix: str) -> Pair | None:
    certificate, key = data.get(f"{prefix}.crt"), data.get(f"{prefix}.key")
    return Pair(certificate, key) if certificate and key else None


def _texts(pair: Pair | None, prefix: str) -> dict[str, str]:
    return {f"{prefix}.crt": pair.certificate, f"{prefix}.key": pair.key} if pair else {}
