"""The events that observers and subscribers receive.

Their fields are made when they are read (see `LazyRecord`): for an observer that only counts they would cost half as
much as the run itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

from turnkeeper_trio._model.deferred import DateTime
from turnkeeper_trio._model.ids import RecurringJobId, RunId
from turnkeeper_trio._model.record import LazyRecord
from turnkeeper_trio._model.run import ActiveRun, Outcome, RunPhase, RunRecord
from turnkeeper_trio._model.text import counted, duration_text, error_text, instant_text, listed

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


def _words(name: str) -> str:
    """Return the name of a class as words: ``scheduler stopped``."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


def _next(at: DateTime | None) -> str:
    return "" if at is None else f"next run {instant_text(at)}"


def _because(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what


WARN_AFTER_SKIPPED: Final = 5
"""The log warns when ``OccurrenceSkipped.skipped`` reaches this number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(LazyRecord):
    """The base of all events."""

    sequence: int
    """The number of the event; each event of this scheduler has the next number. An event that nobody receives is not
    made, and has none."""

    at: DateTime
    """When it was decided, by the wall clock."""

    job_id: RecurringJobId | None
    """The id of the job that it is about; ``None`` if it is about no single job."""

    run_id: RunId | None
    """The id of the run that it is about; ``None`` if it is about no single run."""

    def __str__(self) -> str:
        """Return what happened in one line: ``2026-01-05 08:00:00 UTC  report started, attempt 1``."""
        line, _, _ = self._text().partition("\n")
        return f"{instant_text(self.at)}  {line}"

    def _text(self) -> str:
        """Return what happened, without the time."""
        return _words(type(self).__name__)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobAdded(Event):
    """A new job was accepted."""

    name: str
    next_run_time: DateTime | None

    def _text(self) -> str:
        return listed([f"{self.name} added", _next(self.next_run_time)])


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobUpdated(Event):
    """The request of a job, or what it calls, has changed."""

    name: str
    version: int
    next_run_time: DateTime | None

    def _text(self) -> str:
        return listed([f"{self.name} updated to version {self.version}", _next(self.next_run_time)])


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobPaused(Event):
    """A job was paused; if ``job_id`` is ``None``, all jobs were."""

    name: str
    note: str

    def _text(self) -> str:
        return _because(f"{self.name if self.job_id is not None else 'all jobs'} paused", self.note)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobResumed(Event):
    """A job was resumed; if ``job_id`` is ``None``, the last pause of all jobs has ended."""

    name: str
    next_run_time: DateTime | None

    def _text(self) -> str:
        return listed([f"{self.name if self.job_id is not None else 'all jobs'} resumed", _next(self.next_run_time)])


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobCancelled(Event):
    """A job was cancelled: no run of it starts any more."""

    name: str
    reason: str

    def _text(self) -> str:
        return _because(f"{self.name} cancelled", self.reason)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobHalted(Event):
    """A job was halted: its schedule is faulty, or it failed too often in a row."""

    name: str
    reason: str

    def _text(self) -> str:
        return _because(f"{self.name} halted", self.reason)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobFinished(Event):
    """The schedule of a job has no further occurrence, and its last run has ended."""

    name: str

    def _text(self) -> str:
        return f"{self.name} finished"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobDeleted(Event):
    """A job was cancelled and forgotten."""

    name: str

    def _text(self) -> str:
        return f"{self.name} deleted"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """An attempt has begun."""

    name: str
    attempt: int
    """The number of the attempt; the first is 1."""

    lateness: float
    """Seconds from the time the run was due to the start of this attempt."""

    def _text(self) -> str:
        late = f"{duration_text(self.lateness)} late" if self.lateness else ""
        return listed([f"{self.name} started", f"attempt {self.attempt}", late])


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

    def _text(self) -> str:
        why = self.reason if self.error is None else error_text(self.error)
        again = f"the next in {duration_text(self.delay)}"
        return listed([_because(f"{self.name}, attempt {self.attempt}", why), again])


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """A run has ended."""

    record: RunRecord

    def _text(self) -> str:
        return f"{self.record.name} {self.record}"


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

    def _text(self) -> str:
        phase = self.phase.replace("_", " ")
        return f"{self.name} stuck, attempt {self.attempt} {phase} for {duration_text(self.running_for)}"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class OccurrenceSkipped(Event):
    """An occurrence did not run, because of a rule or by hand."""

    name: str
    scheduled_at: DateTime
    outcome: Outcome
    reason: str
    blocked_by: ActiveRun | None
    """The run because of which the occurrence was skipped, if there is one."""

    skipped: int = 0
    """How many occurrences of the job were skipped because of its runs, this one included, since a run ended because of
    which none was skipped. The log warns at the fifth. It is 0 if this one was not skipped because of a run."""

    def _text(self) -> str:
        ended = f"{self.name} {self.outcome.replace('_', ' ')}, {instant_text(self.scheduled_at)}"
        return _because(ended, self.reason)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class OccurrenceMissed(Event):
    """Occurrences did not run because they were too late, by the rule for catch-up or their ``start_deadline``."""

    name: str
    scheduled_at: DateTime
    """The instant of the last of them."""

    count: int
    """How many occurrences did not run."""

    lateness: float
    """Seconds from that instant to the time at which they were found to be too late."""

    reason: str

    def _text(self) -> str:
        missed = f"{self.name} missed {counted(self.count, 'occurrence')}, {instant_text(self.scheduled_at)}"
        return _because(missed, self.reason)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStepped(Event):
    """The wall clock was set, or the machine slept."""

    seconds: float
    """By how many seconds the wall clock moved against the clock of the event loop; negative if it was set back."""

    def _text(self) -> str:
        way = "back" if self.seconds < 0 else "forward"
        return f"the wall clock went {way} by {duration_text(abs(self.seconds))}"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownStarted(Event):
    """A shutdown began, or a graceful shutdown became a forced one: the scheduler accepts nothing new any more."""

    forced: bool
    """Whether the runs that execute are cancelled."""

    def _text(self) -> str:
        return "shutdown started, forced" if self.forced else "shutdown started"


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

    def _text(self) -> str:
        return f"{counted(self.count, 'event')} not kept, because the subscriber was too slow"


@final
class Wanted(dict[type[Event], bool]):
    """Whether an event of a kind has a receiver. Each kind is asked about once, when the first event of it is due."""

    def __init__(self, ask: Callable[[type[Event]], bool]) -> None:
        """Begin with no answer. ``ask`` gives them."""
        self._ask = ask

    def __missing__(self, kind: type[Event]) -> bool:
        """Ask, and remember the answer."""
        wanted = self[kind] = self._ask(kind)
        return wanted
