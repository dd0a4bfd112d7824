"""Jobs that had ended, and were forgotten, stayed in memory until the next full collection of garbage.

Cause: a history remembers the last run of its job, and a run knows its job: each kept the other alive. A scheduler that
runs many one-time jobs left thousands of such circles, and each full collection stopped the event loop to find them.
"""

import gc

import pytest
from engine_driver import Driver

from turnkeeper_trio import After
from turnkeeper_trio._engine.rows import Job, Occurrence, Run


@pytest.fixture
def no_collector(collect_only_own):
    gc.disable()
    yield
    gc.enable()


def rows() -> int:
    return sum(isinstance(each, Job | Run | Occurrence) for each in gc.get_objects())


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("deleted", [False, True])
def test_what_is_forgotten_needs_no_collector(deleted):
    before = rows()
    driver = Driver(history_limit=3)
    for _ in range(20):
        job = driver.add(schedule=After(0))
        [attempt] = driver.begin(1)
        driver.end(attempt, value=1)
        if deleted:
            driver.delete(job)
    driver.tick(1)
    del attempt, job
    driver.effects.clear()
    assert rows() - before <= 3 * 3
