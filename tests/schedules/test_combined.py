"""Schedules made of schedules."""

# ruff: noqa: DTZ001, PLW0108  (naive datetimes are part of what is tested; a row of a table)

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkeeper_trio._model.times import instant_us as us
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules import (
    EVERY_DAY,
    WEEKEND,
    After,
    AnyOf,
    Between,
    CalendarInterval,
    Cron,
    Except,
    FixedDelay,
    Interval,
    Never,
    Once,
    WeekdayTimes,
    _adapter,
    upcoming,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
BERLIN = "Europe/Berlin"
daily = Cron("0 9 * * *", timezone=BERLIN)
hourly = Interval(hours=1, anchor=NOW)
EXACT = settings(derandomize=True, deadline=None, max_examples=80, database=None)


class Mine:
    """A schedule of a user: each hour, with nothing but `next_after`."""

    def next_after(self, after):
        return after.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)

    def __eq__(self, other):
        return isinstance(other, Mine)

    def __hash__(self):
        return 1

    def __repr__(self):
        return "Mine()"


def listed(schedule, start, end):
    return upcoming(schedule, start=start, end=end, count=None)


class TestAnyOf:
    def test_equal_instants_happen_once(self):
        schedule = Cron("0 9 * * *") | Cron("0 */3 * * *")
        assert isinstance(schedule, AnyOf)
        assert [at.hour for at in upcoming(schedule, start=NOW - timedelta(hours=5), count=4)] == [9, 12, 15, 18]
        assert schedule.count_between(NOW, NOW + 10 * DAY) == 80
        assert schedule.latest_us(us(NOW), us(NOW + DAY)) == us(NOW + DAY)
        assert AnyOf(Never()).latest_us(0, 10**15) is None

    @EXACT
    @given(
        st.lists(
            st.sampled_from(
                [daily, hourly, Cron("*/25 * * * *", timezone="America/New_York"), Mine(), Never(), Once(NOW + DAY)]
            ),
            min_size=1,
            max_size=4,
        ),
        st.integers(0, 5000),
        st.integers(0, 3000),
    )
    def test_counts_what_it_lists(self, parts, start, minutes):
        first = NOW + timedelta(minutes=start)
        last = first + timedelta(minutes=minutes)
        schedule = AnyOf(*parts)
        expected = sorted({at for part in parts for at in listed(part, first, last)})
        assert listed(schedule, first, last) == expected
        assert schedule.count_between(first, last) == len(expected)
        assert schedule.latest_us(us(first), us(last)) == (us(expected[-1]) if expected else None)

    def test_is_flat_when_written_as_a_sentence(self):
        assert repr(daily | hourly | Never()) == f"AnyOf({daily!r}, {hourly!r}, Never())"
        assert (Mine() | daily).schedules == (Mine(), daily)
        assert (daily | Mine()) == (Mine() | daily)
        assert hash(daily | hourly) == hash(hourly | daily)

    def test_a_part_need_not_be_hashable(self):
        class Unhashable(Mine):
            __hash__ = None

        part = Unhashable()
        assert (daily | part) == (daily | part)
        assert (daily | part) != daily
        with pytest.raises(TypeError, match="unhashable"):
            hash(daily | part)

    def test_zones(self):
        assert (daily | hourly).timezone == BERLIN
        assert (daily | Cron("@daily")).timezone == "UTC"
        assert (hourly | Mine()).timezone == "UTC"

    def test_a_user_schedule_is_listed_up_to_a_limit(self):
        schedule = AnyOf(Mine(), Cron("30 0 * * *"))
        assert _adapter.count_between_us(schedule, us(NOW), us(NOW + 10 * DAY)) == (250, True)
        assert _adapter.count_between_us(schedule, us(NOW), us(NOW + 10 * DAY), 100) == (100, False)
        both = AnyOf(Cron("* * * * *"), Cron("*/2 * * * *"))
        assert _adapter.count_between_us(both, us(NOW), us(NOW + DAY), 100) == (1440, True)

    def test_is_bound_as_a_whole(self):
        schedule = AnyOf(After(0), Interval(hours=2), daily)
        bound = schedule.anchored(NOW)
        assert bound.anchored(NOW + DAY) is bound
        assert (daily | hourly).anchored(NOW).schedules == (daily, hourly)
        assert upcoming(schedule, start=NOW, count=3) == [NOW, NOW + timedelta(hours=2), NOW + timedelta(hours=4)]
        assert AnyOf(Once(NOW - DAY), Never()).first_us(us(NOW)) is None
        with pytest.raises(ConfigurationError, match="counted from the acceptance"):
            schedule.next_after(NOW)

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: AnyOf(), "schedules are missing"),
            (lambda: AnyOf(daily, FixedDelay(5)), "counted from the end of each run"),
            (lambda: daily | FixedDelay(5), "cannot be combined"),
            (lambda: FixedDelay(5) | daily, "cannot be combined"),
            (lambda: AnyOf(daily, "0 9 * * *"), "must be a schedule"),
            (lambda: AnyOf([daily]), "must be a schedule"),
            (lambda: AnyOf(Never), "must be a schedule"),
            (lambda: daily | None, "must be a schedule"),
            (lambda: 5 | daily, "must be a schedule"),
        ],
    )
    def test_refused(self, make, message):
        with pytest.raises(ConfigurationError, match=message):
            make()


class TestBetween:
    def test_both_ends_are_included(self):
        first, last = NOW + timedelta(hours=1), NOW + timedelta(hours=4)
        schedule = Between(hourly, first, last)
        assert listed(schedule, NOW - DAY, NOW + DAY) == [NOW + timedelta(hours=hours) for hours in (1, 2, 3, 4)]
        assert schedule.count_between(NOW - DAY, NOW + DAY) == 4
        assert schedule.count_between(last, NOW + DAY) == 0
        assert schedule.latest_us(us(NOW), us(NOW + DAY)) == us(last)
        assert schedule.latest_us(us(last), us(NOW + DAY)) is None
        assert schedule.next_after(last) is None
        assert (schedule.start, schedule.end, schedule.schedule) == (first, last, hourly)
        assert Between(hourly, first, first).count_between(NOW, NOW + DAY) == 1

    def test_an_end_may_be_open(self):
        assert Between(hourly, start=NOW).next_after(NOW - DAY) == NOW
        assert Between(hourly, end=NOW).next_after(NOW) is None
        assert Between(hourly, end=NOW).next_after(NOW - DAY) == NOW - DAY + timedelta(hours=1)
        assert Between(hourly, end=NOW).start is None
        assert Between(hourly, NOW).end is None

    def test_is_bound(self):
        schedule = Between(Interval(hours=5), NOW, NOW + DAY)
        assert upcoming(schedule, start=NOW, count=2) == [NOW + timedelta(hours=5), NOW + timedelta(hours=10)]
        assert Between(daily, NOW).anchored(NOW) == Between(daily, NOW)
        assert Between(After(0), NOW - DAY).anchored(NOW).first_us(us(NOW)) == us(NOW)
        assert Between(After(0), NOW + DAY).anchored(NOW).first_us(us(NOW)) is None
        assert Between(daily, NOW).timezone == BERLIN

    @pytest.mark.parametrize(
        ("make", "parameter", "message"),
        [
            (lambda: Between(daily), "start", "both missing"),
            (lambda: Between(daily, NOW, NOW - DAY), "end", "must not be before start"),
            (lambda: Between(daily, datetime(2026, 1, 1)), "start", "must have a timezone"),
            (lambda: Between(daily, end=date(2026, 1, 1)), "end", "datetime with a timezone"),
            (lambda: Between(FixedDelay(5), NOW), "schedule", "cannot be combined"),
            (lambda: Between("daily", NOW), "schedule", "must be a schedule"),
        ],
    )
    def test_refused(self, make, parameter, message):
        with pytest.raises(ConfigurationError, match=message) as caught:
            make()
        assert caught.value.parameter == parameter


class TestExcept:
    def test_dates_ranges_and_days_of_schedules(self):
        schedule = Except(
            daily,
            date(2026, 1, 2),
            (date(2026, 1, 7), date(2026, 1, 8)),
            WeekdayTimes.on(WEEKEND, time(0), timezone=BERLIN),
        )
        assert [at.day for at in upcoming(schedule, start=NOW, count=4)] == [5, 6, 9, 12]
        assert schedule.count_between(NOW, datetime(2026, 1, 12, 9, tzinfo=UTC)) == 4
        assert schedule.excluded[:2] == (date(2026, 1, 2), (date(2026, 1, 7), date(2026, 1, 8)))

    def test_dates_merge(self):
        one = Except(daily, date(2026, 1, 2), date(2026, 1, 3), (date(2026, 1, 1), date(2026, 1, 2)))
        assert one == Except(daily, (date(2026, 1, 1), date(2026, 1, 3)))
        assert one.schedule is daily
        assert hash(one) == hash(Except(daily, (date(2026, 1, 1), date(2026, 1, 3)), timezone=BERLIN))

    def test_a_day_is_one_of_the_zone(self):
        schedule = Except(hourly, date(2026, 1, 2), timezone="Asia/Kathmandu")  # from 18:15 to 18:15 UTC
        assert schedule.timezone == "Asia/Kathmandu"
        before, after = datetime(2026, 1, 1, 18, tzinfo=UTC), datetime(2026, 1, 2, 19, tzinfo=UTC)
        assert schedule.next_after(before - timedelta(minutes=1)) == before
        assert schedule.next_after(before) == after
        assert schedule.count_between(before - timedelta(minutes=1), after) == 2

    def test_a_schedule_stands_for_days_in_its_own_zone(self):
        new_york = Cron("0 0 2 1 *", timezone="America/New_York")  # 2 January there: 05:00 to 05:00 UTC
        schedule = Except(Cron("0 */6 * * *", timezone="Europe/London"), new_york)
        found = upcoming(schedule, start=datetime(2026, 1, 1, 23, tzinfo=UTC), count=2)
        assert found == [datetime(2026, 1, 2, 0, tzinfo=UTC), datetime(2026, 1, 3, 6, tzinfo=UTC)]

    def test_a_zone_given_counts_for_schedules_too(self):
        schedule = Except(hourly, Once(datetime(2026, 1, 2, 3, tzinfo=UTC)), timezone="America/New_York")
        # 03:00 UTC is on the evening of 1 January in New York: 05:00 to 05:00 UTC are left out
        assert schedule.next_after(datetime(2026, 1, 1, 4, tzinfo=UTC)) == datetime(2026, 1, 2, 5, tzinfo=UTC)

    def test_an_instant_without_a_zone_takes_the_only_one(self):
        schedule = Except(daily, Once(datetime(2026, 1, 2, 23, 30, tzinfo=UTC)))  # 3 January in Berlin
        assert [at.day for at in upcoming(schedule, start=NOW, count=2)] == [2, 4]

    @EXACT
    @given(
        st.sampled_from(
            ["America/Goose_Bay", "America/Sao_Paulo", "Pacific/Apia", BERLIN, "Africa/Cairo", "Asia/Gaza"]
        ),
        st.sampled_from(
            [
                datetime(2010, 11, 5),
                datetime(2011, 3, 11),
                datetime(2011, 12, 28),
                datetime(2018, 2, 16),
                datetime(2018, 11, 2),
            ]
        ),
        st.sampled_from(["*/30 * * * *", "0,1,30 23,0,1 * * *", "0 9 * * *"]),
        st.sets(st.integers(-1, 5)),
        st.integers(0, 3000),
        st.integers(0, 6000),
    )
    def test_agrees_with_leaving_days_out_of_a_list(self, zone, near, expression, out, start, minutes):
        first = near.replace(tzinfo=UTC) + timedelta(minutes=start)
        last = first + timedelta(minutes=minutes)
        every = Cron(expression, timezone=zone)
        dates = [(near + step * DAY).date() for step in sorted(out)]
        other = Cron("30 23 * * FRI,SAT", timezone=zone)

        def day(at):
            return datetime.fromtimestamp(at.timestamp(), ZoneInfo(zone)).date()

        by_date = Except(every, *dates, timezone=zone)
        expected = [at for at in listed(every, first, last) if day(at) not in dates]
        assert listed(by_date, first, last) == expected
        assert by_date.count_between(first, last) == len(expected)
        days = {day(at) for at in listed(other, first - 4 * DAY, last + 4 * DAY)}
        by_schedule = Except(every, *dates, other)
        expected = [at for at in expected if day(at) not in days]
        assert listed(by_schedule, first, last) == expected
        assert by_schedule.count_between(first, last) == len(expected)
        assert by_schedule.latest_us(us(first), us(last)) == (us(expected[-1]) if expected else None)

    def test_a_day_that_comes_back_for_an_hour(self):
        """In Goose Bay the clock went back from 00:01 on Sunday to 23:01 on Saturday: 23:30 came again on Saturday."""
        again = Cron("*/30 23 * * SAT", timezone="America/Goose_Bay")
        schedule = Except(Cron("0 12 * * *", timezone="America/Goose_Bay"), again)
        found = upcoming(schedule, start=datetime(2010, 11, 6, 12, tzinfo=UTC), count=2)
        assert found == [datetime(2010, 11, 7, 16, tzinfo=UTC), datetime(2010, 11, 8, 16, tzinfo=UTC)]

    def test_an_excluded_day_that_comes_back_is_excluded_again(self):
        """Saturday, 6 November 2010, in Goose Bay ended at 03:00 UTC, and went on from 03:01 to 04:00 UTC."""
        zone, saturday = "America/Goose_Bay", date(2010, 11, 6)
        schedule = Except(Cron("*/20 23,0 * * *", timezone=zone), saturday)
        sunday = datetime(2010, 11, 7, tzinfo=UTC)
        found = upcoming(schedule, start=sunday - timedelta(hours=4), count=4)
        assert [at.format("HH:mm") for at in found] == ["03:00", "04:00", "04:20", "04:40"]
        assert schedule.count_between(sunday - timedelta(hours=4), sunday + timedelta(hours=4, minutes=40)) == 4
        assert (
            schedule.count_between(sunday + timedelta(hours=3, seconds=30), sunday + timedelta(hours=4, minutes=20))
            == 2
        )
        late = Once(sunday + timedelta(hours=3, minutes=30))  # on the part of Saturday that came back
        noon = Except(Cron("0 12 * * *", timezone=zone), late, timezone=zone)
        assert noon.next_after(sunday - timedelta(hours=23)) == sunday + timedelta(hours=16)

    def test_long_exclusions_cost_one_step(self):
        schedule = Except(Cron("* * * * * *"), (date(2026, 1, 1), date(2525, 12, 31)))
        assert schedule.next_after(NOW) == datetime(2526, 1, 1, tzinfo=UTC)
        assert Except(Cron("* * * * *"), (date(1, 1, 1), date(9999, 12, 31))).next_after(NOW) is None

    def test_what_excludes_everything_ends(self):
        schedule = Except(daily, daily)
        assert schedule.next_after(NOW) is None
        assert schedule.count_between(NOW, NOW + 100 * DAY) == 0
        assert schedule.latest_us(us(NOW), us(NOW + DAY)) is None

    def test_a_schedule_of_a_user_may_take_part(self):
        schedule = Except(Mine(), date(2026, 1, 2), timezone="UTC")
        assert schedule.next_after(NOW + timedelta(hours=11)) == datetime(2026, 1, 3, tzinfo=UTC)
        assert _adapter.count_between_us(schedule, us(NOW), us(NOW + 10 * DAY)) == (240 - 24, True)
        assert _adapter.count_between_us(schedule, us(NOW), us(NOW + 10 * DAY), 100) == (100, False)
        assert _adapter.count_between_us(schedule, us(NOW), us(NOW + 5 * DAY), 100) == (96, True)

    def test_is_bound(self):
        schedule = Except(Interval(hours=7), date(2026, 1, 1), After(0), timezone="UTC")
        bound = schedule.anchored(NOW)
        assert bound.next_after(NOW) == NOW + timedelta(hours=14)
        assert bound.anchored(NOW + DAY) is bound
        plain = Except(daily, date(2026, 1, 1))
        assert plain.anchored(NOW) is plain
        assert Except(After(0), date(2026, 1, 2), timezone="UTC").anchored(NOW).first_us(us(NOW)) == us(NOW)
        assert Except(After(0), date(2026, 1, 1), timezone="UTC").anchored(NOW).first_us(us(NOW)) is None
        assert Except(Never(), date(2026, 1, 1), timezone="UTC").first_us(us(NOW)) is None
        assert Except(CalendarInterval(days=1), date(2026, 1, 2)).anchored(NOW).zones == {"UTC"}

    @pytest.mark.parametrize(
        ("make", "parameter", "message"),
        [
            (lambda: Except(hourly, date(2026, 1, 1)), "timezone", "no zone is involved"),
            (
                lambda: Except(daily | Cron("@daily"), date(2026, 1, 1)),
                "timezone",
                "zones Europe/Berlin, UTC are involved",
            ),
            (lambda: Except(hourly, hourly), "timezone", "timezone is missing"),
            (lambda: Except(daily, datetime(2026, 1, 1)), "excluded", r"write date\(2026, 1, 1\)"),
            (lambda: Except(daily, (NOW, NOW)), "excluded", "is an instant"),
            (lambda: Except(daily, [date(2026, 1, 1)]), "excluded", r"Except\(schedule, \*holidays\)"),
            (lambda: Except(daily, {date(2026, 1, 1)}), "excluded", r"Except\(schedule, \*holidays\)"),
            (lambda: Except(daily, "2026-01-01"), "excluded", r"write date\(2026, 1, 1\)"),
            (lambda: Except(daily, ("2026-01-01", "2026-01-02")), "excluded", "write dates, ranges"),
            (lambda: Except(daily, (date(2026, 1, 1),)), "excluded", "a range of dates is"),
            (lambda: Except(daily, (date(2026, 1, 2), date(2026, 1, 1))), "excluded", "write .2026-01-01, 2026-01-02."),
            (lambda: Except(daily, Cron), "excluded", "must be a schedule"),
            (lambda: Except(daily, FixedDelay(5)), "excluded", "cannot be combined"),
            (lambda: Except(FixedDelay(5), date(2026, 1, 1)), "schedule", "cannot be combined"),
            (lambda: Except(daily, date(2026, 1, 1), timezone="Berlin"), "timezone", "did you mean"),
        ],
    )
    def test_refused(self, make, parameter, message):
        with pytest.raises(ConfigurationError, match=message) as caught:
            make()
        assert caught.value.parameter == parameter

    def test_the_last_day_of_the_calendar(self):
        weekdays = WeekdayTimes.on(EVERY_DAY, time(12))
        schedule = Except(weekdays, date(9999, 12, 31))
        assert schedule.next_after(datetime(9999, 12, 30, 12, tzinfo=UTC)) is None
        assert schedule.count_between(datetime(9999, 12, 29, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)) == 2
        assert Except(weekdays, weekdays).next_after(datetime(9999, 12, 29, tzinfo=UTC)) is None

    @pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
    def test_the_first_and_last_days_of_the_calendar_in_a_zone(self, zone):
        noon = WeekdayTimes.on(EVERY_DAY, time(12), timezone=zone)
        schedule = Except(noon, date(1, 1, 2), WeekdayTimes.on(["fri"], time(0), timezone=zone), date(9999, 12, 31))
        first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
        at = schedule.next_after(first)
        assert at.astimezone(ZoneInfo(zone)).date() == date(1, 1, 1)
        assert schedule.next_after(at).astimezone(ZoneInfo(zone)).date() == date(1, 1, 3)
        assert schedule.count_between(first, first + 20 * DAY) == len(listed(schedule, first, first + 20 * DAY))
        assert schedule.count_between(last - 20 * DAY, last) == len(listed(schedule, last - 20 * DAY, last))
        assert schedule.next_after(last) is None
        assert schedule.next_after_us(-(10**30)) == schedule.next_after_us(us(first))
