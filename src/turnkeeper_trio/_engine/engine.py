"""The engine: the coordinator's turn as a synchronous state machine.

It takes the time as an argument, imports no event loop, and decides everything. A turn is: `report` each outcome,
`accept` each staged job, `decide` each command, `take_due`, then what a store must commit (`take_changes`, `settle`),
then `take_effects`: what the runtime has to do about it.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Final, final
from uuid import UUID

from turnkeeper_trio._engine import alarms, attempts, changing, closing, dueness, intake
from turnkeeper_trio._engine.attempt import Attempt
from turnkeeper_trio._engine.effects import Effects
from turnkeeper_trio._engine.intake import StoredJob, Submission
from turnkeeper_trio._engine.now import NEVER, Now
from turnkeeper_trio._engine.state import Options, State
from turnkeeper_trio._engine.tables import Job
from turnkeeper_trio._model.change import Change, Refusal
from turnkeeper_trio._model.ids import RecurringJobId
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

    def report(self, attempt: Attempt, now: Now) -> None:
        """An attempt has come back from its worker."""
        attempts.report(self.state, attempt, now)

    def accept(self, submission: Submission, now: Now) -> Job:
        """Take a staged job into the books, or change the one that has its key."""
        return changing.take(self.state, submission, now)

    def begin_closing(self, now: Now, *, forced: bool) -> None:
        """Begin to shut down, or go from graceful to forced."""
        closing.begin_closing(self.state, now, forced=forced)

    def take_due(self, now: Now) -> None:
        """Move what is due, and bind what there is capacity for; while closing, end it instead."""
        state = self.state
        if state.closing is not None:
            self._backlog = not closing.step(state, now, BATCH)
            closing.warn(state, now)
        else:
            self._backlog = not dueness.take_due(state, now, BATCH)
            dueness.assign(state, now, backlog=self._backlog)
        if state.look_at <= now.loop:
            alarms.look_through(state, now)
        if state.waits and not self._backlog:
            dueness.answer_idle(state)
            closing.answer_hopeless(state)

    def next_due(self, now: Now) -> int | None:
        """Return the wall time at which there is something to do next; ``None`` if nothing is planned.

        It looks at the queues, never at the ready runs: what is due can always be moved, what is ready waits for an
        outcome, and an outcome rings. So it cannot make the coordinator spin, whatever the capacity is.
        """
        if self._backlog:
            return now.wall
        state = self.state
        at = state.look_at
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
        return self.state.ledger.take()

    def settle(self, refusals: Iterable[Refusal]) -> None:
        """The store has committed the changes, but for those it refused: take these back, and answer submitters."""
        refused = {refusal.change_id: refusal.reason for refusal in refusals}
        # What is taken back may leave room for a ready run, or nothing to do: there is to be another turn, at once.
        self._backlog = self._backlog or bool(refused)
        for change_id, proposal in self.state.ledger.settle().items():
            subject, token = proposal.subject, proposal.token
            if isinstance(subject, Attempt):
                if change_id in refused and not subject.revoked:
                    intake.disown(self.state, subject.run)
                continue
            answer: object = RecurringJobId(subject.job_id)
            if change_id in refused:
                intake.release(self.state, subject)
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

    def admit(self, jobs: Sequence[StoredJob], now: Now) -> None:
        """Take over jobs that a store holds: it may hold more than memory does."""
        for stored in jobs:
            intake.admit(self.state, stored, now)

    def release(self, job_ids: Iterable[UUID]) -> None:
        """Let go of jobs that a store goes on holding; none of them may be executing."""
        for job_id in job_ids:
            intake.release(self.state, self.state.jobs[job_id])

    def take_effects(self) -> Effects:
        """Return what is to be done about the decisions since this was last called."""
        effects, self.state.effects = self.state.effects, Effects()
        return effects
