"""Clients that cannot be made, and what closing them leaves."""

import asyncio
import socket

import pytest

from parley_sidecar.stores.redis_clients import open_client


@pytest.mark.parametrize(
    ("url", "ca_pem", "sentence"),
    [
        ("http://:hush@cache", "", "must be a Redis URL"),
        ("rediss://:hush@cache", "hush", "must be certificates in PEM"),
        ("rediss+cluster://:hush@one,two", "hush", "must be certificates in PEM"),
        ("rediss+sentinel://:hush@one/main", "hush", "must be certificates in PEM"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_connected(url: str, ca_pem: str, sentence: str) -> None:
    """The sentence shows nothing of what was given."""
    with pytest.raises(ValueError, match=sentence) as caught:
        open_client(url, ca_pem, 1)

    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("form", ["redis://{}", "redis+cluster://{}", "redis+sentinel://{}/main"])
async def test_closing_ends_what_goes_on_aside(form: str) -> None:
    """The search for a master, or for the map of a cluster, that nobody waits for any more."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        clients = open_client(form.format(f"127.0.0.1:{silent.getsockname()[1]}"), "", 60)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await clients.commands.get("key")
        await clients.aclose()

    assert not [task for task in asyncio.all_tasks() if "redis" in repr(task.get_coro())]
