"""A plain function that waited through ``from_thread`` for what was planned for later held up a forced shutdown.

Cause: on asyncio nothing cancels what a thread begins after it was cut off; so the thread waited for the scheduler,
which brought nothing about any more, and the scheduler for the thread.
"""

import time

import anyio
import pytest
from anyio import from_thread

from turnkeeper_trio import After, Interval, RecurringJobRequest, RunPhase, current_run, open_scheduler

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(10)]


async def test_under_force_a_thread_that_waits_for_what_is_planned_for_later_is_refused_at_once():
    refused = []

    def job(wait, *args):
        while not current_run().cancel_requested:
            time.sleep(0.001)  # A plain function polls: it is in a thread, on the real clock.
        try:
            from_thread.run(wait, *args)
        except BaseException as refusal:
            refused.append(refusal)

    async with open_scheduler(max_workers=2) as scheduler:
        hourly = await scheduler.add_job(RecurringJobRequest("hourly", Interval(hours=1)), anyio.sleep, 0)
        details = await scheduler.get_job_details(hourly)
        await scheduler.add_job(RecurringJobRequest("thread", After(0)), job, scheduler.wait_job, hourly)
        await scheduler.add_job(
            RecurringJobRequest("thread", After(0)), job, scheduler.wait_run, details.next_run_instance
        )
        while [run.phase for run in await scheduler.list_active_runs()] != [RunPhase.EXECUTING] * 2:
            await anyio.lowlevel.checkpoint()
        began = anyio.current_time()
        await scheduler.shutdown_force()
        assert anyio.current_time() == began
    assert len(refused) == 2


async def test_under_force_a_task_that_waits_until_nothing_is_planned_is_refused_at_once():
    async def wait():
        with pytest.raises(Exception, match="shuts down"):
            await scheduler.wait_idle()
        ended.append(anyio.current_time())

    async def unwind():
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(50)

    ended = []
    async with open_scheduler(max_workers=1) as scheduler, anyio.create_task_group() as tasks:
        await scheduler.add_job(RecurringJobRequest("hourly", Interval(hours=1)), anyio.sleep, 0)
        await scheduler.add_job(RecurringJobRequest("slow", After(0)), unwind)
        tasks.start_soon(wait)
        await anyio.sleep(1)
        await scheduler.shutdown_force()
        assert ended == [1]
