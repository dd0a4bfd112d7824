"""A store that refused a job left callers and runs waiting for ever, or killed the scheduler.

Causes: what took a refused job out of the books answered nobody who waited for it, and left the ids that had been read
behind; nothing had another turn taken, so that a ready run did not get the place that had become free, and whoever
waited for idleness was not told; and a job that was deleted in the turn in which it was refused was looked for in the
table, and not found.
"""

from collections.abc import Callable

import pytest
from engine_driver import Caller, Driver, at, stored

from turnkeeper_trio import After, Interval, JobNotFound, Outcome, Overlap, RecurringJobRequest
from turnkeeper_trio._engine import control
from turnkeeper_trio._engine.rows import Job
from turnkeeper_trio._model.times import NEVER
from turnkeeper_trio.abc import JobChange
from turnkeeper_trio.errors import SubmissionRefused


def new(change: JobChange) -> str | None:
    return "taken" if change.new else None


def of(job: Job) -> Callable[[JobChange], str | None]:
    return lambda change: "taken" if change.job_id == job.job_id else None


def test_who_waits_for_a_refused_job_or_its_run_is_told():
    driver, submitter = stored(), Caller()
    job = driver.add(schedule=After(10))
    driver.turn()
    job = driver.submit(RecurringJobRequest("job", After(10)), token=submitter)
    for_job, for_run = driver.wait_job(job), driver.wait_run(driver.details(job).next_run_instance)
    for_idleness = driver.wait_idle()
    driver.turn(new)
    for caller, error in ((submitter, SubmissionRefused), (for_job, JobNotFound), (for_run, JobNotFound)):
        with pytest.raises(error, match="taken"):
            caller.result()
    assert not for_idleness.answered
    books = driver.books
    assert (books.planned, books.released, books.pending) == (2, 1, 1)


def test_a_refused_job_of_which_a_run_was_bound_already_leaves_nothing_behind():
    driver = stored()
    job = driver.add(schedule=Interval(seconds=10), initial_run_time=at(-15), overlap=Overlap.BUFFER_ALL)
    driver.trigger(job)
    driver.trigger(job)
    effects = driver.turn(new)
    assert effects.assignments == []
    books = driver.books
    assert (books.missed, books.released) == (1, books.planned - 1)
    assert driver.state.jobs == driver.state.remains == driver.state.by_id == {}
    assert driver.state.assigned == {}


def test_a_refused_run_makes_room_for_the_next_at_once():
    driver = stored(max_workers=1, dispatch_buffer=0)
    first, second = driver.add(schedule=After(0)), driver.add(schedule=After(0))
    driver.turn(of(first))
    assert driver.engine.next_due(driver.now) == driver.now.wall
    assert [attempt.run.job for attempt in driver.turn().assignments] == [second]
    assert first.job_id not in driver.state.jobs


def test_who_waits_for_idleness_is_told_when_a_refusal_brings_it():
    driver = stored()
    driver.add(schedule=After(0))
    caller = driver.wait_idle()
    driver.turn(new)
    assert not caller.answered
    assert driver.engine.next_due(driver.now) == driver.now.wall
    driver.turn()
    assert caller.answered


@pytest.mark.parametrize("wait", [Driver.wait_job, lambda driver, job: driver.wait_run(driver.trigger(job))])
def test_who_waits_for_a_run_by_hand_is_told_too(wait: Callable[[Driver, Job], Caller]):
    driver = stored()
    job = driver.add(overlap=Overlap.BUFFER_ALL)
    driver.turn()
    driver.trigger(job)
    caller = wait(driver, job)
    driver.turn(of(job))
    with pytest.raises(JobNotFound, match="the job 'job' is not here any more: taken"):
        caller.result()
    assert driver.state.jobs == {}


@pytest.mark.parametrize("ending", ["cut off", "raised", "returned"])
def test_an_executing_run_is_cut_off_and_ends_as_lost(ending: str):
    driver = stored(max_workers=3)
    job = driver.add(schedule=Interval(seconds=10), max_retries=3, overlap=Overlap.BUFFER_ALL, halt_after=1)
    (attempt,) = driver.begin(10)
    driver.tick(10)  # Another one waits for it.
    caller = driver.wait_run(driver.state.run_id(attempt.run))
    driver.update(job, priority=2)
    driver.turn(of(job))
    assert attempt.scope.cancel_called
    assert job.job_id not in driver.state.jobs
    assert not caller.answered
    if ending == "cut off":
        driver.cut_off(attempt)
    elif ending == "raised":
        driver.fail(attempt)
    else:
        driver.end(attempt, value=5)
    driver.turn()
    record = caller.result()
    assert record.outcome is (Outcome.SUCCEEDED if ending == "returned" else Outcome.LOST)
    assert record.reason == ("" if ending == "returned" else "taken")
    assert driver.books.active == 0
    assert driver.books.released == 2
    assert driver.store is not None
    assert driver.store.rows == {}, "it was told of what is not its own"
    assert driver.run_until_quiet() is None


def test_a_run_that_ended_while_its_job_was_refused_is_not_tried_again():
    driver = stored()
    job = driver.add(schedule=After(0), max_retries=3)
    (attempt,) = driver.begin()
    driver.update(job, priority=2)
    driver.engine.take_due(driver.now)
    driver.executing.remove(attempt)
    attempt.end(driver.now, attempt.ending.RAISED, error=ValueError("no"))  # The store commits in this moment.
    driver.commit(of(job))
    driver.act()
    driver.engine.report(driver.now, attempt)
    driver.turn()
    assert (driver.books.lost, driver.books.active) == (1, 0)


def test_what_was_asked_to_end_before_ends_for_that_reason():
    driver = stored()
    job = driver.add(schedule=After(0))
    (attempt,) = driver.begin()
    caller = driver.cancel(job, cancel_running=True, reason="enough")
    driver.engine.take_due(driver.now)
    driver._cancel(driver.state.effects)
    driver.executing.remove(attempt)
    attempt.end(driver.now, attempt.ending.CUT_OFF)
    driver.commit(of(job))
    driver.act()
    driver.engine.report(driver.now, attempt)
    driver.turn()
    assert [record.outcome for record in caller.result()] == [Outcome.CANCELLED]


def test_a_lost_job_comes_back_while_its_run_still_ends():
    driver = stored()
    job = driver.add(schedule=Interval(seconds=10), overlap=Overlap.SKIP)
    (attempt,) = driver.begin(10)
    assert driver.store is not None
    row = driver.store.rows[job.job_id]
    driver.update(job, priority=2)
    driver.turn(of(job))
    assert job.job_id in driver.state.remains
    row.runs.clear()  # The other scheduler has ended its run.
    row.owned = False
    driver.store.rows[job.job_id] = row
    driver.admit(*driver.store.claim())
    again = driver.state.jobs[job.job_id]
    assert driver.active(again)[0].run_id == driver.state.run_id(attempt.run)
    driver.begin(10)
    assert [record.reason for record in driver.history()] == ["the run before it had not ended"]
    driver.cut_off(attempt)
    assert len(driver.begin(10)) == 1
    assert driver.state.remains == {}


@pytest.mark.parametrize("refused", [True, False])
def test_a_job_may_be_deleted_in_the_turn_in_which_it_is_refused(refused: bool):
    driver, submitter = stored(), Caller()
    job = driver.submit(RecurringJobRequest("job", After(0)), token=submitter)
    driver.ask(control.delete_job, job.job_id)
    effects = driver.turn(new if refused else lambda _: None)
    assert effects.assignments == []
    assert submitter.answered
    assert driver.changes == []
    assert driver.state.jobs == {}


def test_an_attempt_that_no_worker_has_begun_comes_back_to_nobody():
    driver = stored()
    job = driver.add(overlap=Overlap.ALLOW_ALL)
    driver.trigger(job)
    driver.turn()
    driver.trigger(job)
    driver.turn(of(job))
    assert len(driver.dispatched) == 1
    assert driver.start() is None
    assert driver.state.assigned == {}
    assert driver.books.released == 2


def test_a_job_that_was_released_with_the_change_that_is_refused():
    driver, caller = stored(horizon=1), Caller()
    driver.submit(RecurringJobRequest("job", After(100)), token=caller)
    driver.turn(new)
    with pytest.raises(SubmissionRefused):
        caller.result()
    assert driver.state.jobs == {}


def test_a_second_caller_of_a_refused_job_is_told_too():
    driver, first, second = stored(), Caller(), Caller()
    request = RecurringJobRequest("job", After(0), key="key")
    driver.submit(request, token=first)
    driver.submit(request, token=second)
    driver.turn(new)
    for caller in (first, second):
        with pytest.raises(SubmissionRefused) as refused:
            caller.result()
        assert (refused.value.request, refused.value.fn, refused.value.args) == (request, "target", ())


def test_an_alarm_of_a_refused_run_does_not_go_off():
    driver = stored()
    driver.add(schedule=After(0), stuck_after=5)
    driver.turn(new)
    assert driver.state.check_at == NEVER
    assert driver.tick(10).stuck == []
