"""A run that superseded the last retry of its job ran without its function and its arguments.

Cause: a new run ended the runs that waited for a retry before it was in the job's table itself. At that moment a job
without a further occurrence had neither a run nor a planned occurrence. So it counted as finished, and its function and
arguments were removed. With a fixed delay, the next occurrence was planned then, and not at the end of the run.
"""

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from turnkeeper_trio import After, FixedDelay, FixedRetryDelay, JobState, Outcome, RecurringJobRequest, open_scheduler

pytestmark = pytest.mark.anyio

START = datetime(2000, 1, 1, tzinfo=UTC)


class Twice:
    """One second and two seconds after the start, and never again."""

    def next_after(self, after: datetime) -> datetime | None:
        return next((at for at in (START + timedelta(seconds=1), START + timedelta(seconds=2)) if at > after), None)


async def fail_first(calls, *args):
    calls.append(args)
    if len(calls) == 1:
        raise ValueError
    await anyio.sleep(5)


async def test_a_run_begun_by_hand_while_the_only_run_waits_for_its_retry_has_its_arguments():
    calls = []
    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("once", After(0), max_retries=1, retry=FixedRetryDelay(100))
        job_id = await scheduler.add_job(request, fail_first, calls, "argument")
        await anyio.sleep(1)
        record = await scheduler.wait_run(await scheduler.trigger_job_now(job_id))
        assert record.outcome is Outcome.SUCCEEDED
        assert (await scheduler.get_job_details(job_id)).state is JobState.FINISHED
    assert calls == [("argument",)] * 2


async def test_the_last_occurrence_of_a_schedule_supersedes_a_retry_and_has_its_arguments():
    calls = []
    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("twice", Twice(), max_retries=1, retry=FixedRetryDelay(100))
        job_id = await scheduler.add_job(request, fail_first, calls, "argument")
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert record.outcome is Outcome.SUCCEEDED
        assert anyio.current_time() == 7
    assert calls == [("argument",)] * 2


async def test_a_fixed_delay_is_counted_from_the_end_of_the_run_that_superseded_a_retry():
    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("delay", FixedDelay(seconds=10), max_retries=1, retry=FixedRetryDelay(100))
        job_id = await scheduler.add_job(request, fail_first, [])
        await anyio.sleep(11)
        await scheduler.wait_run(await scheduler.trigger_job_now(job_id))
        details = await scheduler.get_job_details(job_id)
        assert details.next_run_time == START + timedelta(seconds=11 + 5 + 10)
