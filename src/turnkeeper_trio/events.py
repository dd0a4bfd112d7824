"""What happened, as observers and subscribers are told."""

from dataclasses import dataclass
from typing import Final, final

import pendulum

from turnkeeper_trio._model.ids import RecurringJobId, RunId
from turnkeeper_trio._model.record import Record
from turnkeeper_trio._model.run import ActiveRun, Outcome, RunPhase, RunRecord

__all__ = [
    "ClockStepped",
    "Event",
    "JobAdded",
    "JobCancelled",
    "JobDeleted",
    "JobFinished",
    "JobHalted",
    "JobPaused",
    "JobResumed",
    "JobUpdated",
    "Lagged",
    "OccurrenceMissed",
    "OccurrenceSkipped",
    "RunFinished",
    "RunRetrying",
    "RunStarted",
    "RunStuck",
    "SchedulerStopped",
    "ShutdownStarted",
]


WARN_AFTER_SKIPPED: Final = 5
"""The log warns when ``OccurrenceSkipped.skipped`` reaches this number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Record):
    """The base of all events."""

    sequence: int
    """Its number; it grows by one with each event of this scheduler."""

    at: pendulum.DateTime
    """When it was decided."""

    job_id: RecurringJobId | None
    """The job it is about, if one."""

    run_id: RunId | None
    """The run it is about, if one."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobAdded(Event):
    """A job has been taken."""

    name: str
    next_run_time: pendulum.DateTime | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobUpdated(Event):
    """The request or the function of a job is another."""

    name: str
    version: int
    next_run_time: pendulum.DateTime | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobPaused(Event):
    """A job is paused; without ``job_id``: all jobs are."""

    name: str
    note: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobResumed(Event):
    """A job is resumed; without ``job_id``: nobody pauses all jobs any more."""

    name: str
    next_run_time: pendulum.DateTime | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobCancelled(Event):
    """A job has been cancelled: nothing of it starts any more."""

    name: str
    reason: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobHalted(Event):
    """A job has been halted: its schedule is faulty, or it failed too often in a row."""

    name: str
    reason: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobFinished(Event):
    """A job's schedule has no further occurrence, and its last run has ended."""

    name: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobDeleted(Event):
    """A job has been cancelled and forgotten."""

    name: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """An attempt has begun."""

    name: str
    attempt: int
    lateness: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunRetrying(Event):
    """An attempt has failed, or asked to go on later, and another follows."""

    name: str
    attempt: int
    reason: str
    error: BaseException | None
    delay: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """A run has ended."""

    record: RunRecord


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunStuck(Event):
    """A run has not ended within its ``cleanup_grace``, or executes for longer than its ``stuck_after``."""

    phase: RunPhase
    running_for: float
    """Seconds since it was asked to end, or since the attempt began."""

    name: str
    attempt: int
    stack: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class OccurrenceSkipped(Event):
    """An occurrence did not run, by a rule or by hand."""

    name: str
    scheduled_at: pendulum.DateTime
    outcome: Outcome
    reason: str
    blocked_by: ActiveRun | None
    """The run that was in the way, if one was, and how long it had been running."""

    skipped: int = 0
    """How many of its job a run was in the way of, this one included, since the job last kept up: since a run of it
    ended that had been in the way of none. The fifth is a warning in the log; 0 if no run was in the way."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class OccurrenceMissed(Event):
    """Occurrences did not run, for they were too late: by the rule for catch-up, or by their ``start_deadline``."""

    name: str
    scheduled_at: pendulum.DateTime
    """The instant of the last of them."""
    count: int
    lateness: float
    """Seconds from that instant to the time at which it was found to have passed."""

    reason: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStepped(Event):
    """The wall clock was set, or the machine slept: by so many seconds it moved against the clock of the event loop."""

    seconds: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownStarted(Event):
    """The scheduler takes nothing new any more."""

    forced: bool


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerStopped(Event):
    """The last event: no task of the scheduler or of a job is left."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Lagged(Event):
    """A subscriber was too slow: this many events were not kept for it, where this stands among the others."""

    count: int
