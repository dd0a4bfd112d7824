"""`Scheduler.upcoming_runs` told of fixed delays out of order, and at a wrong instant, after the wall clock stepped.

Cause: a fixed delay goes by the clock of the event loop, and stands in its queue by that; what was told of it was the
wall time at which it had been planned. Two that were planned before and after a step back were merged as if in order.
"""

from engine_driver import Driver, at

from turnkeeper_trio import FixedDelay, Once
from turnkeeper_trio._engine import queries
from turnkeeper_trio._model.times import Now

SECOND = 1_000_000


def test_a_fixed_delay_is_told_when_it_comes_by_the_clock_of_the_loop():
    driver = Driver()
    driver.add("first", FixedDelay(100))
    driver.now = Now(driver.now.wall - 50 * SECOND, driver.now.loop + 1 * SECOND)
    driver.add("second", FixedDelay(100))
    driver.add("once", Once(at(49.5)))
    told = list(driver.ask(queries.upcoming_runs, until=None, limit=10).result())
    came = [(run.name, (run.scheduled_at - at(0)).total_seconds()) for run in told]
    assert came == [("first", 49.0), ("once", 49.5), ("second", 50.0)]
