"""A request as JSON: every field is written, and an equal request is read."""

import json
import math
from dataclasses import fields
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest

from turnkeeper_trio import (
    WORKDAYS,
    After,
    AnyOf,
    Between,
    CalendarInterval,
    CatchUp,
    ConfigurationError,
    Cron,
    Except,
    ExponentialBackoff,
    FixedDelay,
    FixedRetryDelay,
    Interval,
    Never,
    Once,
    OnCrash,
    Overlap,
    RecurringJobRequest,
    WeekdayTimes,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
TWICE = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)
"""A time that the clock shows twice: as the same instant in UTC it would not be equal."""
INSTANTS = [
    NOW,
    NOW.astimezone(timezone(timedelta(hours=5))),
    NOW.astimezone(BERLIN),
    TWICE,
    TWICE.replace(fold=1),
    datetime(2026, 3, 29, 2, 30, tzinfo=BERLIN),  # The clock never shows it.
    datetime(2026, 3, 29, 2, 30, tzinfo=ZoneInfo("UTC")),
    pendulum.datetime(2026, 10, 25, 2, 30, tz="Europe/Berlin", fold=0),
    pendulum.datetime(2026, 10, 25, 2, 30, tz="Europe/Berlin", fold=1),
    pendulum.datetime(2026, 1, 1),
]
EVERY_FIELD: dict[str, list[Any]] = {
    "name": ["job", "ünï"],
    "schedule": [
        Never(),
        Once(NOW),
        After(5),
        Interval(hours=1, anchor=NOW),
        FixedDelay(3),
        CalendarInterval(months=1, start=date(2026, 1, 31)),
        Cron("0 9 L-5W * *", timezone="Europe/Berlin"),
        WeekdayTimes.on(WORKDAYS, time(9), timezone="Europe/Berlin"),
        AnyOf(Once(NOW), Between(Interval(5), NOW)),
        Except(Cron("0 9 * * *"), date(2026, 1, 1), timezone="UTC"),
    ],
    "max_retries": [0, 3, None],
    "key": [None, "nightly"],
    "retry": [
        None,
        FixedRetryDelay(5),
        FixedRetryDelay(timedelta(seconds=1, microseconds=1), jitter=0.5),
        ExponentialBackoff(),
        ExponentialBackoff(initial=timedelta(minutes=1), factor=2, maximum=50.5, jitter=0, max_elapsed=math.inf),
        ExponentialBackoff(max_elapsed=timedelta(hours=1)),
    ],
    "initial_run_time": [None, *INSTANTS, timedelta(seconds=3)],
    "timeout": [None, 0.1, 5, timedelta(microseconds=1), math.inf],
    "cleanup_grace": [None, 0, timedelta(seconds=3), math.inf],
    "stuck_after": [None, 7.25],
    "overlap": list(Overlap),
    "max_concurrent": [None, 2],
    "max_waiting": [1000, 0],
    "catch_up": list(CatchUp),
    "start_deadline": [None, 0, 3.5],
    "retry_past_next": [False, True],
    "priority": [0, -3],
    "jitter": [0, 0.25, timedelta(seconds=1)],
    "max_runs": [None, 4],
    "until": [None, *INSTANTS],
    "halt_after": [None, 2],
    "critical": [False, True],
    "tags": [(), ("a", "b")],
    "on_crash": list(OnCrash),
    "crash_limit": [3, 1, 100],
}
BESIDE: dict[str, dict[str, Any]] = {"retry": {"max_retries": 1}, "max_concurrent": {"overlap": Overlap.ALLOW_ALL}}


def again(request: RecurringJobRequest) -> RecurringJobRequest:
    return RecurringJobRequest.from_json(json.loads(json.dumps(request.to_json(), allow_nan=False)))


def test_the_list_of_fields_is_whole() -> None:
    assert set(EVERY_FIELD) == {each.name for each in fields(RecurringJobRequest) if each.init}


def test_only_what_is_not_the_default_is_written() -> None:
    assert RecurringJobRequest("job").to_json() == {"v": 1, "name": "job"}
    assert RecurringJobRequest("job", Never(), 0, timeout=math.inf).to_json() == {
        "v": 1,
        "name": "job",
        "given": ["max_retries", "schedule", "timeout"],
    }
    assert RecurringJobRequest("job", priority=3).to_json() == {"v": 1, "name": "job", "priority": 3}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in EVERY_FIELD.items() for value in values])
def test_what_is_read_is_equal_to_what_was_written(name: str, value: Any) -> None:
    request = RecurringJobRequest(**{"name": "job", **BESIDE.get(name, {}), name: value})
    read = again(request)
    assert read == request
    assert read.given == request.given
    assert (read.timeout_us, read.until_us, read.jitter_us) == (request.timeout_us, request.until_us, request.jitter_us)
    assert read.to_json() == request.to_json()


class Mine:
    def next_after(self, after: datetime) -> datetime:
        return after + timedelta(days=1)

    def delay(self, failed: object, rng: object) -> float:
        return 1


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (RecurringJobRequest("job", Mine()), "a schedule of one's own cannot be read"),
        (RecurringJobRequest("job", max_retries=1, retry=Mine()), "a retry policy of one's own cannot be read"),
    ],
)
def test_what_is_a_users_own_is_shown_and_not_brought_back(request_: RecurringJobRequest, message: str) -> None:
    written = request_.to_json()
    assert "Mine" in json.dumps(written)
    with pytest.raises(ConfigurationError, match=message):
        RecurringJobRequest.from_json(written)


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"v": True},
        {"v": None},
        {"given": None},
        {"given": ["nonsense"]},
        {"nonsense": 1},
        {"until": "yesterday"},
        {"timeout": {"hours": 1}},
        {"overlap": "sometimes"},
        {"retry": {"kind": "linear"}},
        {"retry": 5},
        {"retry": {"kind": "fixed", "version": 2, "delay": 1}},
        {"retry": {"kind": "fixed", "version": True, "delay": 1}},
        {"retry": {"kind": "fixed", "version": 1, "wait": 1}},
        {"retry": {"kind": "fixed", "version": 1, "delay": "long"}},
        {"schedule": {"kind": "any_of", "version": 1, "schedules": None}},
        {"until": {"label": "2026-01-01T00:00:00", "zone": "Moon/Mare"}},
        {"on_crash": "sometimes"},
        {"crash_limit": 0},
        {"schedule": {"kind": "moon", "version": 1}},
        {"max_waiting": -1},
        {"name": ""},
    ],
    ids=str,
)
def test_what_is_not_written_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        RecurringJobRequest.from_json({**RecurringJobRequest("job").to_json(), **changes})
    with pytest.raises(ConfigurationError, match="must be the dict"):
        RecurringJobRequest.from_json("job")
