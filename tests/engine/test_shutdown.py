"""Shutdown: what happens to a run in each phase, what the report says, and what is logged meanwhile."""

from datetime import timedelta
from typing import Any

import pytest
from engine_driver import Driver

from turnkeeper_trio import (
    After,
    FixedDelay,
    Interval,
    JobState,
    Never,
    Outcome,
    Overlap,
    Retry,
    RunNotFound,
    RunPhase,
    Snooze,
)
from turnkeeper_trio._engine.engine import BATCH
from turnkeeper_trio._engine.rows import CancelCause
from turnkeeper_trio._engine.shutdown import cut_off, end_all
from turnkeeper_trio.events import ShutdownStarted

FORCED = pytest.mark.parametrize("forced", [False, True])


def in_phase(phase: str) -> tuple[Driver, Any]:
    driver = Driver(max_workers=1, dispatch_buffer=0)
    job = driver.add(schedule=Interval(seconds=10), overlap=Overlap.BUFFER_ALL, max_retries=1, retry_past_next=True)
    match phase:
        case "pending":
            pass
        case "due":
            driver.advance(10)
        case "ready":
            driver.add("other", After(10), priority=1)
            driver.begin(10)
        case "bound":
            driver.tick(10)
        case "blocked":
            driver.begin(10)
            driver.tick(10)
        case "retry":
            driver.fail(driver.begin(10)[0])
        case "bound for its retry":
            driver.fail(driver.begin(10)[0])
            driver.tick(66)
        case _:
            driver.begin(10)
    return driver, job


OUTCOMES = {
    "pending": [],
    "due": [Outcome.NEVER_STARTED],
    "ready": [Outcome.NEVER_STARTED],
    "bound": [Outcome.NEVER_STARTED],
    "blocked": [Outcome.NEVER_STARTED],
    "retry": [Outcome.INTERRUPTED],
    "bound for its retry": [Outcome.NEVER_STARTED, Outcome.INTERRUPTED],
    "executing": [],
}


@FORCED
@pytest.mark.parametrize("phase", OUTCOMES)
def test_what_becomes_of_a_run_in_each_phase(phase: str, forced: bool):
    driver, job = in_phase(phase)
    executing = list(driver.executing)
    driver.shut_down(forced=forced)
    driver.turn()
    assert driver.start_all() == []
    ended = [record for record in driver.history(job) if record.outcome is not Outcome.MISSED]
    assert sorted(record.outcome for record in ended) == sorted(OUTCOMES[phase])
    for record in ended:
        if record.outcome is Outcome.NEVER_STARTED:
            assert (record.attempts, record.reason) == (0, "the scheduler shut down first")
        else:
            assert (record.attempts, record.reason) == (1, "the scheduler shut down before its retry")
            assert isinstance(record.error, ValueError)
    report = driver.report()
    assert {record.run_id for record in report.never_started + report.interrupted} == {r.run_id for r in ended}
    assert len(report.still_running) == len(executing)
    assert report.unrun == driver.books.pending == (0 if phase == "due" else 1)
    assert driver.engine.closed == (not executing)
    for attempt in executing:
        assert attempt.cause is (CancelCause.SHUTDOWN if forced else None)
        if forced:
            assert driver.active()[0].phase is RunPhase.CLEANING_UP
            driver.cut_off(attempt)
        else:
            driver.end(attempt, value=1)
    driver.turn()
    assert driver.engine.closed
    report = driver.report()
    assert report.still_running == ()
    assert [record.outcome for record in report.finished] == ([] if forced else [Outcome.SUCCEEDED] * len(executing))
    assert driver.engine.next_due(driver.now) is None or report.unrun


def test_a_run_that_ended_before_is_no_part_of_the_report():
    driver = Driver()
    driver.add(schedule=After(0))
    driver.end(driver.begin()[0])
    driver.shut_down()
    driver.turn()
    report = driver.report()
    assert (report.finished, report.interrupted, report.never_started, report.still_running) == ((), (), (), ())
    assert Driver().report().unrun == 0


@pytest.mark.parametrize("how", ["raise", "retry", "snooze", "no retry left", "policy gives up"])
def test_a_run_that_would_go_on_later_is_interrupted(how: str):
    class GivesUp:
        def delay(self, failed: object, rng: object) -> None:
            return None

    driver = Driver()
    retries = 0 if how == "no retry left" else 1
    policy: Any = GivesUp() if how == "policy gives up" else None
    job = driver.add(schedule=After(0), max_retries=retries, retry=policy)
    (attempt,) = driver.begin()
    driver.shut_down()
    driver.turn()
    match how:
        case "retry":
            driver.end(attempt, value=Retry())
        case "snooze":
            driver.end(attempt, value=Snooze(5))
        case _:
            driver.fail(attempt)
    (record,) = driver.history(job)
    failed = how in {"no retry left", "policy gives up"}
    assert record.outcome is (Outcome.FAILED if failed else Outcome.INTERRUPTED)
    assert bool(driver.report().finished) == failed
    assert driver.metrics().jobs_retried == 0


def test_graceful_becomes_forced_and_not_the_other_way():
    driver, _ = in_phase("executing")
    driver.shut_down()
    driver.turn()
    driver.shut_down()
    (attempt,) = driver.executing
    assert attempt.cause is None
    driver.shut_down(forced=True)
    driver.shut_down(forced=True)
    driver.shut_down()
    driver.turn()
    driver.turn()
    assert attempt.cause is CancelCause.SHUTDOWN
    assert [event.forced for event in driver.told(ShutdownStarted)] == [False, True]


def test_a_forced_shutdown_is_told_as_such():
    driver = Driver()
    driver.shut_down(forced=True)
    driver.turn()
    assert {event.forced for event in driver.told(ShutdownStarted)} == {True}


def test_nobody_is_told_who_does_not_listen():
    driver = Driver(listening=False)
    driver.shut_down()
    driver.shut_down(forced=True)
    assert driver.turn().events == []


def test_cutting_off_ends_what_executes_and_nothing_else():
    driver = Driver(max_workers=2, dispatch_buffer=1)
    for _ in range(3):
        driver.add(schedule=After(0))
    driver.tick()
    attempt = driver.start()
    assert attempt is not None
    cut_off(driver.state, driver.now)
    assert driver.state.closing.forced
    assert attempt.cause is CancelCause.SHUTDOWN
    assert driver.books.active == 3
    driver.turn()
    assert driver.books.never_started == 2


def test_a_run_that_was_asked_to_end_by_its_caller_is_not_asked_again():
    driver, job = in_phase("executing")
    driver.cancel(job, cancel_running=True)
    driver.shut_down(forced=True)
    driver.turn()
    driver.cut_off(driver.executing[0])
    assert driver.history(job)[0].outcome is Outcome.CANCELLED


def test_a_job_accepted_during_the_shutdown_is_in_the_books():
    driver = Driver()
    driver.shut_down()
    due, later = driver.add(schedule=After(0)), driver.add(schedule=After(10))
    driver.turn()
    assert driver.books.never_started == driver.books.pending == 1
    assert driver.report().unrun == 1
    assert due.state is later.state is JobState.ACTIVE


def test_much_is_ended_in_batches():
    driver = Driver()
    for _ in range(3 * BATCH - 1):
        driver.add(schedule=After(0))
    driver.tick()
    driver.shut_down()
    turns = 0
    while not driver.engine.closed:
        turns += 1
        driver.turn()
        driver.start_all()
    assert turns == 3
    assert driver.books.never_started == 3 * BATCH - 1
    assert sum(record.count for record in driver.report().never_started) == 3 * BATCH - 1


def test_never_started_ones_of_one_job_are_one_record_with_a_count():
    driver = Driver(max_workers=1, dispatch_buffer=0)
    driver.add(schedule=Interval(10), overlap=Overlap.ALLOW_ALL)
    for _ in range(4):
        driver.tick(10)
    driver.shut_down()
    driver.turn()
    (record,) = driver.report().never_started
    assert record.count == 4
    assert "4 never started" in str(driver.report())


@FORCED
def test_it_says_what_it_waits_for_after_5_30_60_seconds_and_each_minute(forced: bool):
    driver, _ = in_phase("executing")
    driver.shut_down(forced=forced)
    said = []
    for second in range(311):
        if driver.turn().shutdown_waits:
            said.append(second)
        driver.advance(1)
    assert said == [5, 30, 60, 120, 180, 240, 300]
    (shutdown_waits,) = next(effects.shutdown_waits for effects in driver.effects if effects.shutdown_waits)
    assert shutdown_waits.name == "job"


def test_it_is_woken_to_say_so():
    driver, _ = in_phase("executing")
    driver.shut_down()
    driver.turn()
    said = []
    while len(said) < 3:
        due = driver.engine.next_due(driver.now)
        assert due is not None
        driver.advance((due - driver.now.wall) / 1e6)
        if driver.turn().shutdown_waits:
            said.append(driver.seconds - 10)
    assert said == [5, 30, 60]


def test_a_wait_that_was_long_is_said_once_and_not_for_each_time_it_was_due():
    driver, _ = in_phase("executing")
    driver.shut_down()
    driver.turn()
    assert driver.tick(200).shutdown_waits
    assert not driver.tick(39).shutdown_waits
    assert driver.tick(1).shutdown_waits


def test_a_shutdown_that_waits_for_nobody_says_nothing():
    driver = Driver()
    driver.add(schedule=Interval(seconds=1000))
    driver.shut_down()
    assert driver.turn().shutdown_waits == ()
    assert driver.tick(60).shutdown_waits == ()
    assert driver.engine.next_due(driver.now) == driver.now.wall + 940_000_000


def test_a_fixed_delay_is_not_finished_by_a_shutdown():
    driver = Driver()
    job = driver.add(schedule=FixedDelay(10), initial_run_time=timedelta(0))
    (attempt,) = driver.begin()
    driver.shut_down()
    driver.end(attempt)
    driver.turn()
    assert job.state is JobState.ACTIVE


def test_tearing_down_ends_all_whatever_the_phase():
    for phase in OUTCOMES:
        driver, _ = in_phase(phase)
        driver.shut_down(forced=True)
        end_all(driver.state, driver.now)
        driver.check()
        assert driver.books.active == 0
        end_all(driver.state, driver.now)


def test_a_job_that_never_runs_is_not_in_the_way():
    driver = Driver()
    driver.add(schedule=Never())
    driver.add(schedule=Interval(seconds=1))
    driver.shut_down()
    driver.turn()
    assert driver.engine.closed
    assert driver.report().unrun == 1


def test_cancelling_the_pending_run_of_a_job_during_a_shutdown_plans_no_other():
    driver = Driver()
    driver.add(schedule=After(0))
    job = driver.add(schedule=Interval(seconds=100))
    driver.begin()
    driver.shut_down()
    run_id = driver.details(job).next_run_instance
    caller = driver.wait_job(job)
    assert driver.cancel_run(run_id).result().outcome is Outcome.CANCELLED
    driver.turn()
    assert driver.books.pending == 0
    assert caller.answered


def test_tearing_down_ends_more_runs_than_there_are_jobs():
    driver = Driver(max_workers=1, dispatch_buffer=0)
    job = driver.add(overlap=Overlap.ALLOW_ALL)
    for _ in range(10):
        driver.trigger(job)
    driver.begin()
    driver.shut_down(forced=True)
    end_all(driver.state, driver.now)
    driver.check()
    assert (driver.books.never_started, driver.books.interrupted) == (9, 1)
    driver.end(driver.executing[0], value="late")
    assert (driver.books.interrupted, driver.books.succeeded) == (1, 0)
    assert driver.engine.closed


def test_tearing_down_finds_a_run_that_was_being_decided_about_when_the_fault_came():
    class Fatal:
        def delay(self, failed: object, rng: object) -> float:
            raise SystemExit

    driver = Driver()
    driver.add(schedule=After(0), max_retries=1, retry=Fatal())
    (attempt,) = driver.begin()
    with pytest.raises(SystemExit):
        driver.fail(attempt)
    driver.engine.begin_shutdown(driver.now, forced=True)
    end_all(driver.state, driver.now)
    driver.check()
    (record,) = driver.history()
    assert (record.outcome, record.attempts) == (Outcome.INTERRUPTED, 1)


def test_who_waits_for_a_job_is_answered_when_its_occurrence_falls_due_in_the_shutdown():
    driver = Driver()
    driver.add(schedule=After(0))
    driver.begin()
    caller = driver.wait_job(driver.add(schedule=After(10)))
    driver.shut_down()
    assert not driver.tick(9).answers
    assert not caller.answered
    driver.tick(1)
    with pytest.raises(RunNotFound, match="its last occurrence is never_started: the scheduler shut down first"):
        caller.result()
