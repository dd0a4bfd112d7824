"""Jobs that are halted after failures in a row: what is told, what waits, and how they go on."""

import anyio
import pytest
from sample_jobs import fail

from turnkeeper_trio import (
    Interval,
    JobState,
    Outcome,
    Overlap,
    RecurringJobRequest,
    open_scheduler,
)
from turnkeeper_trio.errors import JobHalted
from turnkeeper_trio.events import JobHalted as JobHaltedEvent

pytestmark = pytest.mark.anyio


async def test_a_job_is_halted_after_so_many_failures_in_a_row_and_resumed():
    outcomes = iter([True, False, True, False, False, True, False, False])
    began = []

    async def job():
        began.append(anyio.current_time())
        return next(outcomes)

    async with open_scheduler(max_workers=1) as scheduler, scheduler.events(JobHaltedEvent) as told:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10), halt_after=2), job)
        event = await anext(told)
        assert anyio.current_time() == 50
        assert event.reason == "2 runs in a row failed for good"
        details = await scheduler.get_job_details(job_id)
        assert (details.state, details.state_reason) == (JobState.HALTED, event.reason)
        assert (details.consecutive_failures, details.next_run_time) == (2, None)
        with pytest.raises(JobHalted, match="2 runs in a row"):
            await scheduler.trigger_job_now(job_id)
        with pytest.raises(JobHalted):
            await scheduler.pause_job(job_id)
        assert (await scheduler.wait_job(job_id)).outcome is Outcome.FAILED
        await anyio.sleep(45)
        await scheduler.resume_job(job_id)
        details = await scheduler.get_job_details(job_id)
        assert (details.state, details.state_reason, details.consecutive_failures) == (JobState.ACTIVE, "", 0)
        await anext(told)
        assert began == [10, 20, 30, 40, 50, 100, 110, 120]


async def test_a_halted_job_ends_what_waits_and_can_be_cancelled():
    async with open_scheduler(max_workers=2) as scheduler:
        request = RecurringJobRequest("job", Interval(10), halt_after=1, overlap=Overlap.BUFFER_ALL)
        job_id = await scheduler.add_job(request, fail, 35)
        await anyio.sleep(60)
        books = scheduler.get_metrics_snapshot().books
        assert (books.failed, books.cancelled, books.active, books.pending) == (1, 4, 0, 0)
        await scheduler.cancel_job(job_id)
        assert (await scheduler.get_job_details(job_id)).state is JobState.CANCELLED
