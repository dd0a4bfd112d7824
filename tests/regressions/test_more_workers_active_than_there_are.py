"""The gauge of active workers showed more than there are.

Cause: it counted the attempts that a worker had claimed and that were not settled yet, and so also those that had
ended and that the coordinator had not heard of: their workers were at the next one already.
"""

import anyio
import pytest

from turnkeeper_trio import After, RecurringJobRequest, open_scheduler

pytestmark = pytest.mark.anyio


async def test_a_worker_that_goes_from_one_run_to_the_next_is_one_active_worker():
    seen = []

    async def job():
        seen.append(scheduler.get_metrics_snapshot().workers_active_current)
        await anyio.lowlevel.checkpoint()
        seen.append(scheduler.get_metrics_snapshot().workers_active_current)

    async with open_scheduler(max_workers=1, job_dispatch_buffer_size=5) as scheduler:
        for _ in range(20):
            await scheduler.add_job(RecurringJobRequest("next", After(1)), job)
        await scheduler.wait_idle()
        assert scheduler.get_metrics_snapshot().workers_active_current == 0
    assert seen == [1] * 40
