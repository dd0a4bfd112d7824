"""The numbers of a scheduler: its metrics, the books, and statistics of durations."""

from dataclasses import dataclass, fields
from typing import final

from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.record import Record
from turnkeeper_trio._model.text import counted, duration_text


@final
@dataclass(frozen=True, slots=True)
class DurationStatistics(Record):
    """How long something took, over all the times that it happened."""

    count: int
    """How often it happened."""

    sum: float
    """The seconds that it took, added up."""

    @property
    def mean(self) -> float | None:
        """The seconds that it took on average; ``None`` before the first time."""
        return self.sum / self.count if self.count else None

    def __str__(self) -> str:
        """Return the mean and the count: ``12.3 ms on average, 5 times``."""
        return (
            "not yet" if self.mean is None else f"{duration_text(self.mean)} on average, {counted(self.count, 'time')}"
        )


@final
@dataclass(frozen=True, slots=True)
class Books(Record):
    """All occurrences that were ever planned, counted by their outcome, or as pending or active."""

    planned: int
    """Occurrences that were planned: by a schedule, an ``initial_run_time`` or by hand, or counted as missed in one
    step."""

    pending: int
    """Planned and not due yet."""

    active: int
    """Due and not ended: waiting for a worker, executing, or waiting for a retry."""

    succeeded: int
    failed: int
    timed_out: int
    cancelled: int
    interrupted: int
    skipped: int
    missed: int
    superseded: int
    never_started: int
    lost: int = 0
    admitted: int = 0
    """Planned by an earlier scheduler, and taken from the store."""

    released: int = 0
    """Left to the store, which goes on to keep them."""

    @property
    def ended(self) -> int:
        """The number of occurrences that have an outcome."""
        return (
            self.succeeded
            + self.failed
            + self.timed_out
            + self.cancelled
            + self.interrupted
            + self.skipped
            + self.missed
            + self.superseded
            + self.never_started
            + self.lost
        )

    @property
    def balanced(self) -> bool:
        """Whether every planned occurrence is accounted for. It is always true; tests check it after every step."""
        return self.planned + self.admitted == self.pending + self.active + self.ended + self.released

    def __str__(self) -> str:
        """Return the equality without its zeros: ``5 planned = 2 pending + 2 succeeded + 1 failed``."""
        terms = [(field.name, getattr(self, field.name)) for field in fields(self)]
        right = " + ".join(
            f"{count} {name.replace('_', ' ')}"
            for name, count in terms
            if count and name not in {"planned", "admitted"}
        )
        left = f"{self.planned} planned" + (f" + {self.admitted} admitted" if self.admitted else "")
        return f"{left} {'=' if self.balanced else '≠'} {right or 'none'}"


@final
@dataclass(frozen=True, slots=True)
class MetricsSnapshot(Record):
    """The counters and gauges at one instant.

    ``jobs_executed_…``, ``jobs_panicked``, ``jobs_timed_out``, ``jobs_retried`` and ``jobs_snoozed`` count attempts.
    The books count runs.
    """

    jobs_submitted: int
    """Jobs that the scheduler accepted as new."""

    jobs_executed_success: int
    """Attempts that succeeded, or that ended their job (`CancelJob`)."""

    jobs_executed_fail: int
    """Attempts that returned ``False``, or that asked for `Retry` or `GiveUp`."""

    jobs_panicked: int
    """Attempts that raised an error."""

    jobs_timed_out: int
    """Attempts that were cut off at their timeout."""

    jobs_retried: int
    """Attempts that were followed by a retry."""

    jobs_snoozed: int
    """Attempts that asked to continue later (`Snooze`)."""

    jobs_permanently_failed: int
    """Runs that ended as failed or timed out."""

    jobs_lineage_cancelled: int
    """Jobs that were cancelled."""

    jobs_instance_discarded_cancelled: int
    """Pending occurrences that were cancelled because their job was cancelled, paused or halted, and due runs that did
    not execute when their job was cancelled. With `PriorityQueueType.BINARY_HEAP` a pending occurrence is counted when
    its entry leaves the heap, not when it is cancelled."""

    staging_submitted_total: int
    """Submissions that were put in staging."""

    staging_rejected_full: int
    """Calls of `Scheduler.try_add_job` that found staging full."""

    job_queue_scheduled_current: int
    """Occurrences in the queue now."""

    job_staging_buffer_current: int
    """Submissions in staging now."""

    workers_active_current: int
    """Attempts that execute now."""

    job_execution_duration: DurationStatistics
    """How long attempts executed, by the clock of the event loop."""

    job_queue_wait_duration: DurationStatistics
    """How long runs waited from the time they were due to the start of their first attempt, by the wall clock."""

    books: Books
    """All occurrences that were ever planned, counted by their outcome, or as pending or active."""

    def __str__(self) -> str:
        """Return a small table for people."""
        attempts = f"{self.jobs_executed_success} succeeded, {self.jobs_executed_fail} returned False, "
        attempts += f"{self.jobs_panicked} raised, {self.jobs_timed_out} timed out; {self.jobs_retried} retried"
        staging = f"{self.job_staging_buffer_current} waiting; {self.staging_submitted_total} came, "
        staging += f"{self.staging_rejected_full} turned away"
        lines = (
            ("runs", self.books),
            ("attempts", attempts),
            ("executing", f"{self.workers_active_current} now; {self.job_execution_duration}"),
            ("queue wait", self.job_queue_wait_duration),
            ("jobs", f"{self.jobs_submitted} submitted, {self.jobs_lineage_cancelled} cancelled"),
            ("staging", staging),
        )
        return "\n".join(f"{subject:<11} {text}" for subject, text in lines)


set_public_path(DurationStatistics, Books, MetricsSnapshot)
