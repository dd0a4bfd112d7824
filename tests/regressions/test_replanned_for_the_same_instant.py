"""With `BINARY_HEAP`, pausing and resuming a job ended the scheduler: "'<' not supported between 'Occurrence'".

Cause: the keys of the queue were (instant, job). A job that is resumed, updated or skipped back may be planned again
for the instant that was removed just before, while the removed entry is still in the lazy heap. Then two keys were
equal, and the heap compared the items. The checks of attempts had the same fault, because two attempts of one run may
have a check at the same time.
"""

import pytest
from engine_driver import Driver

from turnkeeper_trio import Interval, PriorityQueueType


@pytest.mark.parametrize("queue", PriorityQueueType)
def test_a_job_may_be_planned_again_for_the_instant_it_was_taken_from(queue):
    driver = Driver(queue=queue)
    jobs = [driver.add(schedule=Interval(seconds=10)) for _ in range(5)]
    for job in jobs * 3:
        driver.pause(job)
        driver.resume(job)
    assert [attempt.run.job for attempt in driver.begin(10)] == jobs[:3]


def test_two_attempts_of_one_run_may_be_looked_at_again_at_the_same_time():
    driver = Driver()
    driver.add(schedule=Interval(seconds=10), stuck_after=5)
    driver.tick(10)
    driver.pause_all()
    driver.resume_all()
    driver.tick(0)
    assert len({attempt.check_at for attempt in driver.state.assigned}) == 1 < len(driver.state.assigned)
    assert driver.start() is None
    assert driver.start() is not None
    assert len(driver.tick(5).stuck) == 1
