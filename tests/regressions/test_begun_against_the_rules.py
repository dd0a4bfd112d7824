"""Runs began although the rules of their job did not allow it any more: side by side, or while the job was paused.

Cause: when a job was updated or paused, only the runs that wait for each other were checked again. Runs in the ready
queue, and runs that were assigned to a worker and had not begun, had passed the check under the old rules. So three
runs of a job executed side by side after an update to one at a time, and a retry that was due began while its job was
paused.

And the policy with which a run was triggered was forgotten once the run waited: a run that was to cancel the others, of
a job that allows several, began as soon as one of them had ended.
"""

import pytest
from engine_driver import Driver

from turnkeeper_trio import After, FixedRetryDelay, Never, Overlap


@pytest.mark.parametrize("bound", [True, False], ids=["bound", "ready"])
@pytest.mark.parametrize("changes", [{"overlap": Overlap.BUFFER_ALL}, {"max_concurrent": 1}], ids=str)
def test_after_an_update_to_one_at_a_time_those_that_had_not_begun_take_turns(bound, changes):
    driver = Driver(max_workers=4)
    job = driver.add(schedule=Never(), overlap=Overlap.ALLOW_ALL)
    for _ in range(3):
        driver.trigger(job)
    if bound:
        driver.turn()
    driver.update(job, **changes)
    order = []
    for _ in range(3):
        (attempt,) = driver.begin()
        order.append(attempt.run.number)
        assert driver.begin() == []
        driver.end(attempt)
    assert order == [1, 2, 3]
    assert driver.books.succeeded == 3


def test_those_that_execute_go_on_and_those_behind_them_wait_for_all_of_them():
    driver = Driver(max_workers=2, dispatch_buffer=1)
    job = driver.add(schedule=Never(), overlap=Overlap.ALLOW_ALL)
    for _ in range(4):
        driver.trigger(job)
    driver.turn()
    first, second = driver.start(), driver.start()
    driver.update(job, overlap=Overlap.SKIP)
    driver.end(first)
    assert driver.begin() == []
    driver.end(second)
    (third,) = driver.begin()
    assert third.run.number == 3
    assert driver.begin() == []


@pytest.mark.parametrize("bound", [True, False], ids=["bound", "ready"])
@pytest.mark.parametrize("by_hand", [True, False], ids=["by hand", "by schedule"])
def test_a_retry_that_is_due_does_not_begin_while_its_job_is_paused_unless_it_was_triggered_by_hand(bound, by_hand):
    driver = Driver(max_workers=1, dispatch_buffer=int(bound))
    job = driver.add(schedule=Never() if by_hand else After(0), max_retries=1, retry=FixedRetryDelay(1))
    if by_hand:
        driver.trigger(job)
    (attempt,) = driver.begin()
    driver.fail(attempt)
    other = driver.add(schedule=After(0))
    (busy,) = driver.begin()
    assert busy.run.job is other
    driver.tick(2)
    driver.pause(job)
    driver.end(busy)
    begun = driver.begin()
    assert [each.run.job for each in begun] == ([job] if by_hand else [])
    if not by_hand:
        driver.resume(job)
        (again,) = driver.begin()
        assert again.number == 2


@pytest.mark.parametrize("policy", [Overlap.CANCEL_OTHER, Overlap.BUFFER_ONE])
def test_a_run_triggered_with_a_policy_of_its_own_waits_by_it_for_all_others(policy):
    driver = Driver(max_workers=4)
    job = driver.add(schedule=Never(), overlap=Overlap.ALLOW_ALL)
    driver.trigger(job)
    driver.trigger(job)
    first, second = driver.begin()
    driver.trigger(job, overlap=policy)
    driver.turn()
    assert first.scope.cancel_called is (policy is Overlap.CANCEL_OTHER)
    driver.trigger(job)
    driver.end(first)
    assert driver.begin() == [], "the one behind it does not overtake it"
    driver.end(second)
    assert [attempt.run.number for attempt in driver.begin()] == [3, 4], "that one may run beside it"


def test_a_retry_of_a_run_that_may_run_beside_others_may_do_so_too():
    driver = Driver(max_workers=4)
    job = driver.add(schedule=Never(), overlap=Overlap.BUFFER_ALL, max_retries=1, retry=FixedRetryDelay(1))
    driver.trigger(job)
    driver.trigger(job, overlap=Overlap.ALLOW_ALL)
    _, beside = driver.begin()
    driver.fail(beside)
    driver.tick(1)
    assert [attempt.run for attempt in driver.start_all()] == [beside.run]
    assert driver.books.failed == 0
