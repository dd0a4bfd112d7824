"""`wait_idle` went on waiting when the last job that a store kept beyond the horizon had been cancelled or had run.

Cause: that a store has jobs with something to do was only looked up when the next of them was due, though a command
that names a job brings it here.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from turnkeeper_trio import After, JobSet, RecurringJobRequest, Scheduler, open_scheduler
from turnkeeper_trio.stores import MemoryStore

pytestmark = pytest.mark.anyio

HOUR = 3600


async def cancel(scheduler: Scheduler) -> None:
    await scheduler.cancel_job("far")


async def bring_near(scheduler: Scheduler) -> None:
    await scheduler.update_job("far", schedule=After(1))


async def submit_again(scheduler: Scheduler) -> None:
    await scheduler.add_job(RecurringJobRequest("far", After(1), key="far"), "work", 0)


async def empty(scheduler: Scheduler) -> None:
    await scheduler.apply(JobSet())


@pytest.mark.parametrize("end", [cancel, bring_near, submit_again, empty])
async def test_idle_when_the_last_job_beyond_the_horizon_has_ended(end: Callable[[Scheduler], Awaitable[Any]]) -> None:
    async with open_scheduler(max_workers=1, store=MemoryStore(horizon=60)) as scheduler:
        scheduler.register("work", anyio.sleep)
        jobs = JobSet()
        jobs.add(RecurringJobRequest("far", After(HOUR)), "work", 0)
        await scheduler.apply(jobs)
        await anyio.sleep(1)
        before = anyio.current_time()
        await end(scheduler)
        await scheduler.wait_idle()
        assert anyio.current_time() - before <= 2


async def test_not_idle_while_another_waits_beyond_the_horizon() -> None:
    async with open_scheduler(max_workers=1, store=MemoryStore(horizon=60)) as scheduler:
        scheduler.register("work", anyio.sleep)
        for number, key in enumerate(["far", "farther"], 1):
            await scheduler.add_job(RecurringJobRequest(key, After(number * HOUR), key=key), "work", 0)
        await scheduler.cancel_job("far")
        before = anyio.current_time()
        await scheduler.wait_idle()
        assert anyio.current_time() - before == pytest.approx(2 * HOUR, abs=1)
