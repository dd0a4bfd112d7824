"""After a job had ended itself with `CancelJob`, those of its runs that waited for their turn still ran.

Cause: the verdict cancelled what was planned and ended its own run, which started the next. Only `cancel_job` ended the
waiting runs. Now both do, by the same function.
"""

import pytest
from engine_driver import Driver

from turnkeeper_trio import CancelJob, JobState, Outcome, Overlap


@pytest.mark.parametrize("overlap", [Overlap.BUFFER_ALL, Overlap.ALLOW_ALL])
def test_nothing_of_the_job_begins_any_more(overlap: Overlap):
    driver = Driver(max_workers=1, dispatch_buffer=0)
    job = driver.add(overlap=overlap)
    for _ in range(3):
        driver.trigger(job)
    caller = driver.wait_job(job)
    (attempt,) = driver.begin()
    driver.end(attempt, value=CancelJob("all done"))
    assert driver.begin() == []
    assert job.state is JobState.CANCELLED
    assert [record.outcome for record in driver.history(job)] == [Outcome.CANCELLED] * 3
    assert [record.attempts for record in driver.history(job)] == [0, 0, 1]
    assert driver.metrics().jobs_instance_discarded_cancelled == 2
    assert caller.result().reason == "it ended its job: all done"


def test_what_executes_beside_it_goes_on():
    driver = Driver()
    job = driver.add(overlap=Overlap.ALLOW_ALL)
    driver.trigger(job)
    driver.trigger(job)
    first, second = driver.begin()
    driver.end(first, value=CancelJob())
    driver.end(second, value=1)
    assert [record.outcome for record in driver.history(job)] == [Outcome.SUCCEEDED, Outcome.CANCELLED]
