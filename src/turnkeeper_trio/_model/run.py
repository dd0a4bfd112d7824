"""What a run is, to those who read about it."""

from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Any, final

import pendulum

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.error import TurnKeeperError
from turnkeeper_trio._model.ids import RecurringJobId, RunId
from turnkeeper_trio._model.record import Record
from turnkeeper_trio._model.text import counted, duration_text, error_text


@unique
class Outcome(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    """The function returned, and not ``False``."""

    FAILED = "failed"
    """The last attempt returned ``False`` or raised, and no retry was left."""

    TIMED_OUT = "timed_out"
    """The last attempt was cut off at its timeout, and no retry was left."""

    CANCELLED = "cancelled"
    """It was cancelled: while it waited, or while it executed."""

    INTERRUPTED = "interrupted"
    """The shutdown of the scheduler ended it; the attempt does not count."""

    SKIPPED = "skipped"
    """It did not run: overlap, or skipped by hand."""

    MISSED = "missed"
    """It did not run, for it was too late: its instant passed before the scheduler could look, and catch-up did not
    choose it; or it could not start before its ``start_deadline``."""

    SUPERSEDED = "superseded"
    """It did not run: something newer took its place."""

    NEVER_STARTED = "never_started"
    """It was due, and the scheduler ended before it could start."""


@unique
class Origin(StrEnum):
    """Why an occurrence was planned."""

    SCHEDULE = "schedule"
    """The job's schedule named its instant."""

    INITIAL = "initial"
    """The request's ``initial_run_time`` named its instant."""

    TRIGGER = "trigger"
    """Somebody asked for it by hand."""


@unique
class RunPhase(StrEnum):
    """Where an active run stands."""

    QUEUED = "queued"
    """Due, and waiting for a worker."""

    EXECUTING = "executing"
    """The function of the job is being executed."""

    WAITING_RETRY = "waiting_retry"
    """An attempt failed, or asked to go on later; the run waits, without a worker, for the next one."""

    CLEANING_UP = "cleaning_up"
    """The attempt was asked to end and has not ended yet."""

    STUCK = "stuck"
    """The attempt was asked to end, and its ``cleanup_grace`` has passed."""


@final
@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """An attempt that failed, as a retry policy sees it."""

    __repr__ = guard.fields_shown

    number: int
    """Which attempt of the run it was; the first is 1."""

    outcome: Outcome
    """`Outcome.FAILED` or `Outcome.TIMED_OUT`."""

    error: BaseException | None
    """What it raised, or ``None`` if it returned ``False`` or timed out."""

    elapsed: float
    """Seconds since the first attempt of the run began, by the clock of the event loop."""


@final
@dataclass(frozen=True, slots=True)
class RunRecord(Record):
    """A run that has ended, or an occurrence that did not run (or ``count`` of them in a row, for one reason)."""

    run_id: RunId
    job_id: RecurringJobId
    name: str
    origin: Origin
    scheduled_at: pendulum.DateTime
    """The instant it was planned for; of several occurrences the last."""

    due_at: pendulum.DateTime
    """The instant from which it could start: ``scheduled_at``, plus jitter."""

    started_at: pendulum.DateTime | None
    """When its first attempt began; ``None`` if it never did."""

    finished_at: pendulum.DateTime
    attempts: int
    """How many attempts were begun."""

    outcome: Outcome
    value: Any
    """What the function returned, if it succeeded."""

    error: BaseException | None = field(compare=False)
    """What the last attempt raised. Its frames are cleared (no local variable is kept alive), its text stays."""

    reason: str
    """Why it ended so, in words; empty where the outcome says it all."""

    lateness: float | None
    """Seconds from ``due_at`` to ``started_at``; ``None`` if it never started."""

    duration: float
    """Seconds its attempts executed, together."""

    count: int = 1
    """How many occurrences this record stands for; 1 for anything that ran."""

    def __str__(self) -> str:
        """Tell how it ended, and why: ``failed after 3 attempts: berlin-1 is down``."""
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
        # The error says more than that there was one; what the reason says beyond that stays.
        more = self.reason.removeprefix(f"it raised {guard.type_name(self.error)}").removeprefix("; ")
        return f"{error_text(self.error)}; {more}" if more else error_text(self.error)

    def unwrap(self) -> Any:
        """Return the value of a run that succeeded; raise what it raised otherwise.

        Raises:
            RunNotSucceeded: the run did not succeed (from its error, where it has one).
        """
        if self.outcome is Outcome.SUCCEEDED:
            return self.value
        raise RunNotSucceeded(self) from self.error


@final
class RunNotSucceeded(TurnKeeperError):
    """`RunRecord.unwrap` was called on the record of a run that did not succeed."""

    def __init__(self, record: RunRecord) -> None:
        """Make the error of ``record``."""
        super().__init__(record)
        self.record = record
        """The record that was to be unwrapped."""

    def __str__(self) -> str:
        """Name the run, its outcome and the reason."""
        record = self.record
        why = record.reason or ("no reason given" if record.error is None else guard.raised(record.error))
        return f"the run of {record.name!r} ended {record.outcome}: {why}"


@final
@dataclass(frozen=True, slots=True)
class UpcomingRun(Record):
    """An occurrence that is planned, or that would be planned after it if nothing changes; or a retry to come."""

    job_id: RecurringJobId
    name: str
    scheduled_at: pendulum.DateTime
    """The instant of the occurrence, or the time of the retry."""

    attempt: int = 1
    """Which attempt of its run begins then: more than 1 where a run waits for its next one."""


@final
@dataclass(frozen=True, slots=True)
class ActiveRun(Record):
    """A run that has become due and has not ended."""

    run_id: RunId
    job_id: RecurringJobId
    name: str
    scheduled_at: pendulum.DateTime
    phase: RunPhase
    attempt: int
    """Which attempt it is at; 0 before the first."""

    running_for: float
    """Seconds it has been in this phase, by the clock of the event loop."""

    next_attempt_at: pendulum.DateTime | None = None
    """When its next attempt comes, while it waits for one. ``None`` while its job is paused: not before the resume."""

    def __str__(self) -> str:
        """Tell where it stands: ``executing for 12.3 s, attempt 1``."""
        phase = self.phase.replace("_", " ")
        attempt = f", attempt {self.attempt}" if self.attempt else ""
        return f"{phase} for {duration_text(self.running_for)}{attempt}"
