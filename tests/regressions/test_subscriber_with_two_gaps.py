"""A slow subscriber to events could end the whole scheduler.

Cause: its stream had two places more than it asked for, for a gap and for the last event. But there may be two gaps in
it: one before the event that took the last place of the buffer, and another before the last event.
"""

import anyio
import pytest

from turnkeeper_trio import After, RecurringJobRequest, open_scheduler
from turnkeeper_trio.events import JobAdded, Lagged, SchedulerStopped

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("buffer", [1, 2, 3])
async def test_a_subscriber_who_lags_twice_is_told_of_both_gaps_and_of_the_end(buffer):
    async with open_scheduler(max_workers=1) as scheduler, scheduler.events(JobAdded, buffer=buffer) as events:

        async def add(count):
            for _ in range(count):
                job_id = await scheduler.add_job(RecurringJobRequest("later", After(60)), anyio.sleep, 0)
            await scheduler.get_job_details(job_id)

        await add(buffer + 1)
        assert isinstance(await anext(events), JobAdded)
        await add(3)
        await scheduler.shutdown_graceful()
        kinds = [type(event) async for event in events]
    assert kinds == [JobAdded] * (buffer - 1) + [Lagged, JobAdded, Lagged, SchedulerStopped]
