"""The engine: the coordinator's turn as a synchronous state machine.

It makes all decisions. It gets the time as an argument, and imports no event loop. In a turn the coordinator calls
`report` for each outcome, `accept` for each staged job, `decide` for each command, then `take_due`. It has a store
commit what `take_changes` returns, and calls `settle` with the refusals. Then it carries out what `take_effects`
returns.
"""

import random
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Concatenate, Final, ParamSpec, TypeVar, final
from uuid import UUID

from turnkeeper_trio._engine import completion, control, dispatch, firing, queries, shutdown, store_sync, watchdog
from turnkeeper_trio._engine.invariants import check, is_consistent
from turnkeeper_trio._engine.rows import Attempt, AttemptResult, CancelCause, Job, NonRun, NoScope, Run
from turnkeeper_trio._engine.state import Effects, Options, State
from turnkeeper_trio._engine.store_sync import LoadedJob
from turnkeeper_trio._engine.submission import SET_VERSION, Submission, accept
from turnkeeper_trio._engine.waits import Wait
from turnkeeper_trio._model.ids import RunId
from turnkeeper_trio._model.job import ENDED_STATES
from turnkeeper_trio._model.metrics import MetricsSnapshot
from turnkeeper_trio._model.run import RunRecord
from turnkeeper_trio._model.shutdown_report import ShutdownReport
from turnkeeper_trio._model.stored import Completion, JobChange, Opened, Refusal
from turnkeeper_trio._model.times import NEVER, Now, seconds
from turnkeeper_trio.events import Event, RunStuck, Wanted
from turnkeeper_trio.jobs._stored_definition import DefinitionCodec

__all__ = [
    "BATCH",
    "Attempt",
    "AttemptResult",
    "CancelCause",
    "Decision",
    "Effects",
    "Engine",
    "LoadedJob",
    "NoScope",
    "Now",
    "Options",
    "Query",
    "Run",
    "Submission",
    "Wait",
]

P = ParamSpec("P")
R = TypeVar("R")

Query = Callable[Concatenate[State, P], R]
"""A question that needs no time: a function of `queries`."""

Decision = Callable[Concatenate[State, Now, P], R]
"""A function of `control`, `queries`, `submission` or `updates`: it returns the answer, or a `Wait` for it."""

BATCH: Final = 200
"""How many occurrences and runs are moved in one turn at most: a few milliseconds of work, so that other tasks run."""


@final
class Engine:
    """The state, the steps of a turn, and what the runtime may read."""

    def __init__(
        self,
        options: Options,
        *,
        new_id: Callable[[], UUID],
        rng: random.Random,
        definitions: DefinitionCodec | None = None,
    ) -> None:
        """Make the tables. ``definitions`` writes schedules for a store; without it there is no store."""
        self.state: Final = State(options, new_id=new_id, rng=rng, definitions=definitions)
        self._backlog = False
        self._handed_back = False
        """Whether the last changes gave up all jobs."""

    def report(self, now: Now, attempt: Attempt) -> None:
        """Take an attempt that has come back from its worker, and decide how its run continues."""
        completion.report(self.state, now, attempt)

    def accept(self, now: Now, submission: Submission) -> Job:
        """Accept a staged job: it is a new job, or changes the job that has its key."""
        return accept(self.state, now, submission)

    def begin_shutdown(self, now: Now, *, forced: bool) -> None:
        """Begin to shut down, or change a graceful shutdown into a forced one."""
        shutdown.begin_shutdown(self.state, now, forced=forced)

    @property
    def listening(self) -> Wanted:
        """Which kinds of events have listeners. Failures are emitted in any case, for the log."""
        return self.state.listening

    @listening.setter
    def listening(self, listening: Wanted) -> None:
        self.state.listening = listening

    @property
    def capacity(self) -> int:
        """How many attempts may be assigned now."""
        return self.state.capacity

    @property
    def backed_up(self) -> bool:
        """Whether due runs wait for workers, and no shutdown has begun."""
        return bool(len(self.state.ready)) and self.state.closing is None

    @property
    def assigned(self) -> Iterable[Attempt]:
        """Attempts that are bound to a worker and have not come back."""
        return self.state.assigned

    @property
    def has_one_assigned(self) -> bool:
        """Whether exactly one attempt is bound to a worker and has not come back."""
        return len(self.state.assigned) == 1

    @property
    def cancels(self) -> list[Attempt]:
        """Attempts whose scope the runtime has to cancel at once, before the store commits. It empties the list."""
        return self.state.effects.cancels

    @property
    def stuck(self) -> list[Attempt]:
        """Attempts that the watchdog has found since the last `take_effects`. The runtime reports their stacks."""
        return self.state.effects.stuck

    def ask(self, query: Callable[Concatenate[State, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Answer a question that needs no time."""
        return query(self.state, *args, **kwargs)

    def decide(
        self, decision: Callable[Concatenate[State, Now, P], R], now: Now, /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Carry out a command of a caller; return its answer, or a `Wait` for it."""
        return decision(self.state, now, *args, **kwargs)

    def answer(self, token: object, answer: object) -> None:
        """Have a caller answered after the changes of this turn are committed."""
        self.state.effects.answers.append((token, answer))

    def emit(self, now: Now, kind: type[Event], **fields: Any) -> None:
        """Emit an event that belongs to no job."""
        self.state.emit(now, kind, **fields)

    def emit_stuck(self, now: Now, attempt: Attempt, stack: str) -> None:
        """Emit the event that an attempt is stuck, or executes for long, with its stack."""
        run = attempt.run
        self.state.emit(
            now,
            RunStuck,
            job=run.job,
            run_id=self.state.run_id(run),
            name=run.job.request.name,
            attempt=attempt.number,
            phase=run.phase,
            running_for=seconds(now.loop - run.phase_since),
            stack=stack,
        )

    def attempt_started(self, now: Now, attempt: Attempt) -> None:
        """Emit the event that a worker has begun an attempt."""
        completion.attempt_started(self.state, now, attempt)

    def completion_of(self, attempt: Attempt, work: Callable[[Any], Any]) -> Completion | None:
        """Return what a store needs to commit work together with the success of a run.

        ``None`` if the attempt does not execute, or was completed before.
        """
        run = attempt.run
        if run.attempt is not attempt or attempt.scope is None or attempt.completed or run.job.lost:
            return None
        return Completion(run.job.job_id, run.occurrence.entry, attempt.number, work)

    def complete(self, attempt: Attempt, value: object) -> None:
        """Note that the success of an attempt is committed, with the value of its run."""
        attempt.completed, attempt.kept = True, value

    def run_id(self, item: Run | NonRun) -> RunId:
        """Return the id of a run; it is made when it is first read."""
        return self.state.run_id(item)

    def record(self, item: Run | NonRun) -> RunRecord:
        """Return the record of a run that has ended, or of an occurrence that did not run."""
        return self.state.record(item)

    def cut_off(self, now: Now) -> None:
        """Begin a forced shutdown, and ask every attempt that executes to end; legal while a store commits."""
        shutdown.cut_off(self.state, now)

    def end_all(self, now: Now) -> None:
        """End all runs that have not ended. There are none, unless the scheduler was torn down, or its store failed.

        If a store keeps the jobs, nothing is ended: the store goes on with what it was told last.
        """
        if self.state.durable:
            self._count_left()
            store_sync.leave_all(self.state)
        else:
            shutdown.end_all(self.state, now)

    def shutdown_report(self, now: Now) -> ShutdownReport:
        """Return what the shutdown has done so far."""
        return shutdown.shutdown_report(self.state, now)

    @property
    def shutting_down(self) -> bool:
        """Whether a shutdown has begun."""
        return self.state.closing is not None

    def metrics(self, *, staged: int, staged_total: int, rejected_total: int) -> MetricsSnapshot:
        """Return the counters and gauges. The arguments are the numbers that the runtime counts in staging."""
        return queries.metrics(self.state, staged=staged, staged_total=staged_total, rejected_total=rejected_total)

    @property
    def only_worker(self) -> bool:
        """Whether there is one worker."""
        return self.state.options.max_workers == 1

    def knows(self, job_id: UUID) -> bool:
        """Return whether a job with this id is in the tables, and may be changed: this scheduler owns it."""
        job = self.state.jobs.get(job_id) or self.state.remains.get(job_id)
        return job is not None and not (job.lost or job.released)

    def let_go(self, job_ids: Iterable[UUID]) -> None:
        """Remove those jobs that are in the tables only to be read, because they are about to be claimed."""
        for job_id in job_ids:
            store_sync.let_go(self.state, job_id)

    def is_taken(self, job_id: UUID) -> bool:
        """Return whether a job that has not ended has this id."""
        job = self.state.jobs.get(job_id)
        return job is not None and job.state not in ENDED_STATES

    @property
    def executing(self) -> bool:
        """Whether any attempt executes."""
        return self.state.executing

    def body_began(self, now: Now, attempt: Attempt) -> bool:
        """Set when the watchdog checks an attempt that begins; return whether the coordinator has to wake sooner."""
        return watchdog.body_began(self.state, now, attempt)

    def is_consistent(self) -> bool:
        """Return whether the tables agree with each other; ``False`` if that cannot be checked."""
        return is_consistent(self.state)

    def check(self) -> None:
        """Assert that the tables agree with each other and that the books balance."""
        check(self.state)

    def take_due(self, now: Now) -> None:
        """Make due occurrences ready, and bind as many runs as there is capacity for; in a shutdown, end them."""
        state = self.state
        if state.closing is not None:
            self._backlog = not shutdown.end_unstarted(state, now, BATCH)
            shutdown.warn_waiting(state, now)
        else:
            self._backlog = not firing.take_due(state, now, BATCH)
            dispatch.assign(state, now, backlog=self._backlog)
        if state.check_at <= now.loop:
            watchdog.check_overdue(state, now)
        if state.waits and not self._backlog:
            firing.answer_idle(state)
            shutdown.fail_impossible_waits(state)

    def next_due(self, now: Now) -> int | None:
        """Return the wall time at which there is something to do next; ``None`` if nothing is planned.

        It looks at the queues and never at the ready runs. What is due can always be moved, while a ready run waits for
        an outcome, and an outcome wakes the coordinator. So the coordinator does not spin, whatever the capacity is.
        """
        if self._backlog:
            return now.wall
        state = self.state
        at = state.check_at
        if state.closing is not None and state.active:
            at = min(at, state.closing.warn_at)
        begins = not state.pauses and (state.closing is None or state.ending)
        if begins:
            if (retry := state.retries.peek()) is not None:
                at = min(at, retry[0])
            if (delayed := state.delays.peek()) is not None:
                at = min(at, delayed[0])
        due = NEVER if at == NEVER else at + now.wall - now.loop
        if begins and (planned := state.queue.peek()) is not None:
            due = min(due, planned[0])
        return None if due == NEVER else due

    @property
    def closed(self) -> bool:
        """Whether a shutdown has nothing left to wait for."""
        return self.state.closing is not None and not self._backlog and not self.state.assigned

    @property
    def over(self) -> bool:
        """Whether a shutdown is complete: nothing is left to wait for, and a store has been told what is left to it."""
        return self.closed and (self._handed_back or not self.state.durable)

    def take_changes(self, now: Now) -> list[JobChange]:
        """Return what a store has to commit before the effects are carried out; when all has ended, hand back the rest.

        Without a store there is nothing to commit.
        """
        if not self.state.durable:
            return []
        hand_back = self._handed_back = self.closed
        if hand_back:
            self._count_left()
        return store_sync.take_changes(self.state, now, hand_back=hand_back)

    def _count_left(self) -> None:
        """Count for the report what is left to the store."""
        closing = self.state.closing
        assert closing is not None
        closing.handed_back += len(self.state.active)
        closing.unrun += self.state.pending

    def note_elsewhere(self, *, elsewhere: bool) -> None:
        """Note whether the store holds jobs with something to do that are not in the tables."""
        self.state.change_log.elsewhere = elsewhere

    def take_settings(self) -> dict[str, str | None]:
        """Return the settings that a store has to keep, as far as they have changed."""
        log = self.state.change_log
        settings, log.settings = log.settings, {}
        return settings

    def give_up(self, changes: Sequence[JobChange]) -> None:
        """Note that the store could not commit changes, for the report."""
        self.state.change_log.give_up(changes)

    def settle(self, now: Now, refusals: Iterable[Refusal]) -> None:
        """Take back the changes that the store refused (it committed the others), and answer who submitted jobs."""
        refused = {refusal.change_id: refusal.reason for refusal in refusals}
        # What is taken back may leave room for a ready run, or leave the scheduler idle: the next turn comes at once.
        self._backlog = self._backlog or bool(refused)
        store_sync.settle(self.state, now, refused)

    def resume(self, opened: Opened) -> None:
        """Go on where the scheduler before ended that had the store open."""
        self.state.number_jobs_after(opened.last_seq)
        for name, text in opened.settings.items():
            if name == control.PAUSED_ALL:
                self.state.pauses[control.ALL] = text
            elif name.startswith(SET_VERSION):
                self.state.set_versions[name.removeprefix(SET_VERSION)] = int(text)

    def resolve(self, targets: Collection[str]) -> None:
        """Have the runs of jobs begin whose function was not registered before."""
        store_sync.resolve(self.state, targets)

    def admit(self, now: Now, loaded: LoadedJob) -> None:
        """Put a job that a store gave in the tables."""
        store_sync.admit(self.state, now, loaded)

    def take_effects(self) -> Effects:
        """Return what the runtime has to carry out for the decisions since the last call."""
        effects, self.state.effects = self.state.effects, Effects()
        return effects
