"""A run as users read it: its outcome, its origin, its phase and its record."""

from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Any, final

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.deferred import DateTime
from turnkeeper_trio._model.error import TurnKeeperError
from turnkeeper_trio._model.ids import RecurringJobId, RunId
from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.record import LazyRecord, Record
from turnkeeper_trio._model.text import counted, duration_text, error_text, instant_text, listed


@unique
class Outcome(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    """The function returned a value that is not ``False``."""

    FAILED = "failed"
    """The last attempt returned ``False``, raised or gave up, and no further attempt follows."""

    TIMED_OUT = "timed_out"
    """The last attempt was cut off at its timeout, and no further attempt follows."""

    CANCELLED = "cancelled"
    """It was cancelled while it waited or executed."""

    INTERRUPTED = "interrupted"
    """The shutdown of the scheduler ended it."""

    SKIPPED = "skipped"
    """It did not run because of the policy for overlap, because its job had had ``max_runs``, or because it was skipped
    by hand."""

    MISSED = "missed"
    """It did not run because it was too late: its instant passed before the scheduler could look, and catch-up did not
    choose it; or it could not start before its ``start_deadline``."""

    SUPERSEDED = "superseded"
    """It did not run because a newer occurrence took its place, or because its job was updated."""

    NEVER_STARTED = "never_started"
    """It was due, but the scheduler shut down before it could start."""

    LOST = "lost"
    """It was cut off because a different scheduler owns its job now. What became of the run is in the store."""


@unique
class Origin(StrEnum):
    """Why an occurrence was planned."""

    SCHEDULE = "schedule"
    """The schedule of the job gave its instant."""

    INITIAL = "initial"
    """The ``initial_run_time`` of the request gave its instant."""

    TRIGGER = "trigger"
    """A caller asked for it by hand."""


@unique
class RunPhase(StrEnum):
    """What an active run is doing."""

    QUEUED = "queued"
    """It is due, and waits for a worker or for other runs of its job."""

    EXECUTING = "executing"
    """The function of the job executes."""

    WAITING_RETRY = "waiting_retry"
    """An attempt failed, or asked to continue later. The run waits for the next attempt and holds no worker."""

    CLEANING_UP = "cleaning_up"
    """The attempt was asked to end and has not ended yet."""

    STUCK = "stuck"
    """The attempt was asked to end, and its ``cleanup_grace`` has passed."""


@final
@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """An attempt that failed, as a retry policy sees it."""

    number: int
    """How many attempts of the run have failed, this one included; attempts that snoozed do not count."""

    outcome: Outcome
    """`Outcome.FAILED` or `Outcome.TIMED_OUT`."""

    error: BaseException | None
    """What it raised; ``None`` if it returned ``False``, asked for a `Retry` or timed out."""

    elapsed: float
    """Seconds from the start of the first attempt of the run to the end of this one, by the clock of the event loop."""

    def __repr__(self) -> str:
        return guard.fields_shown(self)

    def __str__(self) -> str:
        """Return which attempt failed, when and why: ``attempt 2 failed, 61.0 s after the first began: it is down``."""
        ended = self.outcome.replace("_", " ")
        after = f", {duration_text(self.elapsed)} after the first began" if self.number > 1 else ""
        why = "" if self.error is None else f": {error_text(self.error)}"
        return f"attempt {self.number} {ended}{after}{why}"


@final
@dataclass(frozen=True, slots=True)
class RunRecord(LazyRecord):
    """A run that has ended, or an occurrence that did not run, or ``count`` occurrences that did not for one reason."""

    run_id: RunId
    job_id: RecurringJobId
    name: str
    origin: Origin
    scheduled_at: DateTime
    """The instant for which it was planned; of several occurrences the last."""

    due_at: DateTime
    """The instant from which it could start: ``scheduled_at``, plus jitter."""

    started_at: DateTime | None
    """When its first attempt began; ``None`` if none began."""

    finished_at: DateTime
    attempts: int
    """How many attempts began."""

    outcome: Outcome
    value: Any
    """What the function returned, if it succeeded."""

    error: BaseException | None = field(compare=False)
    """What the last attempt raised. Its frames are cleared, so that no local variable is kept alive; its text stays."""

    reason: str
    """Why it ended so, in words; empty if the outcome says everything."""

    lateness: float | None
    """Seconds from ``due_at`` to ``started_at``; ``None`` if it never started."""

    duration: float
    """Seconds that its attempts executed, added up."""

    count: int = 1
    """How many occurrences this record stands for; 1 for a run that executed."""

    def __str__(self) -> str:
        """Return how it ended, and why: ``failed after 3 attempts: berlin-1 is down``."""
        ended = self.outcome.replace("_", " ")
        if self.outcome is Outcome.SUCCEEDED:
            after = f" after {counted(self.attempts, 'attempt')}" if self.attempts > 1 else ""
            return f"{ended}{after}, in {duration_text(self.duration)}"
        if self.outcome in (Outcome.FAILED, Outcome.TIMED_OUT):
            ended += f" after {counted(self.attempts, 'attempt')}"
        elif self.count > 1:
            ended += f" ({counted(self.count, 'occurrence')})"
        why = self._why()
        return f"{ended}: {why}" if why else ended

    def _why(self) -> str:
        if self.error is None or self.outcome is not Outcome.FAILED:
            return self.reason
        # The text of the error replaces the part of the reason that only names its type.
        more = self.reason.removeprefix(f"it raised {guard.type_name(self.error)}").removeprefix("; ")
        return f"{error_text(self.error)}; {more}" if more else error_text(self.error)

    def unwrap(self) -> Any:
        """Return the value of a run that succeeded.

        Raises:
            RunNotSucceeded: the run did not succeed. Its cause is the error of the run, if there is one.
        """
        if self.outcome is Outcome.SUCCEEDED:
            return self.value
        raise RunNotSucceeded(self) from self.error


@final
class RunNotSucceeded(TurnKeeperError):
    """`RunRecord.unwrap` was called on the record of a run that did not succeed."""

    def __init__(self, record: RunRecord) -> None:
        super().__init__(record)
        self.record = record
        """The record of the run."""

    def __str__(self) -> str:
        """Name the run, its outcome and the reason."""
        record = self.record
        why = record.reason or ("no reason given" if record.error is None else guard.raised(record.error))
        return f"the run of {record.name!r} ended {record.outcome}: {why}"


@final
@dataclass(frozen=True, slots=True)
class UpcomingRun(Record):
    """An occurrence that is planned, or that will be planned later if nothing changes; or the next attempt of a run."""

    job_id: RecurringJobId
    name: str
    scheduled_at: DateTime
    """The instant of the occurrence, or the time of the attempt."""

    attempt: int = 1
    """Which attempt of its run begins then; more than 1 if a run waits for its next attempt."""

    def __str__(self) -> str:
        """Return what comes when: ``report: 2026-01-05 08:00:00 UTC``."""
        attempt = f"attempt {self.attempt}" if self.attempt > 1 else ""
        return f"{self.name}: {listed([instant_text(self.scheduled_at), attempt])}"


@final
@dataclass(frozen=True, slots=True)
class ActiveRun(Record):
    """A run that has become due and has not ended."""

    run_id: RunId
    job_id: RecurringJobId
    name: str
    scheduled_at: DateTime
    phase: RunPhase
    attempt: int
    """The number of its attempt: the one that executes, or the last that began; 0 before the first."""

    running_for: float
    """Seconds since it entered this phase (a stuck run: since it was asked to end), by the clock of the event loop."""

    next_attempt_at: DateTime | None = None
    """When its next attempt is due, while it waits for one. ``None`` while its job is paused, because the attempt does
    not begin before the job is resumed."""

    def __str__(self) -> str:
        """Return its phase and attempt: ``executing for 12.3 s, attempt 1``."""
        phase = self.phase.replace("_", " ")
        attempt = f", attempt {self.attempt}" if self.attempt else ""
        return f"{phase} for {duration_text(self.running_for)}{attempt}"


set_public_path(Outcome, Origin, RunPhase, RunRecord, RunNotSucceeded, UpcomingRun, ActiveRun)
set_public_path(FailedAttempt, path="turnkeeper_trio.retries")
