"""Opens connections: names to addresses, the address that answers first, TLS. Says why one could not be opened.

The only module that knows aiohappyeyeballs. Used by `pool` and `websocket`.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final, TypeVar

from aiohappyeyeballs import AddrInfoType, start_connection

from parley_sidecar.errors import ProviderUnavailable
from parley_sidecar.http.urls import Origin

CONNECT_TIMEOUT_S: Final = 5.0
"""Until a connection stands, TLS included: with two retries a dead address is given up within 20 s. Source: OpenAI's
SDK."""
NEXT_ADDRESS_S: Final = 0.25
"""How long an address may be silent before the next one is tried beside it. Source: RFC 8305 8."""

P = TypeVar("P", bound=asyncio.BaseProtocol)


class RefusedError(Exception):
    """The other side answered a WebSocket's opening with this status instead of taking it."""

    def __init__(self, status: int, retry_after_s: float | None = None) -> None:
        super().__init__(f"refused with status {status}")
        self.status = status
        self.retry_after_s = retry_after_s


async def opened(origin: Origin, made: Callable[[], P], tls: ssl.SSLContext | None, limit_s: float) -> P:
    """Open a connection, and return its protocol; with `tls`, who answers has to prove to be `origin.host`.

    Raises:
        OSError: when that fails, or takes longer than `limit_s`; `unreachable` says what it means.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(limit_s):
        connected = await connected_socket(origin)
        if tls is None:
            _, protocol = await loop.create_connection(made, sock=connected)
            return protocol
        _, protocol = await loop.create_connection(
            made,
            sock=connected,
            ssl=tls,
            server_hostname=origin.host,
            ssl_handshake_timeout=limit_s,  # asyncio's own loop goes on with a handshake that nobody waits for any more
        )
        return protocol


async def connected_socket(origin: Origin) -> socket.socket:
    """Connect to the first address that answers.

    Raises:
        OSError: when the name has no address, or none of them answers.
    """
    loop = asyncio.get_running_loop()
    return await first_to_answer(await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM))


async def first_to_answer(addresses: Sequence[AddrInfoType]) -> socket.socket:
    """Connect to one of the addresses, of both families by turns; raises OSError when none of them answers."""
    try:
        return await start_connection(addresses, happy_eyeballs_delay=NEXT_ADDRESS_S)
    except RuntimeError as error:  # uvloop's word for some faults of the system
        raise OSError("no address answers") from error


@cache
def system_trust() -> ssl.SSLContext:
    """Return the context that trusts the system's authorities, made when it is first needed."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def unreachable(error: OSError, who: str = "the provider") -> ProviderUnavailable:
    """Return our error for one of `opened`, without a word of its text: that may hold an address with a key."""
    match error:
        case ssl.SSLError():
            return ProviderUnavailable(f"{who}'s certificate could not be verified")
        case socket.gaierror():
            return ProviderUnavailable(f"{who}'s host name could not be resolved")
        case _:
            return ProviderUnavailable(f"{who} could not be reached")
