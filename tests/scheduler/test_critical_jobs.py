"""Jobs that must not fail: the failure of a critical job leaves the block."""

import anyio
import pytest
from sample_jobs import clean_up, fail

from turnkeeper_trio import (
    After,
    CriticalJobFailed,
    FixedRetryDelay,
    Outcome,
    RecurringJobRequest,
    open_scheduler,
)

pytestmark = pytest.mark.anyio


CRITICAL = RecurringJobRequest("critical", After(5), critical=True)


async def test_the_failure_leaves_the_block_from_its_error_and_everything_is_cleaned_up():
    cleaned = []

    with pytest.raises(CriticalJobFailed) as caught:
        async with open_scheduler(max_workers=2) as scheduler:
            await scheduler.add_job(RecurringJobRequest("other", After(0)), clean_up, 2, cleaned)
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
