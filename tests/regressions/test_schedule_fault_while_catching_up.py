"""A halted job kept firing, and a job halted by its own last run was taken to be over before that run began.

Cause: when a user's schedule failed half-way through catching up (in ``count_between``, say), the next occurrence had
been planned already, and `halt` left it in the queue. And `fire` halted before it began the run, so that for a moment
the job had neither a run nor an occurrence, and whoever waited for its end was answered.
"""

from datetime import datetime, timedelta

import anyio
import pytest
from stepping_clock import START, SteppingClock

from turnkeeper_trio import JobState, Outcome, RecurringJobRequest, open_scheduler

pytestmark = pytest.mark.anyio


class EachSecond:
    """Each full second; it fails at the questions it is told to fail at."""

    def __init__(self) -> None:
        self.fails_after = datetime.max.replace(tzinfo=START.tzinfo)
        self.counts = True

    def next_after(self, after: datetime) -> datetime | None:
        if after >= self.fails_after:
            raise RuntimeError("it cannot tell")
        return after + timedelta(seconds=1)

    def count_between(self, after: datetime, until: datetime) -> int:
        if not self.counts:
            raise RuntimeError("it cannot count")
        return (until - after) // timedelta(seconds=1)


@pytest.mark.parametrize("jitter", [0, 0.9])
async def test_a_job_whose_schedule_cannot_count_what_was_missed_is_halted_and_fires_no_more(jitter):
    clock, schedule = SteppingClock(), EachSecond()
    started = []

    async def job() -> None:
        started.append(anyio.current_time())

    async with open_scheduler(max_workers=1, clock=clock) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("each", schedule, jitter=jitter), job)
        await anyio.sleep(2.5)
        schedule.counts = False
        clock.step(100)
        await anyio.sleep(1000)
        details = await scheduler.get_job_details(job_id)
        assert details.state is JobState.HALTED
        assert "it cannot count" in details.state_reason
        assert details.next_run_time is None
        assert started[-1] < 15
        assert scheduler.get_metrics_snapshot().books.pending == 0


async def test_whoever_waits_for_a_job_that_is_halted_is_answered_when_its_last_run_has_ended():
    schedule = EachSecond()
    async with open_scheduler(max_workers=1, clock=SteppingClock()) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("each", schedule), anyio.sleep, 5)
        schedule.fails_after = START + timedelta(seconds=1)
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert record.outcome is Outcome.SUCCEEDED
        assert anyio.current_time() == 6
