"""Who waited for a job whose occurrence fell due during a shutdown waited until the end of it, and got no answer then.

Cause: an occurrence that falls due during a shutdown is ended in the queue; that nothing more of its job was to come
was said to nobody. And a job that was paused first was taken to be over by whoever asked later, and not by whoever
had asked.
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
