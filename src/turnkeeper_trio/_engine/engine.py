"""The engine: the coordinator's turn as a synchronous state machine.

It takes the time as an argument, imports no event loop, and decides everything. A turn is: `report` each outcome,
`accept` each staged job, `decide` each command, `take_due`, then what a store must commit (`take_changes`, `settle`),
then `take_effects`: what the runtime has to do about it.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Final, final
from uuid import UUID

from turnkeeper_trio._engine import completion, dispatch, firing, shutdown, store_sync, watchdog
from turnkeeper_trio._engine.rows import Attempt, Job
from turnkeeper_trio._engine.state import Effects, Options, State
from turnkeeper_trio._engine.store_sync import StoredJob
from turnkeeper_trio._engine.submission import Submission, accept
from turnkeeper_trio._model.change import Change, Refusal
from turnkeeper_trio._model.ids import RecurringJobId
from turnkeeper_trio._model.times import NEVER, Now
from turnkeeper_trio.errors import SubmissionRefused

BATCH: Final = 200
"""How much is moved in one turn at most: a few milliseconds of work, so that other tasks get their share."""


@final
class Engine:
    """The state, and the steps of a turn."""

    def __init__(self, options: Options, *, new_id: Callable[[], UUID], rng: random.Random) -> None:
        """Begin with empty tables."""
        self.state: Final = State(options, new_id=new_id, rng=rng)
        self._backlog = False

    def report(self, now: Now, attempt: Attempt) -> None:
        """An attempt has come back from its worker."""
        completion.report(self.state, now, attempt)

    def accept(self, now: Now, submission: Submission) -> Job:
        """Take a staged job into the books, or change the one that has its key."""
        return accept(self.state, now, submission)

    def begin_shutdown(self, now: Now, *, forced: bool) -> None:
        """Begin to shut down, or go from graceful to forced."""
        shutdown.begin_shutdown(self.state, now, forced=forced)

    def take_due(self, now: Now) -> None:
        """Move what is due, and bind what there is capacity for; while closing, end it instead."""
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
            shutdown.answer_hopeless(state)

    def next_due(self, now: Now) -> int | None:
        """Return the wall time at which there is something to do next; ``None`` if nothing is planned.

        It looks at the queues, never at the ready runs: what is due can always be moved, what is ready waits for an
        outcome, and an outcome rings. So it cannot make the coordinator spin, whatever the capacity is.
        """
        if self._backlog:
            return now.wall
        state = self.state
        at = state.check_at
        if state.closing is not None and state.active:
            at = min(at, state.closing.warn_at)
        if not state.pauses:
            if (retry := state.retries.peek()) is not None:
                at = min(at, retry[0])
            if (delayed := state.delays.peek()) is not None:
                at = min(at, delayed[0])
        due = NEVER if at == NEVER else at + now.wall - now.loop
        if not state.pauses and (planned := state.queue.peek()) is not None:
            due = min(due, planned[0])
        return None if due == NEVER else due

    @property
    def closed(self) -> bool:
        """Whether a shutdown has nothing left to wait for."""
        return self.state.closing is not None and not self._backlog and not self.state.assigned

    def take_changes(self) -> list[Change]:
        """Return what a store has to commit before anything is done about it; nothing where no store asks."""
        return self.state.change_log.take()

    def settle(self, refusals: Iterable[Refusal]) -> None:
        """The store has committed the changes, but for those it refused: take these back, and answer submitters."""
        refused = {refusal.change_id: refusal.reason for refusal in refusals}
        # What is taken back may leave room for a ready run, or nothing to do: there is to be another turn, at once.
        self._backlog = self._backlog or bool(refused)
        for change_id, proposal in self.state.change_log.settle().items():
            subject, token = proposal.subject, proposal.token
            if isinstance(subject, Attempt):
                if change_id in refused and not subject.revoked:
                    store_sync.lose_run(self.state, subject.run)
                continue
            answer: object = RecurringJobId(subject.job_id)
            if change_id in refused:
                store_sync.release(self.state, subject)
                self.state.counters.submitted -= 1
                answer = SubmissionRefused(
                    f"the store refused the job {subject.request.name!r}: {refused[change_id]}",
                    request=subject.request,
                    fn=subject.target,
                    args=subject.args,
                    kwargs=subject.kwargs,
                )
            if token is not None:
                self.state.effects.answers.append((token, answer))

    def admit(self, now: Now, jobs: Sequence[StoredJob]) -> None:
        """Take over jobs that a store holds: it may hold more than memory does."""
        for stored in jobs:
            store_sync.admit(self.state, now, stored)

    def release(self, job_ids: Iterable[UUID]) -> None:
        """Let go of jobs that a store goes on holding; none of them may be executing."""
        for job_id in job_ids:
            store_sync.release(self.state, self.state.jobs[job_id])

    def take_effects(self) -> Effects:
        """Return what is to be done about the decisions since this was last called."""
        effects, self.state.effects = self.state.effects, Effects()
        return effects
