"""A run that was cancelled while it cleaned up after its timeout was retried, and the caller of the cancel waited on.

Cause: the timeout came first, so the cancel was not noted as the cause of the attempt's end. It was not noted anywhere
else either, and an attempt that timed out is retried.

And a run that answered a cancel with `Snooze` was recorded as failed in its cleanup, though it had only asked to go on.
"""

import pytest
from engine_driver import Driver

from turnkeeper_trio import After, FixedRetryDelay, Never, Outcome, Overlap, Retry, Snooze
from turnkeeper_trio._engine.rows import AttemptResult


def begun(driver, **options):
    job = driver.add(timeout=5, max_retries=3, retry=FixedRetryDelay(1), **options)
    driver.trigger(job)
    attempt = driver.begin()[0]
    driver.advance(5)
    attempt.scope.cancel()
    driver.turn()
    return job, attempt, driver.state.run_id(attempt.run)


@pytest.mark.parametrize("reason", ["", "by hand"])
def test_a_run_cancelled_after_its_timeout_struck_is_not_tried_again(reason):
    driver = Driver()
    _, attempt, run_id = begun(driver)
    caller = driver.cancel_run(run_id, reason=reason)
    assert not caller.answered
    driver.end(attempt, AttemptResult.TIMED_OUT)
    driver.turn()
    record = caller.result()
    assert record.outcome is Outcome.TIMED_OUT
    assert record.reason == "it did not end within its timeout; not tried again, for it was cancelled" + (
        f": {reason}" if reason else ""
    )
    assert driver.state.active == {}


def test_a_run_replaced_after_its_timeout_struck_is_not_tried_again():
    driver = Driver()
    job, attempt, run_id = begun(driver, overlap=Overlap.CANCEL_OTHER)
    driver.trigger(job)
    driver.fail(attempt)
    driver.turn()
    record = driver.wait_run(run_id).result()
    assert record.outcome is Outcome.FAILED
    assert record.reason == "it raised ValueError; not tried again, for it was replaced by the next occurrence"
    assert len(driver.start_all()) == 1


def test_a_run_that_times_out_and_is_cancelled_and_wants_to_go_on_later_is_cancelled():
    driver = Driver()
    _, attempt, run_id = begun(driver)
    caller = driver.cancel_run(run_id)
    driver.end(attempt, value=Snooze(5))
    driver.turn()
    assert caller.result().outcome is Outcome.CANCELLED


def test_a_run_whose_timeout_struck_before_a_forced_shutdown_is_interrupted_as_before():
    driver = Driver()
    job, attempt, _ = begun(driver)
    driver.shut_down(forced=True)
    driver.turn()
    driver.end(attempt, AttemptResult.TIMED_OUT)
    assert driver.details(job).last_run.outcome is Outcome.INTERRUPTED


@pytest.mark.parametrize(("verdict", "outcome"), [(Snooze(5), Outcome.CANCELLED), (Retry(5), Outcome.FAILED)])
def test_a_cancelled_run_that_wants_to_go_on_is_cancelled_and_one_that_failed_has_failed(verdict, outcome):
    driver = Driver()
    job = driver.add(schedule=After(0), max_retries=1)
    attempt = driver.begin()[0]
    caller = driver.cancel_run(driver.state.run_id(attempt.run), reason="by hand")
    driver.turn()
    driver.end(attempt, value=verdict)
    driver.turn()
    assert caller.result().outcome is outcome
    assert driver.details(job).state == "finished"


def test_a_run_that_snoozes_at_a_forced_shutdown_is_interrupted():
    driver = Driver()
    job = driver.add(schedule=Never())
    driver.trigger(job)
    attempt = driver.begin()[0]
    driver.shut_down(forced=True)
    driver.turn()
    driver.end(attempt, value=Snooze(5))
    assert driver.details(job).last_run.outcome is Outcome.INTERRUPTED
