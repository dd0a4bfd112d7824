"""The rows of the engine's tables: jobs, occurrences, runs, attempts; and how an attempt comes to its end."""

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from enum import Enum, auto
from typing import Any, Final, Protocol, final
from uuid import UUID

from turnkeeper_trio._engine.queues import OUT
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.run import Origin, Outcome, RunPhase
from turnkeeper_trio._model.times import MAX_INSTANT, NEVER, Now
from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.jobs import RecurringJobRequest
from turnkeeper_trio.policies import Overlap
from turnkeeper_trio.schedules import FixedDelay


class CancelCause(Enum):
    """Why an attempt was asked to end."""

    CANCEL = auto()
    REPLACED = auto()
    SHUTDOWN = auto()


class AttemptResult(Enum):
    """How an attempt ended, as the worker saw it."""

    REVOKED = auto()
    """It was taken back before its body began, or could not begin in time."""
    RETURNED = auto()
    VERDICT = auto()
    """It said itself what is to become of its run: its value is a `Verdict`."""
    RAISED = auto()
    TIMED_OUT = auto()
    """Its own deadline cut it off."""
    CUT_OFF = auto()
    """It was cancelled by its scope, for the cause on record."""
    FATAL = auto()
    """It raised ``KeyboardInterrupt`` or ``SystemExit``."""


class Cancellable(Protocol):
    """What the engine knows of a cancel scope."""

    @property
    def cancel_called(self) -> bool:
        """Whether it has been cancelled, or its deadline has passed."""
        ...

    def cancel(self) -> object:
        """Ask what runs in the scope to end."""
        ...


@final
class NoScope:
    """The scope of an attempt that no task executes: the caller of the engine ends the attempt itself."""

    cancel_called = False

    def cancel(self) -> None:
        """Do nothing."""


@final
@dataclass(slots=True, eq=False, repr=False)
class Attempt:
    """One call of a job's function. It goes to a worker and comes back with what happened.

    The worker claims it synchronously before the body begins; until then it can be revoked.
    """

    now: InitVar[Now]
    run: "Run"
    number: int
    claimed: bool = False
    revoked: bool = False
    check_at: int = NEVER
    """The loop time at which to look at it again: its alarm."""
    stuck: bool = False
    """Whether it was asked to end, and its ``cleanup_grace`` has passed."""
    stuck_reported: bool = False
    """Whether it was told that it executes for longer than its ``stuck_after``."""
    deadline: int | None = None
    """The loop time at which its own timeout strikes, if it has one."""
    cause: CancelCause | None = None
    """Why it was asked to end, if it was."""
    last: str = ""
    """Why no further one follows, where that was said after its own timeout had struck."""
    start_by: int | None = None
    """The wall time after which it may not begin any more."""
    scope: Cancellable | None = None
    """The scope it executes in; the worker's."""
    body: Any = None
    """The coroutine that is being executed, to show its stack."""
    thread: int | None = None
    """The thread in which a plain function is being executed."""
    started: Now = field(init=False)
    ended: Now = field(init=False)
    ending: AttemptResult = AttemptResult.REVOKED
    value: Any = None
    error: BaseException | None = None

    def __post_init__(self, now: Now) -> None:
        self.started = now
        self.ended = now

    def claim(self, now: Now, scope: Cancellable) -> bool:
        """Begin, unless it has been revoked or is too late. Called by the worker, right before the body."""
        if self.revoked or (self.start_by is not None and now.wall > self.start_by):
            return False
        self.claimed = True
        self.ending = AttemptResult.CUT_OFF  # Until the worker says otherwise.
        self.started = now
        self.scope = scope
        self.run.since = now.loop
        timeout = self.run.job.request.timeout_us
        self.deadline = None if timeout is None else now.loop + timeout
        return True

    @property
    def timed_out_at(self) -> int | None:
        """The loop time at which its own timeout struck, if it has, and it has not ended yet."""
        struck = self.cause is None and self.scope is not None and self.scope.cancel_called
        return self.deadline if struck else None

    def end(self, now: Now, ending: AttemptResult, *, value: Any = None, error: BaseException | None = None) -> None:
        """Note what happened. Called by the worker, outside of the scope."""
        self.ended = now
        self.ending = ending
        self.value = value
        self.error = error
        self.scope = self.body = self.thread = None


@final
@dataclass(slots=True, eq=False, repr=False)
class Job:
    """A lineage: its definition and its state."""

    job_id: UUID
    request: RecurringJobRequest
    target: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] | None
    seq: int = field(kw_only=True)
    """Its number in the order of submission."""
    schedule: Schedule = field(init=False)
    """The schedule in force, bound to the acceptance."""
    entries: int = 0
    """How often it has been planned."""
    state: JobState = JobState.ACTIVE
    reason: str = ""
    pending: "Occurrence | None" = None
    had_occurrence: bool = False
    """Whether it ever had an occurrence: one that never had is run by hand, and does not finish."""
    ran: int = 0
    """How many of its runs have begun, or may yet begin; by hand does not count."""
    held: "Occurrence | None" = None
    """While paused or halted: the occurrence that was pending then."""
    latest: int | None = None
    """The last instant of its grid that has had its turn: none up to it comes again, whatever the clock says."""
    version: int = 1
    """Grows by one with each change of the request or the function."""
    runs: "dict[Run, None]" = field(init=False)
    """Its active runs, in the order in which they became due; before them those of whom it took over its id."""
    waiting: "dict[Run, None]" = field(init=False)
    """Those of its active runs that wait for others of them to end."""
    history: "JobHistory | None" = None

    def __post_init__(self) -> None:
        self.schedule = self.request.schedule
        self.runs = NO_RUNS
        self.waiting = NO_RUNS

    def next_entry(self) -> int:
        """Return a number that makes a key of this job unique.

        It may be planned again for the instant it was just taken from, and a dead entry may still be in the queue.
        """
        self.entries += 1
        return self.entries

    @property
    def delayed(self) -> bool:
        """Whether its next occurrence is counted from the end of a run."""
        return type(self.schedule) is FixedDelay


@final
@dataclass(slots=True, eq=False, repr=False)
class JobHistory:
    """What is remembered of a job's runs."""

    runs: "list[Run]" = field(default_factory=list["Run"])
    non_runs: "list[NonRun]" = field(init=False)
    last_run: "Run | None" = None
    last_success: "Run | None" = None
    last_failure: "Run | None" = None
    consecutive_failures: int = 0
    skipped: int = 0
    """How many occurrences a run was in the way of, since a run last ended that had been in the way of none."""
    skipped_before: int = 0
    """What that was when a run last ended."""

    def __post_init__(self) -> None:
        self.non_runs = NO_NON_RUNS

    def forget_runs(self) -> None:
        """Nobody can ask for the job any more. A run knows its job: kept here, they would keep each other alive."""
        self.last_run = self.last_success = self.last_failure = None


@final
@dataclass(slots=True, eq=False, repr=False)
class Occurrence:
    """A planned instant of a job."""

    job: Job
    scheduled_at: int
    due_at: int
    origin: Origin
    place: int = OUT
    run_id: UUID | None = None
    """Made when first read, by `State.run_id`."""


@final
@dataclass(slots=True, eq=False, repr=False)
class Run:
    """An occurrence that has become due."""

    occurrence: Occurrence
    number: int
    """While active: its number in the order in which runs became due. Ended: in the order of the records."""
    since: int
    """The loop time at which something was last decided about it; see `phase_since`."""
    job: Job = field(init=False)
    """The job that it is a run of: by its rules it goes on, and ends."""
    holder: Job = field(init=False)
    """The job that has the id now, and reckons with this run: its own, or one that took the id meanwhile."""
    place: int = OUT
    ready_at: int = field(init=False)
    """The instant by which it stands in the ready queue: when it was due, or its retry."""
    overlap: Overlap | None = None
    """The policy that was chosen for this run alone; else it goes by its job's."""
    attempt: Attempt | None = None
    """The attempt that is bound to a worker or executing."""
    waiting_retry: bool = False
    """Whether it waits for its next attempt."""
    next_loop: int = 0
    """The loop time of the attempt that it waits for."""
    snoozed: bool = False
    """Whether it does so because it asked to, and not because it failed."""
    begun: int = 0
    """How many attempts have begun."""
    failures: int = 0
    """How many attempts failed."""
    first_loop: int = 0
    started_at: int | None = None
    finished_at: int = 0
    executed: int = 0
    outcome: Outcome | None = None
    value: Any = None
    error: BaseException | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        self.job = self.occurrence.job
        self.holder = self.occurrence.job
        self.ready_at = self.occurrence.due_at

    @property
    def blocked(self) -> bool:
        """Whether it waits for other runs of its job to end."""
        return self in self.job.waiting

    @property
    def executing(self) -> bool:
        """Whether a worker has begun its function."""
        return self.attempt is not None and self.attempt.claimed

    def next_attempt(self, now: Now) -> int | None:
        """Return the wall time of the attempt that it waits for, if it does; while its job is paused, none comes."""
        if not self.waiting_retry or self.job.state is JobState.PAUSED:
            return None
        return min(now.wall + self.next_loop - now.loop, MAX_INSTANT)

    @property
    def phase(self) -> RunPhase:
        """Where it stands."""
        attempt = self.attempt
        if attempt is None or not attempt.claimed:
            return RunPhase.WAITING_RETRY if self.waiting_retry else RunPhase.QUEUED
        if attempt.stuck:
            return RunPhase.STUCK
        asked = attempt.cause is not None or attempt.timed_out_at is not None
        return RunPhase.CLEANING_UP if asked else RunPhase.EXECUTING

    @property
    def phase_since(self) -> int:
        """The loop time at which it entered the phase it is in."""
        timed_out_at = None if self.attempt is None else self.attempt.timed_out_at
        return self.since if timed_out_at is None else timed_out_at


NO_RUNS: Final[dict[Run, None]] = {}
"""Shared by all jobs without an active run; never written to."""


NO_NON_RUNS: Final[list["NonRun"]] = []
"""Shared by all histories without one; never written to."""


@final
@dataclass(slots=True, eq=False, repr=False)
class NonRun:
    """An occurrence, or several in a row, that did not run."""

    occurrence: Occurrence
    outcome: Outcome
    reason: str
    finished_at: int
    number: int
    count: int = 1
    scheduled_at: int = field(init=False)
    """The instant of the last of them."""

    def __post_init__(self) -> None:
        self.scheduled_at = self.occurrence.scheduled_at


@final
@dataclass(slots=True, eq=False, repr=False)
class Shutdown:
    """A shutdown under way."""

    since: int
    forced: bool = False
    warn_at: int = field(init=False)
    finished: dict[Run, None] = field(default_factory=dict[Run, None])
    interrupted: dict[Run, None] = field(default_factory=dict[Run, None])
    never_started: dict[NonRun, None] = field(default_factory=dict[NonRun, None])

    def __post_init__(self) -> None:
        self.warn_at = self.since

    def note(self, item: Run | NonRun) -> None:
        """Note what ended after the shutdown had begun."""
        if isinstance(item, NonRun):
            if item.outcome is Outcome.NEVER_STARTED:
                self.never_started[item] = None
        elif item.outcome is Outcome.INTERRUPTED:
            self.interrupted[item] = None
        else:
            self.finished[item] = None
