"""Runs that are triggered by hand."""

import pytest
from engine_driver import Driver, at

from turnkeeper_trio import (
    After,
    FixedRetryDelay,
    Interval,
    JobActive,
    JobHalted,
    JobState,
    Never,
    Origin,
    Outcome,
    Overlap,
)
from turnkeeper_trio._engine import control


def test_a_run_by_hand_begins_at_once_and_the_grid_does_not_move():
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10))
    driver.advance(3)
    run_id = driver.trigger(job)
    (attempt,) = driver.begin()
    driver.end(attempt, value=1)
    record = driver.wait_run(run_id).result()
    assert (record.origin, record.scheduled_at, record.due_at, record.outcome) == (
        Origin.TRIGGER, at(3), at(3), Outcome.SUCCEEDED,
    )  # fmt: skip
    assert driver.details(job).next_run_time == at(10)


def test_a_job_that_never_runs_by_itself_can_be_run_again_and_again():
    driver = Driver()
    job = driver.add(schedule=Never())
    for _ in range(3):
        driver.trigger(job)
        driver.end(driver.begin()[0])
        assert job.state is JobState.ACTIVE
        assert job.args == ()
    assert driver.wait_job(job).result().outcome is Outcome.SUCCEEDED


def test_a_job_may_be_run_by_hand_before_its_only_occurrence():
    driver = Driver()
    job = driver.add(schedule=After(10))
    driver.trigger(job)
    driver.end(driver.begin()[0])
    assert job.state is JobState.ACTIVE
    driver.end(driver.begin(10)[0])
    assert job.state is JobState.FINISHED


@pytest.mark.parametrize("overlap", [Overlap.SKIP, Overlap.BUFFER_ONE])
def test_a_run_in_the_way_is_named(overlap):
    driver = Driver()
    job = driver.add(overlap=overlap)
    first = driver.trigger(job)
    if overlap is Overlap.BUFFER_ONE:
        driver.trigger(job)
    before = driver.books
    with pytest.raises(JobActive) as caught:
        driver.trigger(job)
    assert (caught.value.job_id, caught.value.run_id) == (job.job_id, first)
    assert driver.books == before


def test_a_run_that_only_waits_for_its_retry_is_superseded():
    driver = Driver()
    job = driver.add(max_retries=1, retry=FixedRetryDelay(100))
    first = driver.trigger(job)
    driver.fail(driver.begin()[0])
    driver.trigger(job)
    assert driver.wait_run(first).result().reason == "superseded by the next occurrence"
    assert len(driver.begin()) == 1


def test_a_halted_job_says_why():
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=1), halt_after=1)
    driver.fail(driver.begin(1)[0])
    with pytest.raises(JobHalted, match="'job' is halted: 1 runs in a row failed for good"):
        driver.ask(control.trigger_job, job.job_id).result()


def test_a_run_by_hand_may_halt_its_job_as_it_begins_and_ends_with_it():
    driver = Driver()
    job = driver.add(max_retries=1, retry=FixedRetryDelay(100), halt_after=1)
    first = driver.trigger(job)
    driver.fail(driver.begin()[0])
    second = driver.trigger(job)
    assert job.state is JobState.HALTED
    assert driver.wait_run(first).result().outcome is Outcome.FAILED
    record = driver.wait_run(second).result()
    assert (record.outcome, record.reason, record.attempts) == (Outcome.CANCELLED, "its job was halted", 0)
    assert driver.begin() == []
    driver.resume(job)
    driver.trigger(job)
    assert len(driver.begin()) == 1


def test_a_run_by_hand_takes_the_place_of_the_other_where_the_job_says_so():
    driver = Driver()
    job = driver.add(overlap=Overlap.CANCEL_OTHER)
    first, second = driver.trigger(job), driver.trigger(job)
    assert driver.wait_run(first).result().outcome is Outcome.CANCELLED
    assert driver.begin()[0].run.occurrence.run_id == second


@pytest.mark.parametrize("own", [Overlap.BUFFER_ALL, Overlap.SKIP])
def test_an_overlap_of_its_own_is_for_the_run_by_hand_only(own):
    driver = Driver(max_workers=10)
    job = driver.add(overlap=own)
    first = driver.trigger(job)
    waiting = [driver.trigger(job, overlap=Overlap.BUFFER_ALL) for _ in range(2)]
    beside = driver.trigger(job, overlap=Overlap.ALLOW_ALL)
    begun = driver.begin()
    assert [attempt.run.occurrence.run_id for attempt in begun] == [first, beside]
    for attempt in begun:
        driver.end(attempt)
    assert [attempt.run.occurrence.run_id for attempt in driver.begin()] == waiting[:1]
