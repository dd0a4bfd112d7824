"""What is shown of a job: its details, or its line in a list."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.deferred import DateTime
from turnkeeper_trio._model.ids import RecurringJobId, RunId
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.record import Record
from turnkeeper_trio._model.run import ActiveRun, RunRecord
from turnkeeper_trio._model.stored import StoredJob
from turnkeeper_trio._model.text import counted, instant_text, listed
from turnkeeper_trio._model.times import utc_pendulum
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
    """The schedule in force. One that counts from the submission or the initial run is bound to that instant."""

    target: str
    """The name of the function that the job calls."""

    priority: int
    max_retries: int | None
    """How often a failed run is tried again; ``None``: for ever."""

    retry: RetryPolicy | None
    """The retry policy in force; ``None`` if there are no retries."""

    retry_count: int
    """How many attempts of an active run have failed; of several runs the highest number."""

    state: JobState
    state_reason: str
    """Why it is halted, paused or cancelled; empty if no reason was given."""

    version: int
    """The number of its version; each change of the request or the function makes the next one."""

    next_run_time: DateTime | None
    """When its next attempt is due: that of its next occurrence, or of a run that waits for a retry; ``None`` if
    neither is planned."""

    next_run_instance: RunId | None
    """The id of the run to which this attempt belongs."""

    active_runs: tuple[ActiveRun, ...]
    waiting_runs: int
    """How many of the active runs wait for other runs of the job to end."""

    last_run: RunRecord | None
    last_success: RunRecord | None
    last_failure: RunRecord | None
    consecutive_failures: int
    """How many runs failed or timed out, after all their retries, since the last success or the last resume."""

    def __str__(self) -> str:
        """Return the details in a few lines, for people."""
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
        """Whether it was cancelled, so that no run of it starts any more."""
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
    next_run_time: DateTime | None
    active: int
    """How many runs of it are active."""

    def __str__(self) -> str:
        """Return its state in one line: ``report: active, next run 2026-01-05 08:00:00 UTC``."""
        planned = "" if self.next_run_time is None else f"next run {instant_text(self.next_run_time)}"
        running = counted(self.active, "run") + " active" if self.active else ""
        return f"{self.name}: {listed([self.state, planned, running])}"


def table(jobs: Iterable[JobSummary]) -> str:
    """Return a list of jobs as a table, one job a line."""
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


set_public_path(JobDetails, JobSummary)


def summary_of_row(stored: StoredJob) -> JobSummary:
    """Return the line of a job as a store keeps it."""
    definition, image = stored.definition, stored.image
    waiting = [run.wake_at for run in stored.runs if run.wake_at is not None and image.state is not JobState.PAUSED]
    times = waiting if image.pending is None else [*waiting, image.pending.due_at]
    return JobSummary(
        job_id=RecurringJobId(stored.job_id),
        key=definition.key,
        name=definition.name,
        tags=definition.tags,
        state=image.state,
        next_run_time=utc_pendulum(min(times)) if times else None,
        active=len(stored.runs),
    )
