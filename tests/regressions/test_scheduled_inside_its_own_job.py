"""A job that entered ``scheduled()`` for its own key could not be ended any more, not even by force.

Cause: leaving that block waits, shielded, until no run of the job is left, and so for the run that leaves it.
"""

import anyio
import pytest

from turnkeeper_trio import After, Outcome, RecurringJobRequest, WouldDeadlock, open_scheduler

pytestmark = pytest.mark.anyio

REQUEST = RecurringJobRequest("self", After(0), key="self")


async def test_a_job_is_refused_to_schedule_itself_for_a_block():
    async def job():
        with pytest.raises(WouldDeadlock):
            async with scheduler.scheduled(REQUEST, job):
                raise AssertionError
        async with scheduler.scheduled(RecurringJobRequest("other", After(60), key="other"), anyio.sleep, 0):
            await anyio.sleep(1)

    async with open_scheduler(max_workers=1) as scheduler:
        with anyio.fail_after(100):
            record = await scheduler.wait_job(await scheduler.add_job(REQUEST, job))
        assert record is not None
        assert record.outcome is Outcome.SUCCEEDED, record.error
