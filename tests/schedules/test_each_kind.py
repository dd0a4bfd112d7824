"""What holds for a schedule of each kind: it is a value, JSON and `repr` bring it back, and it can be asked at all."""

# ruff: noqa: DTZ001  (naive datetimes are part of what is tested)

import copy
import json
import pickle
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from turnkeeper_trio import schedules
from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules import (
    WORKDAYS,
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
    Weekday,
    WeekdayTimes,
    schedule_from_json,
)

NOW = datetime(2026, 1, 1, 12, 30, 15, 250, tzinfo=UTC)
BERLIN = "Europe/Berlin"
daily = Cron("0 9 * * *", timezone=BERLIN)
NAMES = {
    **{name: getattr(schedules, name) for name in schedules.__all__},
    **{each.__name__: each for each in (date, datetime, time, timedelta, ZoneInfo)},
}

VALUES = [
    WeekdayTimes([]),
    WeekdayTimes([("mon", time(9)), (Weekday.FRI, time(17, 30, 15, 5))], timezone=BERLIN),
    WeekdayTimes.on(WORKDAYS, time(9, 30)),
    Cron("30 9 * * MON-FRI", timezone=BERLIN),
    Cron("@daily"),
    Cron("*/10 0 0 L,15W,LW 2 ? 2026-2030/2", timezone="Asia/Kathmandu"),
    Interval(0.001),
    Interval(weeks=2, hours=1.5, seconds=0.25),
    Interval(timedelta(microseconds=1_234_567_891), anchor=NOW),
    Interval(minutes=5, anchor=NOW.astimezone(ZoneInfo(BERLIN))),
    FixedDelay(minutes=5),
    FixedDelay(seconds=59.999999).anchored(NOW),
    CalendarInterval(months=3, start=date(2026, 1, 31), at=time(9), timezone=BERLIN),
    CalendarInterval(years=1, days=3),
    CalendarInterval(days=1, at=time(0, 0, 0, 1)),
    CalendarInterval(weeks=1).anchored(NOW),
    Once(NOW),
    Once(datetime(2026, 10, 25, 2, 30), timezone=BERLIN, fold=1),
    Once(datetime(2026, 3, 1, 9, tzinfo=ZoneInfo("America/New_York"))),
    After(),
    After(hours=2).anchored(NOW),
    Never(),
    daily | Interval(minutes=5),
    AnyOf(daily, Never(), After(5)),
    Except(
        daily,
        date(2026, 12, 25),
        (date(2026, 8, 1), date(2026, 8, 31)),
        WeekdayTimes.on("mon", time(0), timezone=BERLIN),
    ),
    Except(daily | Cron("@hourly"), date(2026, 12, 25), timezone="UTC"),
    Except(daily, Cron("@monthly", timezone=BERLIN)),
    Between(daily, NOW, NOW + timedelta(days=3)),
    Between(Interval(5), end=NOW),
    Between(daily | Never(), start=NOW),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
class TestEachKind:
    def test_repr_is_the_code_that_makes_it(self, value):
        again = eval(repr(value), dict(NAMES))  # noqa: S307
        assert again == value
        assert hash(again) == hash(value)
        assert repr(again) == repr(value)

    def test_json_brings_it_back(self, value):
        text = json.dumps(value.to_json())
        data = json.loads(text)
        assert data["version"] == 1
        again = schedule_from_json(data)
        assert again == value
        assert type(value).from_json(data) == value
        assert json.dumps(again.to_json()) == text

    def test_pickle_and_copy(self, value):
        again = pickle.loads(pickle.dumps(value))  # noqa: S301
        assert again == value
        assert hash(again) == hash(value)
        assert again.anchored(NOW).next_after(NOW) == value.anchored(NOW).next_after(NOW)
        assert copy.copy(value) is value
        assert copy.deepcopy(value) is value

    def test_is_immutable(self, value):
        with pytest.raises(AttributeError, match="immutable"):
            value.timezone = "UTC"
        with pytest.raises(AttributeError, match="immutable"):
            value.anything = 5
        with pytest.raises(AttributeError, match="immutable"):
            del value.kind
        assert not hasattr(value, "__dict__")

    def test_is_a_schedule_once_it_is_bound(self, value):
        assert isinstance(value, Schedule)
        bound = value.anchored(NOW)
        assert bound.anchored_us(0) == bound or isinstance(bound, FixedDelay)
        end = NOW + timedelta(days=400)
        at = bound.next_after(NOW)
        assert at is None or (at > NOW and at.utcoffset() == timedelta(0) and type(at) is datetime)
        assert (bound.count_between(NOW, end) > 0) == (at is not None and at <= end)
        assert value.timezone in {"UTC", BERLIN, "Asia/Kathmandu", "America/New_York"}

    def test_differs_from_the_others(self, value):
        assert [other for other in VALUES if other == value] == [value]
        assert value != repr(value)


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "cron",
        {},
        {"kind": "cron", "expression": "@daily", "timezone": "UTC"},
        {"kind": "cron", "version": 2, "expression": "@daily", "timezone": "UTC"},
        {"kind": "cron", "version": True, "expression": "@daily", "timezone": "UTC"},
        {"kind": "cron", "version": 1, "expression": "@daily"},
        {"kind": "cron", "version": 1, "expression": "@nightly", "timezone": "UTC"},
        {"kind": "cron", "version": 1, "expression": 5, "timezone": "UTC"},
        {"kind": "nothing", "version": 1},
        {"kind": ["cron"], "version": 1},
        {"kind": "interval", "version": 1, "microseconds": "five", "anchor": None},
        {"kind": "interval", "version": 1, "microseconds": 5_000_000, "anchor": "2026-01-01T00:00:00"},
        {"kind": "interval", "version": 1, "microseconds": 10**40, "anchor": None},
        {"kind": "once", "version": 1, "at": None, "timezone": "UTC"},
        {"kind": "weekday_times", "version": 1, "pairs": [["mon"]], "timezone": "UTC"},
        {"kind": "weekday_times", "version": 1, "pairs": [["mon", "25:00"]], "timezone": "UTC"},
        {"kind": "any_of", "version": 1, "schedules": [{"kind": "custom", "repr": "Mine()"}]},
        {"kind": "calendar_interval", "version": 1, "days": 1, "start": None, "at": None, "timezone": "UTC", "x": 1},
    ],
    ids=repr,
)
def test_other_data_is_refused(data):
    with pytest.raises(ConfigurationError) as caught:
        schedule_from_json(data)
    assert caught.value.parameter


def test_json_of_another_kind_is_refused():
    with pytest.raises(ConfigurationError, match="which is no Interval"):
        Interval.from_json(Never().to_json())
    assert schedules.schedule_from_json(Never().to_json()) == Never()


def test_a_schedule_of_a_user_is_shown_in_json():
    class Mine:
        def next_after(self, after):
            return None

        def __repr__(self):
            return "Mine()"

    data = (daily | Mine()).to_json()
    assert data["schedules"][1] == {"kind": "custom", "repr": "Mine()"}
    with pytest.raises(ConfigurationError, match="cannot be read from JSON: Mine"):
        schedule_from_json(data)


def test_memory_of_bound_values():
    import sys  # noqa: PLC0415

    assert sys.getsizeof(Interval(5).anchored(NOW)) <= 48
    assert sys.getsizeof(After(5).anchored(NOW)) <= 48
    one, other = Cron("7 7 * * *", timezone=BERLIN), Cron("7  7 * * *", timezone=ZoneInfo(BERLIN))
    assert one.labels is other.labels
