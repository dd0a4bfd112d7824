"""An instant after the year 9999 killed the scheduler, and so did a duration that no integer can hold.

Causes: an initial run time, a fixed delay or a jitter that led there was planned, and could not be shown as a date when
somebody looked; and seconds were turned into microseconds before it was checked that they can be.
"""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from engine_driver import Driver

from turnkeeper_trio import ConfigurationError, ExponentialBackoff, FixedDelay, Interval, Once, RecurringJobRequest

LAST = datetime.max.replace(tzinfo=UTC)
FAR = timedelta(days=3_000_000)


@pytest.mark.parametrize(
    "options",
    [
        {"initial_run_time": FAR},
        {"initial_run_time": FAR, "schedule": Interval(seconds=1)},
        {"initial_run_time": FAR, "schedule": FixedDelay(1)},
        {"schedule": FixedDelay(FAR)},
    ],
)
def test_what_lies_beyond_the_calendar_never_comes(options: dict[str, Any]):
    driver = Driver()
    job = driver.add(**options)
    assert driver.details(job).next_run_time is None
    driver.tick(1)
    assert driver.books.planned == 0


@pytest.mark.parametrize("options", [{"schedule": Once(LAST)}, {"initial_run_time": LAST}])
def test_jitter_does_not_lead_there(options: dict[str, Any]):
    driver = Driver()
    job = driver.add(jitter=timedelta.max, **options)
    assert driver.details(job).next_run_time == LAST


def test_the_jitter_of_a_fixed_delay_does_not_lead_there():
    driver = Driver()
    delay = LAST - timedelta(seconds=1) - datetime(2024, 1, 1, tzinfo=UTC)
    job = driver.add(schedule=FixedDelay(delay), jitter=timedelta.max)
    assert LAST - timedelta(seconds=1) <= driver.details(job).next_run_time <= LAST


@pytest.mark.parametrize("value", [1e305, 10**400, float("inf"), float("nan"), -1e305])
def test_a_duration_that_cannot_be_counted_with_is_refused(value: float):
    with pytest.raises(ConfigurationError, match="timeout must be finite"):
        RecurringJobRequest("job", timeout=value)


@pytest.mark.parametrize("name", ["initial_run_time", "until"])
def test_an_instant_outside_of_the_calendar_in_utc_is_refused(name: str):
    with pytest.raises(ConfigurationError, match=f"{name} is outside the years 1 to 9999") as caught:
        RecurringJobRequest("job", **{name: datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))})
    assert caught.value.parameter == name


class Far:
    def delay(self, failed: object, rng: object) -> float:
        return 1e305


def test_a_retry_policy_that_answers_so_ends_its_run_and_nothing_else():
    driver = Driver()
    driver.add(initial_run_time=timedelta(0), max_retries=1, retry=Far())
    (attempt,) = driver.begin()
    driver.fail(attempt)
    (record,) = driver.history()
    assert "its retry policy gave no delay: the delay must be finite" in record.reason


def test_durations_of_a_back_off_may_be_timedeltas():
    """They were accepted, and made the policy raise ``TypeError`` at the first failure."""
    policy = ExponentialBackoff(
        timedelta(minutes=1), maximum=timedelta(minutes=2), jitter=0, max_elapsed=timedelta(minutes=10)
    )
    driver = Driver()
    driver.add(initial_run_time=timedelta(0), max_retries=1, retry=policy)
    (attempt,) = driver.begin()
    driver.fail(attempt)
    assert driver.tick(59).assignments == []
    assert len(driver.tick(1).assignments) == 1
