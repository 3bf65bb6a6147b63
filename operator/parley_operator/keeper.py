"""The keeper: the leader's task that fills the chart's empty Secrets and gives the webhook the authority to trust.

Authority, leaf, the password of Redis and the context key are made once and kept; what expires is renewed in time. The
order is: bundle in the Secret, caBundle; sidecars get it with their next snapshot. Repeated every few seconds, because
an upgrade with `--force` empties all of it: what was there before is then put back, not made anew.

Where somebody else makes the certificate (cert-manager, or a person), only what is trusted is kept: whoever replaces an
authority there knows of no overlap, so it is ours to see to. It lies in a Secret of our own, for every replica, every
later leader and the injector to read. The injector may serve a new authority's certificate as soon as that Secret has
it, so caBundle comes first there.
"""

import base64
import logging
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from parley_crds.loading import SecretData
from parley_operator import kube, redis_acl
from parley_operator.certificates import Pair, bundle, leaf_is_due, make_leaf, merged, rotated, wall_clock
from parley_operator.errors import NotFound
from parley_operator.gather import read_secret
from parley_operator.kube import Kube, Object
from parley_operator.settings import Settings

MANAGER: Final = "parley-keeper"
REDIS_MANAGER: Final = "parley-keeper-redis"
"""Of the store's Secret: an operator of an earlier chart that leads once more during an upgrade must not take away what
Redis was started with."""
ROUND_S: Final = 5.0
PASSWORD_BYTES: Final = 32
CLUSTER_DOMAIN: Final = "cluster.local"

logger = logging.getLogger(__name__)


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
        now = self._clock()
        webhooks = await self._webhooks()
        if self._settings.certificates == "builtin":
            await self._keep_bundle(webhooks, await self._keep_certificates(webhooks, now))
        else:
            await self._keep_trust(webhooks, now)
        await self._keep("context-key", context_key)
        if self._settings.own_redis:
            await self._keep("store", redis_credentials)

    async def _keep_certificates(self, webhooks: Object, now: datetime) -> str:
        """Keep authority and leaf; return the bundle to trust, empty where the chart's Secrets are missing."""
        ca, tls = await self._read("ca"), await self._read("tls")
        if ca is None or tls is None:
            return ""
        kept = self._known("ca", ca)
        authorities = rotated(_pair(kept, "tls"), _pair(kept, "next"), now)
        known = self._known("tls", tls)
        trusted = bundle(authorities, known.get("ca.crt") or trusted_by(webhooks), now)
        await self._write("ca", ca, {**_texts(authorities.current, "tls"), **_texts(authorities.coming, "next")})
        leaf = self._leaf(_pair(known, "tls"), authorities.current, now)
        await self._write("tls", tls, {**_texts(leaf, "tls"), "ca.crt": trusted})
        return trusted

    async def _keep_trust(self, webhooks: Object, now: datetime) -> None:
        """Keep what is trusted of a certificate that is not ours to write, with the authorities of those before it."""
        ca = await self._read("ca")
        given = await self._read_named(self._settings.tls_secret)
        if ca is None:
            return
        known = self._known("ca", ca).get("ca.crt") or trusted_by(webhooks)
        trusted = merged(given.data.get("ca.crt", "") if given else "", known, now)
        if trusted:
            await self._keep_bundle(webhooks, trusted)
            await self._write("ca", ca, {"ca.crt": trusted})

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

    async def _webhooks(self) -> Object:
        """Return the webhook configuration; an empty one where there is none."""
        name = self._settings.webhook_name
        try:
            found = await self._api.get(kube.webhook_configuration(name))
        except NotFound:
            self._say_missing(name)
            return {}
        self._missing.discard(name)
        return found

    async def _keep_bundle(self, webhooks: Object, trusted: str) -> None:
        name = self._settings.webhook_name
        operations = bundle_patch(webhooks, base64.b64encode(trusted.encode()).decode()) if trusted else []
        if operations:
            await self._api.patch(kube.webhook_configuration(name), operations, self._limit_s())
            logger.info("caBundle written", extra={"webhook_configuration": name})

    def _name(self, suffix: str) -> str:
        return f"{self._settings.fullname}-{suffix}"

    def _known(self, suffix: str, present: SecretData) -> Mapping[str, str]:
        """Return what a Secret holds, or held before somebody emptied it."""
        if present.data:
            self._last[suffix] = present.data
        return self._last.get(suffix, {})

    async def _read(self, suffix: str) -> SecretData | None:
        return await self._read_named(self._name(suffix))

    async def _read_named(self, name: str) -> SecretData | None:
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
        manager = REDIS_MANAGER if suffix == "store" else MANAGER
        await self._api.apply(kube.secret(self._settings.namespace, name), body, manager, self._limit_s())
        self._last[suffix] = wanted
        logger.info("secret filled", extra={"secret": name})

    def _say_missing(self, name: str) -> None:
        """Log it once until it is there."""
        if name not in self._missing:
            self._missing.add(name)
            logger.error("an object is missing that the chart makes, or was told of", extra={"object": name})


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


def trusted_by(webhooks: Object) -> str:
    """Return what the API server trusts the webhooks by now, in PEM; what cannot be read is left out. Pure."""
    encoded = dict.fromkeys(each["clientConfig"].get("caBundle") or "" for each in webhooks.get("webhooks") or ())
    return "\n".join(base64.b64decode(text).decode(errors="replace") for text in encoded)


def redis_credentials(present: Mapping[str, str]) -> Mapping[str, str]:
    """Return the operator's password for the chart's own Redis, made if there is none, and the file that lets it in.

    Redis reads that file at start only. An older chart mounts the Secret's file under another key: with this one's its
    pod is made anew, and waits until the key is there.
    """
    password = present.get(redis_acl.PASSWORD_KEY) or secrets.token_urlsafe(PASSWORD_BYTES)
    return {redis_acl.PASSWORD_KEY: password, redis_acl.FILE_KEY: redis_acl.file(password)}


def context_key(present: Mapping[str, str]) -> Mapping[str, str]:
    """Return the key that protects rooms, made if there is none: with another one they would all be lost."""
    return {"key": present.get("key") or base64.b64encode(secrets.token_bytes(32)).decode()}


def _pair(data: Mapping[str, str], prefix: str) -> Pair | None:
    certificate, key = data.get(f"{prefix}.crt"), data.get(f"{prefix}.key")
    return Pair(certificate, key) if certificate and key else None


def _texts(pair: Pair | None, prefix: str) -> dict[str, str]:
    return {f"{prefix}.crt": pair.certificate, f"{prefix}.key": pair.key} if pair else {}
