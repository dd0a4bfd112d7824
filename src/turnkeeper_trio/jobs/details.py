"""What a user is told about a job: its details, or its line in a list."""

from dataclasses import dataclass
from typing import final

import pendulum

from turnkeeper_trio._model.ids import RecurringJobId, RunId
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.record import Record
from turnkeeper_trio._model.run import ActiveRun, RunRecord
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
