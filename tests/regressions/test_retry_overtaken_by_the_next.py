"""With ``retry_past_next=True`` and occurrences that wait, the next one went before the retry it was to wait for.

Cause: a run whose retry had come went to the end of those that waited for it.
"""

import pytest
from engine_driver import Driver

from turnkeeper_trio import FixedRetryDelay, Interval, Overlap


@pytest.mark.parametrize("overlap", [Overlap.BUFFER_ALL, Overlap.BUFFER_ONE])
@pytest.mark.parametrize("past_next", [True, False])
def test_a_retry_goes_before_those_that_wait_for_it(overlap: Overlap, past_next: bool):
    driver = Driver()
    retry = FixedRetryDelay(25)
    driver.add(schedule=Interval(seconds=10), overlap=overlap, retry_past_next=past_next, max_retries=1, retry=retry)
    (first,) = driver.begin(10)
    driver.tick(10)
    driver.fail(first)
    other = driver.begin()
    assert len(other) == (not past_next)
    driver.tick(10)
    driver.tick(15)
    if past_next:
        (again,) = driver.start_all()
        assert again.run is first.run
    else:
        assert first.run.outcome is not None
