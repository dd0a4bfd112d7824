"""A ``stuck_after`` that was added to a job, or made shorter, had no effect on a run that was executing.

Cause: the time of the check was set when the attempt was assigned. At the check the new value was read, but an update
did not set an earlier check, nor one where there was none.
"""

from engine_driver import Driver

from turnkeeper_trio import After
from turnkeeper_trio._engine.rows import AttemptResult


def test_the_alarm_of_an_attempt_under_way_is_set_anew_by_an_update():
    driver = Driver()
    job = driver.add(schedule=After(0))
    driver.begin()
    driver.update(job, stuck_after=100)
    driver.update(job, stuck_after=6)
    assert driver.tick(5).stuck == []
    assert [attempt.run.job for attempt in driver.tick(1).stuck] == [job]
    driver.update(job, stuck_after=3)
    assert driver.tick(10).stuck == [], "it was told already"


def test_one_that_was_told_as_stuck_is_not_told_so_again_because_of_an_update():
    driver = Driver()
    job = driver.add(schedule=After(0), timeout=5, cleanup_grace=2)
    (attempt,) = driver.begin()
    driver.advance(5)
    attempt.scope.cancel()
    assert driver.tick(2).stuck == [attempt]
    driver.update(job, name="renamed")
    assert driver.tick(10).stuck == []
    driver.end(attempt, AttemptResult.TIMED_OUT)
