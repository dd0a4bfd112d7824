"""Years, months, weeks and days by the calendar."""

# ruff: noqa: DTZ001, DTZ901  (naive datetimes are part of what is tested; a row of a table)

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pendulum
import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules import CalendarInterval, upcoming

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
MIN, MAX = (at.replace(tzinfo=UTC) for at in (datetime.min, datetime.max))


def days(schedule, start=NOW, count=5):
    return [at.strftime("%Y-%m-%d") for at in upcoming(schedule, start=start, count=count)]


def test_a_day_that_a_month_does_not_have_is_its_last():
    every_third_month = CalendarInterval(months=3, start=date(2026, 1, 31))
    assert days(every_third_month) == ["2026-01-31", "2026-04-30", "2026-07-31", "2026-10-31", "2027-01-31"]
    assert days(CalendarInterval(months=1, start=date(2026, 1, 31)))[:3] == ["2026-01-31", "2026-02-28", "2026-03-31"]
    assert days(CalendarInterval(years=1, start=date(2024, 2, 29)))[:3] == ["2026-02-28", "2027-02-28", "2028-02-29"]


def test_the_start_is_the_first_occurrence():
    schedule = CalendarInterval(weeks=2, start=date(2026, 3, 2), at=time(9), timezone="Europe/Berlin")
    assert schedule.next_after(MIN) == datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert days(schedule) == ["2026-03-02", "2026-03-16", "2026-03-30", "2026-04-13", "2026-04-27"]
    assert schedule.count_between(MIN, datetime(2026, 3, 30, 7, tzinfo=UTC)) == 3


def test_months_are_added_before_days():
    schedule = CalendarInterval(months=1, days=1, start=date(2026, 1, 31))
    assert days(schedule)[:3] == ["2026-01-31", "2026-03-01", "2026-04-02"]


@settings(derandomize=True, deadline=None, database=None)
@given(
    st.dates(date(1900, 1, 1), date(2100, 1, 1)),
    st.integers(0, 5),
    st.integers(0, 30),
    st.integers(0, 20),
    st.integers(0, 40),
    st.integers(0, 400),
)
def test_agrees_with_dateutil(start, years, months, weeks, more, index):
    assume(years + months + weeks + more > 0)
    schedule = CalendarInterval(years=years, months=months, weeks=weeks, days=more, start=start)
    step = relativedelta(years=years, months=months)
    rest = timedelta(weeks=weeks, days=more)
    first = datetime(start.year, start.month, start.day, tzinfo=UTC)

    def nth(k):
        return first + relativedelta(months=k * (step.years * 12 + step.months)) + k * rest

    before, at, after = nth(index), nth(index + 1), nth(index + 2)
    assert schedule.next_after(before) == at
    assert schedule.next_after(at - timedelta(microseconds=1)) == at
    assert schedule.count_between(first, after) == index + 2
    assert schedule.count_between(first - timedelta(days=1), at) == index + 2


def test_binding():
    berlin = ZoneInfo("Europe/Berlin")
    daily = CalendarInterval(days=1, timezone="Europe/Berlin")
    bound = daily.anchored(datetime(2026, 3, 28, 9, 30, 15, tzinfo=berlin))
    assert (bound.start, bound.at) == (date(2026, 3, 28), time(9, 30, 15))
    assert bound.next_after(datetime(2026, 3, 28, 9, 30, 15, tzinfo=berlin)) == datetime(
        2026, 3, 29, 7, 30, 15, tzinfo=UTC
    )
    assert bound.anchored(NOW) is bound
    nine = CalendarInterval(months=1, at=time(9), timezone="Europe/Berlin")
    assert (nine.start, nine.at) == (None, time(9))
    assert nine.anchored(datetime(2026, 1, 5, 7, tzinfo=berlin)).next_after(datetime(2026, 1, 5, 7, tzinfo=berlin)) == (
        datetime(2026, 1, 5, 9, tzinfo=berlin)
    )
    assert nine.anchored(datetime(2026, 1, 5, 10, tzinfo=berlin)).next_after(
        datetime(2026, 1, 5, 10, tzinfo=berlin)
    ) == (datetime(2026, 2, 5, 9, tzinfo=berlin))
    with pytest.raises(ConfigurationError, match="has no start yet"):
        nine.next_after(NOW)
    with pytest.raises(ConfigurationError, match="has no start yet"):
        nine.count_between(NOW, MAX)
    assert daily.at is None


def test_a_start_may_be_an_instant():
    schedule = CalendarInterval(days=1, start=datetime(2026, 1, 1, 23, 30, tzinfo=UTC), timezone="Asia/Tokyo")
    assert (schedule.start, schedule.at) == (date(2026, 1, 2), time(8, 30))
    assert CalendarInterval(days=1, start=pendulum.date(2026, 1, 2), at=time(8, 30), timezone="Asia/Tokyo") == schedule


def test_equal_by_meaning():
    assert CalendarInterval(months=12) == CalendarInterval(years=1)
    assert CalendarInterval(days=14) == CalendarInterval(weeks=2)
    assert CalendarInterval(months=1) != CalendarInterval(months=1, at=time(9))
    assert (
        repr(CalendarInterval(months=14, days=8))
        == "CalendarInterval(years=1, months=2, weeks=1, days=1, timezone='UTC')"
    )


def test_the_end_of_the_calendar():
    schedule = CalendarInterval(months=1, start=date(9999, 10, 31))
    assert schedule.count_between(NOW, MAX) == 3
    assert schedule.next_after(datetime(9999, 12, 31, tzinfo=UTC)) is None
    daily = CalendarInterval(days=1, start=date(9999, 12, 30))
    assert daily.count_between(NOW, MAX) == 2
    assert CalendarInterval(years=8000, start=date(2026, 1, 1)).next_after(NOW) is None
    assert CalendarInterval(days=1, timezone="Asia/Tokyo").anchored(MAX).start == date(9999, 12, 31)
    assert CalendarInterval(days=1, start=MAX, timezone="Asia/Tokyo").start == date(9999, 12, 31)


@pytest.mark.parametrize(
    ("options", "parameter", "message"),
    [
        ({}, "days", "the interval is missing"),
        ({"days": 0}, "days", "the interval is missing"),
        ({"days": -1}, "days", "whole number"),
        ({"months": 1.5}, "months", "whole number"),
        ({"weeks": True}, "weeks", "whole number"),
        ({"years": "1"}, "years", "whole number"),
        ({"days": 10**9}, "days", "longer than the calendar"),
        ({"days": 1, "start": "2026-01-01"}, "start", "must be a date"),
        ({"days": 1, "start": datetime(2026, 1, 1, 9)}, "start", r"write start=date.2026, 1, 1., at=time.9."),
        ({"days": 1, "start": NOW, "at": time(9)}, "at", "has a time of day already"),
        ({"days": 1, "at": time(9, tzinfo=UTC)}, "at", "without a zone"),
        ({"days": 1, "at": time(9, fold=1)}, "at", "without fold"),
        ({"days": 1, "at": "09:00"}, "at", "such as time.9, 30."),
        ({"days": 1, "timezone": "CEST"}, "timezone", "Europe/Berlin"),
    ],
)
def test_refused(options, parameter, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        CalendarInterval(**options)
    assert caught.value.parameter == parameter
