"""A job that was halted because it failed too often went on failing, with all the runs that had been waiting.

Cause: to halt a job withdrew what was planned. Runs that were due, and waited for one another or for a worker, were not
looked at: with ``Overlap.BUFFER_ALL`` a thousand of them might follow.
"""

from engine_driver import Driver

from turnkeeper_trio import FixedRetryDelay, Interval, JobState, Outcome, Overlap
from turnkeeper_trio.errors import JobHalted


def test_runs_that_have_not_begun_end_with_the_halt():
    driver = Driver(max_workers=1, dispatch_buffer=1)
    job = driver.add(schedule=Interval(10), overlap=Overlap.ALLOW_ALL, max_concurrent=3, halt_after=1)
    for _ in range(5):
        driver.tick(10)
    driver.fail(driver.start())
    assert driver.details(job).state is JobState.HALTED
    assert driver.begin() == []
    assert driver.active(job) == []
    assert (driver.books.failed, driver.books.cancelled) == (1, 5)
    assert {record.reason for record in driver.history(job, outcomes={Outcome.CANCELLED})} == {"its job was halted"}


def test_runs_that_have_begun_go_on():
    driver = Driver(max_workers=3)
    job = driver.add(
        schedule=Interval(10), overlap=Overlap.ALLOW_ALL, halt_after=1, max_retries=1, retry=FixedRetryDelay(100)
    )
    (first,) = driver.begin(10)
    (second,) = driver.begin(10)
    (third,) = driver.begin(10)
    driver.fail(first)
    driver.update(job, max_retries=0, retry=None)
    driver.fail(second)
    assert driver.details(job).state is JobState.HALTED
    driver.end(third)
    (again,) = driver.begin(100)
    assert again.run is first.run
    driver.end(again)
    assert driver.details(job).state is JobState.HALTED


def test_a_run_whose_arrival_is_one_failure_too_many_ends_with_its_job():
    driver = Driver()
    job = driver.add(schedule=Interval(10), halt_after=1, max_retries=1, retry=FixedRetryDelay(100))
    driver.fail(driver.begin(10)[0])
    run_id = driver.trigger(job)
    record = driver.wait_run(run_id).result()
    assert (record.outcome, record.reason) == (Outcome.CANCELLED, "its job was halted")
    assert driver.begin(1000) == []
    try:
        driver.trigger(job)
    except JobHalted:
        driver.resume(job)
    assert len(driver.begin(10)) == 1
