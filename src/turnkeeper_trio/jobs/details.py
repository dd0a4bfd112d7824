"""What a user is told about a job: its details, or its line in a list."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import pendulum

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.ids import RecurringJobId, RunId
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.record import Record
from turnkeeper_trio._model.run import ActiveRun, RunRecord
from turnkeeper_trio._model.text import counted, instant_text, listed
from turnkeeper_trio.abc import RetryPolicy, Schedule

__all__ = ["JobDetails", "JobSummary"]


@final
@dataclass(frozen=True, slots=True)
class JobDetails(Record):
    """All there is to know about a job."""

    job_id: RecurringJobId
    key: str | None
    name: str
    tags: tuple[str, ...]
    schedule: Schedule
    """The schedule in force, bound to the instant of acceptance where it is counted from there."""

    target: str
    """The name of the function the job runs."""

    priority: int
    max_retries: int | None
    """How often a failed run is tried again; ``None``: for ever."""

    retry: RetryPolicy | None
    """The retry policy in force; ``None`` if there are no retries."""

    retry_count: int
    """How many retries the active run has used."""

    state: JobState
    state_reason: str
    """Why it is halted, paused or cancelled."""

    version: int
    """Grows by one with each change of the request or the function."""

    next_run_time: pendulum.DateTime | None
    """When something of it begins next: its next occurrence, or the retry of a run that waits for one; ``None`` if
    neither is planned."""

    next_run_instance: RunId | None
    """The run that this will be, or is."""

    active_runs: tuple[ActiveRun, ...]
    waiting_runs: int
    """How many of the active runs wait for others of them to end."""

    last_run: RunRecord | None
    last_success: RunRecord | None
    last_failure: RunRecord | None
    consecutive_failures: int
    """Runs that failed for good or timed out since the last success."""

    def __str__(self) -> str:
        """Tell all of it in a few lines, for people."""
        rows = [
            ("schedule", guard.shown(self.schedule)),
            ("calls", self.target + _retries(self.max_retries)),
            ("tags", ", ".join(self.tags)),
            ("state", _state(self.state, self.state_reason)),
            ("next run", "" if self.next_run_time is None else instant_text(self.next_run_time)),
            *(("active", str(run)) for run in self.active_runs),
            ("last run", "" if self.last_run is None else str(self.last_run)),
            ("failures", f"{self.consecutive_failures} in a row" if self.consecutive_failures else ""),
        ]
        head = self.name if self.key in {None, self.name} else f"{self.name} (key {self.key!r})"
        return "\n".join([f"{head}  {self.job_id}", *(f"  {title:<9} {text}" for title, text in rows if text)])

    @property
    def is_cancelled(self) -> bool:
        """Whether nothing of it starts any more because it was cancelled."""
        return self.state is JobState.CANCELLED


@final
@dataclass(frozen=True, slots=True)
class JobSummary(Record):
    """A job in a list."""

    job_id: RecurringJobId
    key: str | None
    name: str
    tags: tuple[str, ...]
    state: JobState
    next_run_time: pendulum.DateTime | None
    active: int
    """How many runs of it are active."""

    def __str__(self) -> str:
        """Tell how it stands, in one line: ``report: active, next run 2026-01-05 08:00:00 UTC``."""
        planned = "" if self.next_run_time is None else f"next run {instant_text(self.next_run_time)}"
        running = counted(self.active, "run") + " active" if self.active else ""
        return f"{self.name}: {listed([self.state, planned, running])}"


def table(jobs: Iterable[JobSummary]) -> str:
    """Return the lines of a list of jobs, in columns."""
    rows = [("name", "state", "next run", "active")]
    for job in jobs:
        planned = "" if job.next_run_time is None else instant_text(job.next_run_time)
        rows.append((job.name, job.state, planned, str(job.active or "")))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _state(state: JobState, reason: str) -> str:
    return f"{state}: {reason}" if reason else state


def _retries(most: int | None) -> str:
    if most is None:
        return ", tried again for ever"
    return f", {counted(most, 'retry').replace('retrys', 'retries')}" if most else ""
