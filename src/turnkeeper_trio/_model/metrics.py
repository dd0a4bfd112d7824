"""What the scheduler counts."""

from dataclasses import dataclass, fields
from typing import final

from turnkeeper_trio._model.record import Record
from turnkeeper_trio._model.text import counted, duration_text


@final
@dataclass(frozen=True, slots=True)
class DurationStatistics(Record):
    """How long something took, over all times it happened."""

    count: int
    """How often it happened."""

    sum: float
    """Seconds it took, together."""

    @property
    def mean(self) -> float | None:
        """Seconds it took on average; ``None`` before the first time."""
        return self.sum / self.count if self.count else None

    def __str__(self) -> str:
        """Tell the mean: ``12.3 ms on average, 5 times``."""
        return (
            "not yet" if self.mean is None else f"{duration_text(self.mean)} on average, {counted(self.count, 'time')}"
        )


@final
@dataclass(frozen=True, slots=True)
class Books(Record):
    """Every occurrence ever planned, by what became of it."""

    planned: int
    """Occurrences planned: put in the queue, or counted in one step as missed."""

    pending: int
    """Planned, and not due yet."""

    active: int
    """Due, and not ended: waiting for a worker, executing, or waiting for a retry."""

    succeeded: int
    failed: int
    timed_out: int
    cancelled: int
    interrupted: int
    skipped: int
    missed: int
    superseded: int
    never_started: int

    @property
    def ended(self) -> int:
        """How many have an outcome."""
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
        )

    @property
    def balanced(self) -> bool:
        """Whether every planned occurrence is accounted for. Always true; tests say so after every step."""
        return self.planned == self.pending + self.active + self.ended

    def __str__(self) -> str:
        """Write the equality without its zeros: ``5 planned = 2 pending + 2 succeeded + 1 failed``."""
        terms = [(field.name, getattr(self, field.name)) for field in fields(self)][1:]
        right = " + ".join(f"{count} {name.replace('_', ' ')}" for name, count in terms if count)
        return f"{self.planned} planned {'=' if self.balanced else '≠'} {right or 'none'}"


@final
@dataclass(frozen=True, slots=True)
class MetricsSnapshot(Record):
    """The counters and gauges at one instant. Counters of attempts count attempts; the books count runs."""

    jobs_submitted: int
    """Jobs taken into the books."""

    jobs_executed_success: int
    """Attempts that succeeded, or ended their job (`CancelJob`)."""

    jobs_executed_fail: int
    """Attempts that returned ``False``, or said that they failed (`Retry`, `GiveUp`)."""

    jobs_panicked: int
    """Attempts that raised."""

    jobs_timed_out: int
    """Attempts that were cut off at their timeout."""

    jobs_retried: int
    """Attempts that were followed by a retry."""

    jobs_snoozed: int
    """Attempts that asked to go on later (`Snooze`)."""

    jobs_permanently_failed: int
    """Runs that ended failed or timed out, with no retry left."""

    jobs_lineage_cancelled: int
    """Jobs that were cancelled."""

    jobs_instance_discarded_cancelled: int
    """Occurrences thrown away because their job was cancelled. With `PriorityQueueType.BINARY_HEAP` an occurrence is
    counted when its entry leaves the heap, not when it is cancelled."""

    staging_submitted_total: int
    """Submissions that found room in staging."""

    staging_rejected_full: int
    """Calls of `Scheduler.try_add_job` that found staging full."""

    job_queue_scheduled_current: int
    """Occurrences in the queue now."""

    job_staging_buffer_current: int
    """Submissions in staging now."""

    workers_active_current: int
    """Attempts being executed now."""

    job_execution_duration: DurationStatistics
    """How long attempts executed, by the clock of the event loop."""

    job_queue_wait_duration: DurationStatistics
    """How long runs waited from their instant to the begin of their first attempt, by the wall clock."""

    books: Books
    """Every occurrence ever planned, by what became of it."""

    def __str__(self) -> str:
        """Return a small table, a line for each subject."""
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
