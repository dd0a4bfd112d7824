"""A subscriber that had caught up did not know that it had missed something.

Cause: `Lagged` was put in with the next event after the gap. Until that came, for hours perhaps, what the subscriber
knew was out of date, and it believed to know all.
"""

import anyio
import pytest

from turnkeeper_trio import After, RecurringJobRequest, open_scheduler
from turnkeeper_trio.events import JobAdded, Lagged, SchedulerStopped

pytestmark = pytest.mark.anyio


async def add(scheduler, count):
    for number in range(count):
        await scheduler.add_job(RecurringJobRequest(f"{number}", After(3600)), anyio.sleep, 0)
    await scheduler.list_all_jobs()


@pytest.mark.parametrize("buffer", [1, 2, 5])
async def test_it_is_told_as_soon_as_there_is_room_where_the_gap_is(buffer):
    async with open_scheduler(max_workers=1) as scheduler, scheduler.events(JobAdded, buffer=buffer) as events:
        await add(scheduler, buffer + 3)
        with anyio.move_on_after(1) as nothing_more:
            told = [await anext(events) for _ in range(buffer + 1)]
        assert not nothing_more.cancelled_caught
        assert [type(event) for event in told] == [JobAdded] * buffer + [Lagged]
        last = told[-1]
        assert (last.count, last.job_id, last.run_id) == (3, None, None)
        assert last.sequence == told[-2].sequence + 3  # that of the last one missed
        with anyio.move_on_after(1) as nothing_more:
            await anext(events)
        assert nothing_more.cancelled_caught
        await add(scheduler, buffer)  # a gap takes up no room
        told = [await anext(events) for _ in range(buffer)]
        assert [type(event) for event in told] == [JobAdded] * buffer


async def test_each_gap_is_told_in_its_place_however_often_it_lags():
    async with open_scheduler(max_workers=1) as scheduler, scheduler.events(JobAdded, buffer=2) as events:
        await add(scheduler, 3)
        assert isinstance(await anext(events), JobAdded)
        await add(scheduler, 3)
        await scheduler.shutdown_graceful()
        told = [(type(event), getattr(event, "count", None)) async for event in events]
        assert told == [(JobAdded, None), (Lagged, 1), (JobAdded, None), (Lagged, 2), (SchedulerStopped, None)]
