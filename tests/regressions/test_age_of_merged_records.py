"""Records older than ``history_ttl`` stayed as long as an older record grew.

Cause: a record that stands for several occurrences gets a new age with each of them, but it kept its place in the
history. Only the age of the oldest place is checked.
"""

from engine_driver import Driver, us

from turnkeeper_trio import Interval


def test_a_record_that_grows_does_not_keep_older_ones():
    driver = Driver(history_ttl=us(100))
    growing, other = driver.add("growing", Interval(seconds=10)), driver.add("other", Interval(seconds=10))
    driver.skip(growing)
    driver.skip(other)
    for _ in range(15):
        driver.advance(10)
        driver.skip(growing)
    (record,) = driver.history()
    assert record.name == "growing"
    assert record.count == 16
    assert driver.history(other) == []
