"""`Except` missed what happens in the last hour of a day when the clock had gone back over midnight into it.

Cause: an excluded day was left at the beginning of the day after it. Where the clock goes back from 00:01 to 23:01
(Goose Bay until 2010), the excluded day stops after a minute, the day before comes back for an hour, and only then
the excluded day goes on: it is left at the end of each piece. The days of an excluded schedule were looked for within
the day of either end only, and these days overlap in such a night.
"""

# ruff: noqa: DTZ001  (naive labels, with the zone beside them)

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkeeper_trio._model.times import instant_us as us
from turnkeeper_trio.schedules import After, Cron, Except, Once, upcoming
from turnkeeper_trio.schedules._zones import zone_named

GOOSE_BAY = "America/Goose_Bay"
half_hours = Cron("*/30 * * * *", timezone=GOOSE_BAY)
SEVENTH = date(2010, 11, 7)
BACK = datetime(2010, 11, 7, 3, 30, tzinfo=UTC)
"""The second 23:30 of 6 November."""

ASKED = datetime(2010, 11, 7, 2, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    "excluded",
    [
        SEVENTH,
        (SEVENTH, date(2010, 11, 9)),
        Cron("0 12 7 11 *", timezone=GOOSE_BAY),
        Cron("0 0 7 11 *", timezone=GOOSE_BAY),
        Once(datetime(2010, 11, 7, 12), timezone=GOOSE_BAY),
    ],
    ids=repr,
)
def test_the_day_before_comes_back(excluded):
    schedule = Except(half_hours, excluded, timezone=GOOSE_BAY)
    assert schedule.next_after(ASKED) == BACK
    assert schedule.count_between(ASKED, BACK) == 1
    assert schedule.count_between(ASKED, BACK - timedelta(minutes=1)) == 0
    assert schedule.latest_us(us(ASKED), us(BACK) + 60_000_000) == us(BACK)
    assert Except(After(0, anchor=BACK), excluded, timezone=GOOSE_BAY).first_us(us(BACK)) == us(BACK)


def test_the_day_that_comes_back_is_excluded_as_a_whole():
    for excluded in (date(2010, 11, 6), Cron("0 9 6 11 *", timezone=GOOSE_BAY)):
        schedule = Except(half_hours, excluded, timezone=GOOSE_BAY)
        assert upcoming(schedule, start=ASKED, count=2) == [BACK - timedelta(minutes=30), BACK + timedelta(minutes=30)]
        assert schedule.count_between(ASKED, BACK) == 1
        assert schedule.count_between(BACK - timedelta(minutes=20), BACK) == 0


@settings(derandomize=True, deadline=None, max_examples=150, database=None)
@given(
    st.sampled_from(
        [
            (GOOSE_BAY, datetime(2010, 11, 7, 3, tzinfo=UTC)),
            (GOOSE_BAY, datetime(2010, 3, 14, 3, tzinfo=UTC)),
            ("America/Juneau", datetime(1867, 10, 19, 0, tzinfo=UTC)),
            ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
            ("Asia/Manila", datetime(1844, 12, 31, 16, tzinfo=UTC)),
            ("America/Havana", datetime(2010, 11, 7, 5, tzinfo=UTC)),
        ]
    ),
    st.integers(-4, 4),
    st.integers(1, 3),
    st.booleans(),
    st.integers(-4000, 4000),
    st.integers(1, 5000),
)
def test_by_the_calendar_of_each_instant(case, first, length, as_schedule, start, minutes):
    key, change = case
    zone = zone_named(key)
    base = Cron("*/10 * * * *", timezone="UTC")
    around = (change + timedelta(days=first)).date()
    days = [around + timedelta(days=number) for number in range(length)]
    noons = [
        Once(datetime(day.year, day.month, day.day, 12), timezone=key, fold=0)
        for day in days
        if not _left_out(zone, day)
    ]
    schedule = Except(base, *(noons if as_schedule else [(days[0], days[-1])]), timezone=key)
    after = change + timedelta(minutes=start)
    until = after + timedelta(minutes=minutes)
    right = [at for at in upcoming(base, start=after, end=until, count=None) if zone.local(us(at)).date() not in days]
    assert upcoming(schedule, start=after, end=until, count=None) == right
    assert schedule.count_between(after, until) == len(right)
    assert schedule.latest_us(us(after), us(until)) == (us(right[-1]) if right else None)


def _left_out(zone, day):
    early, late = zone.both(us(datetime(day.year, day.month, day.day, 12, tzinfo=UTC)))
    return early > late  # and nothing happens on it
