"""The state of the engine: its options, its tables, and the effects that the runtime has to carry out.

Which module writes which table is listed in ``docs/internals/architecture.md``.
"""

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
from turnkeeper_trio._model.record import unread
from turnkeeper_trio._model.run import ActiveRun, RunRecord
from turnkeeper_trio._model.times import NEVER, Now, seconds, utc_pendulum
from turnkeeper_trio.errors import TurnKeeperError
from turnkeeper_trio.events import Event, Wanted
from turnkeeper_trio.jobs._stored_definition import DefinitionCodec
from turnkeeper_trio.policies import PriorityQueueType


@final
@dataclass(slots=True, eq=False, repr=False)
class Effects:
    """What the runtime has to carry out. Decisions add to it, and the runtime takes it once a turn."""

    cancels: list[Attempt] = field(init=False)
    """Attempts whose scope is to be cancelled at once, before the store commits."""
    assignments: list[Attempt] = field(init=False)
    """Attempts to hand to workers."""
    answers: list[tuple[Any, Any]] = field(init=False)
    """Tokens of callers, and the answers to them. An answer that is an exception is raised at the caller."""
    events: list[Event] = field(init=False)
    frames_to_clear: list[Run] = field(init=False)
    """Runs with an error: the local variables in its frames are cleared after all events about it were published."""
    stuck: list[Attempt] = field(init=False)
    """Attempts that did not end within their ``cleanup_grace``, or that execute for longer than ``stuck_after``."""
    shutdown_waits: tuple[ActiveRun, ...] = ()
    """Runs for which the shutdown has waited so long that the log has to name them."""
    critical: Run | None = None
    """A run of a critical job that failed or timed out, after all its retries."""
    fatal: BaseException | None = None
    """A ``KeyboardInterrupt`` or ``SystemExit`` that a job raised."""

    def __post_init__(self) -> None:
        self.cancels, self.assignments, self.answers = [], [], []
        self.events, self.frames_to_clear, self.stuck = [], [], []


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the engine."""

    max_workers: int
    dispatch_buffer: int = 1
    queue: PriorityQueueType = PriorityQueueType.HANDLE_BASED
    cleanup_grace: int = 30_000_000
    """Microseconds."""
    history_limit: int = 10_000
    history_per_job: int = 100
    history_ttl: int | None = None
    """Microseconds."""
    horizon: int | None = None
    """Microseconds before it is due that a job is claimed from the store; ``None``: as soon as it is known."""


@final
class State:
    """The tables of the engine, the effects of its decisions, and the few functions that all its modules need."""

    def __init__(
        self,
        options: Options,
        *,
        new_id: Callable[[], UUID],
        rng: random.Random,
        definitions: DefinitionCodec | None = None,
    ) -> None:
        self.options: Final = options
        self.durable: Final = definitions is not None
        """Whether a store keeps the jobs: it is told of each change, and goes on to keep them after a shutdown."""
        self.rng: Final = rng
        self._new_id = new_id
        self._sequence = self._runs = self._jobs = self._changes = 0

        self.jobs: dict[UUID, Job] = {}
        """Jobs that have not ended, and jobs that have ended and are remembered."""
        self.ended_jobs: OrderedDict[Job, int] = OrderedDict()
        """Jobs that have ended, the oldest first, and the wall time at which they did."""
        self.remains: dict[UUID, Job] = {}
        """Jobs that were forgotten, by id, as long as a run of them executes or a record of them is left."""
        self.by_id: dict[UUID, Any] = {}
        """Occurrences, runs and non-runs whose id was read."""

        handles = options.queue is PriorityQueueType.HANDLE_BASED
        self.queue: Queue[Occurrence] = HandleQueue() if handles else LazyQueue()
        """Planned occurrences, by (due instant, sequence number of the job)."""
        self.top_priority = 0
        """The highest priority that a job ever had, and at least 0."""
        self.longest_jitter = 0
        """The longest time by which an occurrence was ever planned to be due after its instant."""
        self.delays: Queue[Occurrence] = HandleQueue()
        """Planned occurrences of fixed delays, by loop time."""
        self.retries: Queue[Run] = HandleQueue()
        """Runs that wait for their retry, by loop time."""
        self.ready: Queue[Run] = HandleQueue()
        """Due runs that wait for capacity, by (priority, due instant, sequence number of the job)."""
        self.check_at: int = NEVER
        """The loop time of the next check by the watchdog: not later than ``check_at`` of any assigned attempt."""
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
        self.change_log: ChangeLog = ChangeLog(definitions)
        self.waits: Waits = Waits()
        self.effects: Effects = Effects()
        self.closing: Shutdown | None = None
        self.pauses: dict[object, str] = {}
        """The callers that paused all jobs, with their notes. While there is one, no run is made ready or bound."""
        self.set_versions: dict[str, int] = {}
        """The version of each job set that was applied last, by its name."""
        self.listening: Wanted = Wanted(lambda _: False)
        """Which kinds of events have listeners; the runtime sets it. Failures are always emitted, for the log."""

    def next_job(self) -> int:
        """Return the sequence number of the next job."""
        self._jobs += 1
        return self._jobs

    def number_jobs_after(self, last: int) -> None:
        """Number jobs after those that a store holds already."""
        self._jobs = max(self._jobs, last)

    def next_change(self) -> int:
        """Return the number of the next change for a store."""
        self._changes += 1
        return self._changes

    def next_run(self) -> int:
        """Return the number of the next run, in the order in which runs become due."""
        self._runs += 1
        return self._runs

    def run_id(self, item: Occurrence | Run | NonRun) -> RunId:
        """Return the id of a run, whether planned, active or ended; it is made when it is first read."""
        occurrence = item if isinstance(item, Occurrence) else item.occurrence
        if occurrence.run_id is None:
            occurrence.run_id = self._new_id()
            if isinstance(item, Occurrence) or self.history.keeps(item) or item.outcome is None:
                self.by_id[occurrence.run_id] = item
        return RunId(occurrence.run_id)

    def record(self, item: Run | NonRun) -> RunRecord:
        """Return the record of a run that has ended, or of an occurrence that did not run."""
        return record_of(item, self.run_id(item))

    def active_run(self, now: Now, run: Run) -> ActiveRun:
        """Return an active run as users read it."""
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
    def ending(self) -> bool:
        """Whether a shutdown ends what has not begun. A store goes on to keep it, so that nothing is ended then."""
        return self.closing is not None and not self.durable

    @property
    def capacity(self) -> int:
        """How many attempts may be bound now.

        It is read from the table of assigned attempts, because a worker that has reported does not wait yet.
        """
        return self.options.max_workers + self.options.dispatch_buffer - len(self.assigned)

    @property
    def executing(self) -> bool:
        """Whether any attempt executes."""
        return any(attempt.claimed for attempt in self.assigned)

    @property
    def pending(self) -> int:
        """The number of occurrences that are planned and not due."""
        return len(self.queue) + len(self.delays)

    def emit(
        self, now: Now, kind: type[Event], *, job: Job | None = None, run_id: RunId | None = None, **fields: Any
    ) -> None:
        """Emit an event: the runtime publishes it after the changes of this turn are committed.

        Instants are given as integers.
        """
        self._sequence += 1
        fields["sequence"] = self._sequence
        fields["at"] = now.wall
        fields["job_id"] = None if job is None else job.job_id
        fields["run_id"] = run_id
        self.effects.events.append(unread(kind, fields))

    def set_check(self, attempt: Attempt, loop: int) -> None:
        """Have the watchdog check an attempt at a loop time, instead of when it would have checked it."""
        attempt.check_at = loop
        self.check_at = min(self.check_at, loop)

    def unassign(self, attempt: Attempt) -> None:
        """Remove an attempt that has come back from its worker, or does not go to one."""
        del self.assigned[attempt]
        if not self.assigned:
            self.check_at = NEVER

    def answer_waits(self, subject: Subject, item: Any = None) -> None:
        """Note that a subject has ended as ``item``, and answer the callers that wait for no other subject."""
        if subject in self.waits:
            for wait in self.waits.end_subject(subject, item):
                self.effects.answers.append((wait.token, wait.result()))

    def fail_waits(self, subject: Subject, error: TurnKeeperError) -> None:
        """Answer the callers that wait for a subject with an error, because it was removed and its end is unknown."""
        for wait in self.waits.withdraw_all(subject):
            self.effects.answers.append((wait.token, error))
