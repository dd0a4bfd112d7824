"""Jobs that are paused, and pauses of all jobs."""

import pytest
from engine_driver import Driver, at

from turnkeeper_trio import (
    After,
    CatchUp,
    FixedDelay,
    FixedRetryDelay,
    Interval,
    JobEnded,
    JobState,
    Overlap,
    PriorityQueueType,
    SchedulerClosed,
)
from turnkeeper_trio._engine import control
from turnkeeper_trio.events import JobPaused, JobResumed


@pytest.mark.parametrize("queue", PriorityQueueType)
@pytest.mark.parametrize("seconds", [4, 30])
@pytest.mark.parametrize("missed", [None, *CatchUp])
def test_what_has_passed_when_a_job_is_resumed_is_caught_up(queue, seconds, missed):
    driver = Driver(queue=queue, max_workers=10)
    job = driver.add(schedule=Interval(seconds=10), overlap=Overlap.ALLOW_ALL)
    driver.pause(job, note="maintenance")
    assert driver.details(job).state is JobState.PAUSED
    assert driver.details(job).state_reason == "maintenance"
    assert driver.history(job)[0].reason == "paused: maintenance"
    assert driver.tick(seconds).assignments == []
    driver.resume(job, missed=missed)
    driver.turn()
    ran = [attempt.run.occurrence.scheduled_at / 1e6 - at(0).timestamp() for attempt in driver.start_all()]
    earliest, every = [10], [10, 20, 30]
    late = {CatchUp.EARLIEST: earliest, CatchUp.ALL: every}.get(missed, [30])
    assert ran == (late if seconds == 30 else [])
    assert driver.details(job).next_run_time == at(seconds // 10 * 10 + 10)
    assert [type(event) for event in driver.told(JobPaused, JobResumed)] == [JobPaused, JobResumed]


def test_pausing_and_resuming_twice_is_fine():
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10))
    driver.pause(job, note="one")
    driver.pause(job)
    assert driver.details(job).state_reason == "one"
    driver.pause(job, note="two")
    assert driver.details(job).state_reason == "two"
    driver.resume(job)
    driver.resume(job)
    assert driver.details(job).state_reason == ""
    assert driver.books.pending == 1
    assert driver.books.cancelled == 1


@pytest.mark.parametrize("overlap", [Overlap.SKIP, Overlap.BUFFER_ALL])
def test_nothing_of_a_paused_job_begins_but_by_hand(overlap):
    driver = Driver(max_workers=1, dispatch_buffer=0)
    driver.add("other", After(10), priority=1)
    job = driver.add(schedule=Interval(seconds=10), overlap=overlap)
    (other,) = driver.begin(10)
    driver.pause(job)
    assert driver.history(job)[0].count == 2
    driver.end(other)
    assert driver.tick(100).assignments == []
    driver.trigger(job)
    (attempt,) = driver.begin()
    driver.end(attempt)
    assert job.state is JobState.PAUSED
    assert driver.tick(100).assignments == []


def test_a_run_of_a_paused_job_goes_on_and_its_retry_waits_for_the_job():
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=1000), max_retries=1, retry=FixedRetryDelay(5))
    (attempt,) = driver.begin(1000)
    driver.pause(job)
    driver.fail(attempt)
    assert driver.tick(50).assignments == []
    driver.resume(job)
    (again,) = driver.begin()
    assert again.run is attempt.run
    driver.end(again)
    assert driver.books.succeeded == 1


def test_a_fixed_delay_is_counted_from_the_resumption():
    driver = Driver()
    job = driver.add(schedule=FixedDelay(10))
    driver.pause(job)
    driver.advance(100)
    driver.resume(job)
    assert driver.details(job).next_run_time == at(110)
    (attempt,) = driver.begin(10)
    driver.pause(job)
    driver.resume(job)
    assert driver.details(job).next_run_time is None
    driver.end(attempt)
    assert driver.details(job).next_run_time == at(120)


def test_what_has_ended_is_not_paused_nor_resumed():
    driver = Driver()
    job = driver.add(schedule=After(0))
    driver.cancel(job)
    for decide in (control.pause_job, control.resume_job):
        with pytest.raises(JobEnded):
            driver.ask(decide, job.job_id).result()
    driver.shut_down()
    for decide in (control.pause_job, control.resume_job):
        with pytest.raises(SchedulerClosed):
            driver.ask(decide, driver.add().job_id).result()


def test_a_paused_job_may_be_cancelled():
    driver = Driver()
    job = driver.add(schedule=After(10))
    driver.pause(job)
    driver.cancel(job)
    assert job.state is JobState.CANCELLED
    assert driver.tick(10).assignments == []


def test_while_everything_is_paused_nothing_is_moved_and_nothing_is_bound():
    driver = Driver(max_workers=1, dispatch_buffer=1)
    jobs = [driver.add(schedule=Interval(seconds=10)) for _ in range(3)]
    driver.begin(10)
    driver.start_all()
    running = driver.executing[0]
    for attempt in driver.executing[1:]:
        driver.end(attempt)
    driver.tick()
    caller = driver.pause_all("a", note="deploy", wait=True)
    driver.pause_all("b")
    assert driver.engine.next_due(driver.now) is None
    assert driver.start_all() == []
    assert driver.tick(35).assignments == []
    assert not caller.answered
    driver.end(running)
    driver.turn()
    assert caller.answered
    driver.resume_all("a")
    driver.resume_all("a")
    assert driver.tick().assignments == []
    driver.resume_all("b")
    driver.turn()
    assert len(driver.start_all()) == 2
    assert driver.books.missed > 0
    assert len(driver.told(JobPaused)) == len(driver.told(JobResumed)) == 1
    assert {job.state for job in jobs} == {JobState.ACTIVE}


def test_who_pauses_everything_and_waits_does_not_wait_for_nothing():
    driver = Driver()
    assert driver.pause_all(wait=True).answered
    driver.resume_all()
    driver.add(schedule=After(0))
    driver.begin()
    assert driver.pause_all(wait=False).answered


def test_a_retry_that_was_bound_is_taken_back_and_begun_later():
    driver = Driver()
    job = driver.add(schedule=After(0), max_retries=1, retry=FixedRetryDelay(0))
    driver.fail(driver.begin()[0])
    driver.tick()
    driver.pause_all()
    assert driver.start_all() == []
    driver.resume_all()
    (attempt,) = driver.begin()
    assert attempt.number == 2
    driver.end(attempt)
    assert driver.details(job).last_run.attempts == 2


def test_a_shutdown_ends_a_pause():
    driver = Driver()
    driver.add(schedule=After(0))
    driver.pause_all()
    driver.turn()
    driver.shut_down()
    driver.turn()
    assert driver.engine.closed
    assert driver.books.never_started == 1
