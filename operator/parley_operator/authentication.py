"""Who is calling: a bearer token, judged by the API server's TokenReview, and the pod that it is bound to.

A header is only a claim, so nothing else of a request is believed. A sidecar's token is bound to its pod; the pod says
by the injector's stamp which application it is. A peer's token belongs to the operator's own service account.
"""

import asyncio
import base64
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from parley_crds import names
from parley_operator import kube
from parley_operator.errors import Forbidden, NotFound, OperatorError
from parley_operator.kube import Kube, Object
from parley_operator.metrics import Metrics

MAX_TOKEN: Final = 8192
"""Characters; a projected token has about 1,200."""
GOOD_FOR_S: Final = 60.0
"""How long a good review is believed, at most; the pod is looked at each time all the same."""
BAD_FOR_S: Final = 5.0
MAX_KNOWN: Final = 20_000
HANDSHAKES_AT_A_TIME: Final = 32
"""Sidecars that are looked at at once, a review and a pod each; the API server is not asked for more of them."""
PEERS_AT_A_TIME: Final = 4
"""Reviews of peers, which wait for each other: a storm of sidecars must not keep the leader from counting."""
RECHECKS_AT_A_TIME: Final = 4
"""Pods of open streams that are looked at at once; thousands of them must not be a storm of their own."""
_JWT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_ACCOUNT: Final = re.compile(r"system:serviceaccount:([^:]+):([^:]+)")
_EXTRA: Final = "authentication.kubernetes.io/"


class Unauthenticated(Exception):
    """The token proves nothing: 401. The message is safe to send and to log."""


class NotAdmitted(Exception):
    """The token is good, but not for this: 403. The message is safe to send and to log."""


class TooBusy(Exception):
    """As many sidecars as may be are being looked at: 503, and nobody was asked. The message is safe to send."""


@dataclass(frozen=True, slots=True)
class Account:
    """A service account, and the pod that the token is bound to, if it is."""

    namespace: str
    name: str
    pod: str = ""
    pod_uid: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """A sidecar's pod, as far as components are chosen by it."""

    namespace: str
    service_account: str
    pod: str
    app_id: str
    uid: str = ""
    """The pod's uid: a pod made later under its name is another one."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """What time it is, in seconds."""

    steady: Callable[[], float] = time.monotonic
    """Only ever grows."""
    wall: Callable[[], float] = time.time
    """Unix time, held against a token's end."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A review's result, and until when it is believed."""

    account: Account | None
    until: float


def bearer(header: str | None) -> str:
    """Return the token of an Authorization header; raises Unauthenticated for what cannot be one."""
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or len(token) > MAX_TOKEN or not _JWT.fullmatch(token):
        raise Unauthenticated("a bearer token is needed")
    return token


def account_of(status: Mapping[str, Any], audience: str) -> Account | None:
    """Return the service account of a TokenReview's status, None if it proves none for `audience`. Pure."""
    user = status.get("user") or {}
    match = _ACCOUNT.fullmatch(user.get("username") or "")
    if not status.get("authenticated") or audience not in (status.get("audiences") or ()) or not match:
        return None
    extra = user.get("extra") or {}
    return Account(match[1], match[2], _only(extra, "pod-name"), _only(extra, "pod-uid"))


def identity_of(account: Account, pod: Object) -> Identity:
    """Return who the pod is; raises NotAdmitted when it is not the token's, has ended, or was not injected. Pure."""
    metadata = pod["metadata"]
    if metadata.get("uid") != account.pod_uid or metadata.get("deletionTimestamp"):
        raise NotAdmitted("the token's pod is gone")
    if pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}:
        raise NotAdmitted("the token's pod has ended")
    app_id = (metadata.get("annotations") or {}).get(names.RESOLVED_APP_ID_ANNOTATION)
    if not app_id:
        raise NotAdmitted("the token's pod was not injected: it has no application id")
    return Identity(account.namespace, account.name, account.pod, app_id, account.pod_uid)


def believed_s(token: str, account: Account | None, now: float) -> float:
    """Return how long a review of `token` may be believed, in seconds; no longer than the token lives. Pure.

    The token's own words about its end, `exp`, can only shorten that, so they need no proof. `now` is a Unix time.
    """
    if account is None:
        return BAD_FOR_S
    return max(0.0, min(GOOD_FOR_S, _ends(token) - now))


class Authenticator:
    """Asks the API server, and remembers its answers for a short time, by the token's hash."""

    def __init__(
        self,
        api: Kube,
        metrics: Metrics,
        clocks: Clocks = Clocks(),
        at_a_time: int = HANDSHAKES_AT_A_TIME,
    ) -> None:
        """Look at no more than `at_a_time` sidecars at once."""
        self._api = api
        self._count = metrics.token_reviews
        self._clocks = clocks
        self._known: dict[tuple[str, bytes], _Known] = {}
        self._free = at_a_time
        self._peers = asyncio.Semaphore(PEERS_AT_A_TIME)
        self._rechecks = asyncio.Semaphore(RECHECKS_AT_A_TIME)

    async def sidecar(self, header: str | None) -> Identity:
        """Return the sidecar that presents this Authorization header.

        Raises:
            Unauthenticated: when the token is none of ours.
            NotAdmitted: when it is bound to no pod, or the pod may not have components.
            TooBusy: when too many are being looked at.
            OperatorError: when the API server cannot be asked.
        """
        token = bearer(header)
        with self._handshake():
            account = await self._account(token, names.STREAM_AUDIENCE)
            if not account.pod or not account.pod_uid:
                raise NotAdmitted("the token is bound to no pod")
            return identity_of(account, await self._pod(account))

    async def is_still(self, identity: Identity) -> bool:
        """Say whether a sidecar that was let in would be let in as the same one; raises OperatorError if nobody knows.

        Not whether its token is good: a new one is shown at the next connect.
        """
        account = Account(identity.namespace, identity.service_account, identity.pod, identity.uid)
        try:
            async with self._rechecks:
                pod = await self._pod(account)
            return identity_of(account, pod) == identity
        except NotAdmitted:
            return False

    async def peer(self, header: str | None, operator: Account) -> None:
        """Let a replica pass that has the operator's own service account; raises as `sidecar` does."""
        token = bearer(header)
        async with self._peers:
            account = await self._account(token, names.PEER_AUDIENCE)
        if (account.namespace, account.name) != (operator.namespace, operator.name):
            raise NotAdmitted("the token is not an operator's")

    @contextmanager
    def _handshake(self) -> Iterator[None]:
        if not self._free:
            raise TooBusy("too many sidecars connect at once")
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1

    async def _pod(self, account: Account) -> Object:
        try:
            return await self._api.get(kube.pod(account.namespace, account.pod))
        except NotFound:
            raise NotAdmitted("the token's pod is gone") from None
        except Forbidden:  # our rights end where our namespaces do
            raise NotAdmitted("this operator does not serve the pod's namespace") from None

    async def _account(self, token: str, audience: str) -> Account:
        key = (audience, hashlib.sha256(token.encode()).digest())
        known = self._known.get(key)
        if known is None or known.until <= self._clocks.steady():
            account = account_of(await self._review(token, audience), audience)
            self._count.labels("accepted" if account else "refused").inc()
            known = _Known(account, self._clocks.steady() + believed_s(token, account, self._clocks.wall()))
            self._remember(key, known)
        else:
            self._count.labels("known").inc()
        if known.account is None:
            raise Unauthenticated("the token is not accepted")
        return known.account

    async def _review(self, token: str, audience: str) -> Mapping[str, Any]:
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [audience]},
        }
        try:
            answer = await self._api.create(kube.TOKEN_REVIEWS, body)
        except OperatorError:
            self._count.labels("failed").inc()
            raise
        status: Mapping[str, Any] = answer.get("status") or {}
        return status

    def _remember(self, key: tuple[str, bytes], known: _Known) -> None:
        if len(self._known) >= MAX_KNOWN:
            now = self._clocks.steady()
            alive = {of: each for of, each in self._known.items() if each.until > now}
            self._known = alive if len(alive) < MAX_KNOWN else {}
        self._known[key] = known


def _only(extra: Mapping[str, Any], name: str) -> str:
    values = extra.get(_EXTRA + name) or [""]
    return str(values[0])


def _ends(token: str) -> float:
    """Return a token's `exp`, a Unix time; 0 for a token that does not say it."""
    payload = token.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (ValueError, KeyError, TypeError):
        return 0.0
