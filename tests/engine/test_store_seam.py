"""What a store is told and asked, what it hands over, and what it takes back."""

import json
from datetime import timedelta

import pytest
from engine_driver import Driver, at
from user_schedules import FaultyFrom, Listed

from turnkeeper_trio import (
    After,
    FixedRetryDelay,
    Interval,
    JobState,
    Once,
    Origin,
    RecurringJobRequest,
)
from turnkeeper_trio._model.change import CHANGE_VERSION, ChangeKind, Refusal
from turnkeeper_trio._model.instants import instant_us


def test_where_no_store_asks_nothing_is_noted():
    driver = Driver()
    driver.add(schedule=After(0))
    driver.end(driver.begin()[0])
    driver.turn()
    assert driver.changes == []


def test_the_life_of_a_job_in_changes():
    driver = Driver(store_asks=True)
    request = RecurringJobRequest(
        "job", Interval(seconds=10), 1, retry=FixedRetryDelay(5), priority=2, tags=("a",), timeout=3, jitter=0
    )
    job = driver.submit(request, at(0), word={1, 2})
    driver.fail(driver.begin(10)[0])
    driver.end(driver.begin(5)[0])
    driver.skip(job)
    driver.delete(job)
    driver.turn()
    told = [(change.kind, {key: change.data[key] for key in change.data if key in KEYS}) for change in driver.changes]
    base = instant_us(at(0))
    assert told == [
        (ChangeKind.JOB_ACCEPTED, {}),
        (ChangeKind.JOB_CHANGED, {"next": base + 10_000_000, "state": "active"}),
        (ChangeKind.JOB_CHANGED, {"next": base + 20_000_000, "state": "active"}),
        (ChangeKind.RUN_STARTED, {"attempt": 1, "scheduled_at": base + 10_000_000}),
        (ChangeKind.RUN_STARTED, {"attempt": 2, "scheduled_at": base + 10_000_000}),
        (ChangeKind.RUN_ENDED, {"outcome": "succeeded", "attempts": 2, "scheduled_at": base + 10_000_000}),
        (ChangeKind.RUN_ENDED, {"outcome": "skipped", "count": 1, "scheduled_at": base + 20_000_000}),
        (ChangeKind.JOB_CHANGED, {"next": base + 30_000_000, "state": "active"}),
        (ChangeKind.JOB_CHANGED, {"next": None, "state": "cancelled"}),
        (ChangeKind.RUN_ENDED, {"outcome": "cancelled", "count": 1, "scheduled_at": base + 30_000_000}),
        (ChangeKind.JOB_DELETED, {}),
    ]
    assert [change.change_id for change in driver.changes] == list(range(1, len(told) + 1))
    assert {change.version for change in driver.changes} == {CHANGE_VERSION}
    definition = driver.changes[0].data
    assert definition["name"] == "job"
    assert definition["args"] == ["2024-01-01T00:00:00Z"]
    assert definition["kwargs"] == {"word": [1, 2]}
    assert definition["timeout"] == 3_000_000
    for change in driver.changes:
        assert json.loads(json.dumps(change.to_json()))["job_id"] == str(job.job_id)


KEYS = {"next", "state", "attempt", "outcome", "count", "attempts", "scheduled_at"}


def test_changes_are_handed_over_once():
    driver = Driver(store_asks=True)
    driver.add(schedule=After(0))
    assert len(driver.engine.take_changes()) == 2
    assert driver.engine.take_changes() == []
    driver.engine.settle([])
    driver.engine.settle([Refusal(1, "too late: it was settled")])
    assert len(driver.state.jobs) == 1


@pytest.mark.parametrize("seconds", [-15, 0, 15])
def test_a_job_that_is_admitted_goes_on_where_it_was(seconds: float):
    driver = Driver()
    job = driver.admit(RecurringJobRequest("job", Interval(seconds=10, anchor=at(5))), instant_us(at(seconds)))
    assert driver.details(job).next_run_time == at(seconds)
    driver.tick(20)
    (attempt,) = driver.start_all()
    assert attempt.run.occurrence.origin is Origin.SCHEDULE
    assert driver.metrics().jobs_submitted == 0
    assert driver.details(job).next_run_time == at(25)


def test_a_job_without_a_next_occurrence_is_admitted_too():
    driver = Driver()
    job = driver.admit(RecurringJobRequest("job"), None)
    assert driver.details(job).next_run_time is None
    driver.trigger(job)
    assert len(driver.begin()) == 1


def test_a_faulty_job_that_is_admitted_is_halted():
    driver = Driver()
    schedule = FaultyFrom(timedelta(seconds=1), at(0), at(0), "raises")
    job = driver.admit(RecurringJobRequest("job", schedule, jitter=5), instant_us(at(5)))
    assert job.state is JobState.HALTED
    assert driver.books.planned == 0


def test_a_job_that_is_released_leaves_nothing_behind_and_may_be_admitted_again():
    driver = Driver()
    for phase in ("pending", "ready", "bound", "retry"):
        job = driver.add(schedule=Interval(seconds=10), max_retries=1, initial_run_time=at(driver.seconds + 10))
        if phase != "pending":
            driver.advance(10)
            driver.engine.take_due(driver.now)
        if phase == "retry":
            driver.act()
            driver.fail(driver.start_all()[0])
        driver.engine.release([job.job_id])
        driver.check()
        assert driver.state.jobs == {}
        assert driver.books.planned == 0
        driver.turn()
        assert driver.dispatched == []


def test_a_job_that_executes_cannot_be_released():
    driver = Driver()
    job = driver.add(schedule=After(0))
    driver.begin()
    with pytest.raises(AssertionError):
        driver.engine.release([job.job_id])


def test_an_ended_job_can_be_released():
    driver = Driver()
    job = driver.add(schedule=After(0))
    driver.end(driver.begin()[0])
    driver.engine.release([job.job_id])
    driver.check()
    assert len(driver.state.ended_jobs) == 0
    assert driver.history() == []


def test_a_schedule_that_cannot_be_written_is_shown_by_its_repr():
    driver = Driver(store_asks=True)
    driver.add(schedule=Listed([]))
    driver.add(schedule=Once(at(0)))
    driver.turn()
    accepted = [change.data["schedule"] for change in driver.changes if change.kind is ChangeKind.JOB_ACCEPTED]
    assert "Listed object" in accepted[0]
    assert accepted[1]["kind"] == "once"
