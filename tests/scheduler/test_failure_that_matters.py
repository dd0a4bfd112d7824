"""Jobs that must not fail, and jobs that must not go on failing."""

import anyio
import pytest

from turnkeeper_trio import (
    After,
    CriticalJobFailed,
    FixedRetryDelay,
    Interval,
    JobActive,
    JobState,
    Outcome,
    Overlap,
    RecurringJobRequest,
    open_scheduler,
)
from turnkeeper_trio.errors import JobHalted
from turnkeeper_trio.events import JobHalted as JobHaltedEvent

pytestmark = pytest.mark.anyio


async def fail(seconds=0, error=ValueError):
    await anyio.sleep(seconds)
    raise error("no")


CRITICAL = RecurringJobRequest("critical", After(5), critical=True)


async def test_the_failure_leaves_the_block_from_its_error_and_everything_is_cleaned_up():
    cleaned = []

    async def other():
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(2)
            cleaned.append(anyio.current_time())

    with pytest.raises(CriticalJobFailed) as caught:
        async with open_scheduler(max_workers=2) as scheduler:
            await scheduler.add_job(RecurringJobRequest("other", After(0)), other)
            job_id = await scheduler.add_job(CRITICAL, fail)
            try:
                await anyio.sleep_forever()
            finally:
                cleaned.append("the body")
    record = caught.value.record
    assert (record.job_id, record.outcome, record.name) == (job_id, Outcome.FAILED, "critical")
    assert caught.value.__cause__ is record.error
    assert str(caught.value) == "the critical job 'critical' failed: ValueError: no"
    assert cleaned == ["the body", 7]
    assert [record.name for record in scheduler.shutdown_report.interrupted] == ["other"]


async def test_one_that_returned_false_or_timed_out_leaves_without_a_cause():
    async def no():
        return False

    for options, job, reason in (({}, no, "it returned False"), ({"timeout": 1}, anyio.sleep_forever, "its timeout")):
        with pytest.raises(CriticalJobFailed, match=reason) as caught:
            async with open_scheduler(max_workers=1) as scheduler:
                await scheduler.add_job(CRITICAL.replace(**options), job)
                await anyio.sleep_forever()
        assert caught.value.__cause__ is None


async def test_failing_with_a_retry_left_does_not_matter_nor_being_cancelled_or_interrupted():
    attempts = []

    async def at_second():
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError

    async with open_scheduler(max_workers=2, shutdown_grace=0) as scheduler:
        request = CRITICAL.replace(max_retries=1, retry=FixedRetryDelay(1))
        await scheduler.wait_job(await scheduler.add_job(request, at_second))
        job_id = await scheduler.add_job(CRITICAL, anyio.sleep, 100)
        await anyio.sleep(6)
        await scheduler.cancel_job(job_id, cancel_running=True)
        await scheduler.add_job(CRITICAL, anyio.sleep, 100)
        await anyio.sleep(6)
    assert [record.outcome for record in scheduler.shutdown_report.interrupted] == [Outcome.INTERRUPTED]


async def test_the_first_of_two_leaves():
    with pytest.raises(CriticalJobFailed) as caught:
        async with open_scheduler(max_workers=2) as scheduler:
            await scheduler.add_job(CRITICAL.replace(name="second"), fail, 1)
            await scheduler.add_job(CRITICAL.replace(name="first"), fail)
            await anyio.sleep_forever()
    assert caught.value.record.name == "first"


async def test_the_error_of_the_body_goes_first_and_notes_the_other():
    with pytest.raises(KeyError) as caught:
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.add_job(CRITICAL, fail)
            try:
                await anyio.sleep_forever()
            finally:
                raise KeyError
    assert any("critical" in note for note in caught.value.__notes__)


async def test_it_goes_before_a_cancellation_from_outside():
    with anyio.CancelScope() as outside:
        with pytest.raises(CriticalJobFailed):
            async with open_scheduler(max_workers=1) as scheduler:
                await scheduler.add_job(CRITICAL, fail)
                try:
                    await anyio.sleep_forever()
                finally:
                    outside.cancel()
    assert outside.cancel_called


async def test_it_leaves_also_where_the_block_is_being_left_or_a_shutdown_is_under_way():
    with pytest.raises(CriticalJobFailed):
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.add_job(CRITICAL, fail, 10)
            await anyio.sleep(6)
    assert anyio.current_time() == 15
    with pytest.raises(CriticalJobFailed):
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.add_job(CRITICAL, fail, 10)
            await anyio.sleep(6)
            await scheduler.shutdown_graceful()


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
