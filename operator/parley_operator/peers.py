"""Peers: the leader asks every replica how many sidecars it serves, and adds it up. A silent one drops out soon."""

import asyncio
import itertools
import json
import logging
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from pydantic import ValidationError

from parley_crds.names import PODS_PATH, SIDECARS_PATH
from parley_operator import kube
from parley_operator.connected import Counts, Totals, summed
from parley_operator.edges import succeeded
from parley_operator.kube import Kube
from parley_operator.own_secrets import OwnSecrets
from parley_operator.settings import Settings
from parley_operator.workqueue import Key

ROUND_S: Final = 2.0
"""From the beginning of one round to that of the next."""
ANSWER_LIMIT_S: Final = 1.8
"""Below a round's time: one silent replica must not make the others' numbers old."""
SILENT_AFTER_S: Final = 4.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Heard:
    """What a replica said last, and when by the monotonic clock."""

    counts: Counts
    at: float


class Peers:
    """Holds what each replica said last; only the holder of the Lease asks."""

    def __init__(
        self, api: Kube, settings: Settings, own: OwnSecrets, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self._settings = settings
        self._own = own
        self._clock = clock
        self._heard: dict[str, _Heard] = {}
        self._silent: set[str] = set()

    def totals(self) -> Mapping[Key, Totals]:
        """Return the sums over all replicas that answered lately."""
        now = self._clock()
        return summed(heard.counts for heard in self._heard.values() if now - heard.at < SILENT_AFTER_S)

    async def follow(self) -> None:
        """Ask again and again until cancelled, in an even rhythm, whatever goes wrong in one of the rounds."""
        while True:
            await asyncio.gather(succeeded(self.once(), "peers not asked"), asyncio.sleep(ROUND_S))

    async def once(self) -> None:
        """Ask every replica, as soon as it is known whom to trust.

        Raises:
            OperatorError: when the replicas cannot be found.
            OSError: when there is no token to ask them with.
        """
        if not self._own.trust_anchors:
            return
        addresses = self._settings.peers or await self._addresses()
        async with self._session() as session:
            await asyncio.gather(*(self._count(session, address) for address in addresses))
        self._heard = {address: heard for address, heard in self._heard.items() if address in addresses}
        self._silent.intersection_update(addresses)

    async def _addresses(self) -> tuple[str, ...]:
        service = f"{self._settings.fullname}-operator-peers"
        selector = f"kubernetes.io/service-name={service}"
        slices = await self._api.list_all(kube.endpoint_slices(self._settings.namespace), {"labelSelector": selector})
        return tuple(addresses(slices))

    async def pods(self) -> frozenset[str] | None:
        """Return the uids of all pods whose sidecars are connected somewhere; None while not every replica says.

        Raises as `once` does.
        """
        if not self._own.trust_anchors:
            return None
        addresses = self._settings.peers or await self._addresses()
        async with self._session() as session:
            told = await asyncio.gather(*(self._ask(session, address, PODS_PATH) for address in addresses))
        pods = [json.loads(body) for body in told if body is not None]
        return frozenset(itertools.chain(*pods)) if len(pods) == len(told) else None

    def _session(self) -> aiohttp.ClientSession:
        """Return a session that trusts what sidecars trust."""
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=self._own.trust_anchors))
        timeout = aiohttp.ClientTimeout(total=ANSWER_LIMIT_S)
        return aiohttp.ClientSession(connector=connector, timeout=timeout, headers=self._credentials())

    async def _count(self, session: aiohttp.ClientSession, address: str) -> None:
        body = await self._ask(session, address, SIDECARS_PATH)
        if body is None:
            return
        try:
            counts = Counts.model_validate_json(body)
        except ValidationError as error:
            self._say_silent(address, error)
            return
        self._heard[address] = _Heard(counts, self._clock())
        self._silent.discard(address)

    async def _ask(self, session: aiohttp.ClientSession, address: str, path: str) -> bytes | None:
        """Return a replica's answer; None if there is none."""
        name = f"{self._settings.fullname}-operator.{self._settings.namespace}.svc"
        try:
            async with session.get(f"https://{address}{path}", server_hostname=name, allow_redirects=False) as reply:
                reply.raise_for_status()
                return await reply.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self._say_silent(address, error)
            return None

    def _say_silent(self, address: str, error: Exception) -> None:
        """Log it once until the replica answers again: replicas come and go, but one that never answers is a fault."""
        if address not in self._silent:
            self._silent.add(address)
            logger.warning("peer does not answer", extra={"peer": address, "fault": type(error).__name__})

    def _credentials(self) -> dict[str, str]:
        """Read the token anew each time: the kubelet renews it."""
        return {"Authorization": f"Bearer {Path(self._settings.peer_token_file).read_text(encoding='ascii').strip()}"}


def addresses(slices: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return HOST:PORT of every endpoint of some EndpointSlices, ready or not. Pure."""
    found = set()
    for piece in slices:
        ports = [port["port"] for port in piece.get("ports") or () if port.get("port")]
        hosts = [host for endpoint in piece.get("endpoints") or () for host in endpoint.get("addresses") or ()]
        brackets = piece.get("addressType") == "IPv6"
        found |= {f"[{host}]:{port}" if brackets else f"{host}:{port}" for host in hosts for port in ports}
    return found
