"""`RunContext.extend_timeout` broke, or did nothing, in a thread that an ``async`` job had started.

Cause: it went to the event loop's thread only from the thread of a plain function. In any other thread it moved the
deadline of a scope of the event loop right there, which neither loop allows.
"""

import functools

import anyio
import anyio.to_thread
import pytest

from turnkeeper_trio import After, Outcome, RecurringJobRequest, VirtualClock, current_run, open_scheduler

pytestmark = pytest.mark.anyio


async def test_a_helper_thread_of_a_job_can_extend_its_timeout():
    async def job():
        with VirtualClock().hold():
            await anyio.to_thread.run_sync(functools.partial(current_run().extend_timeout, 10), limiter=limiter)
        await anyio.sleep(12)

    limiter = anyio.CapacityLimiter(1)
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", After(0), timeout=5), job)
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert record.outcome is Outcome.SUCCEEDED
