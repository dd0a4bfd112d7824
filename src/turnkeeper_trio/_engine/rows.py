"""The rows of the engine's tables: jobs, occurrences, runs, attempts, non-runs, and the shutdown."""

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from enum import Enum, auto
from typing import Any, Final, Protocol, final
from uuid import UUID

from turnkeeper_trio._engine.queues import OUT
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.run import Origin, Outcome, RunPhase
from turnkeeper_trio._model.stored import JobImage, RunImage
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
    LOST = auto()
    """A different scheduler owns its job now."""


class AttemptResult(Enum):
    """How an attempt ended, as the worker reports it; only the engine sets `VERDICT`."""

    REVOKED = auto()
    """It was revoked before its body began, or could not begin in time."""
    RETURNED = auto()
    VERDICT = auto()
    """It returned or raised a `Verdict`, which is its value and says how its run continues."""
    RAISED = auto()
    TIMED_OUT = auto()
    """It was cut off at its timeout."""
    CUT_OFF = auto()
    """Its scope was cancelled; ``Attempt.cause`` says why."""
    CRASHED = auto()
    """Its process died; a later one finds it in the store."""
    FATAL = auto()
    """It raised ``KeyboardInterrupt`` or ``SystemExit``."""


class Cancellable(Protocol):
    """A cancel scope, as the engine knows it."""

    @property
    def cancel_called(self) -> bool:
        """Whether it has been cancelled, or its deadline has passed."""
        ...

    def cancel(self) -> object:
        """Cancel the code that runs in the scope."""
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
    """One call of a job's function. It goes to a worker, and comes back with its result.

    The worker claims it synchronously before the body begins. Until then it can be revoked.
    """

    now: InitVar[Now]
    run: "Run"
    number: int
    claimed: bool = False
    revoked: bool = False
    check_at: int = NEVER
    """The loop time at which the watchdog checks it; `NEVER` if it does not."""
    completed: bool = False
    """Whether its success is committed: its run succeeds, whatever happens to the attempt."""
    kept: Any = None
    """The value that was committed with that."""
    stuck: bool = False
    """Whether it was asked to end, and its ``cleanup_grace`` has passed."""
    stuck_reported: bool = False
    """Whether it was reported that it executes for longer than ``stuck_after``."""
    deadline: int | None = None
    """The loop time at which it times out, if it has a timeout."""
    cause: CancelCause | None = None
    """Why it was asked to end, if it was."""
    no_retry_reason: str = ""
    """Why no retry follows, if it was cancelled after it had timed out but before it ended."""
    start_by: int | None = None
    """The wall time after which it may not begin any more."""
    scope: Cancellable | None = None
    """The worker's scope in which it executes."""
    body: Any = None
    """The coroutine that executes, to show its stack."""
    thread: int | None = None
    """The thread in which a plain function executes."""
    started: Now = field(init=False)
    ended: Now = field(init=False)
    ending: AttemptResult = AttemptResult.REVOKED
    value: Any = None
    error: BaseException | None = None

    def __post_init__(self, now: Now) -> None:
        self.started = now
        self.ended = now

    def claim(self, now: Now, scope: Cancellable) -> bool:
        """Begin, unless it was revoked or it is too late; return whether it begins.

        The worker calls this right before the body.
        """
        if self.revoked or (self.start_by is not None and now.wall > self.start_by):
            return False
        self.claimed = True
        self.ending = AttemptResult.CUT_OFF  # Until the worker reports a different result.
        self.started = now
        self.scope = scope
        self.run.since = now.loop
        timeout = self.run.job.request.timeout_us
        self.deadline = None if timeout is None else now.loop + timeout
        return True

    @property
    def timed_out_at(self) -> int | None:
        """The loop time at which it timed out, if it has and has not ended yet."""
        timed_out = self.cause is None and self.scope is not None and self.scope.cancel_called
        return self.deadline if timed_out else None

    def end(self, now: Now, ending: AttemptResult, *, value: Any = None, error: BaseException | None = None) -> None:
        """Set the result. The worker calls this outside of the scope."""
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
    """Its sequence number: its position in the order of submission."""
    schedule: Schedule = field(init=False)
    """The schedule in force, bound to the instant at which its grid begins. `set_schedule` sets it."""
    delayed: bool = field(init=False)
    """Whether its schedule is a `FixedDelay`: its next occurrence counts from the end of a run."""
    definition: str | None = None
    """Its definition as a store keeps it; ``None`` without a store."""
    bound: str | None = None
    """The schedule in force as a store keeps it; ``None`` if it is the one that was asked for."""
    job_set: str | None = None
    """The name of the job set that it came with."""
    resolved: bool = True
    """Whether its function is registered. Until it is, its runs wait."""
    entries: int = 0
    """How many occurrences it ever had."""
    state: JobState = JobState.ACTIVE
    reason: str = ""
    pending: "Occurrence | None" = None
    had_occurrence: bool = False
    """Whether it ever had an occurrence. A job without one only runs by hand, and never finishes."""
    ran: int = 0
    """How many of its runs count among its ``max_runs``: those that have begun or may still begin, but not by hand."""
    held: "Occurrence | None" = None
    """While it is paused or halted: the occurrence that was next."""
    latest: int | None = None
    """The last instant of its grid that was handled. It and earlier ones do not come again, even if the clock steps."""
    version: int = 1
    """Grows by one with each change of the request or the function."""
    runs: "dict[Run, None]" = field(init=False)
    """Its active runs, in the order in which they became due; first those taken over from the job that had its id."""
    waiting: "dict[Run, None]" = field(init=False)
    """Those of its active runs that wait for other runs of the job to end."""
    history: "JobHistory | None" = None
    told: JobImage | None = None
    """The image that the store was told last."""
    redefined: bool = True
    """Whether its definition has changed since the store was told."""
    lost: bool = False
    """Whether a different scheduler owns it: the store is told nothing more of it and of its runs."""
    released: bool = False
    """Whether it was given up when it ended, and is left here to be read. Before a change it is claimed again."""

    def __post_init__(self) -> None:
        self.set_schedule(self.request.schedule)
        self.runs = NO_RUNS
        self.waiting = NO_RUNS

    def set_schedule(self, schedule: Schedule) -> None:
        """Set the schedule in force."""
        self.schedule = schedule
        self.delayed = type(schedule) is FixedDelay

    def next_entry(self) -> int:
        """Return the number of a new occurrence.

        It makes the key of an entry in a queue unique: two could be equal otherwise, because a job may be planned again
        for the same instant while a dead entry for this instant is still in the queue. With the id of the job, it is
        the key of the row that a store keeps.
        """
        self.entries += 1
        return self.entries


@final
@dataclass(slots=True, eq=False, repr=False)
class JobHistory:
    """What has ended of a job, as far as it is remembered."""

    runs: "list[Run]" = field(init=False)
    non_runs: "list[NonRun]" = field(init=False)
    last_run: "Run | None" = None
    last_success: "Run | None" = None
    last_failure: "Run | None" = None
    consecutive_failures: int = 0
    skipped: int = 0
    """How many occurrences were skipped because of a run, since a run ended because of which none was skipped."""
    skipped_before: int = 0
    """The value of ``skipped`` when a run last ended."""

    def __post_init__(self) -> None:
        self.runs = []
        self.non_runs = NO_NON_RUNS

    def forget_runs(self) -> None:
        """Remove the last runs, because no caller can ask for the job any more.

        A run references its job, so that otherwise both would keep each other alive.
        """
        self.last_run = self.last_success = self.last_failure = None


@final
@dataclass(slots=True, eq=False, repr=False)
class Occurrence:
    """A planned instant of a job."""

    job: Job
    scheduled_at: int
    due_at: int
    origin: Origin
    entry: int
    """Its number within its job."""
    place: int = OUT
    run_id: UUID | None = None
    """`State.run_id` makes it when it is first read."""


@final
@dataclass(slots=True, eq=False, repr=False)
class Run:
    """An occurrence that has become due."""

    occurrence: Occurrence
    number: int
    """While it is active, its position in the order in which runs became due; then that in the order of the records."""
    since: int
    """The loop time at which it last became due, began, was asked to end or ended an attempt; see `phase_since`."""
    job: Job = field(init=False)
    """The job that it is a run of. The rules of this job decide how it continues."""
    holder: Job = field(init=False)
    """The job that has the id now and counts this run among its own: ``job``, or a new job that took over the id."""
    place: int = OUT
    ready_at: int = field(init=False)
    """The wall time by which it is ordered in the ready queue: when it, or its retry, became due."""
    overlap: Overlap | None = None
    """The policy that a caller chose for this run; ``None``: that of its job."""
    attempt: Attempt | None = None
    """The attempt that is bound to a worker or executes."""
    waiting_retry: bool = False
    """Whether it waits for its next attempt to be due."""
    next_loop: int = 0
    """The loop time at which that attempt is due."""
    snoozed: bool = False
    """Whether it waits because it asked to continue later, and not because it failed."""
    begun: int = 0
    """How many attempts have begun."""
    failures: int = 0
    """How many attempts failed."""
    crashes: int = 0
    """How many attempts were cut off by the death of their process."""
    wake_at: int | None = None
    """The wall time at which its next attempt is due, while it waits for one."""
    first_loop: int = 0
    started_at: int | None = None
    finished_at: int = 0
    executed: int = 0
    outcome: Outcome | None = None
    value: Any = None
    error: BaseException | None = None
    reason: str = ""
    told: RunImage | None = None
    """The image that the store was told last."""
    error_text: tuple[BaseException, str] | None = None
    """The error of which the store was told last, and its text."""

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
        """Return the wall time at which its next attempt is due; ``None`` if there is none or its job is paused."""
        if not self.waiting_retry or self.job.state is JobState.PAUSED:
            return None
        return min(now.wall + self.next_loop - now.loop, MAX_INSTANT)

    @property
    def phase(self) -> RunPhase:
        """What it is doing."""
        attempt = self.attempt
        if attempt is None or not attempt.claimed:
            return RunPhase.WAITING_RETRY if self.waiting_retry else RunPhase.QUEUED
        if attempt.stuck:
            return RunPhase.STUCK
        asked = attempt.cause is not None or attempt.timed_out_at is not None
        return RunPhase.CLEANING_UP if asked else RunPhase.EXECUTING

    @property
    def phase_since(self) -> int:
        """The loop time at which it entered its phase; if it is stuck, at which it was asked to end."""
        timed_out_at = None if self.attempt is None else self.attempt.timed_out_at
        return self.since if timed_out_at is None else timed_out_at


NO_RUNS: Final[dict[Run, None]] = {}
"""Shared by all jobs without active or waiting runs. It is never written to."""


NO_NON_RUNS: Final[list["NonRun"]] = []
"""Shared by all histories without non-runs. It is never written to."""


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
    """The instant of the last of the occurrences."""
    entry: int = field(init=False)
    """The entry of the first of the occurrences."""

    def __post_init__(self) -> None:
        self.scheduled_at = self.occurrence.scheduled_at
        self.entry = self.occurrence.entry


@final
@dataclass(slots=True, eq=False, repr=False)
class Shutdown:
    """A shutdown in progress."""

    since: int
    forced: bool = False
    warn_at: int = field(init=False)
    finished: dict[Run, None] = field(default_factory=dict[Run, None])
    interrupted: dict[Run, None] = field(default_factory=dict[Run, None])
    never_started: dict[NonRun, None] = field(default_factory=dict[NonRun, None])
    handed_back: int = 0
    """How many runs that had not ended a store goes on to keep."""
    unrun: int = 0
    """How many planned occurrences a store goes on to keep."""

    def __post_init__(self) -> None:
        self.warn_at = self.since

    def note(self, item: Run | NonRun) -> None:
        """Note an item that ended after the shutdown began, for the report."""
        if isinstance(item, NonRun):
            if item.outcome is Outcome.NEVER_STARTED:
                self.never_started[item] = None
        elif item.outcome is Outcome.INTERRUPTED:
            self.interrupted[item] = None
        else:
            self.finished[item] = None
