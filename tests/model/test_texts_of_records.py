"""What ``print`` shows of the smaller records, and of events: one line each, and for no record its raw ``repr``."""

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pendulum
import pytest

import turnkeeper_trio
import turnkeeper_trio.events
from turnkeeper_trio import (
    ActiveRun,
    Cron,
    Interval,
    JobSet,
    Never,
    Origin,
    Outcome,
    RecurringJobId,
    RecurringJobRequest,
    RunId,
    RunPhase,
    RunRecord,
    UpcomingRun,
    simulate,
)
from turnkeeper_trio.abc import (
    Batch,
    Claim,
    Claimed,
    Completion,
    JobChange,
    JobQuery,
    Opened,
    Refusal,
    RunQuery,
    StoreCounts,
    StoreNode,
)
from turnkeeper_trio.events import (
    ClockStepped,
    Event,
    JobAdded,
    JobCancelled,
    JobDeleted,
    JobFinished,
    JobHalted,
    JobPaused,
    JobResumed,
    JobUpdated,
    Lagged,
    OccurrenceMissed,
    OccurrenceSkipped,
    RunFinished,
    RunRetrying,
    RunStarted,
    RunStuck,
    SchedulerStopped,
    ShutdownStarted,
)
from turnkeeper_trio.jobs import JobSetChanges
from turnkeeper_trio.retries import ExponentialBackoff, FailedAttempt, FixedRetryDelay
from turnkeeper_trio.stores import Keep
from turnkeeper_trio.testing import run_inline

NOON = pendulum.instance(datetime(2026, 3, 2, 12, tzinfo=UTC))
JOB, RUN = RecurringJobId(UUID(int=2)), RunId(UUID(int=1))
RECORD = RunRecord(
    run_id=RUN, job_id=JOB, name="fetch", origin=Origin.SCHEDULE, scheduled_at=NOON, due_at=NOON, started_at=NOON,
    finished_at=NOON, attempts=1, outcome=Outcome.FAILED, value=None, error=OSError("berlin-1\nis down"),
    reason="it raised OSError", lateness=0.0, duration=0.25,
)  # fmt: skip
ABOUT: dict[str, Any] = {"sequence": 1, "at": NOON, "job_id": JOB, "run_id": RUN}
NAMED: dict[str, Any] = {**ABOUT, "name": "fetch"}


FOR_STORES = {Batch, Claim, Claimed, Completion, JobQuery, Keep, Opened, RunQuery, StoreCounts, StoreNode}


class Unshowable:
    def __repr__(self) -> str:
        raise OSError


def public_dataclasses() -> Iterator[type]:
    for info in pkgutil.walk_packages(turnkeeper_trio.__path__, "turnkeeper_trio."):
        if "._" not in info.name and not info.name.endswith("pytest_plugin"):
            module = importlib.import_module(info.name)
            found = [getattr(module, name) for name in module.__all__]
            yield from (value for value in found if isinstance(value, type) and dataclasses.is_dataclass(value))


@pytest.mark.parametrize("kind", sorted({*public_dataclasses()}, key=lambda kind: kind.__qualname__))
def test_every_public_record_prints_well(kind: type) -> None:
    """Retry policies are no records: what they show is the code that makes them. Nor is what passes to a store."""
    assert (kind.__str__ is not object.__str__) != (kind in {ExponentialBackoff, FixedRetryDelay, *FOR_STORES})
    assert kind.__str__ is not kind.__repr__


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (JobAdded(**NAMED, next_run_time=NOON), "fetch added, next run 2026-03-02 12:00:00 UTC"),
        (JobAdded(**NAMED, next_run_time=None), "fetch added"),
        (JobUpdated(**NAMED, version=2, next_run_time=None), "fetch updated to version 2"),
        (JobPaused(**NAMED, note="moving"), "fetch paused: moving"),
        (JobPaused(**{**NAMED, "job_id": None}, note=""), "all jobs paused"),
        (JobResumed(**NAMED, next_run_time=NOON), "fetch resumed, next run 2026-03-02 12:00:00 UTC"),
        (JobResumed(**{**NAMED, "job_id": None}, next_run_time=None), "all jobs resumed"),
        (JobCancelled(**NAMED, reason=""), "fetch cancelled"),
        (JobCancelled(**NAMED, reason="sold"), "fetch cancelled: sold"),
        (JobHalted(**NAMED, reason="it failed 3 times"), "fetch halted: it failed 3 times"),
        (JobFinished(**NAMED), "fetch finished"),
        (JobDeleted(**NAMED), "fetch deleted"),
        (RunStarted(**NAMED, attempt=1, lateness=0.0), "fetch started, attempt 1"),
        (RunStarted(**NAMED, attempt=2, lateness=1.5), "fetch started, attempt 2, 1.50 s late"),
        (
            RunRetrying(**NAMED, attempt=1, reason="it returned False", error=None, delay=60.0),
            "fetch, attempt 1: it returned False, the next in 60.0 s",
        ),
        (
            RunRetrying(**NAMED, attempt=1, reason="it raised OSError", error=OSError("it is down"), delay=60.0),
            "fetch, attempt 1: it is down, the next in 60.0 s",
        ),
        (RunFinished(**ABOUT, record=RECORD), "fetch failed after 1 attempt: berlin-1"),
        (
            RunStuck(**NAMED, phase=RunPhase.CLEANING_UP, running_for=12.3, attempt=1, stack="a\nb"),
            "fetch stuck, attempt 1 cleaning up for 12.3 s",
        ),
        (
            OccurrenceSkipped(
                **NAMED, scheduled_at=NOON, outcome=Outcome.SKIPPED, reason="a run is active",
                blocked_by=ActiveRun(RUN, JOB, "fetch", NOON, RunPhase.QUEUED, 0, 0.0),
            ),
            "fetch skipped, 2026-03-02 12:00:00 UTC: a run is active",
        ),
        (
            OccurrenceMissed(**NAMED, scheduled_at=NOON, count=3, lateness=1.0, reason="by catch_up"),
            "fetch missed 3 occurrences, 2026-03-02 12:00:00 UTC: by catch_up",
        ),
        (ClockStepped(**ABOUT, seconds=3600.0), "the wall clock went forward by 60.0 min"),
        (ClockStepped(**ABOUT, seconds=-2.0), "the wall clock went back by 2.00 s"),
        (ShutdownStarted(**ABOUT, forced=False), "shutdown started"),
        (ShutdownStarted(**ABOUT, forced=True), "shutdown started, forced"),
        (SchedulerStopped(**ABOUT), "scheduler stopped"),
        (Lagged(**ABOUT, count=1), "1 event not kept, because the subscriber was too slow"),
    ],
)  # fmt: skip
def test_an_event_says_when_and_what_in_one_line(event: Event, text: str) -> None:
    assert str(event) == f"2026-03-02 12:00:00 UTC  {text}"
    assert repr(event).startswith(f"{type(event).__name__}(sequence=1, ")


def test_every_kind_of_event_is_tried() -> None:
    marks = test_an_event_says_when_and_what_in_one_line.pytestmark  # type: ignore[attr-defined]
    tried = {type(event) for event, _ in marks[0].args[1]}
    assert {kind.__name__ for kind in tried} == set(turnkeeper_trio.events.__all__) - {"Event"}


def test_an_upcoming_run_says_what_comes_when() -> None:
    coming = UpcomingRun(JOB, "fetch", NOON)
    assert str(coming) == "fetch: 2026-03-02 12:00:00 UTC"
    assert str(replace(coming, attempt=2)) == "fetch: 2026-03-02 12:00:00 UTC, attempt 2"


def test_a_failed_attempt_says_which_and_why() -> None:
    assert str(FailedAttempt(1, Outcome.FAILED, None, 0.5)) == "attempt 1 failed"
    second = FailedAttempt(2, Outcome.FAILED, OSError("it is down"), 61.0)
    assert str(second) == "attempt 2 failed, 61.0 s after the first began: it is down"
    assert str(replace(second, outcome=Outcome.TIMED_OUT, error=None)).startswith("attempt 2 timed out, 61.0 s")


def test_a_change_and_its_refusal_say_what_they_are() -> None:
    change = JobChange(7, JOB, 1, True, None, None, (), (), False, False)
    assert str(change) == f"change 7 of the job {JOB}"
    assert str(Refusal(7, "it is taken")) == "change 7 refused: it is taken"
    assert str(Refusal(7, "")) == "change 7 refused"


def test_a_request_shows_what_was_given() -> None:
    request = RecurringJobRequest("fetch", Cron("0 9 * * *"), timeout=3).replace(tags=("a",))
    assert (
        str(request)
        == "RecurringJobRequest('fetch', schedule=Cron('0 9 * * *', timezone='UTC'), timeout=3, tags=('a',))"
    )
    assert str(RecurringJobRequest("fetch")) == "RecurringJobRequest('fetch')"
    assert "max_waiting=1000" in repr(request)


def test_a_job_of_a_set_shows_its_call() -> None:
    jobs = JobSet()
    jobs.add(RecurringJobRequest("tick", Interval(5)), print, "a", Unshowable(), kwargs={"sep": "-"})
    jobs.add(RecurringJobRequest("tock", Never()), "shop.tock")
    assert list(map(str, jobs)) == [
        "tick: Interval(seconds=5), calls print('a', <Unshowable whose repr raises OSError>, sep='-')",
        "tock: Never(), calls shop.tock()",
    ]


def test_changes_of_a_set_are_counted() -> None:
    assert str(JobSetChanges((), (), (), ())) == "no jobs"
    assert str(JobSetChanges((JOB, JOB), (JOB,), (), (JOB,))) == "2 added, 1 updated, 1 removed"
    assert str(JobSetChanges((), (), (JOB,), ())) == "1 unchanged"


def test_a_row_of_a_simulation_is_a_line() -> None:
    two = [RecurringJobRequest("tick", Interval(5), timeout=6), RecurringJobRequest("tock", Interval(10))]
    took = {"tick": 7, "tock": 1}
    rows = simulate(two, start=NOON, end=NOON.add(seconds=14), durations=took, max_workers=1)
    assert list(map(str, rows)) == [
        "tick: timed out, 2026-03-02 12:00:05 UTC, took 6.00 s, worker 0",
        "tick: skipped, 2026-03-02 12:00:10 UTC: the run before it had not ended",
        "tock: succeeded, 2026-03-02 12:00:10 UTC, 1.00 s late, took 1.00 s, worker 0",
    ]


def test_an_inline_run_shows_its_attempts() -> None:
    def fails() -> None:
        raise OSError("it is down")

    request = RecurringJobRequest("fetch", max_retries=1, retry=FixedRetryDelay(60))
    done = run_inline(request, fails)
    assert str(done).splitlines() == [
        "failed after 2 attempts: it is down",
        "  attempt 1: it is down, tried again after 60.0 s",
        "  attempt 2: it is down",
    ]
    good = run_inline(request, int)
    assert str(good.attempts[0]) == "attempt 1: succeeded"
    assert str(good).startswith("succeeded, in ")
    assert str(run_inline(RecurringJobRequest("no"), lambda: False).attempts[0]) == "attempt 1: it returned False"
