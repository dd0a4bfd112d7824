"""A dry run says what the scheduler would do."""

from datetime import UTC, datetime, time, timedelta

import pytest

from turnkeeper_trio import (
    EVERY_DAY,
    After,
    ConfigurationError,
    FixedDelay,
    FixedRetryDelay,
    Interval,
    Outcome,
    Overlap,
    RecurringJobRequest,
    WeekdayTimes,
    simulate,
)

START = datetime(2026, 3, 28, tzinfo=UTC)


def at(row: object) -> tuple[str, str | None, str]:
    return (
        row.scheduled_at.format("DD HH:mm:ss"),
        None if row.started_at is None else row.started_at.format("HH:mm:ss"),
        str(row.outcome),
    )


def test_a_daily_job_over_the_night_the_clocks_change() -> None:
    request = RecurringJobRequest("backup", WeekdayTimes.on(EVERY_DAY, time(2, 30), timezone="Europe/Berlin"))
    rows = simulate(request, start=START, end=START + timedelta(days=3), max_workers=1)
    assert [at(row)[0] for row in rows] == ["28 01:30:00", "29 01:00:00", "30 00:30:00"]


def test_overlapping_occurrences_are_skipped_and_say_why() -> None:
    request = RecurringJobRequest("sync", Interval(minutes=10))
    rows = simulate(request, start=START, end=START + timedelta(minutes=41), durations=900, max_workers=2)
    assert [at(row) for row in rows] == [
        ("28 00:10:00", "00:10:00", "succeeded"),
        ("28 00:20:00", None, "skipped"),
        ("28 00:30:00", "00:30:00", "succeeded"),
        ("28 00:40:00", None, "skipped"),
    ]
    assert rows.rows[1].reason == "the run before it had not ended"


def test_runs_wait_for_a_worker_and_are_late() -> None:
    requests = [RecurringJobRequest(name, After(60)) for name in ("first", "second", "third")]
    rows = simulate(
        requests, start=START, end=START + timedelta(hours=1), durations={"first": 30, "third": 5}, max_workers=1
    )
    assert [(row.name, row.lateness, row.worker) for row in rows] == [
        ("first", 0, 0),
        ("second", 30, 0),
        ("third", 30, 0),
    ]


def test_priority_goes_first_and_the_first_free_worker_takes_it() -> None:
    requests = [RecurringJobRequest(str(priority), After(1), priority=priority) for priority in (1, 3, 2)]
    rows = simulate(requests, start=START, end=START + timedelta(hours=1), durations=10, max_workers=2)
    assert {row.name: (row.worker, row.lateness) for row in rows} == {"3": (0, 0), "2": (1, 0), "1": (0, 10)}


def test_an_attempt_that_takes_too_long_times_out_and_is_retried() -> None:
    request = RecurringJobRequest("slow", After(10), max_retries=1, retry=FixedRetryDelay(5), timeout=2)
    rows = simulate(request, start=START, end=START + timedelta(hours=1), durations=timedelta(seconds=3), max_workers=1)
    assert [(row.outcome, row.reason) for row in rows] == [(Outcome.TIMED_OUT, ""), (Outcome.TIMED_OUT, "attempt 2")]
    assert [at(row)[1] for row in rows] == ["00:00:10", "00:00:17"]


def test_a_run_that_is_replaced_is_cut_off() -> None:
    request = RecurringJobRequest("sync", Interval(minutes=10), overlap=Overlap.CANCEL_OTHER)
    rows = simulate(request, start=START, end=START + timedelta(minutes=25), durations=900, max_workers=1)
    assert [(str(row.outcome), (row.finished_at - row.started_at).total_seconds()) for row in rows] == [
        ("cancelled", 600),
        ("succeeded", 900),
    ]


def test_a_fixed_delay_is_counted_from_the_end() -> None:
    request = RecurringJobRequest("poll", FixedDelay(minutes=10))
    rows = simulate(request, start=START, end=START + timedelta(minutes=40), durations=300, max_workers=1)
    assert [at(row)[1] for row in rows] == ["00:10:00", "00:25:00"]


def test_durations_may_depend_on_the_instant() -> None:
    request = RecurringJobRequest("job", Interval(hours=1))
    rows = simulate(
        request, start=START, end=START + timedelta(hours=4), durations=lambda _name, at: at.hour * 60, max_workers=1
    )
    assert [(row.finished_at - row.started_at).total_seconds() for row in rows] == [60, 120, 180]


def test_the_answer_is_the_same_each_time_and_prints_as_a_table() -> None:
    request = RecurringJobRequest("jittery", Interval(hours=1), jitter=600)
    first, second = (simulate(request, start=START, end=START + timedelta(hours=4), max_workers=1) for _ in range(2))
    assert first == second
    assert len(first) == 3
    lines = str(first).splitlines()
    assert lines[0].split() == ["scheduled", "(UTC)", "name", "outcome", "late", "took", "worker"]
    assert lines[1].split()[:4] == ["2026-03-28", "01:00:00", "jittery", "succeeded"]
    assert first.to_json()["rows"][0]["scheduled_at"] == "2026-03-28T01:00:00Z"


def test_a_year_misses_nothing() -> None:
    request = RecurringJobRequest("daily", Interval(days=1))
    rows = simulate(request, start=START, end=START + timedelta(days=365, seconds=1), max_workers=1)
    assert len(rows) == 365


@pytest.mark.parametrize(
    ("wrong", "parameter"),
    [
        ({"start": datetime(2026, 1, 1)}, "start"),  # noqa: DTZ001
        ({"end": START - timedelta(1)}, "end"),
        ({"durations": -1}, "durations"),
        ({"durations": {"job": -1}}, "durations['job']"),
        ({"durations": lambda _name, _at: -1}, "durations('job', ...)"),
        ({"max_workers": 0}, "max_workers"),
        ({"requests": ["job"]}, "requests"),
    ],
)
def test_a_wrong_value_is_named(wrong: dict[str, object], parameter: str) -> None:
    right = {
        "requests": RecurringJobRequest("job", After(0)),
        "start": START,
        "end": START + timedelta(1),
        "max_workers": 1,
    }
    with pytest.raises(ConfigurationError) as caught:
        simulate(**right | wrong)
    assert caught.value.parameter == parameter
