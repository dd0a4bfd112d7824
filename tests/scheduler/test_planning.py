"""The bounds of a job: how often it runs, and until when."""

import anyio
import pytest

from turnkeeper_trio import (
    Interval,
    JobActive,
    JobState,
    RecurringJobRequest,
    open_scheduler,
)

pytestmark = pytest.mark.anyio


async def test_max_runs_counts_runs_by_the_schedule_that_began():
    ran = []

    async def job():
        ran.append(anyio.current_time())
        await anyio.sleep(15)

    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10), max_runs=3), job)
        await scheduler.trigger_job_now(job_id)
        with pytest.raises(JobActive):
            await scheduler.trigger_job_now(job_id)
        await scheduler.wait_job(job_id)
        assert ran == [0, 20, 40, 60]
        assert scheduler.get_metrics_snapshot().books.skipped == 3


async def test_until_is_the_last_instant():
    ran = []

    async def job():
        ran.append(anyio.current_time())

    async with open_scheduler(max_workers=1) as scheduler:
        until = scheduler.now().add(seconds=30)
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10), until=until), job)
        await scheduler.wait_job(job_id)
        assert ran == [10, 20, 30]
        assert (await scheduler.get_job_details(job_id)).state is JobState.FINISHED
        assert [run.scheduled_at for run in await scheduler.upcoming_runs()] == []
