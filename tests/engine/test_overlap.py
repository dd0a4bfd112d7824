"""An occurrence falls due while a run of its job waits for a worker or executes."""

import pytest
from engine_driver import Driver, at

from turnkeeper_trio import FixedDelay, Interval, Origin, Outcome, Overlap
from turnkeeper_trio._engine.rows import AttemptResult, CancelCause
from turnkeeper_trio.events import OccurrenceSkipped


def busy(**options):
    """Return a driver, a job that runs every ten seconds, and its first run, which executes."""
    driver = Driver(max_workers=10)
    job = driver.add(schedule=Interval(seconds=10), **options)
    (attempt,) = driver.begin(10)
    return driver, job, attempt


def test_skip_skips_it_and_says_what_was_in_the_way():
    driver, job, attempt = busy()
    for _ in range(3):
        assert driver.tick(10).assignments == []
    assert driver.details(job).next_run_time == at(50)
    driver.end(attempt)
    (run, skipped) = driver.history(job)
    assert (skipped.outcome, skipped.count, skipped.scheduled_at) == (Outcome.SKIPPED, 3, at(40))
    assert skipped.reason == "the run before it had not ended"
    assert run.outcome is Outcome.SUCCEEDED
    events = driver.told(OccurrenceSkipped)
    assert [event.scheduled_at for event in events] == [at(20), at(30), at(40)]
    assert all(event.blocked_by.run_id == run.run_id for event in events)
    assert len({event.run_id for event in events}) == 3
    assert len(driver.begin(10)) == 1


@pytest.mark.parametrize("phase", ["ready", "bound", "executing"])
def test_skip_skips_it_in_whatever_phase_the_run_is(phase):
    driver = Driver(max_workers=1, dispatch_buffer=0)
    if phase == "ready":
        driver.add("first", Interval(seconds=10), priority=1)
    driver.add(schedule=Interval(seconds=10))
    driver.tick(10)
    if phase == "executing":
        driver.start_all()
    driver.tick(10)
    assert driver.books.skipped == (2 if phase == "ready" else 1)


def test_a_run_by_hand_is_in_the_way_like_any_other():
    driver = Driver()
    job = driver.add(schedule=FixedDelay(10))
    driver.trigger(job)
    (attempt,) = driver.begin(10)
    assert driver.books.skipped == 1
    driver.end(attempt)
    assert driver.details(job).next_run_time == at(20)


def test_buffer_one_keeps_the_first_that_waits():
    driver, job, attempt = busy(overlap=Overlap.BUFFER_ONE)
    for _ in range(3):
        assert driver.tick(10).assignments == []
    assert driver.details(job).waiting_runs == 1
    assert driver.books.skipped == 2
    driver.end(attempt)
    (second,) = driver.begin()
    assert second.run.occurrence.scheduled_at == at(20).timestamp() * 1e6
    assert driver.history(job)[-1].reason == "another occurrence was waiting already"


@pytest.mark.parametrize("max_waiting", [0, 1, 2, 1000])
def test_buffer_all_keeps_so_many_in_order(max_waiting):
    driver, job, attempt = busy(overlap=Overlap.BUFFER_ALL, max_waiting=max_waiting)
    for _ in range(4):
        assert driver.tick(10).assignments == []
    kept = min(4, max_waiting)
    assert driver.details(job).waiting_runs == kept
    assert driver.books.skipped == 4 - kept
    if kept < 4:
        assert driver.history(job)[-1].reason == "max_waiting others were waiting already"
    for number in range(kept):
        driver.end(attempt)
        (attempt,) = driver.begin()
        assert attempt.run.occurrence.scheduled_at == at(20 + 10 * number).timestamp() * 1e6
    driver.end(attempt)
    assert driver.begin() == []


def test_cancel_other_replaces_the_run_after_its_cleanup():
    driver, job, attempt = busy(overlap=Overlap.CANCEL_OTHER)
    assert driver.tick(10).assignments == []
    assert attempt.cause is CancelCause.REPLACED
    driver.tick(10)
    assert driver.details(job).waiting_runs == 1
    driver.cut_off(attempt)
    (second,) = driver.begin()
    assert second.run.occurrence.scheduled_at == at(30).timestamp() * 1e6
    first, newer = driver.history(job)
    assert (first.outcome, first.reason) == (Outcome.CANCELLED, "replaced by the next occurrence")
    assert (newer.outcome, newer.reason) == (Outcome.SUPERSEDED, "a newer occurrence took its place")


@pytest.mark.parametrize("phase", ["ready", "bound"])
def test_cancel_other_replaces_a_run_that_has_not_begun_at_once(phase):
    driver = Driver(max_workers=1, dispatch_buffer=0)
    if phase == "ready":
        driver.add("first", initial_run_time=at(10), priority=1)
    job = driver.add(schedule=Interval(seconds=10), overlap=Overlap.CANCEL_OTHER)
    driver.tick(10)
    driver.tick(10)
    (record,) = driver.history(job)
    assert (record.outcome, record.reason) == (Outcome.CANCELLED, "replaced by the next occurrence")
    assert driver.details(job).waiting_runs == 0
    assert len(driver.active(job)) == 1


def test_a_replaced_run_that_fails_while_it_cleans_up_has_failed():
    driver, job, attempt = busy(overlap=Overlap.CANCEL_OTHER, max_retries=5)
    driver.tick(10)
    driver.end(attempt, AttemptResult.RAISED, error=ValueError())
    assert driver.history(job)[0].outcome is Outcome.FAILED
    assert driver.history(job)[0].reason == "failed while it cleaned up after it was asked to end"


@pytest.mark.parametrize("most", [None, 1, 2, 3])
def test_allow_all_begins_beside_it_as_far_as_it_may(most):
    driver, job, first = busy(overlap=Overlap.ALLOW_ALL, max_concurrent=most, max_waiting=2)
    for _ in range(5):
        driver.begin(10)
    assert len(driver.executing) == (most or 6)
    assert driver.details(job).waiting_runs == (0 if most is None else min(2, 6 - most))
    assert driver.books.skipped == (0 if most is None else max(0, 4 - most))
    driver.end(first)
    assert len(driver.begin()) == (0 if most is None else 1)


def test_a_run_that_waits_for_its_retry_is_in_nobodys_way_unless_it_is_to_be():
    for past_next in (False, True):
        driver, job, attempt = busy(max_retries=1, retry_past_next=past_next)
        driver.fail(attempt)
        started = driver.begin(10)
        if past_next:
            assert started == []
            assert driver.books.skipped == 1
            assert driver.books.active == 1
        else:
            assert [other.run.occurrence.origin for other in started] == [Origin.SCHEDULE]
            (record,) = driver.history(job)
            assert (record.outcome, record.attempts) == (Outcome.FAILED, 1)
            assert record.reason == "superseded by the next occurrence"
            assert isinstance(record.error, ValueError)


def test_with_allow_all_a_retry_and_the_next_occurrence_go_beside_each_other():
    driver, _, attempt = busy(overlap=Overlap.ALLOW_ALL, max_retries=1)
    driver.fail(attempt)
    assert len(driver.begin(10)) == 1
    assert driver.books.active == 2


def test_a_retry_that_others_wait_for_goes_before_them():
    driver, job, attempt = busy(overlap=Overlap.BUFFER_ALL, max_retries=1, retry_past_next=True)
    driver.tick(10)
    driver.fail(attempt)
    assert driver.begin() == []
    (second,) = driver.begin(66)
    assert second.run is attempt.run
    assert driver.details(job).waiting_runs == 2
