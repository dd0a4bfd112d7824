"""The nights the clocks change, zone by zone and kind by kind, as instants worked out by hand from the rules in force.

The columns: what the schedule is, the instant from which it is asked, and the answers in UTC. Each zone is here for a
reason, which its heading tells.
"""

# ruff: noqa: DTZ001, E501  (naive datetimes are part of what is tested; tables are easier to read one row a line)

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from turnkeeper_trio.schedules import EVERY_DAY, CalendarInterval, Cron, Interval, Once, WeekdayTimes, upcoming


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def daily(hour: int, minute: int, zone: str) -> WeekdayTimes:
    return WeekdayTimes.on(EVERY_DAY, time(hour, minute), timezone=zone)


BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"

TABLE = [
    # Europe/Berlin: 2026-03-29 01:00 UTC, 02:00 -> 03:00; 2026-10-25 01:00 UTC, 03:00 -> 02:00
    (daily(2, 30, BERLIN), "2026-03-27T12:00", ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]),
    (daily(2, 30, BERLIN), "2026-10-24T12:00", ["2026-10-25T00:30", "2026-10-26T01:30"]),
    (daily(2, 30, BERLIN), "2026-10-25T01:10", ["2026-10-26T01:30"]),
    (daily(2, 0, BERLIN), "2026-03-28T12:00", ["2026-03-29T01:00", "2026-03-30T00:00"]),
    (daily(3, 0, BERLIN), "2026-03-28T12:00", ["2026-03-29T01:00", "2026-03-30T01:00"]),
    (daily(3, 0, BERLIN), "2026-10-24T12:00", ["2026-10-25T02:00"]),
    (Cron("0,30 2,3 * * *", timezone=BERLIN), "2026-03-29T00:00", ["2026-03-29T01:00", "2026-03-29T01:30", "2026-03-30T00:00"]),
    (Cron("30 2 * * *", timezone=BERLIN), "2026-03-28T12:00", ["2026-03-29T01:00", "2026-03-30T00:30"]),
    (Cron("*/30 2 * * *", timezone=BERLIN), "2026-03-28T12:00", ["2026-03-30T00:00", "2026-03-30T00:30"]),
    (Cron("30 * * * *", timezone=BERLIN), "2026-03-29T00:00", ["2026-03-29T00:30", "2026-03-29T01:30"]),
    (Cron("30 * * * *", timezone=BERLIN), "2026-10-24T23:45", ["2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T02:30"]),
    (Cron("0 */2 * * *", timezone=BERLIN), "2026-10-24T23:45", ["2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T03:00"]),
    (Cron("0 2 * * *", timezone=BERLIN), "2026-10-24T23:45", ["2026-10-25T00:00", "2026-10-26T01:00"]),
    (Cron("*/20 30 2 * * *", timezone=BERLIN), "2026-03-28T12:00", ["2026-03-29T01:00", "2026-03-30T00:30", "2026-03-30T00:30:20"]),
    (Cron("30 30 2 25 10 ? 2026", timezone=BERLIN), "2026-01-01T00:00", ["2026-10-25T00:30:30"]),
    (Cron("0 */30 2 25 10 ? 2026", timezone=BERLIN), "2026-10-25T00:20", ["2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30"]),
    (CalendarInterval(days=1, start=date(2026, 3, 28), at=time(2, 30), timezone=BERLIN), "2026-03-28T00:00", ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]),
    (Interval(hours=12, anchor=at("2026-03-28T11:00")), "2026-03-28T11:00", ["2026-03-28T23:00", "2026-03-29T11:00"]),
    (Once(datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo(BERLIN), fold=1)), "2026-01-01T00:00", ["2026-10-25T01:30"]),
    (Once(datetime(2026, 10, 25, 2, 30), timezone=BERLIN, fold=0), "2026-01-01T00:00", ["2026-10-25T00:30"]),
    # America/New_York: 2026-03-08 07:00 UTC; 2026-11-01 06:00 UTC
    (daily(2, 30, NEW_YORK), "2026-03-07T12:00", ["2026-03-08T07:00", "2026-03-09T06:30"]),
    (daily(1, 30, NEW_YORK), "2026-10-31T12:00", ["2026-11-01T05:30", "2026-11-02T06:30"]),
    (Cron("15 * * * *", timezone=NEW_YORK), "2026-11-01T05:00", ["2026-11-01T05:15", "2026-11-01T06:15", "2026-11-01T07:15"]),
    (Cron("0 9 * * MON-FRI", timezone=NEW_YORK), "2026-03-06T15:00", ["2026-03-09T13:00"]),
    # Australia/Lord_Howe moves by 30 minutes: 2026-10-03 15:30 UTC, 02:00 -> 02:30; 2026-04-04 15:00 UTC, 02:00 -> 01:30
    (daily(2, 15, LORD_HOWE), "2026-10-03T00:00", ["2026-10-03T15:30", "2026-10-04T15:15"]),
    (daily(2, 30, LORD_HOWE), "2026-10-03T00:00", ["2026-10-03T15:30", "2026-10-04T15:30"]),
    (daily(1, 45, LORD_HOWE), "2026-04-04T00:00", ["2026-04-04T14:45", "2026-04-05T15:15"]),
    (Cron("*/15 1,2 * * *", timezone=LORD_HOWE), "2026-04-04T14:29", ["2026-04-04T14:30", "2026-04-04T14:45", "2026-04-04T15:00", "2026-04-04T15:15", "2026-04-04T15:30"]),
    (Cron("*/15 2 * * *", timezone=LORD_HOWE), "2026-10-03T12:00", ["2026-10-03T15:30", "2026-10-03T15:45", "2026-10-04T15:00"]),
    # America/Sao_Paulo changed at midnight: 2018-11-04 03:00 UTC, 00:00 -> 01:00; 2018-02-18 02:00 UTC, 00:00 -> 23:00
    (daily(0, 0, "America/Sao_Paulo"), "2018-11-03T12:00", ["2018-11-04T03:00", "2018-11-05T02:00"]),
    (Cron("@daily", timezone="America/Sao_Paulo"), "2018-11-03T12:00", ["2018-11-04T03:00", "2018-11-05T02:00"]),
    (Cron("* 0 * * *", timezone="America/Sao_Paulo"), "2018-11-04T02:30", ["2018-11-05T02:00"]),
    (daily(23, 30, "America/Sao_Paulo"), "2018-02-17T12:00", ["2018-02-18T01:30", "2018-02-19T02:30"]),
    (Cron("30 23 * * SAT", timezone="America/Sao_Paulo"), "2018-02-17T12:00", ["2018-02-18T01:30", "2018-02-25T02:30"]),
    # Africa/Casablanca goes back for Ramadan: 2026-02-15 02:00 UTC, 03:00 -> 02:00; 2026-03-22 02:00 UTC, 02:00 -> 03:00
    (daily(2, 30, "Africa/Casablanca"), "2026-02-14T12:00", ["2026-02-15T01:30", "2026-02-16T02:30"]),
    (daily(2, 30, "Africa/Casablanca"), "2026-03-21T12:00", ["2026-03-22T02:00", "2026-03-23T01:30"]),
    # Africa/Cairo changes at midnight: 2026-04-23 22:00 UTC, Friday 00:00 -> 01:00; 2026-10-29 21:00 UTC, 24:00 -> 23:00
    (daily(0, 30, "Africa/Cairo"), "2026-04-23T12:00", ["2026-04-23T22:00", "2026-04-24T21:30"]),
    (daily(23, 30, "Africa/Cairo"), "2026-10-29T12:00", ["2026-10-29T20:30", "2026-10-30T21:30"]),
    (Cron("*/30 23 * * THU", timezone="Africa/Cairo"), "2026-10-29T12:00", ["2026-10-29T20:00", "2026-10-29T20:30", "2026-10-29T21:00", "2026-10-29T21:30"]),
    # Asia/Kathmandu is 5 h 45 min ahead; 1985-12-31 18:30 UTC, 00:00 -> 00:15
    (daily(9, 0, "Asia/Kathmandu"), "2026-01-01T00:00", ["2026-01-01T03:15"]),
    (daily(0, 10, "Asia/Kathmandu"), "1985-12-31T12:00", ["1985-12-31T18:30", "1986-01-01T18:25"]),
    (Cron("0 * * * *", timezone="Asia/Kathmandu"), "2026-01-01T00:00", ["2026-01-01T00:15"]),
    # Pacific/Apia left out Friday, 2011-12-30: the clock went from Thursday 24:00 to Saturday 00:00, 10:00 UTC
    (daily(9, 0, "Pacific/Apia"), "2011-12-29T00:00", ["2011-12-29T19:00", "2011-12-30T10:00", "2011-12-30T19:00"]),
    (WeekdayTimes([("fri", time(9))], timezone="Pacific/Apia"), "2011-12-29T00:00", ["2011-12-30T10:00", "2012-01-05T19:00"]),
    (Cron("0 12 30 12 *", timezone="Pacific/Apia"), "2011-01-01T00:00", ["2011-12-30T10:00", "2012-12-29T22:00"]),
    (Cron("0 */12 30 12 *", timezone="Pacific/Apia"), "2011-01-01T00:00", ["2012-12-29T10:00", "2012-12-29T22:00"]),
    (Cron("0 */6 * * *", timezone="Pacific/Apia"), "2011-12-30T03:00", ["2011-12-30T04:00", "2011-12-30T10:00"]),
    # America/Caracas: 2016-05-01 07:00 UTC, 02:30 -> 03:00, for good
    (daily(2, 45, "America/Caracas"), "2016-04-30T12:00", ["2016-05-01T07:00", "2016-05-02T06:45"]),
    (Cron("45 * * * *", timezone="America/Caracas"), "2016-05-01T06:00", ["2016-05-01T06:15", "2016-05-01T07:45"]),
    # Antarctica/Troll moves by two hours: 2026-03-29 01:00 UTC, 01:00 -> 03:00; 2026-10-25 01:00 UTC, 03:00 -> 01:00
    (daily(2, 30, "Antarctica/Troll"), "2026-03-28T12:00", ["2026-03-29T01:00", "2026-03-30T00:30"]),
    (daily(1, 30, "Antarctica/Troll"), "2026-10-24T12:00", ["2026-10-24T23:30", "2026-10-26T01:30"]),
    (Cron("0 * * * *", timezone="Antarctica/Troll"), "2026-10-24T22:30", ["2026-10-24T23:00", "2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T02:00", "2026-10-25T03:00"]),
    # America/Goose_Bay went back from 00:01 to 23:01 the day before: 2010-11-07 03:01 UTC
    (daily(0, 0, "America/Goose_Bay"), "2010-11-06T12:00", ["2010-11-07T03:00", "2010-11-08T04:00"]),
    (Cron("*/20 23,0 * * *", timezone="America/Goose_Bay"), "2010-11-07T02:39", ["2010-11-07T02:40", "2010-11-07T03:00", "2010-11-07T03:20", "2010-11-07T03:40", "2010-11-07T04:00"]),
    # Pacific/Kwajalein left out 1993-08-21
    (daily(12, 0, "Pacific/Kwajalein"), "1993-08-20T20:00", ["1993-08-21T00:00", "1993-08-21T12:00", "1993-08-22T00:00"]),
    # Africa/Monrovia had an offset of 44 min 30 s until 1972-01-07
    (daily(9, 0, "Africa/Monrovia"), "1972-01-05T12:00", ["1972-01-06T09:44:30", "1972-01-07T09:00"]),
]  # fmt: skip


@pytest.mark.parametrize(("schedule", "start", "expected"), TABLE, ids=lambda value: repr(value)[:70])
def test_instants_around_transitions(schedule, start, expected):
    wanted = [at(text) for text in expected]
    assert upcoming(schedule, start=at(start), count=len(wanted)) == wanted
    assert schedule.count_between(at(start), wanted[-1]) == len(wanted)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-10-25T00:29:59.999999", "2026-10-25T00:30"),
        ("2026-10-25T00:30", "2026-10-26T01:30"),
        ("2026-10-25T01:30", "2026-10-26T01:30"),
        ("2026-10-25T01:59:59", "2026-10-26T01:30"),
    ],
)
def test_from_inside_both_passes_of_an_overlap(moment, expected):
    assert daily(2, 30, BERLIN).next_after(at(moment)) == at(expected)


@pytest.mark.parametrize("start", ["2026-03-29T00:59:59", "2026-03-29T01:00", "2026-03-29T01:30", "2026-03-30T00:29"])
def test_counting_from_around_a_gap(start):
    expected = 2 if start < "2026-03-29T01:00" else 1
    assert daily(2, 30, BERLIN).count_between(at(start), at("2026-03-30T00:30")) == expected


@pytest.mark.parametrize(
    ("start", "expected"),
    [("2026-10-25T00:29", 2), ("2026-10-25T00:30", 1), ("2026-10-25T01:10", 1), ("2026-10-25T02:00", 1)],
)
def test_counting_from_inside_an_overlap(start, expected):
    assert daily(2, 30, BERLIN).count_between(at(start), at("2026-10-26T01:30")) == expected


def test_the_wall_clock_in_any_zone_may_ask():
    schedule = daily(2, 30, BERLIN)
    second_pass = datetime(2026, 10, 25, 2, 10, tzinfo=ZoneInfo(BERLIN), fold=1)
    first_pass = second_pass.replace(fold=0)
    assert schedule.next_after(first_pass) == at("2026-10-25T00:30")
    assert schedule.next_after(second_pass) == at("2026-10-26T01:30")


def test_a_cron_that_only_ever_falls_into_gaps_ends():
    """In Berlin the last Sunday of March has had no 02:xx since 1996; the search ends after 41 such years."""
    schedule = Cron("* 2 * 3 0L", timezone=BERLIN)
    assert schedule.next_after(at("2026-01-01")) is None
    assert schedule.next_after(at("1970-01-01")) == at("1970-03-29T01:00")


def test_the_ends_of_the_calendar():
    for zone in ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", BERLIN):
        for schedule in (daily(12, 0, zone), Cron("0 12 * * *", timezone=zone), Cron("*/5 * * * *", timezone=zone)):
            first = schedule.next_after(datetime.min.replace(tzinfo=UTC))
            assert first is not None
            assert first.year == 1
            assert schedule.next_after(datetime.max.replace(tzinfo=UTC)) is None
            near = schedule.next_after(at("9999-12-29"))
            assert near is not None
            assert schedule.count_between(at("9999-12-29"), datetime.max.replace(tzinfo=UTC)) >= 2
            assert schedule.next_after_us(-(10**30)) == schedule.next_after_us(-62_135_596_800_000_001)
            assert schedule.count_between_us(10**30, 10**31) == 0
