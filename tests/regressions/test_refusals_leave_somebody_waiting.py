"""A store that refused a job or a run left callers and runs waiting for ever, or killed the scheduler.

Causes: `release` and `discard_refused_run` answered nobody who waited for what they took out of the books, and left
the ids that had been read behind; nothing had another turn taken, so that a ready run did not get the place that had
become free, and whoever waited for idleness was not told; a job of which the only run was refused stayed active for
ever; and a job that was deleted in the turn in which it was refused was looked for in the table, and not found.
"""

import pytest
from engine_driver import Caller, Driver, at

from turnkeeper_trio import After, Interval, JobNotFound, JobState, Never, Overlap, RunNotFound
from turnkeeper_trio._engine import control
from turnkeeper_trio._model.change import ChangeKind
from turnkeeper_trio._model.times import NEVER
from turnkeeper_trio.errors import SubmissionRefused


def refusing(kind):
    return lambda change: "taken" if change.kind is kind else None


JOBS = refusing(ChangeKind.JOB_ACCEPTED)
RUNS = refusing(ChangeKind.RUN_STARTED)


def test_who_waits_for_a_refused_job_or_its_run_is_told():
    driver = Driver(store_asks=True)
    submitter = Caller()
    job = driver.add(schedule=After(10))
    driver.turn()
    job = driver.submit(job.request, token=submitter)
    for_job, for_run = driver.wait_job(job), driver.wait_run(driver.details(job).next_run_instance)
    for_idleness = driver.wait_idle()
    driver.turn(JOBS)
    for caller, error in ((submitter, SubmissionRefused), (for_job, JobNotFound), (for_run, RunNotFound)):
        with pytest.raises(error):
            caller.result()
    assert not for_idleness.answered
    assert driver.books.planned == driver.books.pending == 1
    assert driver.metrics().jobs_submitted == 1


def test_a_refused_job_of_which_a_run_was_bound_already_leaves_nothing_behind():
    driver = Driver(store_asks=True)
    job = driver.add(schedule=Interval(seconds=10), initial_run_time=at(-15), overlap=Overlap.BUFFER_ALL)
    driver.trigger(job)
    driver.trigger(job)
    effects = driver.turn(JOBS)
    assert effects.assignments == []
    assert driver.books.planned == driver.books.missed == 1
    assert driver.state.jobs == {}


def test_a_refused_run_makes_room_for_the_next_at_once():
    driver = Driver(store_asks=True, max_workers=1, dispatch_buffer=0)
    first, second = driver.add(schedule=After(0)), driver.add(schedule=After(0))
    driver.turn(lambda change: "taken" if change.kind is ChangeKind.RUN_STARTED else None)
    assert driver.engine.next_due(driver.now) == driver.now.wall
    assert [attempt.run.job for attempt in driver.turn().assignments] == [second]
    assert first.job_id not in driver.state.jobs


def test_who_waits_for_idleness_is_told_when_a_refusal_brings_it():
    driver = Driver(store_asks=True)
    driver.add(schedule=After(0))
    caller = driver.wait_idle()
    driver.turn(RUNS)
    assert not caller.answered
    assert driver.engine.next_due(driver.now) == driver.now.wall
    driver.turn()
    assert caller.answered


def test_a_refused_run_lets_the_next_of_its_job_take_its_turn():
    driver = Driver(store_asks=True)
    job = driver.add(schedule=Never(), overlap=Overlap.BUFFER_ALL)
    driver.turn()
    driver.trigger(job)
    second = driver.trigger(job)
    assert driver.turn(RUNS).assignments == []
    (attempt,) = driver.turn().assignments
    assert attempt.run.occurrence.run_id == second


def test_a_job_run_by_hand_stays_when_somebody_else_runs_it():
    driver = Driver(store_asks=True)
    job = driver.add()
    driver.turn()
    run_id = driver.trigger(job)
    for_job, for_run = driver.wait_job(job), driver.wait_run(run_id)
    driver.turn(RUNS)
    assert job.state is JobState.ACTIVE
    assert driver.state.jobs == {job.job_id: job}
    with pytest.raises(RunNotFound, match="no run of 'job' has begun"):
        for_job.result()
    with pytest.raises(RunNotFound):
        for_run.result()


def test_a_recurring_job_goes_on_with_its_next_occurrence():
    driver = Driver(store_asks=True)
    job = driver.add(schedule=Interval(seconds=10))
    driver.turn()
    driver.advance(10)
    driver.turn(RUNS)
    assert driver.books.active == 0
    assert driver.details(job).next_run_time == at(20)
    (attempt,) = driver.begin(10)
    assert attempt.run.job is job


@pytest.mark.parametrize("refused", [True, False])
def test_a_job_may_be_deleted_in_the_turn_in_which_it_is_refused(refused):
    driver = Driver(store_asks=True)
    submitter = Caller()
    job = driver.submit(driver.add(schedule=After(0)).request, token=submitter)
    driver.ask(control.delete_job, job.job_id)
    driver.turn(JOBS if refused else lambda _: None)
    assert submitter.answered
    assert isinstance(submitter.answer, SubmissionRefused) == refused


def test_an_alarm_of_a_refused_run_does_not_go_off():
    driver = Driver(store_asks=True)
    driver.add(schedule=After(0), stuck_after=5)
    driver.turn(RUNS)
    assert driver.state.check_at == NEVER
    assert driver.tick(10).stuck == []
