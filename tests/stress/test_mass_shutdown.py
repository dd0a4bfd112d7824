"""Shutdown with much at hand: everything is accounted for, at once."""

from collections import Counter

import anyio
import pytest
from sample_jobs import NOW
from stress import QUEUES, many

from turnkeeper_trio import Outcome, SchedulerClosed, open_scheduler

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("queue", QUEUES)]

JOBS = many(10_000)


@pytest.mark.parametrize("turns", [0, 1, 10, 100])
async def test_of_ten_thousand_jobs_due_now_each_is_executed_or_reported_as_never_started(queue, turns):
    executed = 0

    async def job():
        nonlocal executed
        await anyio.lowlevel.checkpoint()
        executed += 1

    async with open_scheduler(max_workers=8, priority_queue=queue, staging_buffer_size=JOBS) as scheduler:
        for _ in range(JOBS):
            scheduler.try_add_job(NOW, job)
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        report = await scheduler.shutdown_graceful()
    never_started = sum(record.count for record in report.never_started)
    books = scheduler.get_metrics_snapshot().books
    assert executed + never_started == JOBS
    assert (books.succeeded, books.never_started) == (executed, never_started)
    assert (books.planned, books.ended) == (JOBS, JOBS)
    assert len(report.finished) <= executed
    if turns == 100:
        assert executed


async def test_those_that_wait_for_room_when_it_shuts_down_are_refused_with_their_job_and_the_others_accounted_for(
    queue,
):
    counts = Counter()

    async def submit(scheduler):
        try:
            for _ in range(JOBS // 100):
                await scheduler.add_job(NOW, anyio.lowlevel.checkpoint)
                counts["taken"] += 1
        except SchedulerClosed as exc:
            counts["refused"] += exc.request is NOW

    scheduling = open_scheduler(max_workers=2, priority_queue=queue, staging_buffer_size=4)
    async with anyio.create_task_group() as tasks, scheduling as scheduler:
        for _ in range(100):
            tasks.start_soon(submit, scheduler)
        while counts["taken"] < JOBS // 10:
            await anyio.lowlevel.checkpoint()
        report = await scheduler.shutdown_graceful()
    books = scheduler.get_metrics_snapshot().books
    assert counts["refused"] == 100
    assert books.planned == counts["taken"] == scheduler.get_metrics_snapshot().jobs_submitted
    assert books.succeeded + books.never_started == books.planned
    assert books.never_started == sum(record.count for record in report.never_started) > 0


@pytest.mark.parametrize("cleanup", [0, 3])
async def test_force_ends_two_hundred_executing_runs_at_once_after_their_cleanup(queue, cleanup):
    runs = 200
    cleaned = []

    async def job(number):
        try:
            await anyio.sleep(1000)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(cleanup)
            cleaned.append(number)

    async with open_scheduler(max_workers=runs, priority_queue=queue) as scheduler:
        for number in range(runs):
            await scheduler.add_job(NOW, job, number)
        await anyio.sleep(10)
        report = await scheduler.shutdown_force()
        assert anyio.current_time() == 10 + cleanup
    assert sorted(cleaned) == list(range(runs))
    assert [record.outcome for record in report.interrupted] == [Outcome.INTERRUPTED] * runs
    assert (report.finished, report.never_started, report.still_running) == ((), (), ())
    assert scheduler.get_metrics_snapshot().books.interrupted == runs


@pytest.mark.parametrize("buffers", [1, 128])
async def test_two_hundred_runs_that_end_in_the_instant_of_the_force_do_not_wedge_it(queue, buffers):
    runs = 200
    options = {"staging_buffer_size": buffers, "command_buffer_size": buffers, "job_dispatch_buffer_size": buffers}
    async with open_scheduler(max_workers=runs, priority_queue=queue, **options) as scheduler:
        for _ in range(runs):
            await scheduler.add_job(NOW, anyio.sleep_until, 10)
        await anyio.sleep_until(10)
        await scheduler.shutdown_force()
        assert anyio.current_time() == 10
    books = scheduler.get_metrics_snapshot().books
    assert books.succeeded + books.interrupted == runs
    assert books.balanced


async def test_force_at_once_after_ten_thousand_submissions_starts_little_and_accounts_for_all(queue):
    async with open_scheduler(max_workers=200, priority_queue=queue, staging_buffer_size=JOBS) as scheduler:
        for _ in range(JOBS):
            scheduler.try_add_job(NOW, anyio.sleep, 1000)
        await anyio.lowlevel.checkpoint()
        report = await scheduler.shutdown_force()
        assert anyio.current_time() == 0
    never_started = sum(record.count for record in report.never_started)
    assert len(report.interrupted) + never_started == JOBS
    assert scheduler.get_metrics_snapshot().books.ended == JOBS
