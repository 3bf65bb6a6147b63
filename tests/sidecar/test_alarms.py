"""An alarm ends a wait at its time, and nothing else."""

import asyncio
from functools import partial

import pytest

from parley_sidecar.alarms import Alarm, TimesUp
from tests.sidecar.layers.jumping import elapsed_s, jumping


def alarm_in(seconds: float) -> Alarm:
    """Return an alarm that goes off after a time."""
    loop = asyncio.get_running_loop()
    return Alarm(loop, loop.time() + seconds)


@jumping
async def test_a_wait_ends_at_its_time() -> None:
    """What takes longer is ended by TimesUp, at the time and not before."""
    with pytest.raises(TimesUp), alarm_in(5):
        await asyncio.sleep(60)

    assert elapsed_s() == 5
    assert (task := asyncio.current_task())
    assert task.cancelling() == 0


@jumping
async def test_a_wait_in_time_passes() -> None:
    """What is done in time is left alone, later too."""
    alarm = alarm_in(5)
    with alarm:
        await asyncio.sleep(1)
    alarm.stop()

    await asyncio.sleep(60)

    assert elapsed_s() == 61


@jumping
async def test_one_alarm_bounds_many_waits() -> None:
    """An alarm stays set between waits, and ends the one in which its time comes."""
    alarm = alarm_in(5)
    with alarm:
        await asyncio.sleep(3)
    await asyncio.sleep(1)

    with pytest.raises(TimesUp), alarm:
        await asyncio.sleep(60)

    assert elapsed_s() == 5


@pytest.mark.parametrize(("moves", "expected_s"), [((7,), 7), ((3,), 3), ((9, 7), 7), ((9, 2), 2), ((2, 9), 9)])
def test_an_alarm_can_be_moved(moves: tuple[float, ...], expected_s: float) -> None:
    """The last time that was set is the one that counts, be it later or earlier."""

    @jumping
    async def moved() -> None:
        alarm = alarm_in(5)
        begin_s = asyncio.get_running_loop().time()
        for at_s in moves:
            alarm.move(begin_s + at_s)

        with pytest.raises(TimesUp), alarm:
            await asyncio.sleep(60)

        assert expected_s == elapsed_s()

    moved()


@jumping
async def test_an_alarm_that_went_off_unattended_can_be_set_again() -> None:
    """With nobody waiting it says so to whoever wants to know, and moving it sets it anew."""
    told: list[float] = []
    alarm = alarm_in(5)
    alarm.unattended = lambda: told.append(elapsed_s())
    await asyncio.sleep(6)
    alarm.move(asyncio.get_running_loop().time() + 1)

    with pytest.raises(TimesUp), alarm:
        await asyncio.sleep(60)

    assert [5] == told
    assert elapsed_s() == 7


@jumping
async def test_a_quiet_alarm_passes_unattended() -> None:
    """Where nobody wants to know, nothing happens."""
    alarm = alarm_in(5)
    await asyncio.sleep(6)

    with alarm:
        await asyncio.sleep(1)

    assert elapsed_s() == 7


@jumping
async def test_a_cancellation_from_outside_stays_one() -> None:
    """Who cancels the task is not told that the time was up, even in the same moment."""

    async def waiting() -> None:
        with alarm_in(5):
            await asyncio.sleep(60)

    task = asyncio.create_task(waiting())
    asyncio.get_running_loop().call_later(5, task.cancel)

    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


@jumping
async def test_the_inner_alarm_speaks_for_itself() -> None:
    """Of two alarms the one that went off is the one that tells."""
    with alarm_in(60), pytest.raises(TimesUp), alarm_in(5):
        await asyncio.sleep(100)
    with pytest.raises(TimesUp), alarm_in(5), alarm_in(60):
        await asyncio.sleep(100)

    assert elapsed_s() == 10


@jumping
async def test_a_fault_within_is_passed_on() -> None:
    """What fails in time fails as it is, and the alarm is off."""
    with pytest.raises(KeyError), alarm_in(5):
        raise KeyError("x")

    await asyncio.sleep(60)

    assert elapsed_s() == 60


async def test_only_a_task_can_wait() -> None:
    """A callback has nothing that could be cancelled."""
    loop = asyncio.get_running_loop()
    faults: list[str] = []

    def enter() -> None:
        alarm = Alarm(loop, loop.time() + 60)
        try:
            alarm.__enter__()
        except RuntimeError as error:
            faults.append(str(error))
        alarm.stop()

    loop.call_soon(enter)
    await asyncio.sleep(0)

    assert ["only a task can wait"] == faults


def test_each_loop_has_alarms_of_its_own() -> None:
    """One that is set in a loop goes off there, whatever was set in others before."""

    @jumping
    async def ends() -> None:
        with pytest.raises(TimesUp), alarm_in(5):
            await asyncio.sleep(60)

        assert elapsed_s() == 5

    ends()
    ends()


@jumping
async def test_thousands_go_off_each_at_its_time() -> None:
    """Those that are set later may be due earlier, and those that were taken back are never due."""
    began_s = asyncio.get_running_loop().time()
    rung: list[tuple[int, float]] = []
    alarms = {number: alarm_in(1 + number * 7 % 1000) for number in range(1000)}
    for number, alarm in alarms.items():
        alarm.unattended = partial(lambda which: rung.append((which, elapsed_s())), number)
    for number in range(0, 1000, 2):
        alarms[number].stop()

    await asyncio.sleep(2000)

    due = sorted((alarms[number].at_s - began_s, number) for number in range(1, 1000, 2))
    assert [number for _, number in due] == [number for number, _ in rung]
    assert [at_s for at_s, _ in due] == pytest.approx([at_s for _, at_s in rung])
