"""A job with a fixed delay that a store handed over could not be cancelled, skipped or shut down: the queue broke.

Cause: the occurrences of fixed delays are in a queue of their own, by the clock of the event loop; `admit` put them
into the other one, and they were looked for where they were not.
"""

import pytest
from engine_driver import Driver, at, stored

from turnkeeper_trio import FixedDelay, job_id_of_key


@pytest.mark.parametrize("seconds", [0, 5])
def test_its_occurrence_is_due_when_the_store_says_and_can_be_cancelled(seconds: float):
    before = stored()
    before.add(schedule=FixedDelay(60), key="cancelled")
    before.add(schedule=FixedDelay(60), key="kept")
    before.tick(60 - seconds)
    before.advance(seconds=1, step=-1)  # The clocks of the next process have nothing to do with these.
    driver = before.crash()
    driver.cancel(driver.state.jobs[job_id_of_key("cancelled")])
    job = driver.state.jobs[job_id_of_key("kept")]
    if seconds > 0:
        assert driver.tick(seconds - 1).assignments == []
        driver.advance(1)
    (attempt,) = driver.begin()
    assert attempt.run.job is job
    driver.end(attempt)
    assert driver.details(job).next_run_time == at(driver.seconds + 60)


def test_jitter_holds_for_fixed_delays():
    """Regression: there was no jitter, though `RecurringJobRequest.jitter` says that each occurrence has one."""
    driver = Driver()
    lates = []
    job = driver.add(schedule=FixedDelay(10), jitter=4)
    for _ in range(20):
        due = driver.details(job).next_run_time
        lates.append((due - at(driver.seconds + 10)).total_seconds())
        driver.tick(10 + lates[-1] - 0.000001)
        assert driver.dispatched == []
        (attempt,) = driver.begin(0.000001)
        driver.end(attempt)
    assert 0 <= min(lates) < max(lates) <= 4
