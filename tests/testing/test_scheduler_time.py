"""`SchedulerTime` moves the time of a whole test, on both back ends, and never waits for what cannot come."""

import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from typing import Any

import anyio
import anyio.to_thread
import pytest
import trio
import trio.testing
from sample_jobs import nothing

from turnkeeper_trio import (
    ConfigurationError,
    FixedRetryDelay,
    Interval,
    Once,
    Outcome,
    RecurringJobRequest,
    Scheduler,
    WeekdayTimes,
    open_scheduler,
)
from turnkeeper_trio.schedules import Weekday
from turnkeeper_trio.testing import (
    SchedulerTime,
    SchedulerTimeError,
    VirtualEventLoop,
    _virtual_time,
    current_scheduler_time,
    run,
)
from turnkeeper_trio.testing._backends import Backend
from turnkeeper_trio.testing._harness import Session, Settings

Body = Callable[[Scheduler, SchedulerTime], Awaitable[Any]]

WEEKLY = RecurringJobRequest("weekly", WeekdayTimes.on([Weekday.MON], clock_time(9), timezone="Europe/Berlin"))


@pytest.fixture(params=["trio", "asyncio"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return request.param


async def in_scheduler(body: Body) -> Any:
    async with open_scheduler(max_workers=2) as scheduler:
        return await body(scheduler, current_scheduler_time())


def in_berlin(body: Body, backend: Backend, **options: Any) -> Any:
    """Run ``body(scheduler, time)`` from Saturday, 28 March 2026 on: the clock goes forward in the next night."""
    options = {"start": "2026-03-28 00:00", "timezone": "Europe/Berlin", "backend": backend} | options
    return run(in_scheduler, body, **options)


def test_travelling_runs_what_is_due_on_the_way(backend: Backend) -> None:
    async def body(scheduler: Scheduler, time: SchedulerTime) -> None:
        assert str(time.now) == "2026-03-28 00:00:00+01:00"
        assert time.next_due is None
        await scheduler.add_job(WEEKLY, nothing)
        await time.settle()
        assert str(time.next_due) == "2026-03-30 09:00:00+02:00"
        await time.travel_to("2026-04-06 09:00")
        assert str(time.now) == "2026-04-06 09:00:00+02:00"
        assert time.runs("weekly").labels == ["2026-03-30 09:00", "2026-04-06 09:00"]
        await time.travel_to(datetime(2026, 4, 13, 7, tzinfo=UTC))
        await time.travel_to(time.now)  # the present is no past
        assert len(time.runs()) == 3

    in_berlin(body, backend)


def test_advancing_is_elapsed_time_even_where_the_clock_is_set_forward(backend: Backend) -> None:
    async def body(_: Scheduler, time: SchedulerTime) -> None:
        await time.advance(days=1)
        await time.advance(timedelta(hours=1), minutes=59)
        await time.advance(60)
        assert str(time.now) == "2026-03-29 03:00:00+02:00"

    in_berlin(body, backend)


def test_what_takes_no_time_has_ended_when_time_has_been_moved(backend: Backend) -> None:
    async def chain(scheduler: Scheduler, left: int) -> None:
        await anyio.lowlevel.checkpoint()
        if left:
            await scheduler.add_job(
                RecurringJobRequest(f"link {left}", Once(scheduler.now())), chain, scheduler, left - 1
            )

    async def body(scheduler: Scheduler, time: SchedulerTime) -> None:
        await scheduler.add_job(RecurringJobRequest("chain", Interval(hours=1)), chain, scheduler, 10)
        await time.advance(hours=1)
        assert len(time.runs()) == 11

    in_berlin(body, backend)


def failing(body: Body, backend: Backend, **options: Any) -> SchedulerTimeError:
    began = time.monotonic()
    with pytest.raises(SchedulerTimeError) as found:
        in_berlin(body, backend, **options)
    assert time.monotonic() - began < 20
    return found.value


def test_going_back_is_refused_and_the_next_due_jobs_are_named(backend: Backend) -> None:
    async def body(scheduler: Scheduler, time: SchedulerTime) -> None:
        for hour in range(7):
            await scheduler.add_job(RecurringJobRequest(f"job {hour}", Interval(hours=hour + 1)), nothing)
        await time.settle()
        await time.travel_to("2026-03-27 23:00")

    error = failing(body, backend)
    assert str(error) == (
        "time cannot go back to 2026-03-27 23:00; step_wall() sets the wall clock as an operator does\n"
        "it is 2026-03-28 00:00 (Europe/Berlin)\n"
        "next due:\n"
        "  2026-03-28 01:00 job 0\n"
        "  2026-03-28 02:00 job 1\n"
        "  2026-03-28 03:00 job 2\n"
        "  2026-03-28 04:00 job 3\n"
        "  2026-03-28 05:00 job 4\n"
        "  and 2 more"
    )
    assert str(error.now) == "2026-03-28 00:00:00+01:00"
    assert [(str(at), name) for at, name in error.next_due[:1]] == [("2026-03-28 01:00:00+01:00", "job 0")]


def test_a_negative_duration_is_refused(backend: Backend) -> None:
    failing(lambda _, time: time.advance(hours=-1), backend)

    async def body(_: Scheduler, time: SchedulerTime) -> None:
        time.suspend(hours=-1)

    assert "cannot sleep" in str(failing(body, backend))


@pytest.mark.parametrize(
    ("instant", "problem"),
    [
        ("2026-03-29 02:30", "instant does not exist"),
        ("2026-10-25 02:30", r"instant is ambiguous: .*; write its offset, too, such as .2026-10-25 02:30\+02:00"),
        ("monday", "instant must be a datetime or a text"),
        (5, "instant must be a datetime"),
    ],
)
def test_a_label_that_names_no_instant_or_two_is_refused(instant: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        in_berlin(lambda _, time: time.travel_to(instant), "trio")


def test_what_is_no_duration_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no duration"):
        in_berlin(lambda _, time: time.advance(fortnights=1), "trio")


def test_an_ambiguous_label_with_its_offset_is_fine(backend: Backend) -> None:
    async def body(_: Scheduler, time: SchedulerTime) -> None:
        await time.travel_to("2026-10-25T02:30+02:00")
        await time.travel_to("2026-10-25T02:30+01:00")
        assert str(time.now) == "2026-10-25 02:30:00+01:00"

    in_berlin(body, backend)


def test_run_until_runs_stops_at_the_instant_of_the_last_and_returns_the_records(backend: Backend) -> None:
    async def slow() -> None:
        await anyio.sleep(90)

    async def body(scheduler: Scheduler, time: SchedulerTime) -> None:
        job = await scheduler.add_job(WEEKLY, slow)
        first, second = await time.run_until_runs(job, 2)
        assert (first.outcome, second.outcome) == (Outcome.SUCCEEDED, Outcome.SUCCEEDED)
        assert str(time.now) == "2026-04-06 09:01:30+02:00"
        await scheduler.add_job(WEEKLY, nothing)
        assert [record.name for record in await time.run_until_runs("weekly", 2)] == ["weekly", "weekly"]
        assert str(time.now) == "2026-04-13 09:01:30+02:00"

    in_berlin(body, backend)


def test_runs_that_never_come_are_an_error_that_says_why(backend: Backend) -> None:
    async def body(scheduler: Scheduler, time: SchedulerTime) -> None:
        job = await scheduler.add_job(WEEKLY, nothing)
        once = await scheduler.add_job(RecurringJobRequest("once", Once(scheduler.now())), nothing)
        by_hand = await scheduler.add_job(RecurringJobRequest("by hand"), nothing)
        await time.settle()
        before = time.now
        for asked, problem in [
            (lambda: time.run_until_runs("weekley"), "no such job; there are: 'weekly', 'once', 'by hand'"),
            (lambda: time.run_until_runs(once), "does not run again: it is finished; it ran not at all"),
            (lambda: time.run_until_runs(by_hand), "has no run planned"),
            (lambda: time.run_until_runs(job, 2, within=timedelta(days=7)), "does not run 2 times within 7 days"),
        ]:
            with pytest.raises(SchedulerTimeError, match=problem):
                await asked()
        assert time.now - before < timedelta(days=38)
        await scheduler.cancel_job(job)
        with pytest.raises(SchedulerTimeError, match=r"it is cancelled.*\n.*\nnothing is planned; jobs: weekly"):
            await time.run_until_runs(job)

    in_berlin(body, backend)


def test_run_until_asks_whenever_something_has_happened(backend: Backend) -> None:
    async def body(scheduler: Scheduler, time: SchedulerTime) -> None:
        await scheduler.add_job(WEEKLY, nothing)

        async def two_runs() -> bool:
            return len(await scheduler.get_run_history()) == 2

        assert str(await time.run_until(two_runs)) == "2026-04-06 09:00:00+02:00"
        assert str(await time.run_until(lambda: True)) == "2026-04-06 09:00:00+02:00"
        await scheduler.add_job(RecurringJobRequest("now", Once(scheduler.now())), nothing)
        with pytest.raises(SchedulerTimeError, match="two_runs does not become true within 3 days"):
            await time.run_until(two_runs, within=timedelta(days=3))

    in_berlin(body, backend)


def test_the_next_event_is_whatever_wakes_next(backend: Backend) -> None:
    async def sleepy() -> None:
        await anyio.sleep(7)

    async def body(scheduler: Scheduler, time: SchedulerTime) -> None:
        await scheduler.add_job(WEEKLY, sleepy)
        assert str(await time.next_event()) == "2026-03-30 09:00:00+02:00"
        assert str(await time.next_event()) == "2026-03-30 09:00:07+02:00"
        assert len(time.runs()) == 1
        with pytest.raises(SchedulerTimeError, match="nothing is to happen within 1:00:00"):
            await time.next_event(within=timedelta(hours=1))

    in_berlin(body, backend)


def test_with_nothing_planned_there_is_no_next_event(backend: Backend) -> None:
    error = failing(lambda _, time: time.next_event(), backend)
    assert "nothing is planned; jobs: none" in str(error)
    assert error.next_due == ()


def test_a_cancelled_timer_is_no_event(backend: Backend) -> None:
    async def body(_: Scheduler, time: SchedulerTime) -> None:
        async with anyio.create_task_group() as group:
            with anyio.CancelScope() as scope:
                group.start_soon(anyio.sleep, 100)
                await anyio.lowlevel.checkpoint()
                scope.deadline = anyio.current_time() + 50
            scope.deadline = anyio.current_time() + 60
            assert str(await time.next_event()) == "2026-03-28 00:01:40+01:00"

    in_berlin(body, backend)


def test_time_stands_still_while_it_is_held(backend: Backend) -> None:
    async def body(scheduler: Scheduler, time: SchedulerTime) -> None:
        await scheduler.add_job(RecurringJobRequest("tick", Interval(seconds=1)), nothing)
        with time.hold(), time.hold():
            await anyio.to_thread.run_sync(lambda: threading.Event().wait(0.02))
        assert str(time.now) == "2026-03-28 00:00:00+01:00"
        assert len(time.runs()) == 0
        await anyio.sleep(1.5)
        assert len(time.runs()) == 1

    in_berlin(body, backend)


def test_time_stands_still_while_a_plain_function_is_executed(backend: Backend) -> None:
    def plain() -> None:
        threading.Event().wait(0.01)

    async def body(scheduler: Scheduler, time: SchedulerTime) -> None:
        await scheduler.add_job(RecurringJobRequest("tick", Interval(seconds=1)), nothing)
        await scheduler.add_job(RecurringJobRequest("plain", Interval(seconds=2)), plain)
        await time.advance(seconds=4)
        assert time.runs("plain").lateness == [0, 0]
        assert [record.duration for record in time.runs("plain")] == [0, 0]
        assert len(time.runs("tick")) == 4

    in_berlin(body, backend)


def test_a_step_of_the_wall_clock_moves_what_is_planned_by_it_and_nothing_else(backend: Backend) -> None:
    async def body(scheduler: Scheduler, time: SchedulerTime) -> None:
        await scheduler.add_job(WEEKLY, nothing)
        begin = anyio.current_time()
        time.step_wall(hours=+2)
        await time.settle()
        assert str(time.now) == "2026-03-28 02:00:00+01:00"
        assert anyio.current_time() == begin
        await time.run_until_runs("weekly")
        assert anyio.current_time() - begin == timedelta(days=2, hours=6).total_seconds()
        time.step_wall(timedelta(hours=-1))
        await time.settle()
        assert str(time.now) == "2026-03-30 08:00:00+02:00"
        await time.advance(hours=2)
        assert time.runs("weekly").labels == ["2026-03-30 09:00"]

    in_berlin(body, backend)


def test_a_machine_that_slept_wakes_up_late(backend: Backend) -> None:
    async def body(scheduler: Scheduler, time: SchedulerTime) -> None:
        await scheduler.add_job(RecurringJobRequest("hourly", Interval(hours=1)), nothing)
        await time.advance(minutes=30)
        time.suspend(hours=8)
        await time.settle()
        ran = time.runs("hourly").ran
        assert (ran.labels, ran.lateness) == (["2026-03-28 08:30"], [1800])
        assert time.runs("hourly").with_outcome("missed")[0].count == 7

    in_berlin(body, backend)


def test_frozen_time_passes_only_where_the_test_moves_it(backend: Backend) -> None:
    async def body(scheduler: Scheduler, time: SchedulerTime) -> None:
        await scheduler.add_job(RecurringJobRequest("hourly", Interval(hours=1)), anyio.sleep, 5)
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        assert str(time.now) == "2026-03-28 00:00:00+01:00"
        await time.advance(hours=1)
        assert len(await scheduler.list_active_runs()) == 1
        await time.next_event()
        assert len(time.runs()) == 1

    in_berlin(body, backend, mode="explicit")


def test_a_test_that_waits_in_frozen_time_fails(backend: Backend) -> None:
    async def body(scheduler: Scheduler, _: SchedulerTime) -> None:
        await scheduler.add_job(WEEKLY, nothing)
        await anyio.sleep(1)

    message = str(failing(body, backend, mode="explicit"))
    assert "time stands still (mode='explicit')" in message
    assert ", in test_a_test_that_waits_in_frozen_time_fails" in message
    assert "2026-03-30 09:00 weekly" in message


def test_a_test_that_waits_for_nothing_fails(backend: Backend) -> None:
    async def body(scheduler: Scheduler, _: SchedulerTime) -> None:
        job = await scheduler.add_job(RecurringJobRequest("by hand"), nothing)
        await scheduler.trigger_job_now(job)
        await anyio.Event().wait()

    message = str(failing(body, backend))
    assert "what the test waits for never comes" in message
    assert "nothing is planned; jobs: by hand" in message


def test_a_test_that_lets_time_pass_for_ever_fails(backend: Backend) -> None:
    async def body(scheduler: Scheduler, _: SchedulerTime) -> None:
        job = await scheduler.add_job(WEEKLY, nothing)
        await scheduler.wait_job(job)

    message = str(failing(body, backend, horizon=timedelta(days=100)))
    assert "up to the horizon" in message
    assert "it is 2026-06-29 09:00" in message


def test_moving_time_moves_the_horizon(backend: Backend) -> None:
    async def body(_: Scheduler, time: SchedulerTime) -> None:
        before = time.now
        for _ in range(3):
            await time.advance(days=50)
            await anyio.sleep(timedelta(days=9).total_seconds())
        assert time.now - before == 3 * timedelta(days=59)

    in_berlin(body, backend, horizon=timedelta(days=10))


def test_a_thread_that_waits_for_virtual_time_is_found(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_virtual_time, "LONG_PATIENCE", 0.1)

    async def body(scheduler: Scheduler, time: SchedulerTime) -> None:
        await scheduler.add_job(RecurringJobRequest("plain", Once(time.now)), anyio.from_thread.run, anyio.sleep, 5)
        with time.hold():
            await anyio.sleep(1)

    assert "time has been held too long" in str(failing(body, backend))


def test_a_thread_that_nobody_holds_time_for_may_still_wake_the_test(backend: Backend) -> None:
    async def body(_: Scheduler, time: SchedulerTime) -> None:
        before = time.now
        await anyio.to_thread.run_sync(lambda: threading.Event().wait(0.08))
        assert time.now == before

    in_berlin(body, backend)


def test_the_error_of_a_test_is_its_own(backend: Backend) -> None:
    async def body(_: Scheduler, time: SchedulerTime) -> None:
        await time.advance(1)
        raise LookupError

    with pytest.raises(LookupError):
        in_berlin(body, backend)


def test_a_retry_is_due_too_and_after_the_end_nothing_is(backend: Backend) -> None:
    async def fail() -> None:
        raise OSError

    async def main() -> None:
        time = current_scheduler_time()
        async with open_scheduler(max_workers=1) as scheduler:
            request = RecurringJobRequest("fetch", Once(time.now), max_retries=1, retry=FixedRetryDelay(90))
            await scheduler.add_job(request, fail)
            await scheduler.add_job(WEEKLY, nothing)
            await time.settle()
            assert str(time.next_due) == "2026-03-28 00:01:30+01:00"
            with pytest.raises(
                SchedulerTimeError, match=r"2026-03-28 00:01:30 fetch \(retry\)\n  2026-03-30 09:00 weekly"
            ):
                await time.advance(-1)
        assert time.next_due is None

    run(main, backend=backend, start="2026-03-28 00:00", timezone="Europe/Berlin")


def test_where_no_test_is_guarded_a_dead_end_is_waited_out(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_virtual_time, "PATIENCE", 0.0)

    async def main() -> None:
        before = current_scheduler_time().now
        await anyio.to_thread.run_sync(lambda: threading.Event().wait(0.08))
        assert current_scheduler_time().now == before

    clock = trio.testing.MockClock(autojump_threshold=0)
    options: dict[str, Any] = {"clock": clock} if backend == "trio" else {"loop_factory": VirtualEventLoop}
    anyio.run(main, backend=backend, backend_options=options)


def test_a_mode_or_a_zone_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="mode must be 'auto' or 'explicit'"):
        run(nothing, mode="manual")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="Berlin"):
        run(nothing, timezone="Europe/Berlim")


@pytest.mark.real_time
@pytest.mark.anyio
async def test_a_loop_in_real_time_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="is not virtual"):
        _ = current_scheduler_time().now


def test_a_mock_clock_that_goes_by_itself_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(ConfigurationError, match="rate"):
            current_scheduler_time()

    trio.run(main, clock=trio.testing.MockClock(rate=1))


def test_a_loop_that_was_made_by_hand_is_taken_over() -> None:
    async def main() -> None:
        time = current_scheduler_time()
        await time.advance(days=1)
        assert (time.now.day, time.timezone, time.seed) == (2, "UTC", 0)
        assert time.schedulers == ()

    options = {"loop_factory": VirtualEventLoop}
    anyio.run(main, backend="asyncio", backend_options=options)
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_outside_of_a_loop_there_is_no_time() -> None:
    with pytest.raises(RuntimeError):
        _ = SchedulerTime(Session(Settings())).now
