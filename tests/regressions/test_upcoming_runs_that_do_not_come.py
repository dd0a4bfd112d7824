"""`Scheduler.upcoming_runs` told of runs that would not come, and of instants that were none of the schedule's.

Causes: what follows the planned occurrence of a job was bounded by ``until``, but not by ``max_runs``; and the planned
one was told with its jitter, in the order of the queue, which is that of the jittered instants.
"""

import pytest
from engine_driver import Driver, at

from turnkeeper_trio import Interval, Never, Once, PriorityQueueType
from turnkeeper_trio._engine import queries
from turnkeeper_trio._model.times import instant_us


def upcoming(driver, limit=100, until=None):
    until = None if until is None else instant_us(at(until))
    runs = list(driver.ask(queries.upcoming_runs, until=until, limit=limit).result())
    return [(run.name, (run.scheduled_at - at(0)).total_seconds()) for run in runs]


def test_a_job_comes_up_as_often_as_it_may_run():
    driver = Driver()
    driver.add("thrice", Interval(10), max_runs=3)
    driver.add("once more by hand", Never())
    assert upcoming(driver) == [("thrice", 10), ("thrice", 20), ("thrice", 30)]
    driver.begin(10)
    assert upcoming(driver) == [("thrice", 20), ("thrice", 30)]


@pytest.mark.parametrize("queue", PriorityQueueType)
def test_instants_are_those_of_the_schedules_in_their_order_whatever_the_jitter(queue):
    for seed in range(20):
        driver = Driver(queue=queue, seed=seed)
        for second in range(20):
            driver.add("late", Once(at(second)), jitter=7 if second % 3 == 0 else 0)
        driver.add("often", Interval(8, anchor=at(0)), jitter=5)
        expected = sorted([*range(20), 8, 16, 24, 32])
        assert [second for _, second in upcoming(driver, limit=24)] == expected
        assert [second for _, second in upcoming(driver, until=15)] == [each for each in expected if each <= 15]
