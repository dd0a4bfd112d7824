"""Elapsed time: the grid of an interval, the delay after a run, and what happens once after acceptance."""

# ruff: noqa: DTZ001, E501  (naive datetimes are part of what is tested; tables are easier to read one row a line)

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules import After, FixedDelay, Interval, Never, Once

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
FIVE = timedelta(minutes=5)
MAX = datetime.max.replace(tzinfo=UTC)
MIN = datetime.min.replace(tzinfo=UTC)


@settings(derandomize=True, deadline=None, database=None)
@given(
    st.integers(1000, 10**15),
    st.datetimes(timezones=st.just(UTC)),
    st.datetimes(timezones=st.just(UTC)),
    st.integers(0, 40),
)
def test_the_grid_is_the_anchor_plus_whole_intervals(every, anchor, after, steps):
    schedule = Interval(timedelta(microseconds=every), anchor=anchor)
    at = schedule.next_after(after)
    if at is None:
        assert MAX - after < timedelta(microseconds=every)
        return
    assert at > after
    assert (at - anchor) % timedelta(microseconds=every) == timedelta(0)
    assert at - after <= timedelta(microseconds=every)
    until = min(MAX - after, (at - after) + steps * timedelta(microseconds=every)) + after
    assert schedule.count_between(after, until) == (until - at) // timedelta(microseconds=every) + 1
    assert schedule.count_between(until, after) == 0


def test_the_grid_goes_on_before_the_anchor():
    schedule = Interval(hours=1, anchor=NOW)
    assert schedule.next_after(NOW - timedelta(minutes=150)) == NOW - timedelta(hours=2)
    assert schedule.next_after(NOW) == NOW + timedelta(hours=1)
    assert schedule.next_after(MIN) == MIN + timedelta(hours=1)


@pytest.mark.parametrize(
    "schedule",
    [
        Interval(300),
        Interval(300.0),
        Interval(FIVE),
        Interval(every=FIVE),
        Interval(minutes=5),
        Interval(seconds=300),
        Interval(minutes=4, seconds=60),
        Interval(hours=0, minutes=5.0),
        Interval(hours=1 / 12),
        Interval(pendulum.duration(minutes=5)),
        Interval(pendulum.datetime(2026, 1, 1, 0, 5) - pendulum.datetime(2026, 1, 1)),
    ],
)
def test_five_minutes_in_many_ways(schedule):
    assert schedule == Interval(minutes=5)
    assert hash(schedule) == hash(Interval(minutes=5))
    assert schedule.every == FIVE
    assert schedule.anchor is None
    assert repr(schedule) == "Interval(minutes=5)"
    assert schedule.timezone == "UTC"


def test_tenths_do_not_drift():
    schedule = Interval(0.1, anchor=NOW)
    at = NOW
    for _ in range(1000):
        at = schedule.next_after(at)
    assert at == NOW + timedelta(seconds=100)


def test_anchored_binds_once():
    bound = Interval(minutes=5).anchored(NOW)
    assert bound.anchor == NOW
    assert bound.next_after(NOW) == NOW + FIVE
    assert bound.anchored(NOW + FIVE) is bound
    assert bound == Interval(minutes=5, anchor=NOW)
    assert bound != Interval(minutes=5)
    assert bound == Interval(minutes=5, anchor=NOW.astimezone(ZoneInfo("Asia/Tokyo")))
    assert bound.latest_us(0, 10**18) is not None
    assert bound.latest_us(5, 6) is None


def test_intervals_do_not_care_about_clock_changes():
    berlin = ZoneInfo("Europe/Berlin")
    schedule = Interval(days=1, anchor=datetime(2026, 3, 28, 9, tzinfo=berlin))
    at = schedule.next_after(datetime(2026, 3, 28, 9, tzinfo=berlin))
    assert at.astimezone(berlin).hour == 10


def test_the_end_of_the_calendar():
    assert Interval(days=400_000, anchor=NOW).next_after(MAX) is None
    assert Interval(hours=1, anchor=NOW).next_after(MAX) is None
    assert Interval(seconds=1, anchor=NOW).count_between(MIN, MAX) == 315537897599


@pytest.mark.parametrize("kind", [Interval, FixedDelay])
@pytest.mark.parametrize(
    ("make", "parameter", "message"),
    [
        (lambda kind: kind(), "", "is missing"),
        (lambda kind: kind(0), "", "at least 0.001 s, it is 0 s"),
        (lambda kind: kind(0.0009), "", "at least 0.001 s"),
        (lambda kind: kind(minutes=0), "minutes", "at least 0.001 s"),
        (lambda kind: kind(-5), "", "not be negative"),
        (lambda kind: kind(timedelta(seconds=-5)), "", "at least 0.001 s, it is -5 s"),
        (lambda kind: kind(hours=2, minutes=-5), "minutes", "not be negative"),
        (lambda kind: kind(float("nan")), "", "must be finite"),
        (lambda kind: kind(seconds=float("inf")), "seconds", "must be finite"),
        (lambda kind: kind("5"), "", "seconds .a number. or a timedelta"),
        (lambda kind: kind(True), "", "seconds .a number. or a timedelta"),
        (lambda kind: kind(minutes="5"), "minutes", "must be a number"),
        (lambda kind: kind(minutes=True), "minutes", "must be a number"),
        (lambda kind: kind(5, minutes=1), "", "both given"),
        (lambda kind: kind(months=1), "months", "CalendarInterval.months=1"),
        (lambda kind: kind(years=2), "years", "CalendarInterval.years=2"),
        (lambda kind: kind(pendulum.duration(months=1)), "", "no fixed length"),
        (lambda kind: kind(pendulum.duration(years=1)), "", "no fixed length"),
        (lambda kind: kind(days=10**9), "days", "longer than the calendar"),
        (lambda kind: kind(1e300), "", "longer than the calendar"),
        (lambda kind: kind(5, anchor=datetime(2026, 1, 1)), "anchor", "must have a timezone"),
        (lambda kind: kind(5, anchor="2026"), "anchor", "datetime with a timezone"),
        (lambda kind: kind(5, anchor=MIN.replace(tzinfo=timezone(timedelta(hours=9)))), "anchor", "years 1 to 9999"),
    ],
)
def test_refused(kind, make, parameter, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        make(kind)
    assert caught.value.parameter == (parameter or ("every" if kind is Interval else "delay"))


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (Interval(minutes=5), "has no anchor yet"),
        (FixedDelay(minutes=5), "counted from the end of each run"),
        (After(5), "counted from the acceptance"),
    ],
)
def test_asking_an_unbound_one_says_so(schedule, message):
    for ask in (
        lambda: schedule.next_after(NOW),
        lambda: schedule.count_between(NOW, NOW + FIVE),
        lambda: schedule.latest_us(0, 10),
    ):
        with pytest.raises(ConfigurationError, match=message):
            ask()


def test_fixed_delay_has_one_occurrence_after_what_it_is_bound_to():
    schedule = FixedDelay(minutes=5)
    assert schedule.delay == FIVE
    assert schedule.delay_us == 300_000_000
    bound = schedule.anchored(NOW)
    assert bound.next_after(NOW) == NOW + FIVE
    assert bound.next_after(NOW + FIVE) is None
    assert bound.count_between(NOW, NOW + FIVE) == 1
    assert bound.count_between(NOW, NOW + FIVE / 2) == 0
    assert bound.anchored(NOW + FIVE).next_after(NOW) == NOW + 2 * FIVE
    assert FixedDelay(minutes=5, anchor=NOW) == bound


def test_after():
    assert After() == After(0) == After(hours=0) == After(0, seconds=0)
    assert repr(After()) == "After(seconds=0)"
    bound = After(minutes=5).anchored(NOW)
    assert bound.delay == FIVE
    assert bound.anchor == NOW
    assert After(1).anchor is None
    assert bound.anchored(NOW + FIVE) is bound
    assert bound.next_after(NOW) == NOW + FIVE
    assert bound.next_after(NOW + FIVE) is None
    assert bound.count_between(NOW, NOW + FIVE) == 1
    assert bound.count_between(NOW + FIVE, NOW + 2 * FIVE) == 0
    assert After(0).anchored(NOW).next_after(NOW - FIVE) == NOW
    assert After(days=3_000_000).anchored(NOW).next_after(NOW) is None
    assert After(days=3_000_000).anchored(NOW).first_us(0) is None
    with pytest.raises(ConfigurationError, match="delay must not be negative"):
        After(-1)
    with pytest.raises(ConfigurationError, match="not negative"):
        After(timedelta(seconds=-1))
    with pytest.raises(ConfigurationError, match="both given"):
        After(1, seconds=1)


def test_never():
    assert Never().next_after(NOW) is None
    assert Never().count_between(MIN, MAX) == 0
    assert Never().latest_us(0, 10**15) is None
    assert Never().first_us(0) is None
    assert Never().anchored(NOW) == Never()


@pytest.mark.parametrize(
    ("at", "options", "expected"),
    [
        (datetime(2026, 3, 1, 9, tzinfo=UTC), {}, datetime(2026, 3, 1, 9, tzinfo=UTC)),
        (datetime(2026, 3, 1, 9), {"timezone": "Europe/Berlin"}, datetime(2026, 3, 1, 8, tzinfo=UTC)),
        (datetime(2026, 3, 1, 9), {"timezone": ZoneInfo("Europe/Berlin"), "fold": 1}, datetime(2026, 3, 1, 8, tzinfo=UTC)),
        (datetime(2026, 3, 1, 9, tzinfo=timezone(timedelta(hours=2))), {}, datetime(2026, 3, 1, 7, tzinfo=UTC)),
        (datetime(2026, 10, 25, 2, 30, fold=1), {"timezone": "Europe/Berlin"}, datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        (datetime(2026, 10, 25, 2, 30), {"timezone": "Europe/Berlin", "fold": 1}, datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        (datetime(2026, 10, 25, 2, 30), {"timezone": "Europe/Berlin", "fold": 0}, datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1), {}, datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        (pendulum.datetime(2026, 10, 25, 2, 30, tz="Europe/Berlin", fold=0), {}, datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (pendulum.datetime(2026, 10, 25, 2, 30, tz="Europe/Berlin"), {}, datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_once(at, options, expected):
    schedule = Once(at, **options)
    assert schedule.at == expected
    assert schedule.next_after(MIN) == expected
    assert schedule.next_after(expected) is None
    assert schedule.count_between(MIN, expected) == 1
    assert schedule.count_between(expected, MAX) == 0
    assert schedule.first_us(10**17) == int(expected.timestamp()) * 1_000_000
    assert schedule == Once(expected)
    assert hash(schedule) == hash(Once(expected))
    assert schedule.anchored(NOW) is schedule


def test_the_zone_of_once_is_for_display():
    assert Once(datetime(2026, 3, 1, 9), timezone="Europe/Berlin").timezone == "Europe/Berlin"
    assert Once(datetime(2026, 3, 1, 9, tzinfo=UTC)).timezone == "UTC"
    assert Once(datetime(2026, 3, 1, 9, tzinfo=ZoneInfo("UTC"))).zones == frozenset()
    path = next(path for path in __import__("zoneinfo").TZPATH if __import__("os").path.isdir(path))
    with open(f"{path}/Europe/Berlin", "rb") as file:  # noqa: PTH123
        nameless = ZoneInfo.from_file(file)
    assert Once(datetime(2026, 3, 1, 9, tzinfo=nameless)).timezone == "UTC"
    with open(f"{path}/Europe/Berlin", "rb") as file:  # noqa: PTH123
        misnamed = ZoneInfo.from_file(file, key="Home")
    assert Once(datetime(2026, 3, 1, 9, tzinfo=misnamed)).timezone == "UTC"


@pytest.mark.parametrize(
    ("at", "options", "parameter", "message"),
    [
        (datetime(2026, 3, 1, 9), {}, "at", "names no instant; write"),
        ("2026-03-01", {}, "at", "must be a datetime, such as"),
        (NOW.date(), {}, "at", "must be a datetime"),
        (1_700_000_000, {}, "at", "must be a datetime"),
        (NOW, {"timezone": "UTC"}, "timezone", "timezone belongs to a naive label"),
        (NOW, {"fold": 1}, "fold", "fold belongs to a naive label"),
        (datetime(2026, 3, 29, 2, 30), {"timezone": "Europe/Berlin"}, "at", "write 2026-03-29 01:30:00 or 2026-03-29 03:30:00"),
        (datetime(2026, 3, 29, 2, 30), {"timezone": "Europe/Berlin", "fold": 1}, "at", "does not exist"),
        (datetime(2026, 3, 29, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")), {}, "at", "goes forward by 1:00:00"),
        (datetime(2026, 10, 4, 2, 15), {"timezone": "Australia/Lord_Howe"}, "at", "goes forward by 0:30:00"),
        (datetime(2026, 10, 25, 2, 30), {"timezone": "Europe/Berlin"}, "fold", "write fold=0 for the first time .00:30 UTC"),
        (datetime(2026, 10, 25, 2, 30), {"timezone": "Europe/Berlin", "fold": 2}, "fold", "0 .the first pass. or 1"),
        (datetime(2026, 10, 25, 2, 30), {"timezone": "Europe/Berlin", "fold": True}, "fold", "0 .the first pass. or 1"),
        (datetime(1, 1, 1), {"timezone": "Asia/Tokyo"}, "at", "outside the years 1 to 9999"),
        (datetime(2026, 1, 1), {"timezone": "Berlin"}, "timezone", "did you mean 'Europe/Berlin'"),
    ],
)  # fmt: skip
def test_once_refused(at, options, parameter, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        Once(at, **options)
    assert caught.value.parameter == parameter


def test_a_timezone_without_an_offset_names_no_instant():
    class Nowhere(timezone.__base__):
        def utcoffset(self, when):
            return None

    with pytest.raises(ConfigurationError, match="gives no offset"):
        Once(datetime(2026, 1, 1, tzinfo=Nowhere()))
