"""What had been reported as planned for later was counted as never started when the block was left, hours afterwards.

Cause: leaving the block closed the books once more, at the time at which it was left, and by then the instants of what
was planned had come.
"""

import anyio
import pytest

from turnkeeper_trio import After, Interval, RecurringJobRequest, open_scheduler

pytestmark = pytest.mark.anyio


async def test_after_the_shutdown_nothing_changes_however_late_the_block_is_left():
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(RecurringJobRequest("once", After(60)), anyio.sleep, 0)
        await scheduler.add_job(RecurringJobRequest("hourly", Interval(hours=1)), anyio.sleep, 0)
        report = await scheduler.shutdown_graceful()
        metrics, jobs = scheduler.get_metrics_snapshot(), await scheduler.list_all_jobs()
        await anyio.sleep(10_000)
    assert report.unrun == 2
    assert scheduler.shutdown_report == report
    assert scheduler.get_metrics_snapshot() == metrics
    assert await scheduler.list_all_jobs() == jobs
