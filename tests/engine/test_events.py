"""Without observers and subscribers no event is made, except those that the log needs."""

from engine_driver import Driver

from turnkeeper_trio import After, Interval
from turnkeeper_trio.events import JobHalted, RunFinished


def test_only_failures_and_halted_jobs_are_told():
    driver = Driver(listening=False)
    job = driver.add(schedule=Interval(seconds=10), halt_after=1, max_retries=1)
    driver.skip(job)
    driver.pause(job)
    driver.resume(job)
    driver.update(job, priority=1)
    driver.pause_all()
    driver.resume_all()
    once = driver.add(schedule=After(0))
    driver.end(driver.begin()[0])
    driver.delete(once)
    driver.cancel(driver.add(schedule=Interval(seconds=1)))
    for seconds in (35, 100):
        driver.fail(driver.begin(seconds)[0])
    driver.shut_down()
    driver.shut_down(forced=True)
    driver.turn()
    assert [type(event) for event in driver.events] == [RunFinished, JobHalted]
