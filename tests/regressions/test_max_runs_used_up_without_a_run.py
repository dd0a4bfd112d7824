"""A job with ``max_runs=3`` finished after one run, or two: what never began was counted among its runs.

Cause: an occurrence was counted when it became due, and not given back where its run ended without having begun:
missed by its ``start_deadline``, superseded, or cancelled by a pause, by a halt or by hand.
"""

from collections.abc import Callable
from typing import Any

import pytest
from engine_driver import Driver, at

from turnkeeper_trio import FixedDelay, Interval, JobState, Once, Outcome, Overlap
from turnkeeper_trio._engine.rows import Job


def busy(**options: Any) -> tuple[Driver, Job, Any]:
    """Return an engine whose only worker is busy, a job whose last allowed run is due, and the busy attempt."""
    driver = Driver(max_workers=1)
    job = driver.add("job", **{"schedule": Interval(seconds=10), "max_runs": 1, **options})
    other = driver.add("other", priority=1, overlap=Overlap.ALLOW_ALL)
    driver.trigger(other)
    (attempt,) = driver.begin(9)
    driver.trigger(other)
    driver.tick()
    driver.tick(1)
    assert [run.phase for run in driver.active(job)] == ["queued"]
    assert driver.details(job).next_run_time is None
    return driver, job, attempt


def by_deadline(driver: Driver, job: Job, attempt: Any) -> None:
    driver.advance(5)
    driver.end(attempt)
    driver.end(driver.begin()[0])
    assert job.state is JobState.ACTIVE


def by_hand(driver: Driver, job: Job, attempt: Any) -> None:
    (run,) = driver.active(job)
    assert driver.cancel_run(run.run_id).result().outcome is Outcome.CANCELLED
    driver.end(attempt)
    driver.end(driver.begin()[0])


def by_a_pause(driver: Driver, job: Job, attempt: Any) -> None:
    driver.pause(job)
    driver.end(attempt)
    driver.end(driver.begin()[0])
    driver.advance(5)
    driver.resume(job, missed="none")


@pytest.mark.parametrize("how", [by_deadline, by_hand, by_a_pause])
@pytest.mark.parametrize("schedule", [Interval(seconds=10), FixedDelay(10)])
def test_what_did_not_begin_is_given_back(how: Callable[..., None], schedule: Any) -> None:
    driver, job, attempt = busy(start_deadline=2, schedule=schedule)
    how(driver, job, attempt)
    driver.tick()
    assert job.state is JobState.ACTIVE
    assert driver.details(job).next_run_time is not None
    (last,) = driver.begin(5) or driver.begin(5)
    assert last.run.job is job
    driver.end(last)
    assert job.state is JobState.FINISHED
    assert (driver.books.succeeded, driver.books.pending) == (3, 0)


def test_a_job_of_one_instant_has_no_other() -> None:
    driver, job, attempt = busy(start_deadline=2, schedule=Once(at(10)))
    driver.advance(5)
    driver.end(attempt)
    driver.end(driver.begin()[0])
    driver.tick()
    assert job.state is JobState.FINISHED
    assert driver.history(job)[0].outcome is Outcome.MISSED


def test_what_was_superseded_is_given_back() -> None:
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10), max_runs=3, overlap=Overlap.CANCEL_OTHER)
    (first,) = driver.begin(10)
    driver.tick(10)
    driver.tick(10)
    driver.tick(10)
    assert driver.books.superseded == 2
    driver.cut_off(first)
    for _ in range(2):
        (attempt,) = driver.begin() or driver.begin(10)
        driver.end(attempt)
    assert job.state is JobState.FINISHED
    assert (driver.books.cancelled, driver.books.succeeded) == (1, 2)


def test_what_was_halted_is_given_back() -> None:
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10), max_runs=2, overlap=Overlap.BUFFER_ALL, halt_after=1)
    (first,) = driver.begin(10)
    driver.tick(10)
    assert driver.details(job).next_run_time is None
    driver.fail(first)
    assert job.state is JobState.HALTED
    driver.resume(job)
    (second,) = driver.begin(10)
    driver.end(second)
    assert job.state is JobState.FINISHED
    assert job.ran == 2


def test_what_began_counts_however_it_ends() -> None:
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10), max_runs=2)
    (first,) = driver.begin(10)
    driver.cancel_run(driver.state.run_id(first.run))
    driver.turn()
    driver.cut_off(first)
    driver.fail(driver.begin(10)[0])
    assert job.state is JobState.FINISHED


def test_runs_by_hand_neither_count_nor_give_back() -> None:
    driver = Driver(max_workers=1, dispatch_buffer=1)
    job = driver.add(schedule=Interval(seconds=10), max_runs=1, overlap=Overlap.BUFFER_ALL)
    (first,) = driver.begin(10)
    run_id = driver.trigger(job)
    driver.cancel_run(run_id)
    assert driver.details(job).next_run_time is None
    driver.end(first)
    assert job.state is JobState.FINISHED
