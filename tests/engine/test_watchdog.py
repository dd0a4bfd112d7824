"""Runs that take long, and runs that do not end when they are asked to: what is said of them, and when."""

from engine_driver import Driver, names

from turnkeeper_trio import After, RunPhase
from turnkeeper_trio._engine.rows import AttemptResult


def test_a_run_that_does_not_unwind_in_its_grace_is_stuck():
    driver = Driver(cleanup_grace=7_000_000)
    driver.add("default", After(0))
    driver.add("own", After(0), cleanup_grace=3)
    attempts = driver.begin()
    for attempt in attempts:
        driver.cancel(attempt.run.job, cancel_running=True)
    driver.turn()
    assert driver.tick(2.9).stuck == []
    assert names(driver.tick(0.1).stuck) == ["own"]
    assert [run.phase for run in driver.active()] == [RunPhase.CLEANING_UP, RunPhase.STUCK]
    assert names(driver.tick(4).stuck) == ["default"]
    assert driver.tick(100).stuck == []
    driver.cut_off(attempts[0])
    driver.cut_off(attempts[1])
    assert driver.books.cancelled == 2


def test_a_run_that_unwinds_in_its_grace_is_not():
    driver = Driver()
    driver.add(schedule=After(0))
    (attempt,) = driver.begin()
    driver.cancel(attempt.run.job, cancel_running=True)
    driver.turn()
    driver.advance(29)
    driver.cut_off(attempt)
    assert driver.tick(10).stuck == []


def test_a_run_that_executes_for_long_is_told_once():
    driver = Driver(max_workers=1, dispatch_buffer=1)
    driver.add("first", After(0), stuck_after=10)
    driver.add("second", After(0), stuck_after=10)
    driver.tick()
    driver.advance(3)
    first = driver.start()
    assert first is not None
    assert driver.tick(9).stuck == []
    assert names(driver.tick(1).stuck) == ["first"]
    assert driver.active()[0].phase is RunPhase.EXECUTING
    assert driver.tick(100).stuck == []
    driver.end(first)
    driver.start()
    assert driver.tick(9).stuck == []
    driver.tick(0.5)
    assert names(driver.tick(0.5).stuck + driver.effects[-2].stuck) == ["second"]


def test_a_run_that_outlives_its_timeout_is_cleaning_up_and_then_stuck():
    driver = Driver()
    driver.add(schedule=After(0), timeout=10, cleanup_grace=5)
    (attempt,) = driver.begin()
    driver.tick(10)
    assert attempt.scope is not None
    attempt.scope.cancel()
    assert driver.active()[0].phase is RunPhase.CLEANING_UP
    driver.tick(2)
    assert driver.active()[0].running_for == 2
    assert len(driver.tick(3).stuck) == 1
    driver.end(attempt, AttemptResult.TIMED_OUT)
    assert driver.books.timed_out == 1
