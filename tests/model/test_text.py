"""What ``print`` shows of records, snapshots and reports: short, exact, and without what is zero."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pendulum
import pytest

from turnkeeper_trio import (
    ActiveRun,
    Books,
    DurationStatistics,
    MetricsSnapshot,
    Origin,
    Outcome,
    RecurringJobId,
    RunId,
    RunPhase,
    RunRecord,
    ShutdownReport,
)
from turnkeeper_trio._model.text import duration_text

NOON = pendulum.instance(datetime(2026, 3, 2, 12, tzinfo=UTC))
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
    value=None,
    error=None,
    reason="",
    lateness=0.0,
    duration=0.25,
)
FAILED = replace(RECORD, outcome=Outcome.FAILED, error=OSError("berlin-1 is down"), reason="it raised OSError")
NEVER_BEGAN = replace(RECORD, attempts=0, started_at=None, duration=0.0, reason="the scheduler shut down first")
ACTIVE = ActiveRun(
    run_id=RunId(UUID(int=3)),
    job_id=RecurringJobId(UUID(int=2)),
    name="crawl",
    scheduled_at=NOON,
    phase=RunPhase.EXECUTING,
    attempt=1,
    running_for=12.3,
)
NOTHING = Books(**dict.fromkeys(["planned", "pending", "active", *Outcome], 0))


class Unsayable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def failed_of(error: Exception) -> RunRecord:
    return replace(FAILED, error=error, reason=f"it raised {type(error).__name__}")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.00 µs"),
        (0.000_012_3, "12.3 µs"),
        (0.000_999_4, "999 µs"),
        (0.000_999_6, "1.00 ms"),
        (0.012_34, "12.3 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (9.994, "9.99 s"),
        (9.996, "10.0 s"),
        (99.94, "99.9 s"),
        (99.96, "1.67 min"),
        (5999, "100 min"),
        (6000, "1.67 h"),
        (90_000, "25.0 h"),
    ],
)
def test_a_duration_has_three_digits_and_the_unit_that_fits(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (RECORD, "succeeded, in 250 ms"),
        (replace(RECORD, attempts=2), "succeeded after 2 attempts, in 250 ms"),
        (replace(FAILED, attempts=3), "failed after 3 attempts: berlin-1 is down"),
        (failed_of(KeyError("x")), "failed after 1 attempt: KeyError: 'x'"),
        (failed_of(ValueError()), "failed after 1 attempt: ValueError"),
        (failed_of(Unsayable()), "failed after 1 attempt: Unsayable (its text cannot be shown)"),
        (
            replace(FAILED, reason="it raised OSError; its retry policy gave up"),
            "failed after 1 attempt: berlin-1 is down; its retry policy gave up",
        ),
        (
            replace(FAILED, reason="superseded by the next occurrence"),
            "failed after 1 attempt: berlin-1 is down; superseded by the next occurrence",
        ),
        (replace(FAILED, error=None, reason="it returned False"), "failed after 1 attempt: it returned False"),
        (
            replace(RECORD, outcome=Outcome.TIMED_OUT, reason="it did not end within its timeout"),
            "timed out after 1 attempt: it did not end within its timeout",
        ),
        (replace(RECORD, outcome=Outcome.CANCELLED), "cancelled"),
        (replace(FAILED, outcome=Outcome.CANCELLED, reason="the shop closed"), "cancelled: the shop closed"),
        (
            replace(NEVER_BEGAN, outcome=Outcome.NEVER_STARTED),
            "never started: the scheduler shut down first",
        ),
        (
            replace(NEVER_BEGAN, outcome=Outcome.SKIPPED, reason="the run before it had not ended", count=3),
            "skipped (3 occurrences): the run before it had not ended",
        ),
    ],
)
def test_a_record_tells_how_its_run_ended(record: RunRecord, text: str) -> None:
    assert str(record) == text
    assert repr(record).startswith("RunRecord(run_id=UUID(")


def test_an_active_run_tells_where_it_stands() -> None:
    assert str(ACTIVE) == "executing for 12.3 s, attempt 1"
    assert str(replace(ACTIVE, phase=RunPhase.QUEUED, attempt=0, running_for=0.5)) == "queued for 500 ms"
    assert str(replace(ACTIVE, phase=RunPhase.WAITING_RETRY)) == "waiting retry for 12.3 s, attempt 1"


def test_the_books_show_the_equality_without_its_zeros() -> None:
    assert str(NOTHING) == "0 planned = none"
    books = replace(NOTHING, planned=6, pending=2, active=1, succeeded=2, timed_out=1)
    assert str(books) == "6 planned = 2 pending + 1 active + 2 succeeded + 1 timed out"
    assert str(replace(books, planned=7)) == "7 planned ≠ 2 pending + 1 active + 2 succeeded + 1 timed out"


def test_every_term_of_the_books_is_shown() -> None:
    terms = ["pending", "active", *Outcome, "released"]
    books = Books(planned=70, admitted=21, **{name: number for number, name in enumerate(terms, 1)})
    assert books.balanced
    assert str(books) == (
        "70 planned + 21 admitted = 1 pending + 2 active + 3 succeeded + 4 failed + 5 timed out + 6 cancelled"
        " + 7 interrupted + 8 skipped + 9 missed + 10 superseded + 11 never started + 12 lost + 13 released"
    )


def test_a_snapshot_is_a_small_table() -> None:
    snapshot = MetricsSnapshot(
        jobs_submitted=3,
        jobs_executed_success=2,
        jobs_executed_fail=0,
        jobs_panicked=3,
        jobs_timed_out=1,
        jobs_snoozed=0,
        jobs_retried=2,
        jobs_permanently_failed=1,
        jobs_lineage_cancelled=0,
        jobs_instance_discarded_cancelled=0,
        staging_submitted_total=4,
        staging_rejected_full=5,
        job_queue_scheduled_current=2,
        job_staging_buffer_current=1,
        workers_active_current=1,
        job_execution_duration=DurationStatistics(6, 1.5),
        job_queue_wait_duration=DurationStatistics(0, 0.0),
        books=replace(NOTHING, planned=5, pending=2, succeeded=2, failed=1),
    )
    assert str(snapshot).splitlines() == [
        "runs        5 planned = 2 pending + 2 succeeded + 1 failed",
        "attempts    2 succeeded, 0 returned False, 3 raised, 1 timed out; 2 retried",
        "executing   1 now; 250 ms on average, 6 times",
        "queue wait  not yet",
        "jobs        3 submitted, 0 cancelled",
        "staging     1 waiting; 4 came, 5 turned away",
    ]
    assert str(DurationStatistics(1, 0.25)) == "250 ms on average, 1 time"


def test_a_report_names_each_run() -> None:
    report = ShutdownReport(
        finished=(RECORD,),
        interrupted=(replace(RECORD, outcome=Outcome.INTERRUPTED, reason="cut off by the shutdown"),),
        never_started=(replace(NEVER_BEGAN, name="report", outcome=Outcome.NEVER_STARTED, count=2),),
        still_running=(),
        unrun=1,
    )
    assert str(report).splitlines() == [
        "shut down: 1 finished, 1 interrupted, 2 never started; 1 occurrence planned for later, left unrun",
        "  fetch   succeeded, in 250 ms",
        "  fetch   interrupted: cut off by the shutdown",
        "  report  never started (2 occurrences): the scheduler shut down first",
    ]


def test_a_report_of_an_unfinished_shutdown_says_so() -> None:
    report = ShutdownReport(finished=(), interrupted=(), never_started=(), still_running=(ACTIVE,), unrun=0)
    assert str(report) == "still shutting down: 1 still running\n  crawl  executing for 12.3 s, attempt 1"


def test_a_report_of_nothing_says_so() -> None:
    report = ShutdownReport(finished=(), interrupted=(), never_started=(), still_running=(), unrun=0)
    assert str(report) == "shut down: no run was active"


def test_a_long_report_shows_the_first_of_each_kind_and_one_line_of_each() -> None:
    failed = replace(FAILED, error=OSError("berlin-1\nis down"))
    report = ShutdownReport(finished=(failed,) * 12, interrupted=(), never_started=(), still_running=(), unrun=0)
    lines = str(report).splitlines()
    assert lines[0] == "shut down: 12 finished"
    assert lines[1:11] == ["  fetch  failed after 1 attempt: berlin-1"] * 10
    assert lines[11:] == ["  and 2 more finished"]
