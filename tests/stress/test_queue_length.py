"""Cancelled jobs leave no ghosts: neither in the queue nor anywhere else where something is kept for each job."""

import gc

import anyio
import pytest
from stress import QUEUES, many

from turnkeeper_trio import Interval, PriorityQueueType, RecurringJobRequest, open_scheduler

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("queue", QUEUES)]

DAILY = RecurringJobRequest("daily", Interval(days=1))


@pytest.mark.parametrize(("live", "rounds"), [(10, 20_000), (0, many(1000))])
async def test_a_job_cancelled_and_added_twenty_thousand_times_leaves_two_entries_per_live_job_at_most(
    queue, live, rounds
):
    longest = 0
    async with open_scheduler(max_workers=1, priority_queue=queue, history_limit=100) as scheduler:
        state = scheduler._parts.engine.state
        for _ in range(live):
            await scheduler.add_job(DAILY, anyio.sleep, 0)
        for _ in range(rounds):
            job_id = await scheduler.add_job(DAILY, anyio.sleep, 0)
            await scheduler.cancel_job(job_id)
            longest = max(longest, state.queue.entries)
            assert len(state.queue) == live
        assert longest <= 2 * (live + 1)
        books = scheduler.get_metrics_snapshot().books
        assert (books.planned, books.pending, books.cancelled) == (rounds + live, live, rounds)
        assert len(state.jobs) <= live + 101
        assert len(state.by_id) <= 2 * 101


async def test_many_cancelled_out_of_many_leave_two_entries_per_live_job_at_most_and_the_rest_in_order(queue):
    jobs, kept = many(5000), 50
    started = []

    async def job(number):
        started.append(number)

    async with open_scheduler(max_workers=1, priority_queue=queue) as scheduler:
        state = scheduler._parts.engine.state
        ids = [
            await scheduler.add_job(RecurringJobRequest("later", Interval(seconds=100 + number)), job, number)
            for number in range(jobs)
        ]
        for number, job_id in enumerate(ids):
            if number % (jobs // kept):
                await scheduler.cancel_job(job_id)
                assert state.queue.entries <= max(2 * len(state.queue), 2)
        assert len(state.queue) == kept
        await anyio.sleep_until(100 + jobs)
        first = list(dict.fromkeys(started))
        assert first == [number for number in range(jobs) if number % (jobs // kept) == 0]
    if queue is PriorityQueueType.HANDLE_BASED:
        assert scheduler.get_metrics_snapshot().jobs_instance_discarded_cancelled == jobs - kept


async def test_what_is_cancelled_lets_go_of_its_arguments(queue):
    class Large:
        pass

    async with open_scheduler(max_workers=1, priority_queue=queue) as scheduler:
        for _ in range(100):
            job_id = await scheduler.add_job(DAILY, anyio.sleep, Large())
            await scheduler.cancel_job(job_id)
        gc.collect()
        assert sum(isinstance(thing, Large) for thing in gc.get_objects()) == 0
