"""What every provider does when its vendor fails, in a whole answer and in a stream: one error each, and no leak."""

import asyncio

import pytest
from msgspec.structs import replace

from parley_sidecar.errors import (
    ParleyError,
    ProviderGarbled,
    ProviderRefused,
    ProviderUnavailable,
    RateLimited,
)
from parley_sidecar.model import Answer, Stream
from tests.conftest import free_port
from tests.sidecar.providers.asking import VENDORS, Asked, asking, closed
from tests.vendors.faults import LEAK

FIVE_WORDS = asking("one two three four five")


async def read(vendor: Asked, model: str, *, wants_stream: bool) -> None:
    """Ask for an answer, and read it to its end if it is a stream."""
    request = replace(asking("one two three four five", model=model), wants_stream=wants_stream)
    reply = await vendor.connect()(request)
    if isinstance(reply, Answer):
        return
    try:
        async for _ in reply:
            pass
    finally:
        await closed(reply)


def told(error: ParleyError) -> str:
    """Return all that an error says."""
    return f"{error!r} {error} {error.message} {error.args}"


@pytest.mark.parametrize("wants_stream", [False, True])
@pytest.mark.parametrize(
    ("model", "expected", "words"),
    [
        ("status-400", ProviderRefused, "refused the request"),
        ("status-401", ProviderRefused, "refused the key"),
        ("status-403", ProviderRefused, "refused the key"),
        ("status-404", ProviderRefused, "does not know the model"),
        ("status-408", ProviderUnavailable, "status 408"),
        ("status-429", RateLimited, "limits the rate"),
        ("status-500", ProviderUnavailable, "status 500"),
        ("status-503", ProviderUnavailable, "status 503"),
        ("garbage", ProviderGarbled, "provider's"),
        ("cut", ProviderUnavailable, "cut off"),
    ],
)
async def test_each_fault_is_its_own_error(
    vendor: Asked, model: str, expected: type[ParleyError], words: str, *, wants_stream: bool
) -> None:
    """The caller learns the kind and nothing of the vendor's body, nor of the key."""
    with pytest.raises(expected, match=words) as caught:
        await read(vendor, model, wants_stream=wants_stream)

    key = vendor.vendors.settings(vendor.mount).get("key", "no key at all")
    assert type(caught.value) is expected
    assert LEAK not in told(caught.value)
    assert key == "ollama" or key not in told(caught.value)


@pytest.mark.parametrize("wants_stream", [False, True])
async def test_a_rate_limit_says_when_to_come_back(vendor: Asked, *, wants_stream: bool) -> None:
    """Retry-After travels with the error, in seconds."""
    with pytest.raises(RateLimited) as caught:
        await read(vendor, "status-429", wants_stream=wants_stream)

    assert 7 == caught.value.retry_after_s


async def test_a_wrong_key_is_refused_by_the_vendor(vendor: Asked) -> None:
    """The vendor looks at the key, so each provider puts its own where the vendor wants it."""
    wrong = {"secretKey": "sk-wrong"} if "bedrock" in vendor.mount else {"key": "sk-wrong"}
    with pytest.raises(ProviderRefused, match="refused the key") as caught:
        await vendor.connect(**wrong)(asking())

    assert "sk-wrong" not in told(caught.value)


async def test_nobody_at_the_endpoint_is_unavailable(vendor: Asked) -> None:
    """Every provider says so in the same way, without the address or the key."""
    root = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ProviderUnavailable) as caught:
        await vendor.connect(endpoint=root)(asking())

    assert "the provider could not be reached" == caught.value.message


@pytest.mark.parametrize("wants_stream", [False, True])
async def test_a_deadline_ends_the_call_of_a_vendor_that_says_nothing(vendor: Asked, *, wants_stream: bool) -> None:
    """Whoever waits no longer has the connection closed, and the vendor stops working for nobody."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await read(vendor, "hang", wants_stream=wants_stream)

    await nothing_open(vendor)


async def test_a_slow_first_byte_is_waited_for(vendor: Asked) -> None:
    """Nothing but the caller's deadline ends a call."""
    answer = await vendor.whole(asking("hi", model="slow-50"))

    assert "hi" == answer.choices[0].text


async def test_a_stream_that_falls_silent_has_given_what_came(vendor: Asked) -> None:
    """The first piece is there; the wait for the second is the caller's to end, and ends the call."""
    reply = await vendor.connect()(replace(asking("one two", model="silent"), wants_stream=True))
    assert not isinstance(reply, Answer)
    deltas = aiter(reply)
    first = await anext(deltas)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(deltas), 0.1)
    await closed(reply)

    assert first.text
    await nothing_open(vendor)


async def test_streams_that_are_left_leave_no_connection_and_no_task(vendor: Asked) -> None:
    """Closing a stream early ends its call at once, thirty times; none of them is kept."""
    tasks = len(asyncio.all_tasks())
    request = replace(asking("one two", model="silent"), wants_stream=True)
    for reply in await asyncio.gather(*(vendor.connect()(request) for _ in range(30))):
        assert not isinstance(reply, Answer)
        await left(reply)

    await nothing_open(vendor)
    assert tasks == len(asyncio.all_tasks())


async def left(stream: Stream) -> None:
    """Read one delta, and go."""
    async for _ in stream:
        break
    await closed(stream)


async def test_a_stream_that_was_not_read_has_no_answer(vendor: Asked) -> None:
    """Half an answer is not taken for a whole one."""
    reply = await vendor.connect()(replace(FIVE_WORDS, wants_stream=True))
    assert not isinstance(reply, Answer)
    with pytest.raises(RuntimeError):
        _ = reply.answer

    await left(reply)


async def nothing_open(vendor: Asked) -> None:
    """Poll until the vendor answers nobody any more."""
    async with asyncio.timeout(30):
        while await asyncio.to_thread(vendor.vendors.open, vendor.mount):
            await asyncio.sleep(0.01)


def test_every_vendor_is_told_to_fail() -> None:
    """The suite is over all of them."""
    assert len(VENDORS) >= 9
