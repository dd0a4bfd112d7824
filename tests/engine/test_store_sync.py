"""Changes for a store, its refusals, and jobs that it hands over and takes back."""

import json
from datetime import timedelta

import pytest
from engine_driver import Caller, Driver, at
from user_schedules import FaultyFrom, Listed

from turnkeeper_trio import (
    After,
    FixedRetryDelay,
    Interval,
    JobNotFound,
    JobState,
    Once,
    Origin,
    RecurringJobRequest,
    RunNotFound,
)
from turnkeeper_trio._model.change import CHANGE_VERSION, ChangeKind, Refusal
from turnkeeper_trio._model.times import NEVER, instant_us
from turnkeeper_trio.errors import SubmissionRefused


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
    assert definition["timeout"] == 3
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


def test_who_waits_for_what_is_released_is_told_that_it_is_not_here_any_more():
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10))
    for_job, for_run = driver.wait_job(job), driver.wait_run(driver.details(job).next_run_instance)
    driver.engine.release([job.job_id])
    driver.turn()
    with pytest.raises(JobNotFound, match="the job 'job' is not here any more"):
        for_job.result()
    with pytest.raises(RunNotFound, match="is not here any more"):
        for_run.result()


@pytest.mark.parametrize("refused", [ChangeKind.JOB_ACCEPTED, ChangeKind.RUN_STARTED])
def test_a_refused_job_or_run_is_let_go_of_in_the_same_turn(refused: ChangeKind):
    driver, submitter = Driver(store_asks=True), Caller()
    job = driver.submit(RecurringJobRequest("job", After(0)), 1, token=submitter, word=2)
    hand = driver.add()
    run_id = driver.trigger(hand)
    driver.turn(lambda change: "it is another's" if change.kind is refused and change.job_id == job.job_id else None)
    assert [attempt.run.job for attempt in driver.start_all()] == [hand]
    assert job.job_id not in driver.state.jobs
    assert driver.books.planned == 1
    assert driver.active()[0].run_id == run_id
    assert driver.engine.next_due(driver.now) == driver.now.wall
    if refused is ChangeKind.JOB_ACCEPTED:
        error = submitter.answer
        assert isinstance(error, SubmissionRefused)
        assert (error.request, error.fn, error.args, error.kwargs) == (job.request, "target", (1,), {"word": 2})
        assert str(error) == "the store refused the job 'job': it is another's"
    else:
        assert submitter.result() == job.job_id


def test_a_run_by_hand_that_is_refused_leaves_its_job():
    driver = Driver(store_asks=True)
    job = driver.add()
    driver.turn()
    driver.trigger(job)
    caller = driver.wait_job(job)
    driver.turn(lambda change: "no" if change.kind is ChangeKind.RUN_STARTED else None)
    with pytest.raises(RunNotFound, match=r"no run of 'job' has begun, and none is planned: it is active$"):
        caller.result()
    assert driver.state.jobs == {job.job_id: job}


def test_a_job_that_is_deleted_in_the_turn_in_which_it_is_refused_is_gone_already():
    driver = Driver(store_asks=True)
    job = driver.add(schedule=After(10), stuck_after=1)
    driver.delete(job)
    driver.turn(lambda change: "no" if change.kind is ChangeKind.JOB_ACCEPTED else None)
    assert driver.state.jobs == {}


def test_a_refused_run_takes_its_alarm_along():
    driver = Driver(store_asks=True)
    driver.add(schedule=After(0), stuck_after=1)
    driver.turn(lambda change: "no" if change.kind is ChangeKind.RUN_STARTED else None)
    assert driver.state.check_at == NEVER


def test_a_recurring_job_of_which_a_run_is_refused_goes_on_with_the_next():
    driver = Driver(store_asks=True)
    job = driver.add(schedule=Interval(seconds=10))
    driver.turn()
    driver.advance(10)
    driver.turn(lambda change: "no" if change.kind is ChangeKind.RUN_STARTED else None)
    assert driver.dispatched == []
    assert driver.details(job).next_run_time == at(20)
    assert [attempt.run.job for attempt in driver.begin(10)] == [job]
