"""Each zone of the system, around its transitions, against enumerations that share nothing with the evaluator.

*Every pass* is enumerated instant by instant: each minute of UTC at which the wall clock shows a label. *Once* is
enumerated label by label: a label happens at the first instant, from the earlier of its two timestamps on, at which
the wall clock shows it or something later.
"""

# ruff: noqa: DTZ001  (naive datetimes are part of what is tested)

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkeeper_trio.schedules import Cron, WeekdayTimes

pytestmark = pytest.mark.slow

ZONES = sorted(available_timezones())
MINUTE = timedelta(minutes=1)
EXACT = settings(derandomize=True, deadline=None, max_examples=100, database=None)

CRONS: dict[str, Callable[[datetime], bool]] = {
    "*/15 * * * *": lambda label: label.minute % 15 == 0,
    "30 * * * *": lambda label: label.minute == 30,
    "* 2 * * *": lambda label: label.hour == 2,
    "*/7 0-3 * * SUN": lambda label: label.minute % 7 == 0 and label.hour < 4 and label.weekday() == 6,
    "0,1,59 0-23 * * *": lambda label: label.minute in {0, 1, 59},
    "30 2 * * *": lambda label: (label.hour, label.minute) == (2, 30),
    "0 0 * * *": lambda label: (label.hour, label.minute) == (0, 0),
    "5/20 0,1,23 * * MON,SUN": lambda label: (
        label.minute in {5, 25, 45} and label.hour in {0, 1, 23} and label.weekday() in {0, 6}
    ),
    "15 3 1-31/2 * *": lambda label: (label.hour, label.minute) == (3, 15) and label.day % 2 == 1,
}


def labels(start: datetime, end: datetime, matches: Callable[[datetime], bool]) -> Iterator[datetime]:
    """Yield the naive labels in ``[start, end)`` that match."""
    label = start
    while label < end:
        if matches(label):
            yield label
        label += MINUTE


def happens(label: datetime, zone: ZoneInfo) -> datetime:
    """Return when a label happens that happens once."""
    first, second = (label.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first <= second:
        return first
    while first > second:  # the first second from which the clock shows the label or a later one
        middle = second + (first - second) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).replace(tzinfo=None) >= label:
            first = middle
        else:
            second = middle + timedelta(seconds=1)
    return first


def once(start: datetime, end: datetime, zone: ZoneInfo, matches: Callable[[datetime], bool]) -> list[datetime]:
    """Return the instants in ``(start, end]`` of labels that happen once each."""
    margin = timedelta(hours=50)
    low, high = (at.replace(tzinfo=None, second=0, microsecond=0) for at in (start - margin, end + margin))
    found = {happens(label, zone) for label in labels(low, high, matches)}
    return sorted(at for at in found if start < at <= end)


def every_pass(start: datetime, end: datetime, zone: ZoneInfo, matches: Callable[[datetime], bool]) -> list[datetime]:
    """Return the instants in ``(start, end]`` at which the wall clock shows a label."""
    found: list[datetime] = []
    # Zones once had offsets with seconds: a full minute of the wall clock is then not one of UTC.
    offsets = (at.astimezone(zone).utcoffset() or MINUTE for at in (start, end))
    for second in {-int(offset.total_seconds()) % 60 for offset in offsets}:
        at = start.replace(second=second, microsecond=0) - MINUTE
        while at <= end:
            local = at.astimezone(zone).replace(tzinfo=None)
            if start < at and local.second == 0 and matches(local):
                found.append(at)
            at += MINUTE
    return sorted(set(found))


def transitions(zone: ZoneInfo, rng: random.Random, most: int) -> list[datetime]:
    """Return some instants shortly before an offset changes."""
    days = [datetime(1900, 1, 1, tzinfo=UTC) + timedelta(days=3 * step) for step in range(365 * 140 // 3)]
    rng.shuffle(days)
    found = [datetime(2011, 12, 29, 20, tzinfo=UTC)]
    for day in days[:600]:
        if len(found) > most:
            break
        if day.astimezone(zone).utcoffset() != (day + timedelta(days=3)).astimezone(zone).utcoffset():
            low, high = day, day + timedelta(days=3)
            while high - low > timedelta(minutes=20):
                middle = low + (high - low) / 2
                same = middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            found.append(low)
    return found[1:] or found


def walked(schedule: Cron | WeekdayTimes, start: datetime, end: datetime) -> list[datetime]:
    """Return the occurrences in ``(start, end]``, by asking for one after the other."""
    found: list[datetime] = []
    at = schedule.next_after(start)
    while at is not None and at <= end:
        assert not found or at > found[-1]
        found.append(at)
        at = schedule.next_after(at)
    return found


@pytest.mark.parametrize("part", range(6))
def test_each_zone_around_its_transitions_agrees_with_brute_force(part):
    rng = random.Random(part)
    for name in ZONES[part::6]:
        zone = ZoneInfo(name)
        for near in transitions(zone, rng, 1):
            start = near - timedelta(hours=rng.randrange(1, 14), minutes=rng.randrange(60))
            end = start + timedelta(hours=rng.randrange(4, 20))
            for expression in rng.sample(sorted(CRONS), 2):
                schedule = Cron(expression, timezone=name)
                brute = every_pass if schedule.every_pass else once
                expected = brute(start, end, zone, CRONS[expression])
                assert walked(schedule, start, end) == expected, (expression, name, start, end)
                assert schedule.count_between(start, end) == len(expected), (expression, name, start, end)
                latest = schedule.latest_us(int(start.timestamp()) * 1_000_000, int(end.timestamp()) * 1_000_000)
                last = [int(at.timestamp()) * 1_000_000 for at in expected[-1:]]
                assert ([] if latest is None else [latest]) == last, (expression, name, start, end)


@EXACT
@given(st.data())
def test_weekday_times_agree_with_brute_force(data):
    name = data.draw(st.sampled_from(ZONES))
    zone = ZoneInfo(name)
    near = transitions(zone, random.Random(data.draw(st.integers(0, 2**32))), 1)[0]
    start = near - timedelta(minutes=data.draw(st.integers(0, 1500)))
    end = start + timedelta(minutes=data.draw(st.integers(1, 3000)))
    days = data.draw(st.sets(st.integers(0, 6), min_size=1))
    times = data.draw(st.sets(st.tuples(st.integers(0, 23), st.integers(0, 59)), min_size=1, max_size=6))
    names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    schedule = WeekdayTimes([(names[day], time(*at)) for day in days for at in times], timezone=name)
    expected = once(start, end, zone, lambda label: label.weekday() in days and (label.hour, label.minute) in times)
    assert walked(schedule, start, end) == expected
    assert schedule.count_between(start, end) == len(expected)


@EXACT
@given(
    st.sampled_from(ZONES),
    st.sampled_from(sorted(CRONS)),
    st.datetimes(datetime(2, 1, 1), datetime(9990, 1, 1), timezones=st.just(UTC)),
)
def test_the_answer_is_later_and_there_is_none_between(name, expression, after):
    schedule = Cron(expression, timezone=name)
    at = schedule.next_after(after)
    assert at is not None
    assert at > after
    assert schedule.next_after(at - timedelta(microseconds=1)) == at
    middle = after + (at - after) / 2
    assert schedule.next_after(min(middle, at - timedelta(microseconds=1))) == at
    assert schedule.count_between(after, at) == 1


@EXACT
@given(
    st.sampled_from(ZONES),
    st.sampled_from(sorted(CRONS)),
    st.lists(st.datetimes(datetime(1800, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)), min_size=3, max_size=3),
)
def test_counts_add_up(name, expression, instants):
    schedule = Cron(expression, timezone=name)
    first, middle, last = sorted(instants)
    parts = schedule.count_between(first, middle) + schedule.count_between(middle, last)
    assert parts == schedule.count_between(first, last)


@EXACT
@given(st.data())
def test_each_cron_day_agrees_with_the_calendar(data):
    """Days by brute force: each day of a month is asked whether it is one of the special days."""
    day_items = st.one_of(
        st.integers(1, 31).map(str),
        st.sampled_from(["L", "LW"]),
        st.integers(1, 30).map(lambda number: f"L-{number}"),
        st.integers(1, 31).map(lambda number: f"{number}W"),
    )
    week_items = st.one_of(
        st.integers(0, 7).map(str),
        st.tuples(st.integers(0, 7), st.integers(1, 5)).map(lambda pair: f"{pair[0]}#{pair[1]}"),
        st.integers(0, 7).map(lambda number: f"{number}L"),
    )
    days = data.draw(st.one_of(st.just("*"), st.just("*/2"), st.lists(day_items, min_size=1, max_size=3).map(",".join)))
    week = data.draw(st.one_of(st.just("*"), st.just("?"), st.lists(week_items, min_size=1, max_size=3).map(",".join)))
    months = data.draw(st.sampled_from(["*", "2", "1-4", "FEB,APR,NOV"]))
    month_set = {"*": range(1, 13), "2": [2], "1-4": range(1, 5), "FEB,APR,NOV": [2, 4, 11]}[months]
    start = datetime(data.draw(st.integers(1890, 2110)), data.draw(st.integers(1, 12)), 1, tzinfo=UTC)
    wanted = [
        day
        for day in (start + timedelta(days=step) for step in range(800))
        if day.month in month_set and day_matches(day, days, week)
    ]
    try:
        schedule = Cron(f"0 0 {days} {months} {week}")
    except ValueError:
        assert not wanted
        return
    end = start + timedelta(days=799)
    assert walked(schedule, start - timedelta(seconds=1), end) == wanted
    assert schedule.count_between(start - timedelta(seconds=1), end) == len(wanted)


def day_matches(day: datetime, days: str, week: str) -> bool:
    """Return whether a day matches the two fields of days."""
    in_month = any(month_item(day, item) for item in days.split(","))
    in_week = any(week_item(day, item) for item in week.split(","))
    starred = days.startswith("*") or week.startswith(("*", "?"))
    return in_month and in_week if starred else in_month or in_week


def month_item(day: datetime, item: str) -> bool:
    """Return whether a day is what an item of the day-of-month field says."""
    last = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    if item in {"*", "*/2"}:
        return item == "*" or day.day % 2 == 1
    if item.isdigit():
        return day.day == int(item)
    if item == "L" or item.startswith("L-"):
        return last.day - day.day == int(item[2:] or 0)
    wanted = last if item == "LW" else None
    if wanted is None:
        if int(item[:-1]) > last.day:
            return False
        wanted = day.replace(day=int(item[:-1]))
    near = [
        other
        for other in (wanted + timedelta(days=step) for step in (0, -1, 1, -2, 2))
        if other.month == day.month and other.weekday() < 5
    ]
    return near[0] == day


def week_item(day: datetime, item: str) -> bool:
    """Return whether a day is what an item of the weekday field says."""
    if item in {"*", "?"}:
        return True
    if day.isoweekday() % 7 != int(item[0]) % 7:
        return False
    if item.endswith("L"):
        return (day + timedelta(days=7)).month != day.month
    return "#" not in item or (day.day - 1) // 7 + 1 == int(item[2:])
