"""A job whose next occurrence was later than the year 9999 ended the whole scheduler, and could hang it.

Cause: a delay was added to the present without a look at the end of the calendar, and the instant, which no datetime
can show, was shown to the next who asked. Durations too large for a float were not refused either, and pendulum's own
durations, which are ``timedelta`` objects by class, could not be read at all.
"""

import math
from datetime import UTC, datetime, timedelta

import anyio
import pendulum
import pytest
from sample_jobs import fail

from turnkeeper_trio import (
    After,
    ConfigurationError,
    ExponentialBackoff,
    FixedDelay,
    FixedRetryDelay,
    Interval,
    Never,
    Once,
    Outcome,
    RecurringJobRequest,
    open_scheduler,
)

pytestmark = pytest.mark.anyio

LONG = timedelta(days=9000 * 365)
"""From now, that is after the year 9999."""

LAST = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "request_",
    [
        RecurringJobRequest("initial", initial_run_time=LONG),
        RecurringJobRequest("initial, then intervals", Interval(hours=1), initial_run_time=LONG, jitter=60),
        RecurringJobRequest("initial, then delays", FixedDelay(hours=1), initial_run_time=LONG),
        RecurringJobRequest("delay", FixedDelay(LONG)),
        RecurringJobRequest("after", After(LONG)),
        RecurringJobRequest("never", Never(), initial_run_time=LONG, jitter=LONG),
    ],
    ids=lambda request: request.name,
)
async def test_an_occurrence_beyond_the_calendar_does_not_come(request_):
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(request_, anyio.sleep, 0)
        assert (await scheduler.get_job_details(job_id)).next_run_time is None
        await scheduler.wait_idle()


@pytest.mark.parametrize("schedule", [Once(LAST), Interval(LONG / 2)], ids=["once", "interval"])
async def test_jitter_ends_where_the_calendar_does(schedule):
    async with open_scheduler(max_workers=1) as scheduler:
        for _ in range(20):
            job_id = await scheduler.add_job(RecurringJobRequest("late", schedule, jitter=LONG), anyio.sleep, 0)
            details = await scheduler.get_job_details(job_id)
            assert details.next_run_time is not None


async def test_a_delay_that_ends_beyond_the_calendar_ends_its_job():
    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("once", FixedDelay(LONG), initial_run_time=timedelta(0))
        record = await scheduler.wait_job(await scheduler.add_job(request, anyio.sleep, 0))
        assert record is not None
        assert record.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("delay", [1e305, 1e30, timedelta.max, math.inf, math.nan])
async def test_a_policy_that_answers_with_more_than_the_calendar_holds_gives_no_retry(delay):
    class Patient:
        def delay(self, failed, rng):
            return delay

    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("fails", After(0), max_retries=1, retry=Patient())
        record = await scheduler.wait_job(await scheduler.add_job(request, fail))
        assert record is not None
        assert record.outcome is Outcome.FAILED
        assert "no delay" in record.reason


@pytest.mark.parametrize("value", [1e305, -math.inf, math.nan, timedelta.max])
def test_a_duration_that_no_calendar_holds_is_refused_by_name(value):
    with pytest.raises(ConfigurationError, match="timeout"):
        RecurringJobRequest("slow", timeout=value)


async def test_durations_are_seconds_or_timedeltas_of_any_kind():
    backoff = ExponentialBackoff(
        timedelta(minutes=1), maximum=pendulum.duration(minutes=2), jitter=0, max_elapsed=timedelta(minutes=4)
    )
    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("fails", After(0), max_retries=9, retry=backoff)
        job_id = await scheduler.add_job(request, fail)
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert record.attempts == 3
        assert anyio.current_time() == 60 + 120


async def test_pendulum_durations_are_taken():
    async with open_scheduler(max_workers=1) as scheduler:
        retry = FixedRetryDelay(pendulum.duration(seconds=5, microseconds=3))
        request = RecurringJobRequest(
            "slow", After(0), timeout=pendulum.duration(seconds=2), max_retries=1, retry=retry
        ).with_initial_run_time(pendulum.duration(minutes=1))
        record = await scheduler.wait_job(await scheduler.add_job(request, anyio.sleep, 100))
        assert record is not None
        assert record.outcome is Outcome.TIMED_OUT
        assert anyio.current_time() == pytest.approx(60 + 2 + 5.000003 + 2)
