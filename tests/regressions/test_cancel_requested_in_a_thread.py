"""On trio, a plain function that asked `RunContext.cancel_requested` failed with "must be called from async context".

Cause: the property asked the scope of the attempt, and trio's scope looks at the clock of the event loop to see whether
its deadline has passed, which it cannot do in a thread. So the only way of a plain function to learn that it should end
ended it, with an error, the first time it asked.
"""

import threading
import time
from collections.abc import Callable

import anyio
import pytest

from turnkeeper_trio import After, Outcome, RecurringJobRequest, current_run, open_scheduler

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]  # a thread of a job's own does not hold virtual time


def work_until_asked(begun: threading.Event) -> list[bool]:
    run = current_run()
    before = run.cancel_requested
    begun.set()
    give_up = time.monotonic() + 10
    while not run.cancel_requested and time.monotonic() < give_up:
        time.sleep(0.001)  # A plain function polls: it is in a thread, on the real clock.
    return [before, run.cancel_requested]


async def work_in_a_thread_of_its_own(begun: threading.Event) -> list[bool]:
    return await anyio.to_thread.run_sync(work_until_asked, begun)


both = pytest.mark.parametrize("job", [work_until_asked, work_in_a_thread_of_its_own])


@both
async def test_a_function_in_a_thread_learns_that_it_was_cancelled(job: Callable[..., object]) -> None:
    begun = threading.Event()
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("work", After(0)), job, begun)
        await anyio.to_thread.run_sync(begun.wait, 10)
        (run,) = await scheduler.list_active_runs(job_id)
        record = await scheduler.cancel_run(run.run_id)
        assert (record.outcome, record.value) == (Outcome.SUCCEEDED, [False, True])  # it won the race


@both
async def test_a_function_in_a_thread_learns_that_its_time_is_up(job: Callable[..., object]) -> None:
    begun = threading.Event()
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("work", After(0), timeout=0.5), job, begun)
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert (record.outcome, record.value) == (Outcome.SUCCEEDED, [False, True])
