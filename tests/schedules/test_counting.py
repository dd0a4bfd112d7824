"""Combinations are counted exactly, and without listing: against brute force, and by the number of questions."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkeeper_trio._model.times import instant_us as us
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules import (
    EVERY_DAY,
    WORKDAYS,
    After,
    AnyOf,
    Between,
    CalendarInterval,
    Cron,
    Except,
    Interval,
    Never,
    Once,
    WeekdayTimes,
    _count_nodes,
    _counting,
)

BERLIN, GOOSE_BAY, APIA = "Europe/Berlin", "America/Goose_Bay", "Pacific/Apia"
EPOCHS = [
    datetime(2010, 11, 7, 3, tzinfo=UTC),  # Goose Bay goes back over midnight, Havana and New York at night
    datetime(2011, 12, 30, 10, tzinfo=UTC),  # Apia leaves out a day
    datetime(2026, 3, 29, 1, tzinfo=UTC),  # Berlin goes forward
    datetime(2026, 10, 25, 1, tzinfo=UTC),  # Berlin goes back
    datetime(2026, 7, 1, 12, 0, 0, 250_000, tzinfo=UTC),
]
ODD = datetime(2026, 1, 1, 0, 0, 0, 123_456, tzinfo=UTC)
WHOLE = datetime(2026, 1, 1, tzinfo=UTC)


class Mine:
    """A schedule of a user: each three hours."""

    def next_after(self, after):
        after = after.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        return after + timedelta(hours=-after.hour % 3)

    def __repr__(self):
        return "Mine()"


zones = st.sampled_from(["UTC", BERLIN, GOOSE_BAY, APIA, "America/New_York", "Asia/Kathmandu"])
crons = st.builds(
    lambda text, zone: Cron(text, timezone=zone),
    st.sampled_from(
        [
            "*/20 * * * *", "*/5 9-17 * * 1-5", "0,30 0-4 * * *", "10 */2 * * 0,6", "15 2 * * *", "30 23 * * *",
            "*/45 */7 * * * *", "0 0 1,7,25 * *", "0 */3 L * *", "0 1 * 3,11 1#1", "*/17 * 5-9 * 0",
            "1 0 3 29 2 * 2028",
        ]
    ),
    zones,
)  # fmt: skip
weekly = st.builds(
    lambda days, times, zone: WeekdayTimes.on(days, *times, timezone=zone),
    st.sampled_from([WORKDAYS, EVERY_DAY, ["sun"]]),
    st.lists(st.sampled_from([time(0), time(2, 30), time(9), time(23, 30), time(9, 0, 0, 250_000)]), min_size=1),
    zones,
)
intervals = st.builds(
    lambda every, anchor: Interval(every, anchor=anchor),
    st.sampled_from([600, 1200.5, 7 * 60, 3600, 5000, 86_400, 25 * 3600, 90_061, 432.1, 0.987654 * 1000]),
    st.sampled_from([ODD, WHOLE, WHOLE + timedelta(milliseconds=250), *EPOCHS]),
)
calendar = st.builds(
    lambda days, months, at, start, zone: CalendarInterval(
        days=days, months=months, start=start.date(), at=at, timezone=zone
    ),
    st.integers(1, 3),
    st.sampled_from([0, 0, 1]),
    st.sampled_from([time(0), time(2, 30), time(9), time(23, 30)]),
    st.sampled_from([EPOCHS[0], EPOCHS[3] - timedelta(days=2), datetime(2000, 1, 1, tzinfo=UTC)]),
    zones,
)
onces = st.builds(
    lambda epoch, hours: Once(epoch + timedelta(hours=hours)), st.sampled_from(EPOCHS), st.integers(-50, 50)
)
leaves = st.one_of(crons, crons, weekly, intervals, calendar, onces, st.sampled_from([Never(), Mine()]))

# Not each day: an `Except` of each day looks 4,000 days ahead, and one within another at each of these.
some_days = st.one_of(
    st.builds(
        lambda text, zone: Cron(text, timezone=zone),
        st.sampled_from(["0 9 * * 0,6", "*/20 2 * * 3", "0 0 7 * *", "30 23 6,29 * *", "30 2 25,29 * *"]),
        zones,
    ),
    st.builds(lambda zone: WeekdayTimes.on(["sun", "thu"], time(0), time(2, 30), timezone=zone), zones),
    st.builds(lambda zone: CalendarInterval(days=3, start=date(2010, 11, 7), at=time(2), timezone=zone), zones),
    st.just(Interval(hours=50, anchor=ODD)),
)


def combined(parts):
    return st.one_of(
        st.lists(parts, min_size=2, max_size=4).map(lambda several: AnyOf(*several)),
        st.builds(
            lambda part, dates, schedules, zone: Except(part, *dates, *schedules, timezone=zone),
            parts,
            st.lists(
                st.builds(
                    lambda epoch, first, length: (
                        (epoch + timedelta(days=first)).date(), (epoch + timedelta(days=first + length)).date()
                    ),
                    st.sampled_from(EPOCHS), st.integers(-6, 6), st.integers(0, 2),
                ),
                max_size=3,
            ),
            st.lists(st.one_of(some_days, some_days, onces, st.builds(AnyOf, some_days, onces)), max_size=2),
            zones,
        ),
        st.builds(
            lambda part, epoch, start, length: Between(
                part, epoch + timedelta(minutes=start), epoch + timedelta(minutes=start + length)
            ),
            parts, st.sampled_from(EPOCHS), st.integers(-5000, 5000), st.integers(0, 9000),
        ),
    )  # fmt: skip


def brute(schedule, after, until):
    """Return how often it happens, one question an occurrence."""
    count, at = 0, schedule.next_after_us(after)
    while at is not None and at <= until:
        count, at = count + 1, schedule.next_after_us(at)
    return count


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=400, database=None)
@given(
    st.recursive(leaves, combined, max_leaves=6).flatmap(lambda part: combined(st.just(part))),
    st.sampled_from(EPOCHS),
    st.integers(-6000, 3000),
    st.integers(1, 7000),
)
def test_counts_by_days_what_it_does(schedule, epoch, start, minutes):
    after = us(epoch + timedelta(minutes=start))
    until = after + minutes * 60_000_000
    expected = brute(schedule, after, until)
    by_days = schedule.by_days(after, until, 10_000)
    assert by_days in {None, expected}
    assert schedule.count_upto_us(after, until, 10_000) == (expected, True)


START = datetime(2026, 1, 1, 12, 2, tzinfo=UTC)
EACH_SECOND = Interval(1, anchor=START)
HOLIDAYS = [date(year, month, day) for year in range(2026, 2036) for month, day in ((1, 1), (5, 1), (12, 25))]
WEEKENDS = Cron("0 0 * * 0,6", timezone=BERLIN)


def ten_years_without(*, weekends):
    """Return how many seconds the days of ten years have that are no holidays, by the days of Berlin."""
    end = START + timedelta(days=3650)
    at, count = START, 0
    while at < end:
        local = at.astimezone(ZoneInfo(BERLIN))
        midnight = datetime(local.year, local.month, local.day, tzinfo=ZoneInfo(BERLIN)) + timedelta(days=1)
        following = min(midnight.astimezone(UTC), end)
        if local.date() not in HOLIDAYS and not (weekends and local.weekday() >= 5):
            count += int((following - at).total_seconds())
        at = following
    return count


@pytest.mark.parametrize(
    ("schedule", "years", "expected", "most"),
    [
        (Cron("*/5 9-17 * * 1-5") | Cron("*/5 10-16 * * 0,6"), 100, 3_691_716, 0),
        (Except(EACH_SECOND, *HOLIDAYS, timezone=BERLIN), 10, ten_years_without(weekends=False) + 1, 0),
        (Except(EACH_SECOND, *HOLIDAYS, WEEKENDS, timezone=BERLIN), 10, ten_years_without(weekends=True), 800),
        (
            Except(EACH_SECOND | Cron("*/7 * * * *", timezone=BERLIN), *HOLIDAYS, WEEKENDS, timezone=BERLIN),
            10, ten_years_without(weekends=True), 1200,
        ),
        (Interval(0.001, anchor=START) | Cron("*/7 * * * *"), 10, 3650 * 86_400_000, 0),
        (Between(EACH_SECOND | Interval(7, anchor=START), START), 10, 3650 * 86_400, 3),
    ],
    ids=["100 years", "holidays", "and weekends", "of a union", "each millisecond", "intervals"],
)  # fmt: skip
def test_nothing_is_listed_by_the_million(schedule, years, expected, most, monkeypatch):
    asked = []
    for kind in (Interval, Cron):
        monkeypatch.setattr(kind, "next_after_us", _told(kind.next_after_us, asked))
    monkeypatch.setattr(_count_nodes.Union, "bits", _told(_count_nodes.Union.bits, looked := []))
    until = START + timedelta(days=365 * years)
    assert schedule.count_upto_us(us(START), us(until), 1000) == (expected, True)
    assert len(asked) <= most
    assert len(looked) < 300


def _told(method, calls):
    def call(self, *arguments):
        calls.append(self)
        return method(self, *arguments)

    return call


@pytest.mark.parametrize(
    "schedule",
    [
        Interval(0.001, anchor=START) | Interval(0.0015, anchor=START),
        Interval(86_399, anchor=START) | Cron("*/2 * * * *"),
        Except(EACH_SECOND, *(Once(START + timedelta(days=2 * day)) for day in range(1600)), timezone="UTC"),
        Cron("0,30 0 1-20 * *") | Cron("0 1 15-31 * *") | Cron("30 1 15-31 * *"),
    ],
    ids=["two very fast ones", "days that hardly repeat", "too many cuts", "too many days"],
)
def test_what_takes_too_long_is_given_up(schedule):
    assert schedule.by_days(us(START), us(START + timedelta(days=365 * 20)), 1000) is None


def test_near_the_ends_of_the_calendar_it_is_listed():
    schedule = Cron("*/10 * * * *") | Cron("*/15 * * * *")
    last = us(datetime.max.replace(tzinfo=UTC))
    assert schedule.by_days(last - 10**11, last, 1000) is None
    assert schedule.count_upto_us(last - 10**11, last, 1000) == (brute(schedule, last - 10**11, last), True)


def test_an_unbound_part_says_so():
    with pytest.raises(ConfigurationError, match="counted from the acceptance"):
        (After(0) | Interval(1)).by_days(0, 10**12, 10)


@pytest.mark.parametrize(
    "schedule",
    [
        Interval(hours=36, anchor=WHOLE) | Cron("*/20 * * * *"),
        Cron("0 0 * * *") | Cron("0 12 * * *"),
        CalendarInterval(days=1, start=date(9999, 12, 31), at=time(23, 59), timezone="America/New_York")
        | Cron("0 12 * * *"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("seconds", [0, 43_201, 3 * 86_400])
def test_counts_at_the_ends_of_days(schedule, seconds):
    after, until = us(WHOLE), us(WHOLE + timedelta(days=3, seconds=20))
    after += seconds * 1_000_000 - 1 if seconds < 3 * 86_400 else 3 * 86_400_000_000 - 1
    assert schedule.by_days(after, until, 1000) == brute(schedule, after, until)


def test_a_fast_interval_is_counted_beside_fractions_that_it_does_not_use():
    schedule = Interval(0.03, anchor=ODD) | Between(Interval(3, anchor=WHOLE), WHOLE + timedelta(seconds=4))
    for first, last in ((0, 10_000_000), (3_999_999, 4_000_001), (86_399_000_000, 86_401_000_000)):
        after, until = us(WHOLE) + first, us(WHOLE) + last
        assert schedule.by_days(after, until, 1000) == brute(schedule, after, until)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_fast_interval_is_counted_without_a_part_of_a_day(*, swapped):
    """Days that are left out are those of Berlin, and days that are counted by may be those of another zone."""
    fast = Except(Interval(0.03, anchor=ODD), Cron("0 12 * * 4", timezone=BERLIN))  # 2026-01-01 is a Thursday
    rare = Cron("0 0 7 3 *", timezone="Asia/Kathmandu")
    schedule = rare | fast if swapped else fast | rare
    after, until = us(WHOLE), us(WHOLE) + 10_000_000
    for hours in (0, 22, 23, 46):
        shift = hours * 3_600_000_000
        expected = brute(schedule, after + shift, until + shift)
        assert schedule.by_days(after + shift, until + shift, 1000) == expected
        assert bool(expected) is (hours >= 23)


@pytest.mark.interpreted_only("the bound is a constant, which is compiled into the code")
def test_kinds_of_days_are_bounded_and_few_are_kept(monkeypatch):
    schedule = Cron("0 0 1 * *") | Cron("*/7 3 * * 1-5", timezone=BERLIN) | Cron("0 12 * * 6", timezone=APIA)
    after, until = us(WHOLE), us(WHOLE + timedelta(days=70))
    expected = brute(schedule, after, until)
    monkeypatch.setattr(_counting, "_MOST_RECENT", 1)
    assert schedule.by_days(after, until, 1000) == expected
    monkeypatch.setattr(_counting, "MOST_KINDS", 2)
    assert schedule.by_days(after, until, 1000) is None


def test_cuts_are_bounded():
    plan = _count_nodes.Plan(0, 10**9, 10)
    with pytest.raises(_count_nodes.TooLong):
        plan.cut(*range(1, _count_nodes.MOST_CUTS + 2))
