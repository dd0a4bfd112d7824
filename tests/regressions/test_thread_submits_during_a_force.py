"""On asyncio, a plain function that submitted through ``from_thread`` after it had been cut off looped for ever.

Cause: when staging was closed, a submitter let a cancellation come first, by
``anyio.lowlevel.checkpoint_if_cancelled()``. On asyncio that yields until the cancellation has come. But it never comes
to a task that a thread starts in a scope that has been cancelled already.
"""

import time

import anyio
import pytest
from anyio import from_thread

from turnkeeper_trio import After, RecurringJobRequest, current_run, open_scheduler

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(10)]

LATER = RecurringJobRequest("later", After(60))


async def test_a_thread_that_submits_after_it_was_cut_off_is_refused():
    refusals = []

    def job():
        while not current_run().cancel_requested:
            time.sleep(0.001)  # A plain function polls: it is in a thread, on the real clock.
        for _ in range(3):
            try:
                from_thread.run(scheduler.add_job, LATER, anyio.sleep, 0)
            except BaseException as refusal:
                refusals.append(refusal)

    async with open_scheduler(max_workers=2) as scheduler:
        for _ in range(2):
            await scheduler.add_job(RecurringJobRequest("thread", After(0)), job)
        while len([run for run in await scheduler.list_active_runs() if run.phase == "executing"]) < 2:
            await anyio.lowlevel.checkpoint()
        await scheduler.shutdown_force()
    assert len(refusals) == 6
    assert scheduler.get_metrics_snapshot().jobs_submitted == 2
