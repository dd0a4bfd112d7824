"""A job's schedule counted from the turn that took the job in, and not from when `add_job` put it in staging.

Cause: a submission carried no instant. While a store committed, or the loop was busy, what lay in staging aged: an
`After(5)` ran so much later than five seconds after it was accepted, and an occurrence between the two never came.
"""

from datetime import time, timedelta

import pytest
from engine_driver import Driver, at

from turnkeeper_trio import After, Cron, FixedDelay, Interval, Never, OnConflict, RecurringJobRequest, WeekdayTimes
from turnkeeper_trio.schedules import Weekday

MINUTELY = Cron("* * * * *")


def stage(driver, schedule, on_conflict=OnConflict.UPDATE, **options):
    """Stage a job now, and return what is staged."""
    submission = driver.submission(RecurringJobRequest("job", schedule, **options), on_conflict=on_conflict)
    submission.staged = driver.now
    return submission


def take(driver, submission):
    """Accept what was staged, now."""
    job = driver.engine.accept(driver.now, submission)
    driver.check()
    return job


@pytest.mark.parametrize(
    ("schedule", "options", "first"),
    [
        (After(10), {}, 10),
        (Interval(10), {}, 10),
        (FixedDelay(10), {}, 10),
        (MINUTELY, {}, 60),
        (WeekdayTimes([(Weekday.MONDAY, time(0, 1))]), {}, 60),
        (Never(), {"initial_run_time": timedelta(seconds=10)}, 10),
    ],
    ids=["after", "interval", "fixed delay", "cron", "weekdays", "initial run"],
)
@pytest.mark.parametrize("waited", [4, 64], ids=["taken before it is due", "taken later"])
def test_the_first_occurrence_is_that_after_staging(schedule, options, first, waited):
    driver = Driver()
    submission = stage(driver, schedule, **options)
    driver.advance(waited)
    job = take(driver, submission)
    assert driver.details(job).next_run_time == at(first)
    assert len(driver.begin(max(0, first - waited))) == 1
    assert driver.seconds == max(first, waited)


def test_what_passed_in_staging_is_missed_as_any_other():
    driver = Driver()
    submission = stage(driver, Interval(10))
    driver.advance(35)
    job = take(driver, submission)
    (attempt,) = driver.begin()
    assert attempt.run.occurrence.scheduled_at == driver.now.wall - 5_000_000
    assert driver.books.missed == 2
    driver.end(attempt)
    assert driver.details(job).next_run_time == at(40)


def test_without_an_instant_it_counts_from_when_it_is_taken():
    driver = Driver()
    submission = driver.submission(RecurringJobRequest("job", After(10)))
    driver.advance(4)
    assert driver.details(take(driver, submission)).next_run_time == at(14)


@pytest.mark.parametrize("on_conflict", [OnConflict.UPDATE, OnConflict.REPLACE])
@pytest.mark.parametrize("schedule", [After(10), Interval(10), FixedDelay(10)], ids=str)
def test_another_schedule_of_a_key_counts_from_staging_too(schedule, on_conflict):
    driver = Driver()
    driver.add(schedule=Interval(1000), key="key")
    driver.advance(5)
    submission = stage(driver, schedule, on_conflict, key="key")
    driver.advance(4)
    assert driver.details(take(driver, submission)).next_run_time == at(15)


@pytest.mark.parametrize("on_conflict", [OnConflict.UPDATE, OnConflict.REPLACE])
def test_what_has_had_its_turn_meanwhile_does_not_come_again(on_conflict):
    driver = Driver()
    driver.add(schedule=MINUTELY, key="key")
    driver.advance(59)
    submission = stage(driver, Cron("* * * * mon-sun"), on_conflict, key="key")
    (attempt,) = driver.begin(2)
    driver.end(attempt)
    job = take(driver, submission)
    assert driver.begin() == []
    assert driver.details(job).next_run_time == at(120)


def test_after_a_cancellation_what_had_its_turn_does_not_come_again():
    driver = Driver()
    job = driver.add(schedule=MINUTELY, key="key")
    driver.advance(59)
    submission = stage(driver, MINUTELY, OnConflict.RAISE, key="key")
    (attempt,) = driver.begin(2)
    driver.end(attempt)
    driver.cancel(job)
    assert driver.details(take(driver, submission)).next_run_time == at(120)


def test_a_clock_that_was_set_back_does_not_hold_another_schedule_up():
    driver = Driver()
    job = driver.add(schedule=MINUTELY)
    (attempt,) = driver.begin(3600)
    driver.end(attempt)
    driver.advance(step=-1800)
    driver.update(job, schedule=Interval(60))
    assert driver.details(job).next_run_time == at(1860)
