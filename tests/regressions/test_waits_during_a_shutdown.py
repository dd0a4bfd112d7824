"""A caller that waited for a job whose occurrence fell due during a shutdown waited until the end, and got no answer.

Cause: such an occurrence is ended in the queue, and the callers that waited for its job were not answered. And a job
that had been paused before counted as over for a caller that asked later, but not for one that waited already.
"""

import pytest
from engine_driver import Driver

from turnkeeper_trio import After, Interval, RunNotFound


def test_who_waits_for_a_job_is_answered_when_its_last_occurrence_has_been_ended():
    driver = Driver()
    driver.add(schedule=After(0))
    driver.begin()
    job = driver.add(schedule=After(10))
    caller = driver.wait_job(job)
    driver.shut_down()
    driver.tick(9)
    assert not caller.answered
    driver.tick(1)
    with pytest.raises(RunNotFound, match="no run of 'job' has begun"):
        caller.result()
    assert not driver.engine.closed


def test_a_paused_job_is_not_over():
    driver = Driver()
    job = driver.add(schedule=Interval(seconds=10))
    before = driver.wait_job(job)
    driver.pause(job)
    after = driver.wait_job(job)
    assert not before.answered
    assert not after.answered
    driver.cancel(job)
    driver.turn()
    assert before.answered
    assert after.answered
