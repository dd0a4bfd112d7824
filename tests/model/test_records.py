"""Records as plain values, errors with their data, and instants as integers."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum, StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeeper_trio import (
    Books,
    CancelJob,
    ConfigurationError,
    CriticalJobFailed,
    DurationStatistics,
    GiveUp,
    JobNotFound,
    Origin,
    Outcome,
    Retry,
    RunNotFound,
    RunNotSucceeded,
    RunRecord,
    ShutdownReport,
    ShutdownTimeout,
    Snooze,
    StagingFull,
    TurnKeeperError,
)
from turnkeeper_trio._model.guard import described
from turnkeeper_trio._model.ids import RecurringJobId, RunId, job_id_of_key
from turnkeeper_trio._model.record import plain
from turnkeeper_trio._model.times import (
    MAX_INSTANT,
    MIN_INSTANT,
    duration_us,
    instant_us,
    seconds,
    utc_datetime,
    utc_pendulum,
)

NOON = pendulum.datetime(2024, 1, 1, 12)
RECORD = RunRecord(
    run_id=RunId(UUID(int=1)),
    job_id=RecurringJobId(UUID(int=2)),
    name="fetch",
    origin=Origin.SCHEDULE,
    scheduled_at=NOON,
    due_at=NOON,
    started_at=NOON,
    finished_at=NOON,
    attempts=1,
    outcome=Outcome.SUCCEEDED,
    value=7,
    error=None,
    reason="",
    lateness=0.0,
    duration=0.25,
)


class Colour(Enum):
    RED = timedelta(seconds=1)


class Word(StrEnum):
    ONE = "one"


@dataclass
class Point:
    x: int
    at: datetime


class Own:
    def to_json(self) -> str:
        return "own"


class Other:
    def __repr__(self) -> str:
        return "Other()"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (5, 5),
        (0.5, 0.5),
        ("text", "text"),
        (Word.ONE, "one"),
        (Colour.RED, 1.0),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin")), "2024-07-01T10:00:00Z"),
        (NOON, "2024-01-01T12:00:00Z"),
        (timedelta(minutes=1), 60.0),
        ({"a": (1, 2), 3: {4}}, {"a": [1, 2], "3": [4]}),
        ([frozenset({Word.ONE})], [["one"]]),
        (Point(1, NOON), {"x": 1, "at": "2024-01-01T12:00:00Z"}),
        (Own(), "own"),
        (Other(), "Other()"),
        (Point, repr(Point)),
        (date(2024, 1, 1), "datetime.date(2024, 1, 1)"),
    ],
)
def test_anything_is_shown_as_plain_values(value: Any, expected: Any):
    assert plain(value) == expected
    json.dumps(plain(value))
    assert type(plain(value)) in {type(None), bool, int, float, str, list, dict}


def test_an_error_is_shown_as_three_texts():
    try:
        raise ValueError("no such thing")
    except ValueError as exc:
        shown = plain(exc)
    assert shown["type"] == "builtins.ValueError"
    assert shown["message"] == "no such thing"
    assert "test_an_error_is_shown_as_three_texts" in shown["traceback"]
    assert described(ValueError("no")) == "ValueError: no"


def test_a_record_is_shown_by_its_fields():
    shown = RECORD.to_json()
    json.dumps(shown)
    assert shown["run_id"] == str(UUID(int=1))
    assert (shown["outcome"], shown["scheduled_at"], shown["value"]) == ("succeeded", "2024-01-01T12:00:00Z", 7)


def test_unwrapping_gives_the_value_or_raises():
    assert RECORD.unwrap() == 7
    error = OSError("down")
    with pytest.raises(RunNotSucceeded, match="the run of 'fetch' ended failed: it raised OSError") as caught:
        replace(RECORD, outcome=Outcome.FAILED, error=error, reason="it raised OSError").unwrap()
    assert caught.value.__cause__ is error
    assert caught.value.record.error is error
    assert str(RunNotSucceeded(replace(RECORD, outcome=Outcome.FAILED, error=error))).endswith(": down")
    assert str(RunNotSucceeded(replace(RECORD, outcome=Outcome.SKIPPED))).endswith(": no reason given")


def test_errors_carry_their_data():
    full = StagingFull("full", request="request", fn=print, args=(1,), kwargs={"word": 2})
    assert (full.request, full.fn, full.args, full.kwargs, str(full)) == ("request", print, (1,), {"word": 2}, "full")
    assert repr(full) == "StagingFull('full')"
    assert StagingFull("full").kwargs == {}
    assert JobNotFound("no", job_id=UUID(int=1)).job_id == UUID(int=1)
    assert RunNotFound("no").run_id is None
    report = ShutdownReport((), (), (), (), unrun=0)
    assert ShutdownTimeout("slow", report=report).report is report
    failed = replace(RECORD, outcome=Outcome.FAILED, reason="it returned False")
    assert str(CriticalJobFailed(failed)) == "the critical job 'fetch' failed: it returned False"
    assert CriticalJobFailed(failed).record is failed
    assert "down" in str(CriticalJobFailed(replace(failed, error=OSError("down"))))
    assert ConfigurationError("no").parameter == ""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConfigurationError(""), ValueError),
        (JobNotFound(""), LookupError),
        (RunNotFound(""), LookupError),
        (ShutdownTimeout("", report=ShutdownReport((), (), (), (), unrun=0)), TimeoutError),
    ],
)
def test_errors_are_also_what_the_language_calls_them(error: Exception, kind: type):
    assert isinstance(error, kind)
    assert isinstance(error, TurnKeeperError)


def test_verdicts_say_what_was_asked():
    assert str(Retry()) == "it asked to be tried again"
    assert str(Snooze(1)) == "it asked to go on later"
    assert (str(GiveUp()), str(GiveUp("so"))) == ("it gave up", "it gave up: so")
    assert (str(CancelJob()), str(CancelJob("so"))) == ("it ended its job", "it ended its job: so")


def test_books_balance_or_not():
    books = Books(**{**dict.fromkeys(["planned", "pending", "active", *Outcome], 1), "planned": 12})
    assert books.ended == 10
    assert books.balanced
    assert replace(books, admitted=3, released=3).balanced
    for name in ("planned", "pending", "active", "admitted", "released", *Outcome):
        assert not replace(books, **{str(name): 5}).balanced


def test_a_mean_needs_something_to_be_the_mean_of():
    assert DurationStatistics(0, 0.0).mean is None
    assert DurationStatistics(4, 2.0).mean == 0.5


def test_the_id_of_a_key_is_the_same_everywhere():
    assert str(job_id_of_key("nightly report")) == "c57f11dd-daec-5485-b431-907adb894b70"
    assert job_id_of_key("a") != job_id_of_key("b")


@given(st.integers(MIN_INSTANT, MAX_INSTANT))
def test_instants_come_back_as_they_were(us: int):
    assert instant_us(utc_datetime(us)) == instant_us(utc_pendulum(us)) == us


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), st.sampled_from([0, 1]))  # noqa: DTZ001
def test_an_instant_is_read_with_its_fold(label: datetime, fold: int):
    for zone in (ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe"), timezone(timedelta(hours=5, seconds=1))):
        aware = label.replace(tzinfo=zone, fold=fold)
        assert instant_us(aware) == (aware.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
            microseconds=1
        )


def test_a_naive_datetime_names_no_instant():
    with pytest.raises(ValueError, match="names no instant"):
        instant_us(datetime(2024, 1, 1))  # noqa: DTZ001


def test_durations_are_rounded_to_the_nearest_microsecond():
    assert duration_us(0.1 + 0.2) == 300_000
    assert duration_us(timedelta(days=1, microseconds=1)) == 86_400_000_001
    assert seconds(1_500_000) == 1.5
