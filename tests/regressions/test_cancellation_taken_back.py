"""A job that cancelled its own task on asyncio, took that back and returned had the whole scheduler fail.

Cause: before Python 3.13, ``Task.uncancel`` does not keep what ``Task.cancel`` began from happening at the next await.
With ``cancelling()`` at 0 the worker saw nothing to forget, and was struck as it waited for the next attempt.
"""

import asyncio

import anyio
import pytest
from back_ends import ASYNCIO
from sample_jobs import NOW

from turnkeeper_trio import Outcome, open_scheduler

pytestmark = [pytest.mark.anyio, ASYNCIO]


async def unassign_run() -> str:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    task.uncancel()
    return "returned"


async def take_back_and_fail() -> None:
    await unassign_run()
    raise LookupError


@pytest.mark.parametrize(("job", "outcome"), [(unassign_run, Outcome.SUCCEEDED), (take_back_and_fail, Outcome.FAILED)])
async def test_it_strikes_neither_the_worker_nor_the_next_job(job: object, outcome: Outcome) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        for pause in (0, 1):
            record = await scheduler.wait_job(await scheduler.add_job(NOW, job))
            assert record is not None
            assert record.outcome is outcome
            await anyio.sleep(pause)
            after = await scheduler.wait_job(await scheduler.add_job(NOW, anyio.sleep, 1))
            assert after is not None
            assert (after.outcome, after.duration) == (Outcome.SUCCEEDED, 1)
