"""``upcoming_runs(limit=10**9)``: nothing ran any more, and nobody was answered, until it had listed them all.

Cause: the schedules were asked by the coordinator, in one step. They are asked by the caller's task, a few at a time.
"""

from datetime import timedelta

import anyio
import pytest
from sample_jobs import nothing

from turnkeeper_trio import After, Interval, Outcome, RecurringJobRequest, open_scheduler

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(20)]


async def test_others_are_answered_meanwhile() -> None:
    async with open_scheduler(max_workers=1) as scheduler, anyio.create_task_group() as tasks:
        await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=1)), anyio.sleep, 0)
        listed: list[int] = []

        async def list_them() -> None:
            listed.append(len(await scheduler.upcoming_runs(limit=10**18)))

        tasks.start_soon(list_them)
        for _ in range(20):
            record = await scheduler.wait_job(await scheduler.add_job(RecurringJobRequest("once", After(0)), nothing))
            assert record.outcome is Outcome.SUCCEEDED
        assert not listed
        tasks.cancel_scope.cancel()


async def test_there_are_as_many_as_asked_for() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=1)), anyio.sleep, 0)
        await scheduler.add_job(RecurringJobRequest("thrice", Interval(seconds=2), max_runs=3), anyio.sleep, 0)
        found = await scheduler.upcoming_runs(limit=1_000)
        assert len(found) == 1_000
        assert sum(run.name == "thrice" for run in found) == 3
        until = scheduler.now() + timedelta(seconds=700)
        found = await scheduler.upcoming_runs(limit=10**18, until=until)
        assert len(found) == 703
