"""The coordinator: the one task that owns the engine.

Its turn is always the same:

1. take what workers report, what is staged, what is asked: one engine call each, in bounded batches;
2. move what is due, and bind what there is capacity for;
3. let the store commit what was decided (memory has nothing to commit, and costs no await);
4. act: cancel scopes (before the commit: ending a run never waits for a store), answer, dispatch, tell;
5. sleep until rung, or until the next instant.

It never waits for anybody but the store, and never under a deadline but in its sleep, which holds nothing: so it cannot
deadlock with a caller or a worker, and nothing is lost when the deadline strikes. It runs shielded, and ends only when
no attempt is out: an outcome always finds it. When it ends, for whatever reason, everybody who waits is answered in the
same step.
"""

import logging
import math
from typing import Final, final

import anyio
from trio.lowlevel import enable_ki_protection

from turnkeeper_trio._engine.engine import Attempt, CancelCause, Effects, Engine, Submission
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.run import RunRecord
from turnkeeper_trio._model.times import MICROSECONDS, Now, seconds
from turnkeeper_trio._model.tracebacks import forget_locals
from turnkeeper_trio._runtime.clock import BoundClock
from turnkeeper_trio._runtime.commands import CommandQueue
from turnkeeper_trio._runtime.dispatcher import Dispatcher
from turnkeeper_trio._runtime.inbox import Inbox, SubmissionBatcher, Wakeup
from turnkeeper_trio._runtime.logs import log_waiting, write
from turnkeeper_trio._runtime.primitives import SharedEvent
from turnkeeper_trio._runtime.publisher import EventPublisher
from turnkeeper_trio._runtime.stacks import stack_of
from turnkeeper_trio.abc import Store
from turnkeeper_trio.errors import StoreUnavailable
from turnkeeper_trio.events import ClockStepped, SchedulerStopped

STEP: Final = 1 * MICROSECONDS
"""By how much the wall clock must move against the loop's between two turns to be told as a step: a second."""

STORE_RETRY: Final = 1.0
"""Seconds after which a batch is offered again to a store that was unavailable."""


@final
class Coordinator:
    """Drives the engine; see the module."""

    def __init__(
        self,
        engine: Engine,
        *,
        clock: BoundClock,
        wakeup: Wakeup,
        dispatcher: Dispatcher,
        staging: Inbox[Submission],
        command_queue: CommandQueue,
        publisher: EventPublisher,
        store: Store | None,
    ) -> None:
        """Put the parts together; nothing runs yet."""
        self._engine = engine
        self._clock = clock
        self._wakeup = wakeup
        self._dispatcher = dispatcher
        self._staging = staging
        self._batcher = SubmissionBatcher(engine, staging, clock=clock, wakeup=wakeup)
        self._publisher = publisher
        self._store = store
        self._command_queue = command_queue
        self._forced: bool | None = None
        self._committing = False
        self._committed = 0
        self._drift: int | None = None
        self.last_turn: Now = clock.read()
        """When the engine last decided."""
        self.begun: bool = False
        """Whether its task has taken its first step, or never will."""
        self.ended: Final = SharedEvent()
        """Set when nothing is left to be done; every caller has been answered then."""
        self.crash: BaseException | None = None
        """What ended it before its time."""
        self.fatal: BaseException | None = None
        """A ``KeyboardInterrupt`` or ``SystemExit`` that a job raised."""
        self.critical: RunRecord | None = None
        """The record of a critical job that failed for good."""
        self.body: anyio.CancelScope | None = None
        """The scope of the ``async with`` body: cancelled when the program is to end."""

    def close(self, *, forced: bool) -> None:
        """Have the scheduler shut down: synchronous, at once for submitters, from the next turn for runs."""
        self._staging.close()
        self._forced = bool(self._forced) or forced
        if self._committing and forced:
            self._cut_off()
        self._wakeup.wake()

    def wake(self) -> None:
        """Have it take a turn, and so look at the clock."""
        self._wakeup.wake()

    def _cut_off(self) -> None:
        """Force, while a store is waited for: to end a run never waits for that."""
        self._engine.cut_off(self._clock.read())
        self._cancel(self._engine.cancels)

    @property
    def closing(self) -> bool:
        """Whether it takes nothing new any more."""
        return self._forced is not None

    @property
    def held_up(self) -> bool:
        """Whether it waits for a run or for a store, and not only for its next turn."""
        return self._committing or self._engine.executing

    @enable_ki_protection
    async def run(self) -> None:  # noqa: ASYNC910  (it waits for all workers)
        """Take turns until a shutdown is complete."""
        self.begun = True
        with anyio.CancelScope(shield=True):
            try:
                for stage in (self._take_turns, self._end_workers):
                    try:
                        await stage()
                    except BaseException as exc:  # noqa: BLE001, ASYNC103  (it leaves the block)
                        # What the program is to know leaves the block. The workers are waited for all the same.
                        self.abort(exc)
                        if guard.is_a(exc, GeneratorExit):
                            break  # noqa: ASYNC104  (the loop is torn down: nothing can be waited for any more)
            finally:
                self.end()

    def end(self) -> None:
        """Hand nothing more out, and answer everybody: it has ended, or never begins."""
        self.begun = True
        self._dispatcher.close_dispatch()
        self.finish()

    async def _take_turns(self) -> None:  # noqa: ASYNC910  (part of the coordinator's task)
        while not (self._engine.closed and not self._staging):
            with self._wakeup.alarm():
                await self._take_turns_until_alarm()

    async def _take_turns_until_alarm(self) -> None:
        engine, clock = self._engine, self._clock
        while True:
            now = self.last_turn = clock.read()
            self._check_clock_step(now)
            self._take_input(now)
            engine.take_due(now)
            if engine.stuck:
                self._report_stuck(now)
            self._cancel(engine.cancels)
            if self._store is not None:
                await self._commit(self._store)
                self._committed = self._staging.taken
            self._act(engine.take_effects())
            if engine.closed and not self._staging:
                return  # noqa: ASYNC910  (part of the coordinator's task)
            due = engine.next_due(now)
            if self._command_queue.has_commands or self._staging:
                self._wakeup.wake()
            await self._wakeup.sleep(math.inf if due is None else clock.deadline(due, now))
            await self._batcher.gather()

    async def _end_workers(self) -> None:  # noqa: ASYNC910  (with no worker left there is nothing to wait for)
        self._dispatcher.close_dispatch()
        while self._dispatcher.workers:
            await self._wakeup.sleep()

    def _check_clock_step(self, now: Now) -> None:
        drift = now.wall - now.loop
        if self._drift is not None and abs(drift - self._drift) >= STEP:
            self._engine.emit(now, ClockStepped, seconds=seconds(drift - self._drift))
        self._drift = drift

    def _take_input(self, now: Now) -> None:
        engine, dispatcher = self._engine, self._dispatcher
        engine.listening = dispatcher.reports_starts = self._publisher.wanted
        for attempt in dispatcher.take_started():
            engine.attempt_started(now, attempt)
        outcomes = dispatcher.take_outcomes()
        for attempt in outcomes:
            engine.report(now, attempt)
        for submission in self._batcher.take(len(outcomes)):
            engine.accept(now, submission)
        self._staging.admit_senders()
        # What a store may still refuse is not known yet: who asks about it is answered after the commit.
        self._command_queue.run_pending(now, staged=self._staging.taken if self._store is None else self._committed)
        if self._forced is not None:
            engine.begin_shutdown(now, forced=self._forced)

    async def _commit(self, store: Store) -> None:  # noqa: ASYNC910  (there may be nothing to commit)
        """Have the store commit what was decided: nothing of it is done before, but for cancelling."""
        engine = self._engine
        changes = engine.take_changes()
        if not changes:
            return  # noqa: ASYNC910  (there may be nothing to commit)
        self._committing = True
        with anyio.CancelScope(shield=True):  # The alarm may have struck already, and is for sleeping only.
            while self._committing:
                try:
                    refusals = await store.apply(changes)
                except StoreUnavailable as exc:
                    write(
                        logging.WARNING,
                        "the store is unavailable (%s); next try in %.0f s",
                        guard.text(exc),
                        STORE_RETRY,
                    )
                    await anyio.sleep(STORE_RETRY)
                else:
                    self._committing = False
                    engine.settle(refusals)

    def _cancel(self, cancels: list[Attempt]) -> None:
        for attempt in cancels:
            assert attempt.scope is not None  # nothing was awaited since this was decided
            attempt.scope.cancel()
        cancels.clear()

    def _act(self, effects: Effects) -> None:
        for reply, answer in effects.answers:
            self._command_queue.answer(reply, answer)
        for attempt in effects.assignments:
            self._dispatcher.send(attempt)
        if effects.events:
            self._publisher.tell(effects.events)
        if effects.shutdown_waits:
            log_waiting(effects.shutdown_waits)
        if effects.critical is not None and self.critical is None:
            self.critical = self._engine.record(effects.critical)
            self._end_program()
        for run in effects.frames_to_clear:
            forget_locals(run.error)
        fatal = self._publisher.fatal if effects.fatal is None else effects.fatal
        if fatal is not None and self.fatal is None:
            self.fatal = fatal
            self._end_program()

    def _report_stuck(self, now: Now) -> None:
        for attempt in self._engine.stuck:
            self._engine.emit_stuck(now, attempt, stack_of(attempt))

    def _end_program(self) -> None:
        assert self.body is not None  # it is told of before the first task starts
        self.close(forced=True)
        self.body.cancel()

    def abort(self, cause: BaseException) -> None:
        """Something that must not happen has happened: have every attempt end, and the body, and answer everybody.

        All in this step: an attempt that waits for an answer, or asks while it cleans up, would never end, and nobody
        else answers any more. Subscribers are told nothing more, for one may be an attempt, too.
        """
        if guard.is_a(cause, guard.PROGRAM):
            self.fatal = cause if self.fatal is None else self.fatal
        elif self.crash is None:
            self.crash = cause
            self._command_queue.crashed = True
        self._end_program()
        for attempt in self._engine.assigned:
            attempt.revoked = not attempt.claimed
            if attempt.scope is not None:
                attempt.cause = CancelCause.SHUTDOWN if attempt.cause is None else attempt.cause
                attempt.scope.cancel()
        self._command_queue.close()
        self._publisher.end()
        self._command_queue.answer_remaining(self.last_turn)

    def finish(self) -> None:
        """Take in what is left in the streams, so that the books balance, and answer everybody.

        After a crash the tables may be in any state, and this may fail, too: callers are answered all the same. Once it
        has ended, what is planned stays as it was then, however late the block is left: only attempts that outlived a
        crash still come back.
        """
        self._staging.close()
        self._command_queue.close()
        try:
            if self.ended.is_set():
                for attempt in self._dispatcher.take_outcomes():
                    self._engine.report(self.last_turn, attempt)
            else:
                self._close_books()
        except BaseException as exc:  # noqa: BLE001, ASYNC103  (it leaves the block as the cause of an `InternalError`)
            self.crash = exc if self.crash is None else self.crash
        finally:
            self._publisher.end()
            self._command_queue.answer_remaining(self.last_turn)
            self.ended.set()

    def _close_books(self) -> None:
        read, _ = guard.call(self._clock.read)  # A clock that made it end may be faulty again.
        now = self.last_turn = self.last_turn if read is None else read
        engine = self._engine
        engine.begin_shutdown(now, forced=not engine.shutting_down)
        for attempt in self._dispatcher.take_outcomes():
            engine.report(now, attempt)
        for submission in self._staging.take(len(self._staging)):
            engine.accept(now, submission)
        engine.end_all(now)
        engine.listening = self._publisher.wanted
        if engine.listening:
            engine.emit(now, SchedulerStopped)
        effects = engine.take_effects()
        effects.assignments.clear()
        self._act(effects)
