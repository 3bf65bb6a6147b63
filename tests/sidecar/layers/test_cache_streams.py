"""Streams that several read: each at its own pace, the call at the pace of the fastest, and the end for everybody."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from parley_sidecar.caching.flights import MAX_FLIGHT
from parley_sidecar.errors import DeadlinePassed, Draining, ProviderUnavailable
from parley_sidecar.model import Answer, CacheStatus, Choice, ConverseRequest, Delta, Reply, Stream
from tests.conftest import eventually
from tests.sidecar.layers.cached import Process, asking, process, streaming, together
from tests.sidecar.layers.inner import read, streamed


class Sluice:
    """A stream that gives a word each time it is let; and the inner one that returns it."""

    def __init__(self, *words: str, end: BaseException | None = None) -> None:
        self.asked = 0
        self.given = 0
        self.closed = 0
        self._may = asyncio.Semaphore(0)
        self._words = words
        self._end = end

    async def __call__(self, _: ConverseRequest, /) -> Reply:
        """Return itself."""
        self.asked += 1
        return self

    @property
    def answer(self) -> Answer:
        """The words together."""
        return Answer((Choice("".join(self._words)),))

    async def __aiter__(self) -> AsyncIterator[Delta]:
        """Iterate the words."""
        for word in self._words:
            await self._may.acquire()
            self.given += 1
            yield Delta(word)
        if self._end:
            raise self._end

    async def aclose(self) -> None:
        """Take note."""
        self.closed += 1

    def let(self, number: int = 1) -> "Sluice":
        """Let so many through."""
        for _ in range(number):
            self._may.release()
        return self


@pytest.fixture
async def alone() -> AsyncIterator[Process]:
    """A process with its own tier only."""
    async with process() as made:
        yield made


async def first(stream: Stream) -> AsyncIterator[Delta]:
    """Read one delta, and return what goes on from there."""
    deltas = aiter(stream)
    await anext(deltas)
    return deltas


async def test_followers_get_the_deltas_as_they_come(alone: Process) -> None:
    """One who comes later first gets what was said so far; all end with the same answer, from one call."""
    sluice = Sluice("a", "b", "c").let(2)
    layer = alone.layer(sluice)
    requests = [streaming(), streaming()]
    leader = streamed(await layer(requests[0]))
    leading = aiter(leader)
    said = [(await anext(leading)).text, (await anext(leading)).text]
    follower = streamed(await layer(requests[1]))
    following = aiter(follower)
    heard = [(await anext(following)).text, (await anext(following)).text]
    sluice.let()
    said += [delta.text async for delta in leading]
    heard += [delta.text async for delta in following]
    for stream in (leader, follower):
        await stream.aclose()

    assert ["a", "b", "c"] == said == heard
    assert Answer((Choice("abc"),)) == leader.answer == follower.answer
    assert [CacheStatus(hit=False, stored=True), CacheStatus(hit=False, collapsed=True)] == [
        request.trace.cache for request in requests
    ]
    assert (1, 1) == (sluice.asked, sluice.closed)


async def test_the_answer_is_there_at_the_end_only(alone: Process) -> None:
    """As of any stream."""
    stream = streamed(await alone.layer(Sluice("a", "b").let(2))(streaming()))
    with pytest.raises(RuntimeError):
        _ = stream.answer
    await stream.aclose()


async def test_whole_answers_and_streams_share_a_call_whoever_leads(alone: Process) -> None:
    """A caller without a stream gets the whole of a streamed call; one with a stream gets a whole answer at once."""
    sluice = Sluice("a", "b").let()
    layer = alone.layer(sluice)
    leader = streamed(await layer(streaming()))
    (waiting,) = await together(layer, asking())
    sluice.let()
    whole = await waiting
    await leader.aclose()

    async def unary(_: ConverseRequest, /) -> Reply:
        await asyncio.sleep(0.01)
        return Answer((Choice("whole"),))

    tasks = await together(alone.layer(unary), asking("other"), streaming("other"))

    assert Answer((Choice("ab"),)) == whole
    assert [Answer((Choice("whole"),))] * 2 == await asyncio.gather(*tasks)


async def test_the_call_waits_for_the_fastest_reader(alone: Process) -> None:
    """It is never ahead of all by more than one delta; a slow reader gets everything all the same."""
    sluice = Sluice(*"abcdefgh").let(8)
    layer = alone.layer(sluice)
    quick, slow = streamed(await layer(streaming())), streamed(await layer(streaming()))
    deltas = await first(quick)
    await settled()
    ahead = sluice.given
    await anext(deltas)
    await anext(deltas)
    await settled()
    further = sluice.given
    rest = [delta.text async for delta in deltas]
    await quick.aclose()

    assert (2, 4) == (ahead, further)
    assert list("defgh") == rest
    assert "abcdefgh" == await read(slow)
    await slow.aclose()


async def settled() -> None:
    """Let everybody run who can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_who_wants_the_whole_answer_lets_the_call_run(alone: Process) -> None:
    """Another one's slow reading does not keep it waiting."""
    sluice = Sluice(*"abcdefgh").let(8)
    layer = alone.layer(sluice)
    slow = streamed(await layer(streaming()))
    whole = await layer(asking())
    await slow.aclose()

    assert Answer((Choice("abcdefgh"),)) == whole


async def test_a_hundred_abandoned_streams_end_the_call(alone: Process) -> None:
    """The last one to leave closes it, and has waited for that; nothing is kept."""
    sluice = Sluice("a", "b").let()
    layer = alone.layer(sluice)
    streams = [streamed(await layer(streaming())) for _ in range(100)]
    for stream in streams:
        await first(stream)
    for stream in streams[:-1]:
        await stream.aclose()
    open_before_the_last = sluice.closed
    await streams[-1].aclose()
    await streams[-1].aclose()

    assert (0, 1, 1) == (open_before_the_last, sluice.closed, sluice.asked)


async def test_an_error_on_the_way_reaches_every_reader(alone: Process) -> None:
    """After what was said before it; nothing is kept."""
    sluice = Sluice("a", end=ProviderUnavailable("gone"))
    layer = alone.layer(sluice)
    tasks = await together(layer, streaming(), streaming(), asking())
    sluice.let()
    streams = [streamed(await task) for task in tasks[:2]]
    for stream in streams:
        deltas = await first(stream)
        with pytest.raises(ProviderUnavailable):
            await anext(deltas)
        await stream.aclose()
    with pytest.raises(ProviderUnavailable):
        await tasks[2]

    assert 1 == sluice.asked


async def test_an_error_before_the_first_delta_is_an_error_of_the_request(alone: Process) -> None:
    """The caller can still get a status."""

    async def failing(_: ConverseRequest, /) -> Reply:
        raise ProviderUnavailable("down")

    with pytest.raises(ProviderUnavailable):
        await alone.layer(failing)(streaming())


async def test_a_readers_deadline_ends_its_stream_only(alone: Process) -> None:
    """It gets an error; the other one gets the rest."""
    sluice = Sluice("a", "b").let()
    layer = alone.layer(sluice)
    hurried = streamed(await layer(streaming(deadline_s=asyncio.get_running_loop().time() + 0.05)))
    patient = streamed(await layer(streaming()))
    deltas = await first(hurried)
    with pytest.raises(DeadlinePassed):
        await anext(deltas)
    await hurried.aclose()
    sluice.let()

    assert "ab" == await read(patient)
    await patient.aclose()


async def test_beyond_a_megabyte_it_takes_nobody_more(alone: Process) -> None:
    """Its readers get all of it, it is not kept, and an equal request makes a call of its own."""
    half = "x" * (MAX_FLIGHT // 2 + 1)
    sluice = Sluice(half, half, "end").let(9)
    layer = alone.layer(sluice)
    readers = [streamed(await layer(streaming())) for _ in range(2)]
    deltas = await first(readers[0])
    await eventually(lambda: sluice.given == 2)
    readers.append(streamed(await layer(streaming())))
    rest = "".join([delta.text async for delta in deltas])
    whole = await read(readers[1])
    for stream in readers:
        await stream.aclose()

    assert 2 == sluice.asked
    assert half + "end" == rest
    assert half + half + "end" == whole
    assert "too_large" in alone.skips


async def test_the_end_of_the_process_ends_what_is_under_way() -> None:
    """Who still waits is told, and nothing goes on in the background."""
    sluice = Sluice("a", "b").let()
    async with process() as made:
        stream = streamed(await made.layer(sluice)(streaming()))
        deltas = await first(stream)
    with pytest.raises(Draining):
        await anext(deltas)
    await stream.aclose()

    assert 1 == sluice.closed
