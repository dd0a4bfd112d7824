"""A job that went on after a pause, a halt or an update was planned from "now", whatever had been planned before.

Causes: a job whose first run was still to come (``initial_run_time``) was planned by its schedule, before that instant.
Where the wall clock had been set back, the instants since then came a second time. A halted job that got a new schedule
kept the count of its failures, so the next failure halted it. Only `resume_job` of a paused job was right, except for a
fixed delay.

And a job that had no further occurrence when it was resumed or updated had its `JobFinished` before its `JobResumed` or
`JobUpdated`.
"""

from datetime import timedelta

import pytest
from engine_driver import Driver, at

from turnkeeper_trio import FixedDelay, Interval, JobState, Never
from turnkeeper_trio.events import JobFinished, JobResumed, JobUpdated

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("schedule", [FixedDelay(10), Interval(10), Never()], ids=str)
@pytest.mark.parametrize("halted", [True, False], ids=["halted", "paused"])
def test_the_first_run_is_still_the_first_after_a_pause_or_a_halt(schedule, halted):
    driver = Driver()
    job = driver.add(schedule=schedule, initial_run_time=HOUR, halt_after=1)
    driver.tick(60)
    if halted:
        driver.trigger(job)
        driver.fail(driver.begin()[0])
        assert driver.details(job).state is JobState.HALTED
    else:
        driver.pause(job)
    driver.resume(job)
    assert driver.details(job).next_run_time == at(3600)
    assert len(driver.begin(3540)) == 1


def test_a_first_run_that_passed_in_a_pause_is_caught_up_and_in_a_halt_it_is_not():
    driver = Driver()
    job = driver.add(schedule=FixedDelay(10), initial_run_time=HOUR, halt_after=1)
    driver.pause(job)
    driver.advance(4000)
    driver.resume(job)
    (attempt,) = driver.begin()
    driver.fail(attempt)
    assert driver.details(job).state is JobState.HALTED
    driver.advance(100)
    driver.resume(job)
    assert driver.details(job).next_run_time == at(4110)


def test_a_job_whose_bounds_allow_no_occurrence_is_finished_and_does_not_wait_for_ever():
    driver = Driver()
    job = driver.add(schedule=Interval(10), initial_run_time=HOUR, until=at(1800))
    assert driver.details(job).next_run_time is None
    assert job.state is JobState.FINISHED


def test_an_instant_does_not_come_again_where_the_clock_was_set_back_before_a_halted_job_is_resumed():
    driver = Driver()
    job = driver.add(schedule=Interval(10), halt_after=1)
    driver.fail(driver.begin(10)[0])
    driver.advance(step=-5)
    driver.resume(job)
    assert driver.details(job).next_run_time == at(20)


def test_an_instant_does_not_come_again_where_the_clock_was_set_back_before_the_bounds_are_widened():
    driver = Driver()
    job = driver.add(schedule=Interval(10), max_runs=1)
    driver.begin(10)
    driver.advance(step=-5)
    driver.update(job, max_runs=2)
    assert driver.details(job).next_run_time == at(20)


def test_a_skipped_instant_does_not_come_again_either():
    driver = Driver()
    job = driver.add(schedule=Interval(10), max_runs=None, until=at(10))
    driver.trigger(job)
    driver.begin()
    driver.skip(job)
    driver.update(job, until=at(40))
    assert driver.details(job).next_run_time == at(20)


def test_another_schedule_begins_anew_whatever_has_been():
    driver = Driver()
    job = driver.add(schedule=Interval(10))
    driver.end(driver.begin(10)[0])
    driver.advance(step=-8)
    driver.update(job, schedule=Interval(4))
    assert driver.details(job).next_run_time == at(6)


def test_a_halted_job_with_another_schedule_has_its_failures_counted_anew():
    driver = Driver()
    job = driver.add(schedule=Interval(10), halt_after=2)
    for _ in range(2):
        driver.fail(driver.begin(10)[0])
    assert driver.details(job).state is JobState.HALTED
    driver.update(job, schedule=Interval(20))
    driver.fail(driver.begin(20)[0])
    assert driver.details(job).state is JobState.ACTIVE
    driver.fail(driver.begin(20)[0])
    assert driver.details(job).state is JobState.HALTED


@pytest.mark.parametrize("paused", [True, False])
def test_a_job_is_told_as_finished_last(paused):
    driver = Driver()
    job = driver.add(schedule=Interval(10))
    if paused:
        driver.pause(job)
    driver.update(job, until=at(-5))
    if paused:
        driver.resume(job)
    driver.turn()
    told = [type(event) for event in driver.told(JobFinished, JobUpdated, JobResumed)]
    assert told == [JobUpdated, *([JobResumed] if paused else []), JobFinished]
