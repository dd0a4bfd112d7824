"""Jobs that are halted after failures in a row."""

import pytest
from engine_driver import Driver, at

from turnkeeper_trio import (
    FixedRetryDelay,
    GiveUp,
    Interval,
    JobHalted,
    JobState,
    Outcome,
    Overlap,
)
from turnkeeper_trio.events import JobHalted as HaltedEvent


def failing(times, **options):
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10), halt_after=2, **options)
    for _ in range(times):
        driver.fail(driver.begin(10)[0])
    return driver, job


def test_a_job_is_halted_after_so_many_failures_in_a_row():
    driver, job = failing(1)
    driver.end(driver.begin(10)[0])
    driver.fail(driver.begin(10)[0])
    assert job.state is JobState.ACTIVE
    assert driver.details(job).consecutive_failures == 1
    caller = driver.wait_job(job)
    driver.fail(driver.begin(10)[0])
    driver.turn()
    assert job.state is JobState.HALTED
    assert driver.details(job).state_reason == "2 runs in a row failed for good"
    assert driver.history(job)[0].reason == "its job was halted"
    assert driver.books.pending == 0
    assert caller.result().outcome is Outcome.FAILED
    assert len(driver.told(HaltedEvent)) == 1


def test_runs_of_a_halted_job_go_on():
    driver, job = failing(1, overlap=Overlap.ALLOW_ALL)
    first, second = driver.begin(10) + driver.begin(10)
    driver.fail(first)
    assert job.state is JobState.HALTED
    driver.fail(second)
    assert driver.details(job).consecutive_failures == 3
    driver.turn()
    assert len(driver.told(HaltedEvent)) == 1


def test_a_halted_job_is_resumed_with_its_next_occurrence():
    driver, job = failing(2)
    driver.advance(33)
    driver.resume(job)
    assert job.state is JobState.ACTIVE
    assert driver.details(job).next_run_time == at(60)
    assert driver.details(job).consecutive_failures == 0


def test_a_halted_job_cannot_be_paused():
    driver, job = failing(2)
    with pytest.raises(JobHalted, match="2 runs in a row"):
        driver.pause(job)


def test_superseding_a_retry_may_be_one_failure_too_many():
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10), halt_after=1, max_retries=1)
    driver.fail(driver.begin(10)[0])
    assert driver.begin(10) == []
    assert job.state is JobState.HALTED
    assert driver.books.active == driver.books.pending == 0
    assert {record.outcome for record in driver.history(job)} == {Outcome.FAILED, Outcome.CANCELLED}


def test_what_waits_of_a_halted_job_does_not_begin_and_what_waits_for_its_retry_goes_on():
    driver = Driver(max_workers=3)
    job = driver.add(halt_after=1, overlap=Overlap.ALLOW_ALL, max_retries=1, retry=FixedRetryDelay(5))
    for _ in range(3):
        driver.trigger(job)
    first, second, third = driver.begin()
    driver.fail(first)
    driver.trigger(job)
    driver.end(second, value=GiveUp())
    assert job.state is JobState.HALTED
    assert driver.start_all() == []
    assert [again.run for again in driver.begin(5)] == [first.run]
    driver.end(third)
    assert driver.history(job, outcomes=[Outcome.CANCELLED])[0].reason == "its job was halted"
