"""Time: which clock is taken, a wall clock that steps, and virtual time that stands still for threads."""

import math
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
import trio.testing
from back_ends import TRIO
from sample_jobs import NOW, nothing

from turnkeeper_trio import (
    After,
    ConfigurationError,
    FixedDelay,
    FixedRetryDelay,
    Interval,
    Once,
    Outcome,
    RecurringJobRequest,
    SystemClock,
    VirtualClock,
    open_scheduler,
)
from turnkeeper_trio._runtime.clock import LONGEST_SLEEP
from turnkeeper_trio.events import ClockStepped

pytestmark = pytest.mark.anyio


class Ran:
    """A job that notes at which instants it ran."""

    def __init__(self) -> None:
        self.at: list[float] = []

    async def __call__(self) -> None:
        self.at.append(anyio.current_time())


# Which clock.


async def test_virtual_time_begins_with_the_millennium() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        assert scheduler.now() == datetime(2000, 1, 1, tzinfo=UTC)
        await anyio.sleep(86_400)
        assert scheduler.now() == datetime(2000, 1, 2, tzinfo=UTC)


async def test_virtual_time_may_begin_whenever_one_likes() -> None:
    await anyio.sleep(5)
    clock = VirtualClock(datetime(2024, 3, 30, 23, tzinfo=UTC))
    async with open_scheduler(max_workers=1, clock=clock) as scheduler:
        assert scheduler.now() == datetime(2024, 3, 30, 23, 0, 5, tzinfo=UTC)
        record = await scheduler.wait_job(
            await scheduler.add_job(RecurringJobRequest("once", Once(datetime(2024, 4, 1, tzinfo=UTC))), nothing)
        )
        assert record is not None
        assert record.started_at == datetime(2024, 4, 1, tzinfo=UTC)
        assert record.lateness == 0


async def test_virtual_time_begins_at_an_instant() -> None:
    with pytest.raises(ConfigurationError) as refused:
        VirtualClock(datetime(2024, 1, 1))  # noqa: DTZ001
    assert refused.value.parameter == "start"


async def test_a_system_clock_under_virtual_time_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="virtual") as refused:
        async with open_scheduler(max_workers=1, clock=SystemClock()):
            pytest.fail("it opened")
    assert refused.value.parameter == "clock"


@pytest.mark.real_time
@pytest.mark.parametrize("given", [False, True])
async def test_real_time_is_the_systems(given: bool) -> None:
    async with open_scheduler(max_workers=1, clock=SystemClock() if given else None) as scheduler:
        assert abs(scheduler.now().timestamp() - time.time()) < 5
        began = time.monotonic()
        record = await scheduler.wait_job(await scheduler.add_job(RecurringJobRequest("soon", After(0.02)), nothing))
        assert record is not None
        assert record.lateness is not None
        assert record.lateness >= 0
        assert time.monotonic() - began >= 0.019
        with SystemClock().hold():
            assert SystemClock().loop() > 0


@pytest.mark.real_time
@TRIO
async def test_real_time_is_recognised_where_mock_clocks_are_known() -> None:
    assert trio.testing.MockClock is not None
    async with open_scheduler(max_workers=1) as scheduler:
        assert abs(scheduler.now().timestamp() - time.time()) < 5


async def test_the_system_clock_never_sleeps_long_and_never_backwards() -> None:
    clock = SystemClock()
    now = anyio.current_time()
    assert clock.deadline(clock.wall() + 3_600_000_000) == now + LONGEST_SLEEP == now + 10
    assert clock.deadline(clock.wall() - 3_600_000_000) == now
    soon = clock.deadline(clock.wall() + 2_000_000) - now
    assert soon == pytest.approx(2, abs=0.1)


# A wall clock that steps.


async def test_no_sleep_is_longer_than_ten_seconds(wall: Any) -> None:
    job = Ran()
    async with open_scheduler(max_workers=1, clock=wall) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", After(3_600)), job)
        await scheduler.wait_idle()
    assert job.at == [3_600]
    assert max(wall.sleeps) == 10
    assert len(wall.sleeps) >= 360


async def test_a_step_forward_is_told_and_what_is_due_by_then_starts_within_ten_seconds(
    wall: Any, heard: Any, caplog: pytest.LogCaptureFixture
) -> None:
    job = Ran()
    async with open_scheduler(max_workers=1, clock=wall, observers=[heard]) as scheduler:
        at = scheduler.now() + timedelta(hours=1)
        await scheduler.add_job(RecurringJobRequest("once", Once(at)), job)
        await anyio.sleep(25)
        wall.step(3_600)
        await anyio.sleep(15)
        assert job.at == [30]
        [record] = await scheduler.get_run_history()
        assert (record.scheduled_at, record.started_at) == (at, at + timedelta(seconds=30))
        assert record.lateness == 30
    [stepped] = heard.of(ClockStepped)
    assert stepped.seconds == 3_600
    assert "the wall clock moved by +3600.000 s" in caplog.text


async def test_a_step_back_puts_off_what_is_planned_and_repeats_nothing(wall: Any, heard: Any) -> None:
    job = Ran()
    async with open_scheduler(max_workers=1, clock=wall, observers=[heard]) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=60)), job)
        await anyio.sleep(125)
        assert job.at == [60, 120]
        wall.step(-100)
        await anyio.sleep(145)
        # The third occurrence comes when the wall shows 180 again; those before it do not come twice.
        assert job.at == [60, 120]
        await anyio.sleep(75)
        assert job.at == [60, 120, 280, 340]
        scheduled = [record.scheduled_at for record in await scheduler.get_run_history()]
        assert len(scheduled) == len(set(scheduled))
    assert [event.seconds for event in heard.events if isinstance(event, ClockStepped)] == [-100]


async def test_a_suspend_runs_the_latest_occurrence_once_and_counts_the_others(wall: Any) -> None:
    job = Ran()
    async with open_scheduler(max_workers=1, clock=wall) as scheduler:
        begin = scheduler.now()
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(minutes=1)), job)
        await anyio.sleep(85)
        wall.step(8 * 3_600)
        await anyio.sleep(20)
        assert job.at == [60, 90]
        latest, missed, first = await scheduler.get_run_history(job_id)
        assert (first.outcome, latest.outcome) == (Outcome.SUCCEEDED, Outcome.SUCCEEDED)
        assert latest.scheduled_at == begin + timedelta(minutes=1 + 8 * 60)
        assert (missed.outcome, missed.count) == (Outcome.MISSED, 8 * 60 - 1)
        books = scheduler.get_metrics_snapshot().books
        assert (books.succeeded, books.missed) == (2, 8 * 60 - 1)
        assert books.balanced


async def test_delays_retries_and_timeouts_go_by_the_loops_clock(wall: Any) -> None:
    calls: list[float] = []

    async def fail() -> None:
        calls.append(anyio.current_time())
        await anyio.sleep_forever()

    delayed = Ran()
    async with open_scheduler(max_workers=2, clock=wall) as scheduler:
        request = RecurringJobRequest("retry", After(0), 1, retry=FixedRetryDelay(30), timeout=20)
        job_id = await scheduler.add_job(request, fail)
        await scheduler.add_job(RecurringJobRequest("delay", FixedDelay(seconds=40)), delayed)
        await anyio.sleep(5)
        wall.step(3_600)
        await anyio.sleep(5)
        wall.step(-7_200)
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert calls == [0, 50]
        assert (record.outcome, record.duration) == (Outcome.TIMED_OUT, 40)
        assert delayed.at == [40]


async def test_small_drift_is_not_told(wall: Any, heard: Any) -> None:
    async with open_scheduler(max_workers=1, clock=wall, observers=[heard]) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=5)), nothing)
        for _ in range(20):
            await anyio.sleep(5)
            wall.step(0.4)
    assert heard.of(ClockStepped) == []


# Threads hold virtual time.


async def test_a_thread_takes_no_virtual_time() -> None:
    at: list[float] = []

    def job() -> None:
        time.sleep(0.05)

    async with open_scheduler(max_workers=2) as scheduler:
        await scheduler.add_job(RecurringJobRequest("timer", Interval(seconds=1)), nothing)
        job_id = await scheduler.add_job(RecurringJobRequest("thread", After(0.5)), job)
        record = await scheduler.wait_job(job_id)
        at.append(anyio.current_time())
        assert record is not None
        assert (record.outcome, record.duration) == (Outcome.SUCCEEDED, 0)
    assert at == [0.5]


async def test_several_threads_at_once_hold_time_until_the_last_has_ended() -> None:
    gates = [threading.Event() for _ in range(3)]
    ended: list[tuple[int, float]] = []

    def job(number: int) -> None:
        gates[number].wait(5)
        ended.append((number, anyio.from_thread.run_sync(anyio.current_time)))
        if number + 1 < 3:
            gates[number + 1].set()

    async with open_scheduler(max_workers=3) as scheduler:
        for number in range(3):
            await scheduler.add_job(NOW, job, number)
        later = await scheduler.add_job(RecurringJobRequest("later", After(1)), nothing)
        gates[0].set()
        await scheduler.wait_job(later)
        assert ended == [(0, 0), (1, 0), (2, 0)]
        assert anyio.current_time() == 1


@TRIO
async def test_a_mock_clock_gets_its_threshold_back() -> None:
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, trio.testing.MockClock)
    seen: list[float] = []

    def job() -> None:
        seen.append(clock.autojump_threshold)

    async with open_scheduler(max_workers=2) as scheduler:
        for _ in range(4):
            await scheduler.add_job(NOW, job)
        await scheduler.wait_idle()
        assert clock.autojump_threshold == 0
    assert seen == [math.inf] * 4


@TRIO
async def test_a_mock_clock_without_autojump_is_virtual_too() -> None:
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, trio.testing.MockClock)
    clock.autojump_threshold = math.inf
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", After(100)), lambda: 7)
        await scheduler.get_job_details(job_id)
        clock.jump(100)
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert record.unwrap() == 7
        assert clock.autojump_threshold == math.inf
        clock.autojump_threshold = 0


async def test_the_thread_of_a_cancelled_run_holds_time_until_it_has_ended() -> None:
    started = threading.Event()

    def job() -> None:
        started.set()
        time.sleep(0.05)

    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(NOW, job)
        while not started.is_set():
            await anyio.lowlevel.checkpoint()
        await scheduler.cancel_job(job_id, cancel_running=True)
        assert anyio.current_time() == 0


# A long time.


async def test_a_year_of_a_weekly_job() -> None:
    ran: list[datetime] = []
    clock = VirtualClock(datetime(2024, 1, 1, tzinfo=UTC))

    async def job() -> None:
        ran.append(scheduler.now())
        await anyio.sleep(3_600)

    async with open_scheduler(max_workers=1, clock=clock) as scheduler:
        await scheduler.add_job(RecurringJobRequest("weekly", Interval(weeks=1)), job)
        await anyio.sleep(366 * 86_400)
        books = scheduler.get_metrics_snapshot().books
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    assert ran == [begin + timedelta(weeks=week) for week in range(1, 53)]
    assert (books.succeeded, books.planned, books.pending) == (52, 53, 1)


async def test_a_century_of_a_monthly_job() -> None:
    job = Ran()
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(RecurringJobRequest("monthly", Interval(days=30)), job)
        await anyio.sleep(36_525 * 86_400)
    assert job.at == [30.0 * 86_400 * number for number in range(1, 1_218)]
