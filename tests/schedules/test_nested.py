"""Combinations in combinations: they do what set algebra says, in a number of steps that is bounded, however nested."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkeeper_trio._model.times import instant_us as us
from turnkeeper_trio.schedules import (
    EVERY_DAY,
    WEEKEND,
    AnyOf,
    Between,
    Cron,
    Except,
    Interval,
    Never,
    Once,
    WeekdayTimes,
    _adapter,
    _counting,
    exclusion,
)
from turnkeeper_trio.schedules._calendar_days import day_of

BERLIN, GOOSE_BAY, APIA, KATHMANDU = "Europe/Berlin", "America/Goose_Bay", "Pacific/Apia", "Asia/Kathmandu"
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
EPOCHS = [
    datetime(2010, 11, 7, 3, tzinfo=UTC),  # Goose Bay goes back over midnight
    datetime(2011, 12, 30, 10, tzinfo=UTC),  # Apia leaves out a day
    datetime(2026, 10, 25, 1, tzinfo=UTC),  # Berlin goes back
]
LEAVES = (Cron, Interval, WeekdayTimes, Once)
MARGIN = 3 * DAY  # a nested exclusion may depend on a day before or after those that are asked about, at each level

zones = st.sampled_from([BERLIN, GOOSE_BAY, APIA, KATHMANDU, "UTC"])
leaves = st.one_of(
    st.builds(
        lambda text, zone: Cron(text, timezone=zone),
        st.sampled_from(
            ["0 9 * * *", "*/40 * * * *", "30 23 * * *", "0 0 * * 6,0", "0 12 */2 * *", "30 0 7 * *", "15 2 * * 1-5"]
        ),
        zones,
    ),
    st.builds(lambda zone: WeekdayTimes.on(EVERY_DAY, time(0), timezone=zone), zones),
    st.builds(lambda hours: Interval(hours=hours, anchor=NOW), st.sampled_from([5, 24, 50])),
    st.builds(lambda epoch, hours: Once(epoch + timedelta(hours=hours)), st.sampled_from(EPOCHS), st.integers(-80, 80)),
    st.just(Never()),
)


def combined(parts):
    return st.one_of(
        st.lists(parts, min_size=2, max_size=3).map(lambda several: AnyOf(*several)),
        st.builds(lambda part, out, zone: Except(part, *out, timezone=zone), parts, st.lists(parts, max_size=2), zones),
        st.builds(
            lambda part, out, epoch, first, zone: Except(
                part, out, (epoch + timedelta(days=first)).date(), timezone=zone
            ),
            parts, parts, st.sampled_from(EPOCHS), st.integers(-3, 3), zones,
        ),
        st.builds(
            lambda part, epoch, start, length: Between(
                part, epoch + timedelta(minutes=start), epoch + timedelta(minutes=start + length)
            ),
            parts, st.sampled_from(EPOCHS), st.integers(-9000, 5000), st.integers(0, 20_000),
        ),
    )  # fmt: skip


once_combined = combined(leaves)
twice_combined = combined(st.one_of(leaves, once_combined))
nested = combined(st.one_of(twice_combined, combined(st.one_of(once_combined, twice_combined))))


def by_algebra(schedule, after, until):
    """Return the occurrences in ``(after, until]`` as a set, from sets of those of the parts."""
    if isinstance(schedule, AnyOf):
        return set().union(*(by_algebra(each, after, until) for each in schedule.schedules))
    if isinstance(schedule, Between):
        first = after if schedule.start is None else us(schedule.start)
        last = until if schedule.end is None else us(schedule.end)
        return {at for at in by_algebra(schedule.schedule, after, until) if first <= at <= last}
    if isinstance(schedule, Except):
        return _without_days(schedule, after, until)
    found, at = set(), schedule.next_after_us(after)
    while at is not None and at <= until:
        found.add(at)
        at = schedule.next_after_us(at)
    return found


def _without_days(schedule, after, until):
    left = by_algebra(schedule.schedule, after, until)
    margin = MARGIN // timedelta(microseconds=1)
    for each, where in zip(schedule._schedules, schedule._zones, strict=True):
        out = {day_of(where, at) for at in by_algebra(each, after - margin, until + margin)}
        left = {at for at in left if day_of(where, at) not in out}
    return {
        at for at in left if not any(first <= day_of(schedule._zone, at) <= last for first, last in schedule._dates)
    }


@settings(derandomize=True, deadline=None, max_examples=400, database=None)
@given(nested, st.sampled_from(EPOCHS), st.integers(-6000, 3000), st.integers(1, 9000))
def test_does_what_set_algebra_says(schedule, epoch, start, minutes):
    first = epoch + timedelta(minutes=start)
    last = first + timedelta(minutes=minutes)
    after, until = us(first), us(last)
    expected = sorted(by_algebra(schedule, after, until))
    window = Between(schedule, first, last)
    found, at = [], window.next_after_us(after)
    while at is not None:
        found.append(at)
        at = window.next_after_us(at)
    assert found == expected
    assert schedule.latest_us(after, until) == (expected[-1] if expected else None)
    assert schedule.count_upto_us(after, until, 10_000) == (len(expected), True)
    if expected:
        assert schedule.next_after_us(after) == expected[0]
        assert schedule.first_us(after) in {expected[0], *by_algebra(schedule, after - 1, after)}


@pytest.fixture
def asked(monkeypatch):
    """How many questions the schedules have been asked that are no combinations."""
    calls = []

    def counting(method):
        def call(self, *arguments):
            calls.append(self)
            return method(self, *arguments)

        return call

    for kind in LEAVES:
        monkeypatch.setattr(kind, "next_after_us", counting(kind.next_after_us))
    return calls


def size(schedule):
    """Return the number of schedules that a schedule is made of, itself included."""
    if isinstance(schedule, AnyOf):
        parts = schedule.schedules
    elif isinstance(schedule, Between):
        parts = (schedule.schedule,)
    elif isinstance(schedule, Except):
        parts = (schedule.schedule, *schedule._schedules)
    else:
        parts = ()
    return 1 + sum(map(size, parts))


dense = st.one_of(
    st.builds(
        lambda text, zone: Cron(text, timezone=zone),
        st.sampled_from(["0 9 * * *", "0 9 * * *", "0 */8 * * *", "0 9 29 * *", "0 9 1-28 * *", "0 9 29 2 *"]),
        zones,
    ),
    st.just(Interval(hours=24, anchor=NOW)),
    st.just(Once(NOW - DAY)),
)


def exclusions(parts):
    """Return combinations that exclude nearly everything."""
    return st.one_of(
        st.lists(parts, min_size=2, max_size=3).map(lambda several: AnyOf(*several)),
        st.builds(lambda part, out, zone: Except(part, out, timezone=zone), parts, parts, zones),
        st.builds(lambda part, zone: Except(part, part, timezone=zone), parts, zones),
        st.builds(
            lambda part, out, zone: Except(part, out, Cron("0 9 * * *", timezone=zone), timezone=zone),
            parts, dense, zones,
        ),
        st.builds(lambda part, years: Between(part, end=NOW + timedelta(days=366 * years)), parts, st.integers(1, 90)),
    )  # fmt: skip


QUESTIONS = {"next": 4, "first": 4, "latest": 8, "count": 16}
"""How many questions an answer may need, for each rejection that is allowed in a row and each schedule."""


@pytest.mark.parametrize("years", [1, 30])
def test_the_questions_of_any_nesting_are_bounded(years, monkeypatch, asked):
    """With 50 rejections in a row instead of 4,000, so that nearly every search of the examples meets the bound."""
    monkeypatch.setattr(exclusion, "DAYS_IN_A_ROW", 50)
    monkeypatch.setattr(_adapter, "LISTING_LIMIT", 20)

    @settings(derandomize=True, deadline=None, max_examples=100, database=None)
    @given(exclusions(exclusions(st.one_of(dense, exclusions(st.one_of(dense, exclusions(dense)))))))
    def bounded(schedule):
        after, until = us(NOW), us(NOW + 365 * years * DAY)
        answers = {}
        for what, ask in {
            "next": lambda: schedule.next_after_us(after),
            "first": lambda: schedule.first_us(after),
            "latest": lambda: schedule.latest_us(after, until),
            "count": lambda: schedule.count_upto_us(after, until, 20),
        }.items():
            asked.clear()
            answers[what] = ask()
            assert len(asked) <= QUESTIONS[what] * 50 * size(schedule), what
        for at in (answers["next"], answers["latest"]):
            assert at is None or by_algebra(schedule, at - 1, at) == {at}

    bounded()


DAILY = Cron("0 9 * * *", timezone=BERLIN)
HOURLY = Cron("0 * * * *", timezone=BERLIN)
WEEKENDS = WeekdayTimes.on(WEEKEND, time(0), timezone=BERLIN)
LEAP = Cron("0 9 29 2 *", timezone=BERLIN)
NOTHING = Except(DAILY, DAILY)
TEN_YEARS = us(NOW + 3650 * DAY)


@pytest.mark.parametrize(
    ("schedule", "expected", "most"),
    [
        (Except(DAILY, NOTHING), datetime(2026, 1, 2, 8, tzinfo=UTC), 10),
        (Except(DAILY, NOTHING, WEEKENDS), datetime(2026, 1, 2, 8, tzinfo=UTC), 10),
        (Except(DAILY, AnyOf(NOTHING, WEEKENDS)), datetime(2026, 1, 2, 8, tzinfo=UTC), 10),
        (Except(DAILY, Between(NOTHING, NOW)), datetime(2026, 1, 2, 8, tzinfo=UTC), 10),
        (Except(DAILY, Except(DAILY, NOTHING)), None, 5 * 4000),
        (AnyOf(NOTHING, HOURLY), datetime(2026, 1, 1, 13, tzinfo=UTC), 10),
        (AnyOf(NOTHING, Except(HOURLY, WEEKENDS)), datetime(2026, 1, 1, 13, tzinfo=UTC), 10),
        (Between(NOTHING, end=NOW + 10 * DAY), None, 30),
        (
            Except(AnyOf(NOTHING, Except(HOURLY, WEEKENDS)), date(2026, 1, 1)),
            datetime(2026, 1, 1, 23, tzinfo=UTC), 20,
        ),
        (Except(AnyOf(NOTHING, NOTHING), WEEKENDS), None, 5 * 4000),
        (Except(Except(DAILY, Except(DAILY, LEAP)), LEAP), None, 8 * 4000),
        (AnyOf(NOTHING, Except(LEAP, DAILY), Except(Once(NOW + 3000 * DAY), WEEKENDS)), NOW + 3000 * DAY, 4 * 3000),
        (AnyOf(Except(Once(NOW), WEEKENDS), Except(Never(), date(2026, 1, 1), timezone=BERLIN)), None, 5),
        (AnyOf(Except(Between(DAILY, end=NOW), WEEKENDS), Except(Between(DAILY, NOW), WEEKENDS)),
         datetime(2026, 1, 2, 8, tzinfo=UTC), 10),
    ],
    ids=[
        "excludes nothing", "and weekends", "any of", "between", "excludes all", "nothing or hourly",
        "nothing or some hours", "nothing, with an end", "a part is nothing", "two parts are nothing", "the few",
        "the third", "none", "one has ended",
    ],
)  # fmt: skip
def test_the_next_one_takes_few_questions(schedule, expected, most, asked):
    assert schedule.next_after(NOW) == expected
    assert len(asked) <= most
    asked.clear()
    latest = schedule.latest_us(us(NOW), TEN_YEARS)
    assert (latest is None) is (expected is None)
    assert len(asked) <= 40_000
    asked.clear()
    schedule.count_upto_us(us(NOW), TEN_YEARS, 1000)
    assert len(asked) <= 40_000


@pytest.mark.parametrize("depth", [2, 5, 9])
def test_the_questions_grow_with_the_depth_and_no_faster(depth, asked):
    """Days of different zones overlap, so that a day of one level is two of the next: 2 to the power of the depth."""
    where = [BERLIN, "America/New_York", KATHMANDU, APIA, GOOSE_BAY]
    schedule = DAILY
    for level in range(depth):
        inner = Except(Cron(f"0 {level} * * *", timezone=where[level % 4]), schedule, timezone=where[level % 3])
        schedule = Except(
            Cron("0 */3 * * *", timezone=where[level % 5]), AnyOf(schedule, inner), timezone=where[level % 2]
        )
    Between(schedule, NOW, NOW + 10 * DAY).next_after(NOW + 2 * DAY)
    assert len(asked) <= 200 * depth


def test_a_search_that_is_given_up_is_no_exact_count(monkeypatch):
    """Each search of the list is within its bound, and all of them together are not."""
    monkeypatch.setattr(exclusion, "DAYS_IN_A_ROW", 7)
    monkeypatch.setattr(_counting, "MOST_DAYS", 1)
    after, until = us(NOW), us(NOW + 60 * DAY)
    workdays = Except(Cron("0 9 * * *"), Except(Cron("0 9 * * *"), Cron("0 9 * * 1-5")))
    whole = len(by_algebra(workdays, after, until))
    assert whole == 42
    count, exact = workdays.count_upto_us(after, until, 1000)
    assert 15 < count < whole
    assert not exact
    assert workdays.count_upto_us(after, until, 10) == (10, False)
    assert workdays.count_between_us(after, until) == whole  # without a limit, however long it takes
    either = AnyOf(Except(workdays, date(2026, 1, 1)), Cron("30 9 * * *"))
    few, exact = either.count_upto_us(after, until, 1000)
    assert 75 < few < 60 + whole
    assert not exact
    assert either.count_between_us(after, until) == 60 + whole


def test_a_latest_one_is_found_even_if_steps_are_short(monkeypatch):
    """Two of seven are left by the inner rule, and one of those by the outer one: six rejections for each."""
    monkeypatch.setattr(exclusion, "DAYS_IN_A_ROW", 8)
    inner = Except(Cron("0 9 * * *"), Cron("0 9 * * 2-6"))
    schedule = Except(inner, Cron("0 9 * * 1"), (date(2026, 2, 1), date(2026, 12, 31)))
    right = by_algebra(schedule, us(NOW), us(NOW + 360 * DAY))
    assert len(right) == 4
    assert schedule.latest_us(us(NOW), us(NOW + 20 * DAY)) == sorted(right)[-2]
    assert schedule.latest_us(us(NOW), us(NOW + 360 * DAY)) in right
