"""A one-time job that was paused while it waited for a worker never ran; a moment earlier it would have been held.

Cause: a pause kept in mind the occurrence that was pending, and ended what was due and had not begun. Whether all
workers were busy when its instant came decided whether it was lost. And a run by hand, which a paused job may have, was
ended too where it had no worker yet.
"""

from datetime import datetime, timedelta
from typing import Any

import pytest
from engine_driver import Driver, at

from turnkeeper_trio import After, CatchUp, Interval, JobState, Never, Once, Outcome, Overlap
from turnkeeper_trio._engine.rows import Job


def waiting(**options: Any) -> tuple[Driver, Job, Any]:
    """Return an engine with one busy worker, a job whose run waits for it, and the attempt that keeps it busy."""
    driver = Driver(max_workers=1, dispatch_buffer=1)
    driver.trigger(driver.add("busy"))
    (attempt,) = driver.begin()
    job = driver.add("job", **options)
    driver.tick(1)
    assert [run.phase for run in driver.active(job)] == ["queued"]
    return driver, job, attempt


one_time = pytest.mark.parametrize(
    "options",
    [
        {"schedule": After(1)},
        {"schedule": Once(at(1))},
        {"schedule": Never(), "initial_run_time": timedelta(seconds=1)},
        {"schedule": Interval(seconds=1000), "initial_run_time": timedelta(seconds=1), "overlap": Overlap.BUFFER_ALL},
    ],
)


@one_time
@pytest.mark.parametrize("bound", [True, False])
def test_it_runs_after_the_resume(options: Any, bound: bool) -> None:
    driver, job, busy = waiting(**options)
    if not bound:
        driver.pause_all()  # It unassigns what was assigned.
    driver.pause(job)
    assert driver.active(job) == []
    assert driver.history(job)[0].outcome is Outcome.CANCELLED
    driver.resume_all()
    driver.end(busy)
    assert driver.begin(100) == []
    driver.resume(job)
    (attempt,) = driver.begin()
    assert attempt.run.occurrence.scheduled_at == at(1).timestamp() * 1_000_000
    driver.end(attempt)
    if not isinstance(options["schedule"], Interval):
        assert job.state is JobState.FINISHED


@one_time
def test_by_its_rule_it_may_be_missed(options: Any) -> None:
    driver, job, busy = waiting(**options)
    driver.pause(job)
    driver.end(busy)
    driver.advance(10)
    driver.resume(job, missed=CatchUp.NONE)
    assert driver.begin() == []
    assert driver.books.missed == 1


def test_of_a_recurring_job_it_is_caught_up_with_what_comes_after_it() -> None:
    driver, job, busy = waiting(schedule=Interval(seconds=1), overlap=Overlap.ALLOW_ALL)
    driver.tick(1)
    assert len(driver.active(job)) == 2
    driver.pause(job)
    driver.end(busy)
    driver.advance(1)
    driver.resume(job, missed=CatchUp.ALL)
    driver.tick()
    assert [run.scheduled_at for run in driver.active(job)] == [at(1), at(2), at(3)]


class Broken:
    """Each ten seconds; it raises once it is broken."""

    broken = False

    def next_after(self, after: datetime) -> datetime:
        if self.broken:
            raise ArithmeticError("no")
        return after + timedelta(seconds=10)


def test_what_waits_for_a_run_of_its_own_job_is_held_only_if_nothing_comes_after_it() -> None:
    driver = Driver()
    once = driver.add(schedule=Once(at(10)), overlap=Overlap.BUFFER_ALL)
    often = driver.add(schedule=Interval(seconds=10), overlap=Overlap.BUFFER_ALL)
    broken = Broken()
    faulty = driver.add(schedule=broken, overlap=Overlap.BUFFER_ALL)
    for job in (once, often, faulty):
        driver.trigger(job)
    attempts = driver.begin() + driver.begin(10)
    broken.broken = True
    for job, held in ((once, 10), (often, 20), (faulty, 20)):
        driver.pause(job)
        assert job.waiting == {}
        assert job.held is not None
        assert job.held.scheduled_at == at(held).timestamp() * 1_000_000
    for attempt in attempts:
        driver.end(attempt)


def test_a_run_by_hand_begins_all_the_same() -> None:
    driver = Driver(max_workers=1, dispatch_buffer=1)
    driver.trigger(driver.add("busy"))
    (busy,) = driver.begin()
    jobs = [driver.add(schedule=Interval(seconds=10)) for _ in range(2)]
    ids = [driver.trigger(job) for job in jobs]  # One is assigned to the worker, one waits.
    driver.tick()
    for job in jobs:
        driver.pause(job)
    driver.end(busy)
    for job, run_id in zip(jobs, ids, strict=True):
        (attempt,) = driver.begin()
        driver.end(attempt)
        assert driver.wait_run(run_id).result().outcome is Outcome.SUCCEEDED
        assert job.state is JobState.PAUSED
