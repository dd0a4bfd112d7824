"""The events that observers and subscribers receive."""

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
    """The number of the event; each event of this scheduler has the next number."""

    at: pendulum.DateTime
    """When it was decided, by the wall clock."""

    job_id: RecurringJobId | None
    """The id of the job that it is about; ``None`` if it is about no single job."""

    run_id: RunId | None
    """The id of the run that it is about; ``None`` if it is about no single run."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobAdded(Event):
    """A new job was accepted."""

    name: str
    next_run_time: pendulum.DateTime | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobUpdated(Event):
    """The request of a job, or what it calls, has changed."""

    name: str
    version: int
    next_run_time: pendulum.DateTime | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobPaused(Event):
    """A job was paused; if ``job_id`` is ``None``, all jobs were."""

    name: str
    note: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobResumed(Event):
    """A job was resumed; if ``job_id`` is ``None``, the last pause of all jobs has ended."""

    name: str
    next_run_time: pendulum.DateTime | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobCancelled(Event):
    """A job was cancelled: no run of it starts any more."""

    name: str
    reason: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobHalted(Event):
    """A job was halted: its schedule is faulty, or it failed too often in a row."""

    name: str
    reason: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobFinished(Event):
    """The schedule of a job has no further occurrence, and its last run has ended."""

    name: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobDeleted(Event):
    """A job was cancelled and forgotten."""

    name: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """An attempt has begun."""

    name: str
    attempt: int
    """The number of the attempt; the first is 1."""

    lateness: float
    """Seconds from the time the run was due to the start of this attempt."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunRetrying(Event):
    """An attempt failed, or asked to continue later, and a further attempt follows."""

    name: str
    attempt: int
    """The number of the attempt that has ended; the first is 1."""

    reason: str
    error: BaseException | None
    """What it raised, if anything."""

    delay: float
    """Seconds until the next attempt is due, by the clock of the event loop."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """A run has ended."""

    record: RunRecord


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunStuck(Event):
    """A run did not end within its ``cleanup_grace``, or executes for longer than ``stuck_after``."""

    phase: RunPhase
    running_for: float
    """Seconds since it was asked to end, or since the attempt began."""

    name: str
    attempt: int
    """The number of the attempt; the first is 1."""

    stack: str
    """The stack of the function as text, the innermost call last; empty if it is not known."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class OccurrenceSkipped(Event):
    """An occurrence did not run, because of a rule or by hand."""

    name: str
    scheduled_at: pendulum.DateTime
    outcome: Outcome
    reason: str
    blocked_by: ActiveRun | None
    """The run because of which the occurrence was skipped, if there is one."""

    skipped: int = 0
    """How many occurrences of the job were skipped because of its runs, this one included, since a run ended because of
    which none was skipped. The log warns at the fifth. It is 0 if this one was not skipped because of a run."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class OccurrenceMissed(Event):
    """Occurrences did not run because they were too late, by the rule for catch-up or their ``start_deadline``."""

    name: str
    scheduled_at: pendulum.DateTime
    """The instant of the last of them."""

    count: int
    """How many occurrences did not run."""

    lateness: float
    """Seconds from that instant to the time at which they were found to be too late."""

    reason: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStepped(Event):
    """The wall clock was set, or the machine slept."""

    seconds: float
    """By how many seconds the wall clock moved against the clock of the event loop; negative if it was set back."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownStarted(Event):
    """A shutdown began, or a graceful shutdown became a forced one: the scheduler accepts nothing new any more."""

    forced: bool
    """Whether the runs that execute are cancelled."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerStopped(Event):
    """The last event: no task of a worker or of a job is left."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Lagged(Event):
    """A subscriber was too slow: events that belong in this place among the others were not kept for it."""

    count: int
    """How many events were not kept."""
