"""The rows of the engine's tables: jobs, occurrences and runs. Mutable, slotted, and owned by one task.

A million jobs may wait at once, each a `Job` and an `Occurrence`: what only an active or ended run needs stands in
`Run` and `JobHistory`, which are made when first needed. Ids of runs are made when first read.
"""

from collections.abc import Mapping
from typing import Any, Final, final
from uuid import UUID

from turnkeeper_trio._engine.attempt import Attempt
from turnkeeper_trio._engine.now import Now
from turnkeeper_trio._engine.queues import OUT
from turnkeeper_trio._model.instants import MAX_INSTANT
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.run import Origin, Outcome, RunPhase
from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.jobs import RecurringJobRequest
from turnkeeper_trio.policies import Overlap
from turnkeeper_trio.schedules import FixedDelay


@final
class Job:
    """A lineage: its definition and its state."""

    __slots__ = (
        "args",
        "entries",
        "had_occurrence",
        "held",
        "history",
        "job_id",
        "kwargs",
        "latest",
        "pending",
        "ran",
        "reason",
        "request",
        "runs",
        "schedule",
        "seq",
        "state",
        "target",
        "version",
        "waiting",
    )

    def __init__(
        self,
        job_id: UUID,
        request: RecurringJobRequest,
        target: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any] | None,
        *,
        seq: int,
    ) -> None:
        """Make the row of a job that is being taken."""
        self.job_id: UUID = job_id
        self.request: RecurringJobRequest = request
        self.target: str = target
        self.args: tuple[Any, ...] = args
        self.kwargs: Mapping[str, Any] | None = kwargs
        self.seq: int = seq
        """Its number in the order of submission."""
        self.schedule: Schedule = request.schedule
        """The schedule in force, bound to the acceptance."""
        self.entries: int = 0
        """How often it has been planned."""
        self.state: JobState = JobState.ACTIVE
        self.reason: str = ""
        self.pending: Occurrence | None = None
        self.had_occurrence: bool = False
        """Whether it ever had an occurrence: one that never had is run by hand, and does not finish."""
        self.ran: int = 0
        """How many of its runs have begun, or may yet begin; by hand does not count."""
        self.held: Occurrence | None = None
        """While paused or halted: the occurrence that was pending then."""
        self.latest: int | None = None
        """The last instant of its grid that has had its turn: none up to it comes again, whatever the clock says."""
        self.version: int = 1
        """Grows by one with each change of the request or the function."""
        self.runs: dict[Run, None] = NO_RUNS
        """Its active runs, in the order in which they became due; before them those of whom it took over its id."""
        self.waiting: dict[Run, None] = NO_RUNS
        """Those of its active runs that wait for others of them to end."""
        self.history: JobHistory | None = None

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
class JobHistory:
    """What is remembered of a job's runs."""

    __slots__ = (
        "consecutive_failures",
        "last_failure",
        "last_run",
        "last_success",
        "non_runs",
        "runs",
        "skipped",
        "skipped_before",
    )

    def __init__(self) -> None:
        """Remember nothing yet."""
        self.runs: list[Run] = []
        self.non_runs: list[NonRun] = NO_NON_RUNS
        self.last_run: Run | None = None
        self.last_success: Run | None = None
        self.last_failure: Run | None = None
        self.consecutive_failures: int = 0
        self.skipped: int = 0
        """How many occurrences a run was in the way of, since a run last ended that had been in the way of none."""
        self.skipped_before: int = 0
        """What that was when a run last ended."""

    def let_go(self) -> None:
        """Nobody can ask for the job any more. A run knows its job: kept here, they would keep each other alive."""
        self.last_run = self.last_success = self.last_failure = None


@final
class Occurrence:
    """A planned instant of a job."""

    __slots__ = ("due_at", "job", "origin", "place", "run_id", "scheduled_at")

    def __init__(self, job: Job, scheduled_at: int, due_at: int, origin: Origin) -> None:
        """Plan an occurrence."""
        self.job: Job = job
        self.scheduled_at: int = scheduled_at
        self.due_at: int = due_at
        self.origin: Origin = origin
        self.place: int = OUT
        self.run_id: UUID | None = None
        """Made when first read, by `State.run_id`."""


@final
class Run:
    """An occurrence that has become due."""

    __slots__ = (
        "attempt",
        "begun",
        "error",
        "executed",
        "failures",
        "finished_at",
        "first_loop",
        "holder",
        "job",
        "next_loop",
        "number",
        "occurrence",
        "outcome",
        "overlap",
        "place",
        "ready_at",
        "reason",
        "since",
        "snoozed",
        "started_at",
        "value",
        "waiting_retry",
    )

    def __init__(self, occurrence: Occurrence, number: int, since: int) -> None:
        """Make the row of a run that has become due."""
        self.occurrence: Occurrence = occurrence
        self.job: Job = occurrence.job
        """The job that it is a run of: by its rules it goes on, and ends."""
        self.holder: Job = occurrence.job
        """The job that has the id now, and reckons with this run: its own, or one that took the id meanwhile."""
        self.number: int = number
        """While active: its number in the order in which runs became due. Ended: in the order of the records."""
        self.since: int = since
        """The loop time at which something was last decided about it; see `phase_since`."""
        self.place: int = OUT
        self.ready_at: int = occurrence.due_at
        """The instant by which it stands in the ready queue: when it was due, or its retry."""
        self.overlap: Overlap | None = None
        """The policy that was chosen for this run alone; else it goes by its job's."""
        self.attempt: Attempt | None = None
        """The attempt that is bound to a worker or executing."""
        self.waiting_retry: bool = False
        """Whether it waits for its next attempt."""
        self.next_loop: int = 0
        """The loop time of the attempt that it waits for."""
        self.snoozed: bool = False
        """Whether it does so because it asked to, and not because it failed."""
        self.begun: int = 0
        """How many attempts have begun."""
        self.failures: int = 0
        """How many attempts failed."""
        self.first_loop: int = 0
        self.started_at: int | None = None
        self.finished_at: int = 0
        self.executed: int = 0
        self.outcome: Outcome | None = None
        self.value: Any = None
        self.error: BaseException | None = None
        self.reason: str = ""

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
class NonRun:
    """An occurrence, or several in a row, that did not run."""

    __slots__ = ("count", "finished_at", "number", "occurrence", "outcome", "reason", "scheduled_at")

    def __init__(self, occurrence: Occurrence, outcome: Outcome, reason: str, finished_at: int, number: int) -> None:
        """Make the row of one occurrence that did not run."""
        self.occurrence: Occurrence = occurrence
        self.outcome: Outcome = outcome
        self.reason: str = reason
        self.finished_at: int = finished_at
        self.number: int = number
        self.count: int = 1
        self.scheduled_at: int = occurrence.scheduled_at
        """The instant of the last of them."""


@final
class Closing:
    """A shutdown under way."""

    __slots__ = ("finished", "forced", "interrupted", "never_started", "since", "warn_at")

    def __init__(self, since: int) -> None:
        """Begin at a loop time."""
        self.forced: bool = False
        self.since: int = since
        self.warn_at: int = since
        self.finished: dict[Run, None] = {}
        self.interrupted: dict[Run, None] = {}
        self.never_started: dict[NonRun, None] = {}

    def note(self, item: Run | NonRun) -> None:
        """Note what ended after the shutdown had begun."""
        if isinstance(item, NonRun):
            if item.outcome is Outcome.NEVER_STARTED:
                self.never_started[item] = None
        elif item.outcome is Outcome.INTERRUPTED:
            self.interrupted[item] = None
        else:
            self.finished[item] = None
