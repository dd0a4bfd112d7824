"""Submission without pause and execution without pause leave each other their share.

What is counted are runs and submissions, not seconds: these are the same on any machine. ``benchmarks/starvation.py``
measures the seconds.
"""

import anyio
import pytest
from anyio.lowlevel import checkpoint
from stress import many

from turnkeeper_trio import After, RecurringJobRequest, SchedulerClosed, StagingFull, open_scheduler

pytestmark = pytest.mark.anyio

NOW, LATER = RecurringJobRequest("now", After(0)), RecurringJobRequest("later", After(1_000_000))
SUBMITTERS = 4


async def submit_or_try_again(scheduler, request, job):
    """Submit without ever waiting for room, but for one turn of the event loop where there is none."""
    try:
        while True:
            try:
                scheduler.try_add_job(request, job)
            except StagingFull:
                await checkpoint()
    except SchedulerClosed:
        pass


async def submit_and_wait(scheduler, request, job):
    try:
        while True:
            await scheduler.add_job(request, job)
    except SchedulerClosed:
        pass


@pytest.mark.parametrize("submit", [submit_or_try_again, submit_and_wait])
@pytest.mark.parametrize("workers", [4, 64])
@pytest.mark.parametrize("request_", [NOW, LATER], ids=["now", "later"])
async def test_while_tasks_submit_without_pause_what_is_due_is_executed(submit, workers, request_):
    """While runs wait for workers, at least as many are executed as are submitted, but for a constant."""
    backlog, executed = many(1000), 0

    async def job():
        nonlocal executed
        executed += 1

    async with anyio.create_task_group() as tasks, open_scheduler(max_workers=workers) as scheduler:
        for _ in range(backlog):
            await scheduler.add_job(RecurringJobRequest("due", After(1)), job)
        await anyio.sleep(1)
        while not executed:
            await checkpoint()
        before = executed, scheduler.get_metrics_snapshot().jobs_submitted
        for _ in range(SUBMITTERS):
            tasks.start_soon(submit, scheduler, request_, job)
        submitted = 0
        while executed < backlog and submitted < 2 * backlog:
            await checkpoint()
            submitted = scheduler.get_metrics_snapshot().jobs_submitted - before[1]
        await scheduler.shutdown_force()
    assert submitted <= (executed - before[0]) + 128
    assert submitted > SUBMITTERS


async def test_while_runs_wait_for_workers_that_are_busy_for_long_submission_goes_on():
    async with open_scheduler(max_workers=2) as scheduler:
        for _ in range(10):
            await scheduler.add_job(NOW, anyio.sleep, 1000)
        await anyio.sleep(1)
        for _ in range(many(1000)):
            job_id = await scheduler.add_job(LATER, anyio.sleep, 0)
        await scheduler.get_job_details(job_id)
        assert anyio.current_time() == 1
        await scheduler.shutdown_force()
