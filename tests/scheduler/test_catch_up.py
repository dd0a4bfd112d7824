"""Which occurrences run if their instants passed while the scheduler was away or paused; and late starts."""

import time
from contextlib import suppress

import anyio
import pytest
from drawing import Drawing
from stepping_clock import START as WALL
from stepping_clock import SteppingClock

from turnkeeper_trio import (
    CatchUp,
    FixedDelay,
    Interval,
    Never,
    Once,
    Outcome,
    RecurringJobRequest,
    RunNotFound,
    open_scheduler,
)
from turnkeeper_trio.events import OccurrenceMissed

pytestmark = pytest.mark.anyio

PASSED = "its instant passed before the scheduler could look"


async def block(scheduler, job_id, seconds):
    del job_id
    await scheduler.pause_all()
    await anyio.sleep(seconds)
    await scheduler.resume_all()


async def pause(scheduler, job_id, seconds):
    await scheduler.pause_job(job_id)
    await anyio.sleep(seconds)
    await scheduler.resume_job(job_id)


each_way = pytest.mark.parametrize("away", [block, pause], ids=["everything paused", "job paused"])


async def draw(away, **options):
    """Draw a job that runs every two seconds up to second 12; the scheduler is away from second 3 to second 10."""
    drawing = Drawing()
    async with open_scheduler(max_workers=3, observers=[drawing]) as scheduler:
        request = RecurringJobRequest("job", Interval(2), until=drawing.start.replace(second=12), **options)
        job_id = await scheduler.add_job(request, anyio.sleep, 0)
        await anyio.sleep(3)
        await away(scheduler, job_id, 7)
        await scheduler.wait_job(job_id)
    books = scheduler.get_metrics_snapshot().books
    assert books.balanced
    return [
        (began, "".join(sign for _, sign in signs))
        for began, _, signs in sorted(drawing.rows.values(), key=lambda row: (row[0], str(row[2])))
        if not any("C" in sign for _, sign in signs)
    ], books


@each_way
async def test_one_runs_the_latest_and_misses_the_others(away):
    rows, books = await draw(away)
    assert rows == [(2, "=S"), (8, "M3"), (10, "=S"), (12, "=S")]
    assert (books.missed, books.succeeded) == (3, 3)


@each_way
async def test_none_misses_all_but_one_that_is_hardly_late(away):
    rows, books = await draw(away, catch_up=CatchUp.NONE)
    assert rows == [(2, "=S"), (8, "M3"), (10, "=S"), (12, "=S")]
    assert (books.missed, books.succeeded) == (3, 3)


@each_way
async def test_all_runs_each(away):
    rows, books = await draw(away, catch_up=CatchUp.ALL)
    assert rows == [(second, "=S") for second in (2, 4, 6, 8, 10, 12)]
    assert books.succeeded == 6


@each_way
async def test_all_runs_the_last_max_waiting(away):
    rows, books = await draw(away, catch_up=CatchUp.ALL, max_waiting=2)
    assert rows == [(2, "=S"), (6, "M2"), (8, "=S"), (10, "=S"), (12, "=S")]
    assert (books.missed, books.succeeded) == (2, 4)


@pytest.mark.parametrize(
    ("missed", "ran"),
    [
        (None, [10, 70, 80, 90]),
        (CatchUp.ONE, [10, 80, 90]),
        (CatchUp.NONE, [10, 90]),
        (CatchUp.ALL, [10, 70, 80, 90]),
    ],
)
async def test_resume_job_chooses_for_this_time(missed, ran):
    """The rule of the job is `CatchUp.ALL` with at most two; it is resumed at 85."""
    began = []

    async def job():
        began.append(anyio.current_time())

    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("job", Interval(10), catch_up=CatchUp.ALL, max_waiting=2)
        job_id = await scheduler.add_job(request, job)
        await anyio.sleep(15)
        await scheduler.pause_job(job_id)
        await anyio.sleep(70)
        await scheduler.resume_job(job_id, missed=missed)
        await anyio.sleep(6)
        records = [
            (record.scheduled_at - scheduler.now()).total_seconds() + 91
            for record in reversed(await scheduler.get_run_history(job_id, outcomes={Outcome.SUCCEEDED}))
        ]
    assert len(began) == len(records)
    assert records == ran


async def test_a_wall_clock_set_forward():
    clock, began = SteppingClock(), []

    async def job():
        began.append(round((clock.wall() / 1e6) - WALL.timestamp()))

    async with open_scheduler(max_workers=1, clock=clock) as scheduler, scheduler.events(OccurrenceMissed) as told:
        await scheduler.add_job(RecurringJobRequest("job", Interval(60)), job)
        await anyio.sleep(65)
        clock.step(3600)
        await anyio.sleep(60)
        event = await anext(told)
        assert (event.count, event.reason) == (59, PASSED)
        assert began[0] == 60
        assert 3665 <= began[1] <= 3675
        assert began[2] == 3720


async def test_a_wall_clock_set_back_has_nothing_come_twice():
    clock, began = SteppingClock(), []

    async def job():
        began.append(round((clock.wall() / 1e6) - WALL.timestamp()))

    async with open_scheduler(max_workers=1, clock=clock) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", Interval(60)), job)
        await anyio.sleep(125)
        clock.step(-100)
        await anyio.sleep(160)
        assert began == [60, 120, 180]


@pytest.mark.real_time
async def test_a_blocked_event_loop():
    began = []

    async def job():
        began.append(1)

    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", Interval(0.02), max_runs=3), job)
        await anyio.sleep(0.03)
        time.sleep(0.2)  # noqa: ASYNC251  (that is what is tested)
        await scheduler.wait_idle()
        books = scheduler.get_metrics_snapshot().books
        assert books.missed >= 5
        assert len(began) == 3
        assert books.balanced


async def test_what_is_late_by_less_than_a_second_is_not_missed_by_none():
    async with open_scheduler(max_workers=1) as scheduler:
        for late in (0.999, 1.0):
            request = RecurringJobRequest("job", Once(scheduler.now().add(seconds=5)), catch_up=CatchUp.NONE)
            job_id = await scheduler.add_job(request, anyio.sleep, 0)
            await scheduler.pause_all()
            await anyio.sleep(5 + late)
            await scheduler.resume_all()
            with suppress(RunNotFound):  # It never began.
                await scheduler.wait_job(job_id)
            (record,) = await scheduler.get_run_history(job_id)
            assert record.outcome is (Outcome.SUCCEEDED if late < 1 else Outcome.MISSED)


async def test_a_start_deadline_for_a_run_that_waits_for_a_worker():
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.trigger_job_now(await scheduler.add_job(RecurringJobRequest("busy"), anyio.sleep, 10))
        await scheduler.trigger_job_now(await scheduler.add_job(RecurringJobRequest("bound ahead"), anyio.sleep, 0))
        records = []
        for deadline in (9, 10, None):
            request = RecurringJobRequest("job", start_deadline=deadline)
            job_id = await scheduler.add_job(request, anyio.sleep, 0)
            records.append(await scheduler.trigger_job_now(job_id))
        outcomes = [(await scheduler.wait_run(run_id)).outcome for run_id in records]
        assert outcomes == [Outcome.MISSED, Outcome.SUCCEEDED, Outcome.SUCCEEDED]


async def test_a_start_deadline_for_a_run_that_was_bound_ahead():
    async with open_scheduler(max_workers=1, job_dispatch_buffer_size=1) as scheduler:
        await scheduler.trigger_job_now(await scheduler.add_job(RecurringJobRequest("busy"), anyio.sleep, 10))
        job_id = await scheduler.add_job(RecurringJobRequest("job", start_deadline=5), anyio.sleep, 0)
        run_id = await scheduler.trigger_job_now(job_id)
        await anyio.sleep(1)
        assert len(scheduler._parts.engine.state.assigned) == 2
        record = await scheduler.wait_run(run_id)
        assert (record.outcome, record.reason) == (Outcome.MISSED, "it could not start before its start_deadline")
        assert (record.attempts, anyio.current_time()) == (0, 10)
        assert scheduler.get_metrics_snapshot().books.missed == 1


async def test_a_start_deadline_is_for_the_first_attempt_alone():
    attempts = []

    async def job():
        attempts.append(anyio.current_time())
        raise ValueError

    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Never(), 1, start_deadline=5), job)
        record = await scheduler.wait_run(await scheduler.trigger_job_now(job_id))
        assert (record.outcome, len(attempts)) == (Outcome.FAILED, 2)


async def test_a_fixed_delay_that_passes_while_everything_is_paused_is_due_at_once_after():
    began = []

    async def job():
        began.append(anyio.current_time())

    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", FixedDelay(10)), job)
        await anyio.sleep(15)
        async with scheduler.paused():
            await anyio.sleep(20)
        await anyio.sleep(16)
        assert began == [10, 35, 45]
