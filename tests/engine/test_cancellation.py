"""Cancel, delete, skip: in each phase, and what the caller gets."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from engine_driver import Driver, at

from turnkeeper_trio import (
    After,
    FixedDelay,
    Interval,
    JobEnded,
    JobNotFound,
    JobState,
    Outcome,
    Overlap,
    PriorityQueueType,
    RunNotFound,
    RunPhase,
    SchedulerClosed,
)
from turnkeeper_trio._engine import control, queries
from turnkeeper_trio._engine.rows import AttemptResult, CancelCause
from turnkeeper_trio.events import JobCancelled, JobDeleted, JobFinished

QUEUES = pytest.mark.parametrize("queue", PriorityQueueType)
PHASES = ["pending", "ready", "bound", "retry", "ready for its retry", "bound for its retry", "executing"]


def in_phase(phase: str, **options: Any) -> tuple[Driver, Any]:
    """Return a driver, and a job that runs every ten seconds and has a run in this phase."""
    driver = Driver(max_workers=1, dispatch_buffer=0, **options)
    job = driver.add(schedule=Interval(seconds=10), max_retries=1, retry_past_next=True)
    if phase == "pending":
        return driver, job
    if phase == "ready":
        driver.add("other", After(10), priority=1)
        driver.begin(10)
        assert driver.active(job)[0].phase is RunPhase.QUEUED
        return driver, job
    driver.tick(10)
    if phase == "bound":
        return driver, job
    (attempt,) = driver.start_all()
    if phase == "executing":
        return driver, job
    driver.fail(attempt)
    if phase == "retry":
        return driver, job
    if phase == "ready for its retry":
        driver.add("other", After(0), priority=1)
        driver.begin()
    driver.tick(66)
    assert driver.active(job)[0].phase is RunPhase.QUEUED
    return driver, job


@QUEUES
@pytest.mark.parametrize("phase", PHASES)
def test_cancelling_a_job_ends_all_that_does_not_execute(phase: str, queue: PriorityQueueType):
    driver, job = in_phase(phase, queue=queue)
    before = driver.books
    for_job = driver.wait_job(job)
    records = driver.cancel(job, reason="enough").result()
    assert job.state is JobState.CANCELLED
    assert job.pending is None
    assert driver.details(job).is_cancelled
    assert driver.details(job).state_reason == "enough"
    executing = phase == "executing"
    assert driver.books.cancelled == before.cancelled + 1 + (phase not in {"pending", "executing"})
    assert len(records) == (phase not in {"pending", "executing"})
    for record in records:
        assert (record.outcome, record.reason) == (Outcome.CANCELLED, "enough")
        assert record.attempts == ("retry" in phase)
        assert (record.error is not None) == ("retry" in phase)
    driver.turn()
    assert for_job.answered != executing
    assert all(attempt.run.job is not job for attempt in driver.start_all())
    assert driver.tick(1000).assignments == []
    if executing:
        driver.end(driver.executing[0], value="done")
        driver.turn()
        assert for_job.result().value == "done"
    assert driver.cancel(job).result() == ()
    assert driver.metrics().jobs_lineage_cancelled == 1
    assert len(driver.told(JobCancelled)) == 1
    assert all(event.job_id != job.job_id for event in driver.told(JobFinished))


@QUEUES
def test_what_was_thrown_away_is_counted_as_the_queue_does_it(queue: PriorityQueueType):
    driver = Driver(queue=queue)
    jobs = [driver.add(schedule=Interval(seconds=n)) for n in range(1, 10)]
    driver.cancel(jobs[0])
    lazy = queue is PriorityQueueType.BINARY_HEAP
    assert driver.metrics().jobs_instance_discarded_cancelled == (0 if lazy else 1)
    driver.tick(1)
    assert driver.metrics().jobs_instance_discarded_cancelled == 1
    driver.tick(1)
    driver.cancel(jobs[1])
    assert driver.metrics().jobs_instance_discarded_cancelled == (2 if lazy else 3)
    fixed = driver.add(schedule=FixedDelay(5))
    driver.cancel(fixed)
    assert driver.metrics().jobs_instance_discarded_cancelled == (3 if lazy else 4)


@pytest.mark.parametrize("cleanup", ["lets it through", "succeeds", "fails", "deadline was first"])
def test_a_running_run_is_cut_off_on_request_and_the_answer_says_what_happened(cleanup: str):
    driver, job = in_phase("executing")
    (attempt,) = driver.executing
    assert attempt.scope is not None
    if cleanup == "deadline was first":
        attempt.scope.cancel()
    caller = driver.cancel(job, cancel_running=True, reason="enough")
    again = driver.cancel(job, cancel_running=True, reason="enough, I said")
    driver.turn()
    assert not caller.answered
    assert attempt.scope.cancel_called
    assert attempt.cause is (None if cleanup == "deadline was first" else CancelCause.CANCEL)
    driver.advance(3)
    if cleanup != "deadline was first":
        assert driver.active()[0].phase is RunPhase.CLEANING_UP
        assert driver.active()[0].running_for == 3
    match cleanup:
        case "lets it through":
            driver.cut_off(attempt)
        case "succeeds":
            driver.end(attempt, value=7)
        case "fails":
            driver.fail(attempt)
        case _:
            driver.end(attempt, AttemptResult.TIMED_OUT)
    assert not caller.answered
    driver.turn()
    (record,) = caller.result()
    assert again.result() == (record,)
    assert (record.outcome, record.reason) == {
        "lets it through": (Outcome.CANCELLED, "enough"),
        "succeeds": (Outcome.SUCCEEDED, ""),
        "fails": (Outcome.FAILED, "failed while it cleaned up after it was asked to end"),
        "deadline was first": (
            Outcome.TIMED_OUT,
            "it did not end within its timeout; not tried again, for it was cancelled: enough",
        ),
    }[cleanup]


def test_a_caller_that_gives_up_withdraws_nothing_but_itself():
    driver, job = in_phase("executing")
    caller = driver.cancel(job, cancel_running=True)
    other = driver.wait_run(driver.active(job)[0].run_id)
    caller.wait.withdraw()
    caller.wait.withdraw()
    driver.turn()
    driver.cut_off(driver.executing[0])
    driver.turn()
    assert not caller.answered
    assert other.result().outcome is Outcome.CANCELLED


@pytest.mark.parametrize("phase", PHASES)
def test_cancelling_one_run_leaves_its_job_going(phase: str):
    driver, job = in_phase(phase)
    details = driver.details(job)
    run_id = details.next_run_instance if phase == "pending" else details.active_runs[0].run_id
    caller = driver.cancel_run(run_id, reason="not this one")
    assert caller.answered == (phase != "executing")
    driver.turn()
    if phase == "executing":
        driver.cut_off(driver.executing[0])
        driver.turn()
    record = caller.result()
    assert (record.run_id, record.outcome, record.reason) == (run_id, Outcome.CANCELLED, "not this one")
    assert driver.cancel_run(run_id).result() == record
    assert job.state is JobState.ACTIVE
    assert driver.details(job).next_run_time is not None
    assert driver.details(job).active_runs == ()


@pytest.mark.parametrize("phase", PHASES)
def test_deleting_a_job_cancels_and_forgets_it(phase: str):
    driver, job = in_phase(phase)
    driver.delete(job)
    for ask in (
        control.cancel_job,
        control.delete_job,
        control.skip_next_run,
        control.trigger_job,
        queries.job_details,
    ):
        with pytest.raises(JobNotFound, match=str(job.job_id)) as caught:
            ask(driver.state, driver.now, job.job_id)
        assert caught.value.job_id == job.job_id
    assert driver.history() == []
    driver.turn()
    assert all(attempt.run.job is not job for attempt in driver.start_all())
    if phase == "executing":
        driver.end(driver.executing[0])
        assert driver.books.succeeded == 1
    driver.turn()
    (event,) = driver.told(JobDeleted)
    assert event.job_id == job.job_id


def test_deleting_one_job_keeps_the_records_of_the_others():
    driver = Driver()
    jobs = [driver.add(schedule=Interval(seconds=10)) for _ in range(2)]
    driver.skip(jobs[0])
    for attempt in driver.begin(10) + driver.begin(10):
        driver.end(attempt)
    driver.delete(jobs[0])
    assert {record.job_id for record in driver.history()} == {jobs[1].job_id}


def test_strangers_are_not_found():
    driver = Driver()
    stranger = UUID(int=7)
    for decide in (control.cancel_job, control.delete_job, control.skip_next_run, control.trigger_job):
        with pytest.raises(JobNotFound):
            driver.ask(decide, stranger).result()
    for decide in (control.cancel_run, queries.wait_run):
        with pytest.raises(RunNotFound) as caught:
            driver.ask(decide, stranger).result()
        assert caught.value.run_id == stranger


def test_skipping_ends_the_pending_occurrence_and_plans_the_next():
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10))
    run_id = driver.details(job).next_run_instance
    record = driver.skip(job)
    assert (record.run_id, record.outcome, record.reason) == (run_id, Outcome.SKIPPED, "skipped by hand")
    assert driver.details(job).next_run_time == at(20)
    driver.skip(job)
    assert driver.tick(20).assignments == []
    assert len(driver.tick(10).assignments) == 1


def test_skipping_the_last_occurrence_finishes_the_job():
    driver = Driver()
    job = driver.add(schedule=After(10))
    caller = driver.wait_job(job)
    driver.skip(job)
    driver.turn()
    assert job.state is JobState.FINISHED
    with pytest.raises(RunNotFound, match="it is finished; its last occurrence is skipped: skipped by hand"):
        caller.result()
    assert len(driver.told(JobFinished)) == 1


def test_skipping_a_fixed_delay_counts_it_anew():
    driver = Driver()
    job = driver.add(schedule=FixedDelay(10))
    driver.advance(4)
    driver.skip(job)
    assert driver.details(job).next_run_time == at(14)


def test_there_is_nothing_to_skip_where_nothing_is_planned():
    driver = Driver()
    assert driver.skip(driver.add()) is None
    job = driver.add(schedule=After(0))
    driver.tick()
    assert driver.skip(job) is None


@pytest.mark.parametrize("decide", [control.skip_next_run, control.trigger_job])
def test_an_ended_job_and_a_scheduler_that_shuts_down_begin_nothing_new(decide: Any):
    driver = Driver()
    cancelled, job = driver.add(schedule=Interval(seconds=1)), driver.add(schedule=Interval(seconds=1))
    driver.cancel(cancelled)
    with pytest.raises(JobEnded, match="'job' is cancelled"):
        driver.ask(decide, cancelled.job_id).result()
    driver.shut_down()
    with pytest.raises(SchedulerClosed):
        driver.ask(decide, job.job_id).result()


@pytest.mark.parametrize("reason", ["", "enough"])
def test_a_run_whose_deadline_struck_first_is_not_tried_again_once_it_was_cancelled(reason: str):
    driver = Driver()
    job = driver.add(schedule=After(0), timeout=5, max_retries=3)
    (attempt,) = driver.begin()
    driver.advance(5)
    assert attempt.scope is not None
    attempt.scope.cancel()
    caller = driver.cancel_run(driver.active()[0].run_id, reason=reason)
    driver.cancel_run(driver.active()[0].run_id, reason="again")
    driver.shut_down(forced=True)
    driver.turn()
    driver.end(attempt, AttemptResult.TIMED_OUT)
    driver.turn()
    assert caller.result().outcome is Outcome.TIMED_OUT
    assert f"it was cancelled{': enough' if reason else ''}" in caller.result().reason
    assert driver.details(job).active_runs == ()


def several(number: int) -> tuple[Driver, Any, list[Any]]:
    driver = Driver(max_workers=number)
    job = driver.add(overlap=Overlap.ALLOW_ALL)
    for _ in range(number):
        driver.trigger(job)
    return driver, job, driver.begin()


def test_cancelling_several_runs_answers_when_the_last_has_ended_with_all_in_their_order():
    driver, job, attempts = several(3)
    caller = driver.cancel(job, cancel_running=True)
    driver.turn()
    for attempt, answered in zip((attempts[1], attempts[2], attempts[0]), (False, False, True), strict=True):
        driver.cut_off(attempt)
        driver.turn()
        assert caller.answered == answered
    expected = [attempt.run.occurrence.run_id for attempt in attempts]
    assert [record.run_id for record in caller.result()] == expected


def test_who_gives_up_while_some_have_ended_leaves_nothing_behind():
    driver, job, attempts = several(3)
    caller, other = driver.cancel(job, cancel_running=True), driver.cancel(job, cancel_running=True)
    driver.turn()
    driver.cut_off(attempts[1])
    caller.wait.withdraw()
    driver.check()
    driver.cut_off(attempts[0])
    driver.cut_off(attempts[2])
    driver.turn()
    assert len(other.result()) == 3
    assert len(driver.state.waits) == 0


class FailsTheSecondTime:
    asked = 0

    def next_after(self, after: datetime) -> datetime:
        self.asked += 1
        if self.asked > 1:
            raise ValueError("no more")
        return after + timedelta(seconds=10)


def test_a_job_is_halted_whose_schedule_fails_when_an_occurrence_is_skipped() -> None:
    """To skip an occurrence is to ask the schedule for the next one."""
    driver = Driver()
    job = driver.add(schedule=FailsTheSecondTime())
    driver.ask(control.skip_next_run, job.job_id)
    assert job.state is JobState.HALTED
    assert "no more" in job.reason
    driver.check()
