"""``trigger_job_now(..., overlap=Overlap.ALLOW_ALL)`` let all runs that waited for their turn begin at once.

Cause: the rule that was given for the one run was applied to all that waited at the job.
"""

from engine_driver import Driver

from turnkeeper_trio import Overlap


def test_it_is_for_the_triggered_run_and_not_for_those_that_wait():
    driver = Driver(max_workers=10)
    job = driver.add(overlap=Overlap.BUFFER_ALL)
    first = driver.trigger(job)
    waiting = [driver.trigger(job) for _ in range(3)]
    beside = driver.trigger(job, overlap=Overlap.ALLOW_ALL)
    assert [attempt.run.occurrence.run_id for attempt in driver.begin()] == [first, beside]
    assert [run.occurrence.run_id for run in job.waiting] == waiting
