"""The state of the engine: its options, its tables, and the effects that the runtime has to carry out."""

import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, final
from uuid import UUID

from turnkeeper_trio._engine.change_log import ChangeLog
from turnkeeper_trio._engine.counters import Counters
from turnkeeper_trio._engine.history import History, record_of
from turnkeeper_trio._engine.queues import HandleQueue, LazyQueue, Queue
from turnkeeper_trio._engine.rows import Attempt, Job, NonRun, Occurrence, Run, Shutdown
from turnkeeper_trio._engine.waits import Subject, Waits
from turnkeeper_trio._model.ids import RecurringJobId, RunId
from turnkeeper_trio._model.run import ActiveRun, RunRecord
from turnkeeper_trio._model.times import NEVER, Now, seconds, utc_pendulum
from turnkeeper_trio.errors import JobError
from turnkeeper_trio.events import Event
from turnkeeper_trio.policies import PriorityQueueType


@final
@dataclass(slots=True, eq=False, repr=False)
class Effects:
    """Filled by decisions, emptied by the runtime, once a turn."""

    cancels: list[Attempt] = field(default_factory=list[Attempt])
    """Attempts whose scope is to be cancelled: at once, without waiting for the store."""
    assignments: list[Attempt] = field(default_factory=list[Attempt])
    """Attempts to hand to workers."""
    answers: list[tuple[Any, Any]] = field(default_factory=list[tuple[Any, Any]])
    """Callers (tokens) and their answers; an answer that is an exception is raised there."""
    events: list[Event] = field(default_factory=list[Event])
    frames_to_clear: list[Run] = field(default_factory=list[Run])
    """Runs that ended with an error: the locals of its frames are cleared once everybody was told."""
    stuck: list[Attempt] = field(default_factory=list[Attempt])
    """Attempts that did not unwind within their grace."""
    shutdown_waits: tuple[ActiveRun, ...] = ()
    """Runs for which the shutdown has been waiting for long."""
    critical: Run | None = None
    """A run of a critical job that failed for good."""
    fatal: BaseException | None = None
    """A ``KeyboardInterrupt`` or ``SystemExit`` that a job raised."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the engine is told when it is made."""

    max_workers: int
    dispatch_buffer: int = 1
    queue: PriorityQueueType = PriorityQueueType.HANDLE_BASED
    cleanup_grace: int = 30_000_000
    """Microseconds."""
    history_limit: int = 10_000
    history_per_job: int = 100
    history_ttl: int | None = None
    """Microseconds."""
    store_asks: bool = False
    """Whether changes are noted for a store."""


@final
class State:
    """The tables."""

    def __init__(self, options: Options, *, new_id: Callable[[], UUID], rng: random.Random) -> None:
        """Begin with empty tables."""
        self.options: Final = options
        self.rng: Final = rng
        self._new_id = new_id
        self._sequence = 0
        self._runs = 0
        self._jobs = 0

        self.jobs: dict[UUID, Job] = {}
        """Jobs that live, and those that ended and are remembered."""
        self.ended_jobs: OrderedDict[Job, int] = OrderedDict()
        """Jobs that ended, the oldest first, and when."""
        self.remains: dict[UUID, Job] = {}
        """Jobs that were forgotten, by their id, while something of it is left: a run that executes, or a record."""
        self.by_id: dict[UUID, Any] = {}
        """Occurrences, runs and non-runs whose id was read."""

        handles = options.queue is PriorityQueueType.HANDLE_BASED
        self.queue: Queue[Occurrence] = HandleQueue() if handles else LazyQueue()
        """Planned occurrences, by (instant they are due, job in the order of submission)."""
        self.top_priority = 0
        """The highest priority that a job ever had."""
        self.longest_jitter = 0
        """By how much an occurrence was ever planned to be due after its instant."""
        self.delays: Queue[Occurrence] = HandleQueue()
        """Planned occurrences of fixed delays, by loop time."""
        self.retries: Queue[Run] = HandleQueue()
        """Runs that wait for their retry, by loop time."""
        self.ready: Queue[Run] = HandleQueue()
        """Due runs that wait for capacity, by (priority, instant, job in the order of submission)."""
        self.check_at: int = NEVER
        """The loop time at which to look at the assigned attempts again: not later than the first of their alarms."""
        self.active: dict[Run, None] = {}
        """Due runs that have not ended, in the order in which they became due."""
        self.assigned: dict[Attempt, None] = {}
        """Attempts that were bound and have not come back."""

        self.history: History = History(
            limit=options.history_limit,
            per_job=options.history_per_job,
            ttl=options.history_ttl,
            by_id=self.by_id,
            remains=self.remains,
        )
        self.counters: Counters = Counters()
        self.change_log: ChangeLog = ChangeLog(asked=options.store_asks)
        self.waits = Waits()
        self.effects: Effects = Effects()
        self.closing: Shutdown | None = None
        self.pauses: dict[object, str] = {}
        """Who paused everything, and why; while anybody has, nothing is moved and nothing is bound."""
        self.applied: dict[UUID, None] = {}
        """Jobs that came with a job set."""
        self.listening = False
        """Whether anybody wants events; the runtime says so. Failures are always told, for the log."""

    def next_job(self) -> int:
        """Return the number of the next job in the order of submission."""
        self._jobs += 1
        return self._jobs

    def next_run(self) -> int:
        """Return the number of the next run in the order in which they become due."""
        self._runs += 1
        return self._runs

    def run_id(self, item: Occurrence | Run | NonRun) -> RunId:
        """Return the id of a run, planned, active or ended; it is made when first read."""
        occurrence = item if isinstance(item, Occurrence) else item.occurrence
        if occurrence.run_id is None:
            occurrence.run_id = self._new_id()
            if isinstance(item, Occurrence) or self.history.keeps(item) or item.outcome is None:
                self.by_id[occurrence.run_id] = item
        return RunId(occurrence.run_id)

    def record(self, item: Run | NonRun) -> RunRecord:
        """Return the record of something that has ended."""
        return record_of(item, self.run_id(item))

    def active_run(self, now: Now, run: Run) -> ActiveRun:
        """Return what can be told of an active run."""
        return ActiveRun(
            run_id=self.run_id(run),
            job_id=RecurringJobId(run.job.job_id),
            name=run.job.request.name,
            scheduled_at=utc_pendulum(run.occurrence.scheduled_at),
            phase=run.phase,
            attempt=run.attempt.number if run.attempt is not None and run.executing else run.begun,
            running_for=seconds(now.loop - run.phase_since),
            next_attempt_at=None if (at := run.next_attempt(now)) is None else utc_pendulum(at),
        )

    @property
    def capacity(self) -> int:
        """How many attempts may be bound now: from the table, for a worker that has reported is not waiting yet."""
        return self.options.max_workers + self.options.dispatch_buffer - len(self.assigned)

    @property
    def executing(self) -> bool:
        """Whether any attempt is being executed."""
        return any(attempt.claimed for attempt in self.assigned)

    @property
    def pending(self) -> int:
        """How many occurrences are planned and not due."""
        return len(self.queue) + len(self.delays)

    def emit(
        self, now: Now, kind: type[Event], *, job: Job | None = None, run_id: RunId | None = None, **fields: Any
    ) -> None:
        """Tell an event."""
        self._sequence += 1
        event = kind(
            sequence=self._sequence,
            at=utc_pendulum(now.wall),
            job_id=None if job is None else RecurringJobId(job.job_id),
            run_id=run_id,
            **fields,
        )
        self.effects.events.append(event)

    def set_check(self, attempt: Attempt, loop: int) -> None:
        """Look at an attempt again at a loop time; a later alarm takes the place of an earlier one."""
        attempt.check_at = loop
        self.check_at = min(self.check_at, loop)

    def unassign(self, attempt: Attempt) -> None:
        """An attempt has come back, or does not go out."""
        del self.assigned[attempt]
        if not self.assigned:
            self.check_at = NEVER

    def over(self, subject: Subject, item: Any = None) -> None:
        """What somebody may be waiting on has come to an end, as ``item``."""
        if subject in self.waits:
            for wait in self.waits.over(subject, item):
                self.effects.answers.append((wait.token, wait.result()))

    def lost(self, subject: Subject, error: JobError) -> None:
        """What somebody may be waiting on has gone out of our hands: that is the answer."""
        for wait in self.waits.lost(subject):
            self.effects.answers.append((wait.token, error))
