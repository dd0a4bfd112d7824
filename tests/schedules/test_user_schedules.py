"""Schedules of users: what they may do, and what happens if they do something else."""

# ruff: noqa: DTZ001, PLW0108  (naive datetimes are part of what is tested; a row of a table)

import warnings
from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pendulum
import pytest

from turnkeeper_trio._model.times import MAX_INSTANT, MIN_INSTANT, instant_us
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules import After, AnyOf, FixedDelay, Interval, Never, Once, _adapter, upcoming

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
US = instant_us(NOW)
HOUR = 3_600_000_000


class Mine:
    """A schedule whose answer is what the test says."""

    def __init__(self, answer):
        self.answer = answer

    def next_after(self, after):
        assert after.utcoffset() == timedelta(0)
        return self.answer(after)


class Counting(Mine):
    """One that counts and binds, too."""

    def count_between(self, after, until):
        return self.answer((after, until))

    def anchored(self, at):
        return self.answer(at)


def hourly(after):
    return after.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def failing(after):
    raise RuntimeError("the moon is down")


async def coming(after):
    return after


def test_a_schedule_of_a_user_is_asked_in_utc():
    assert _adapter.next_after_us(Mine(hourly), US) == US + HOUR
    assert (
        _adapter.next_after_us(Mine(lambda after: pendulum.instance(hourly(after)).in_tz("Asia/Tokyo")), US)
        == US + HOUR
    )
    assert _adapter.next_after_us(Mine(lambda after: None), US) is None
    assert _adapter.next_after_us(Mine(hourly), -(10**30)) == MIN_INSTANT + HOUR
    assert _adapter.next_after_us(Mine(failing), MAX_INSTANT) is None
    late = datetime(9999, 12, 31, 23, 30, tzinfo=timezone(timedelta(hours=-12)))
    assert _adapter.next_after_us(Mine(lambda after: late), US) is None
    assert _adapter.first_us(Mine(hourly), US) == US + HOUR
    assert _adapter.latest_us(Mine(hourly), US, US + 5 * HOUR + 1) == US + 5 * HOUR
    assert _adapter.latest_us(Mine(hourly), US, US + HOUR - 1) is None


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (failing, "Mine.next_after raised RuntimeError: the moon is down"),
        (lambda after: after, "did not advance"),
        (lambda after: after - timedelta(days=1), "did not advance"),
        (lambda after: after.timestamp() + 5, "aware datetime or None, it returned 1767"),
        (lambda after: (after + timedelta(days=1)).replace(tzinfo=None), "without a timezone"),
        (lambda after: after.date(), "aware datetime or None"),
        (lambda after: False, "it returned False"),
        (coming, "is async: a schedule answers at once"),
    ],
)
def test_a_fault_says_what_is_wrong(answer, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(_adapter.ScheduleFault, match=message) as caught:
            _adapter.next_after_us(Mine(answer), US)
    assert (caught.value.__cause__ is None) == ("raised" not in message)
    with pytest.raises(_adapter.ScheduleFault, match=message):
        (Never() | Mine(answer)).next_after(NOW)


def test_a_timezone_of_a_user_that_raises_is_a_fault():
    class Broken(tzinfo):
        def utcoffset(self, when):
            raise LookupError("no such place")

    with pytest.raises(_adapter.ScheduleFault, match="timezone raises LookupError: no such place"):
        _adapter.next_after_us(Mine(lambda after: datetime(2027, 1, 1, tzinfo=Broken())), US)


def test_a_fault_within_a_schedule_of_a_user_stays_the_fault_it_is():
    with pytest.raises(_adapter.ScheduleFault, match=r"^Mine.next_after raised RuntimeError: the moon is down$"):
        _adapter.next_after_us(Mine((Never() | Mine(failing)).next_after), US)


def test_an_interrupt_passes():
    def interrupted(after):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _adapter.next_after_us(Mine(interrupted), US)


def test_counting_lists_up_to_a_limit():
    assert _adapter.count_between_us(Mine(hourly), US, US + 24 * HOUR) == (24, True)
    assert _adapter.count_between_us(Mine(hourly), US, US + 2000 * HOUR) == (1000, False)
    assert _adapter.count_between_us(Mine(hourly), US, US + 5 * HOUR, 5) == (5, True)
    assert _adapter.count_between_us(Mine(hourly), US, US + 6 * HOUR, 5) == (5, False)
    assert _adapter.count_between_us(Mine(lambda after: None), US, US + HOUR) == (0, True)
    assert _adapter.count_between_us(Mine(failing), US, US) == (0, True)
    assert _adapter.count_between_us(Interval(hours=1, anchor=NOW), US, US + 10**6 * HOUR, 5) == (10**6, True)
    assert _adapter.count_between_us(Interval(hours=1, anchor=NOW), US, 10**30)[0] > 0
    assert _adapter.count_between_us(Counting(lambda window: 7), US, US + HOUR) == (7, True)


@pytest.mark.parametrize("answer", [None, -1, 1.5, True, "5"])
def test_a_count_is_a_number(answer):
    with pytest.raises(_adapter.ScheduleFault, match="count_between must return how many"):
        _adapter.count_between_us(Counting(lambda window: answer), US, US + HOUR)


def test_binding():
    plain = Mine(hourly)
    assert _adapter.anchored_us(plain, US) is plain
    assert _adapter.anchored_us(Counting(lambda at: Once(at)), US) == Once(NOW)
    assert _adapter.anchored_us(Counting(lambda at: After(5)), US) == After(5).anchored(NOW)
    assert _adapter.anchored_us(Counting(lambda at: plain), US) is plain
    assert _adapter.anchored_us(After(5), US) == After(5).anchored(NOW)
    with pytest.raises(_adapter.ScheduleFault, match="anchored must return a schedule, it returned None"):
        _adapter.anchored_us(Counting(lambda at: None), US)
    with pytest.raises(_adapter.ScheduleFault, match="anchored raised RuntimeError"):
        _adapter.anchored_us(Counting(failing), US)


@pytest.mark.parametrize("value", [None, 5, "0 9 * * *", Never, object(), timedelta(5)])
def test_what_is_no_schedule(value):
    with pytest.raises(ConfigurationError, match="trigger must be a schedule"):
        _adapter.checked_schedule("trigger", value)


class TestUpcoming:
    def test_later_than_the_start_up_to_the_end(self):
        schedule = Interval(hours=1, anchor=NOW)
        found = upcoming(schedule, start=NOW, end=NOW + timedelta(hours=3))
        assert found == [NOW + timedelta(hours=hours) for hours in (1, 2, 3)]
        assert all(isinstance(at, pendulum.DateTime) and at.timezone_name == "UTC" for at in found)
        assert len(upcoming(schedule, start=NOW)) == 10
        assert len(upcoming(schedule, start=NOW, count=3)) == 3
        assert upcoming(schedule, start=NOW, count=0) == []
        assert len(upcoming(schedule, start=NOW, end=NOW + timedelta(days=2), count=None)) == 48
        assert upcoming(Mine(hourly), start=NOW, count=1) == [NOW + timedelta(hours=1)]

    def test_as_if_accepted_at_the_start(self):
        assert upcoming(Interval(hours=1), start=NOW, count=1) == [NOW + timedelta(hours=1)]
        assert upcoming(After(0), start=NOW) == [NOW]
        assert upcoming(Once(NOW), start=NOW) == [NOW]
        assert upcoming(Once(NOW - timedelta(days=1)), start=NOW) == []

    @pytest.mark.parametrize(
        ("options", "parameter"),
        [
            ({"start": datetime(2026, 1, 1)}, "start"),
            ({"start": NOW, "count": -1}, "count"),
            ({"start": NOW, "count": True}, "count"),
            ({"start": NOW, "count": None}, "count"),
            ({"start": NOW, "end": "2026"}, "end"),
        ],
    )
    def test_refused(self, options, parameter):
        with pytest.raises(ConfigurationError) as caught:
            upcoming(Never(), **options)
        assert caught.value.parameter == parameter
        with pytest.raises(ConfigurationError, match="must be a schedule"):
            upcoming("@daily", start=NOW)


class Odd(datetime):
    def toordinal(self):
        return 1.5


class NoNumber:
    def next_after(self, after):
        return Odd(2030, 1, 1, tzinfo=UTC)


class Unreadable:
    def next_after(self, after):
        return None

    @property
    def anchored(self):
        raise LookupError("lost")


class BecomesDelay:
    def next_after(self, after):
        return None

    def anchored(self, at):
        return FixedDelay(5)


def test_a_datetime_that_is_no_number_is_a_fault():
    # Compiled code already finds it when it calculates.
    with pytest.raises(_adapter.ScheduleFault, match=r"names no instant|int object expected"):
        _adapter.next_after_us(NoNumber(), US)


def test_a_method_that_cannot_be_read_is_a_fault():
    with pytest.raises(_adapter.ScheduleFault, match="anchored raised LookupError: lost"):
        _adapter.anchored_us(Unreadable(), US)


def test_a_part_that_becomes_what_cannot_be_a_part_is_a_fault():
    with pytest.raises(_adapter.ScheduleFault, match="AnyOf cannot be bound"):
        _adapter.anchored_us(AnyOf(BecomesDelay(), Interval(5)), US)
