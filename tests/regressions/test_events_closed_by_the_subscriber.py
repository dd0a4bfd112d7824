"""A subscriber that closed its iterator, as ``contextlib.aclosing`` does, ended the whole scheduler.

Cause: the iterator was the receiving end of a memory object stream. Closed, it made the next ``send_nowait`` raise, in
the coordinator.
"""

from contextlib import aclosing

import anyio
import pytest

from turnkeeper_trio import Interval, RecurringJobRequest, open_scheduler
from turnkeeper_trio.events import RunFinished, SchedulerStopped

pytestmark = pytest.mark.anyio

TICK = RecurringJobRequest("tick", Interval(1))


async def test_closing_ends_that_subscription_and_nothing_else():
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(TICK, anyio.sleep, 0)
        async with scheduler.events(RunFinished) as closed, scheduler.events(RunFinished) as open_:
            async with aclosing(closed):
                async for event in closed:
                    assert event.record.job_id == job_id
                    break
            await anyio.sleep(3)  # still inside of its block
            assert [event async for event in closed] == []
            with pytest.raises(StopAsyncIteration):
                await anext(closed)
            await closed.aclose()  # twice is fine
            assert [type(await anext(open_)) for _ in range(4)] == [RunFinished] * 4
            assert len(scheduler._parts.publisher._subscriptions) == 1
        assert (await scheduler.get_job_details(job_id)).last_run is not None
        assert not scheduler.is_closed


async def test_a_break_leaves_it_open_and_iterating_again_goes_on():
    async with open_scheduler(max_workers=1) as scheduler, scheduler.events(RunFinished) as events:
        await scheduler.add_job(TICK, anyio.sleep, 0)
        seconds = []
        for _ in range(3):
            async for event in events:
                seconds.append(event.record.scheduled_at.second)
                break
        assert seconds == [1, 2, 3]


async def test_one_that_waits_is_told_that_another_task_closed_it():
    async with open_scheduler(max_workers=1) as scheduler, scheduler.events() as events:
        ended = []

        async def wait():
            ended.extend([event async for event in events])
            ended.append(anyio.current_time())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            tasks.start_soon(wait)
            await anyio.sleep(5)
            await events.aclose()
        assert ended == [5, 5]


async def test_cancelled_while_it_waits_or_closes_it_loses_nothing():
    async with open_scheduler(max_workers=1) as scheduler, scheduler.events(RunFinished) as events:
        await scheduler.add_job(TICK, anyio.sleep, 0)
        with anyio.move_on_after(0.5) as scope:
            await anext(events)
        assert scope.cancelled_caught
        await anyio.sleep(1)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anext(events)
        assert scope.cancelled_caught
        assert (await anext(events)).record.scheduled_at.second == 1
        with anyio.CancelScope() as scope:
            scope.cancel()
            await events.aclose()
        assert scope.cancelled_caught
        await anyio.sleep(5)
        with pytest.raises(StopAsyncIteration):
            await anext(events)


async def test_what_was_closed_before_the_end_is_not_told_the_end():
    async with open_scheduler(max_workers=1) as scheduler, scheduler.events() as closed, scheduler.events() as left:
        await closed.aclose()
        await scheduler.shutdown_graceful()
        assert [event async for event in closed] == []
        assert isinstance([event async for event in left][-1], SchedulerStopped)
