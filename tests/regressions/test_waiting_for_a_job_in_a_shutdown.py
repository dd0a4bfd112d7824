"""Who waited for a job that a shutdown kept from starting waited until the very end, and then got ``SchedulerClosed``.

Cause: a shutdown ended occurrences that were due, and still in the queue, without looking whether their job was over.
"""

import anyio
import pytest

from turnkeeper_trio import After, RecurringJobRequest, open_scheduler

pytestmark = pytest.mark.anyio


async def test_who_waits_for_a_job_that_will_never_start_is_answered_as_soon_as_that_is_certain():
    answers = []

    async def wait(scheduler, job_id):
        answers.append((await scheduler.wait_job(job_id), anyio.current_time()))

    async with open_scheduler(max_workers=1) as scheduler, anyio.create_task_group() as tasks:
        await scheduler.add_job(RecurringJobRequest("slow", After(0)), anyio.sleep, 100)
        await anyio.sleep(1)
        job_id = await scheduler.add_job(RecurringJobRequest("due while it shuts down", After(15)), anyio.sleep, 0)
        tasks.start_soon(wait, scheduler, job_id)
        await anyio.sleep(9)
        await scheduler.shutdown_graceful()
        assert anyio.current_time() == 100
    assert answers == [(None, 16)]
