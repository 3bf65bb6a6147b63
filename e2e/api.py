"""The API server, asked over kept connections as the kubeconfig's user: for loads that kubectl is too slow for."""

import base64
import ssl
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
import msgspec
import yaml

ANSWER_LIMIT_S: Final = 15.0
"""How long an answer may take."""


class Api:
    """The API server, as the kubeconfig's user; a context manager."""

    def __init__(self, kubeconfig: Path, connections: int) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.server: str = cluster["server"]
        self._connections = connections
        self._tls = ssl.create_default_context(cadata=_decoded(cluster["certificate-authority-data"]))
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(_decoded(user["client-certificate-data"]) + _decoded(user["client-key-data"]))
            file.flush()
            self._tls.load_cert_chain(file.name)

    async def __aenter__(self) -> Self:
        """Open the connections when they are needed."""
        connector = aiohttp.TCPConnector(limit=self._connections, ssl=self._tls)
        timeout = aiohttp.ClientTimeout(total=None, sock_read=ANSWER_LIMIT_S, sock_connect=ANSWER_LIMIT_S)
        self._session = aiohttp.ClientSession(self.server, connector=connector, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close them."""
        await self._session.close()

    async def call(
        self, method: str, path: str, body: Any = None, kind: str = "application/json", **query: str
    ) -> tuple[int, Any]:
        """Return status and decoded body; raises aiohttp.ClientError or TimeoutError without an answer."""
        data = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": kind}
        async with self._session.request(method, path, data=data, headers=headers, params=query) as reply:
            return reply.status, msgspec.json.decode(await reply.read())

    async def watch(self, path: str, **query: str) -> AsyncIterator[Any]:
        """Yield the events of a list until the API server ends the watch; raises aiohttp.ClientError."""
        chosen, forever = {"watch": "true", **query}, aiohttp.ClientTimeout(total=None)
        async with self._session.get(path, params=chosen, timeout=forever) as reply:
            async for line in reply.content:
                yield msgspec.json.decode(line)


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()
