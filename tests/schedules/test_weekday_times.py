"""Times of day on days of the week."""

# ruff: noqa: DTZ001  (naive datetimes are part of what is tested)

from datetime import UTC, datetime, time, timedelta

import pendulum
import pytest

from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules import EVERY_DAY, WEEKEND, WORKDAYS, Weekday, WeekdayTimes, upcoming

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)  # a Thursday


def test_days_and_times():
    schedule = WeekdayTimes([(Weekday.FRIDAY, time(9)), ("mon", time(8, 30, 15, 5)), ("Friday", time(7))])
    found = [str(at) for at in upcoming(schedule, start=NOW, count=4)]
    assert found == [
        "2026-01-02 07:00:00+00:00",
        "2026-01-02 09:00:00+00:00",
        "2026-01-05 08:30:15.000005+00:00",
        "2026-01-09 07:00:00+00:00",
    ]


@pytest.mark.parametrize("day", [Weekday.MONDAY, Weekday.MON, "mon", "MON", "Monday", "monday", pendulum.MONDAY])
def test_a_day_in_many_ways(day):
    assert WeekdayTimes([(day, time(9))]) == WeekdayTimes.on("mon", time(9)) == WeekdayTimes.on([day], time(9))


def test_names_of_days():
    assert [*WORKDAYS, *WEEKEND] == [*EVERY_DAY] == list(Weekday)
    assert repr(Weekday.MON) == "Weekday.MONDAY"
    assert Weekday("SATURDAY") is Weekday.SAT
    with pytest.raises(ValueError, match="5"):
        Weekday(5)


def test_duplicates_merge_and_order_does_not_matter():
    one = WeekdayTimes([("mon", time(9)), ("tue", time(9)), ("mon", time(9))])
    other = WeekdayTimes.on(["tue", "mon"], time(9), time(9))
    assert one == other
    assert hash(one) == hash(other)
    assert one.pairs == ((Weekday.MONDAY, time(9)), (Weekday.TUESDAY, time(9)))


def test_an_empty_list_never_happens():
    for schedule in (WeekdayTimes([]), WeekdayTimes.on([], time(9), timezone="Europe/Berlin")):
        assert schedule.next_after(NOW) is None
        assert schedule.count_between(NOW, NOW + timedelta(days=10_000)) == 0
        assert schedule.latest_us(0, 10**15) is None


def test_once_a_week_comes_back_to_the_same_day():
    schedule = WeekdayTimes.on("thu", time(12))
    assert schedule.next_after(NOW) == NOW + timedelta(days=7)
    assert schedule.next_after(NOW - timedelta(microseconds=1)) == NOW
    assert schedule.latest_us(0, int(NOW.timestamp()) * 1_000_000) == int(NOW.timestamp()) * 1_000_000


def test_counts_weeks_by_arithmetic():
    schedule = WeekdayTimes.on(WORKDAYS, time(9), time(17))
    assert schedule.count_between(NOW, NOW + timedelta(weeks=5000)) == 50_000
    assert schedule.count_between(NOW + timedelta(weeks=5000), NOW) == 0
    assert schedule.count_between(datetime(1, 1, 1, tzinfo=UTC), datetime(1, 1, 8, tzinfo=UTC)) == 10


@pytest.mark.parametrize(
    ("make", "parameter", "message"),
    [
        (lambda: WeekdayTimes("mon"), "pairs", r"write WeekdayTimes.on\(WORKDAYS, time\(9\)\)"),
        (lambda: WeekdayTimes(None), "pairs", "must be pairs"),
        (lambda: WeekdayTimes({"mon": time(9)}), "pairs", "must be pairs"),
        (lambda: WeekdayTimes([Weekday.MONDAY]), "pairs", "such as .Weekday.MONDAY, time.9.."),
        (lambda: WeekdayTimes([("mon",)]), "pairs", "each of pairs must be"),
        (lambda: WeekdayTimes([("mon", time(9), 1)]), "pairs", "each of pairs must be"),
        (lambda: WeekdayTimes([(0, time(9))]), "pairs", "counted from Sunday or from Monday"),
        (lambda: WeekdayTimes([(True, time(9))]), "pairs", "each of pairs must begin with Weekday.MONDAY"),
        (lambda: WeekdayTimes([("moon", time(9))]), "pairs", "or a name such as .mon. or .Monday., not .moon.$"),
        (lambda: WeekdayTimes([("mo", time(9))]), "pairs", "not 'mo'"),
        (lambda: WeekdayTimes([(None, time(9))]), "pairs", "not None"),
        (lambda: WeekdayTimes([(" mon", time(9))]), "pairs", "not . mon.; write"),
        (lambda: WeekdayTimes([("\u017fun", time(9))]), "pairs", "must begin with Weekday.MONDAY"),
        (lambda: WeekdayTimes([("mon", "09:00")]), "pairs", "such as time.9, 30., not '09:00'"),
        (
            lambda: WeekdayTimes([("mon", 9)]),
            "pairs",
            r"each of pairs must end with a datetime.time, .* not 9; write time\(9\)$",
        ),
        (lambda: WeekdayTimes([("mon", datetime(2026, 1, 1, 9))]), "pairs", r"write time\(9\)$"),
        (lambda: WeekdayTimes([("mon", time(9, tzinfo=UTC))]), "pairs", "the zone is the schedule's"),
        (lambda: WeekdayTimes([("mon", time(9, fold=1))]), "pairs", "happens the first time"),
        (lambda: WeekdayTimes.on(WORKDAYS), "times", "times are missing"),
        (lambda: WeekdayTimes.on(5, time(9)), "days", "such as WORKDAYS, not 5"),
        (lambda: WeekdayTimes.on(WORKDAYS, [time(9)]), "times", r"put a \* before it"),
        (lambda: WeekdayTimes.on([3], time(9)), "days", "days must be Weekday.MONDAY .* counted from Sunday"),
        (lambda: WeekdayTimes([], timezone="Berlin"), "timezone", "Europe/Berlin"),
        (lambda: WeekdayTimes([], timezone=None), "timezone", "IANA name such as"),
    ],
)
def test_refused(make, parameter, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        make()
    assert caught.value.parameter == parameter


@pytest.mark.parametrize("ask", ["next_after", "anchored"])
def test_a_naive_datetime_names_no_instant(ask):
    with pytest.raises(ConfigurationError, match="must have a timezone"):
        getattr(WeekdayTimes.on("mon", time(9)), ask)(datetime(2026, 1, 1))
    with pytest.raises(ConfigurationError, match="until must have a timezone"):
        WeekdayTimes.on("mon", time(9)).count_between(NOW, datetime(2026, 1, 1))
