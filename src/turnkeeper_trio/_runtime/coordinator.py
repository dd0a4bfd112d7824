"""The coordinator: the one task that owns the engine.

Each of its turns has the same steps:

1. take outcomes, submissions and commands, in bounded batches, with one call of the engine for each;
2. move what is due, and assign runs to workers as far as there is capacity;
3. cancel scopes: before the commit, because ending a run never waits for a store;
4. have the store commit what was decided (without a store there is no commit, and no await);
5. act on what was decided: answer callers, send attempts to the workers, publish events;
6. sleep until it is woken, or until the next instant.

Except in its sleep, it waits for nothing but the store. So it cannot deadlock with a caller or a worker. It has a
deadline only in its sleep, in which it holds nothing. So the deadline cannot lose anything. It runs shielded, and ends
only when no attempt is with a worker. So it receives every outcome. When it ends, for whatever reason, each caller that
still waits is answered in the same step.
"""

import math
from contextvars import copy_context
from typing import Final, final

import anyio

from turnkeeper_trio._engine.engine import Attempt, CancelCause, Effects, Engine, Submission
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.run import RunRecord
from turnkeeper_trio._model.times import MICROSECONDS, Now, seconds
from turnkeeper_trio._model.tracebacks import forget_locals
from turnkeeper_trio._runtime.clock import BoundClock
from turnkeeper_trio._runtime.commands import Command, CommandQueue
from turnkeeper_trio._runtime.completer import Completer
from turnkeeper_trio._runtime.dispatcher import Dispatcher
from turnkeeper_trio._runtime.inbox import Inbox, SubmissionBatcher, Wakeup
from turnkeeper_trio._runtime.keeper import StoreKeeper
from turnkeeper_trio._runtime.logs import log_waiting
from turnkeeper_trio._runtime.loops import defer_ctrl_c
from turnkeeper_trio._runtime.primitives import SharedEvent
from turnkeeper_trio._runtime.publisher import EventPublisher
from turnkeeper_trio._runtime.stacks import stack_of
from turnkeeper_trio.events import ClockStepped, RunStarted, SchedulerStopped

CLOCK_STEP: Final = 1 * MICROSECONDS
"""How far the wall time must move against the loop's time between two turns to be a step, for `ClockStepped`."""


@final
class Coordinator:
    """Drives the engine, turn after turn."""

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
        keeper: StoreKeeper | None,
    ) -> None:
        defer_ctrl_c(Coordinator.run, Coordinator._take_turn)
        self._engine = engine
        self._clock = clock
        self._wakeup = wakeup
        self._dispatcher = dispatcher
        self._staging = staging
        self._batcher = SubmissionBatcher(
            engine, staging, clock=clock, wakeup=wakeup, reported=lambda: dispatcher.reported
        )
        self._publisher = publisher
        self._keeper = keeper
        self._command_queue = command_queue
        self._taken: list[Submission] | None = None
        """The submissions that the next turn accepts, if they were taken out of staging before it."""
        self._forced: bool | None = None
        """Whether the shutdown is forced; ``None`` before a shutdown."""
        self._at_store = False
        """Whether the turn waits for a store."""
        self.completer: Completer | None = None
        """Where jobs have work done together with their success, if there is a store; the runner sets it."""
        self._committed = 0
        """How many submissions the store has committed or refused."""
        self._drift: int | None = None
        """The wall time minus the loop's time, at the last turn."""
        self._context = copy_context()
        """The context of a turn outside of the coordinator's task."""
        self._fault: BaseException | None = None
        """What a turn outside of the coordinator's task raised."""
        dispatcher.at_last_report = self._at_last_report
        self.last_turn: Now = clock.read()
        """When the engine last decided."""
        self.begun: bool = False
        """Whether its task has taken its first step, or never will."""
        self.ended: Final = SharedEvent()
        """Set when nothing is left to do, and every caller has been answered."""
        self.crash: BaseException | None = None
        """The exception that ended it before its time: a fault of this library, or a cancellation of a task."""
        self.fatal: BaseException | None = None
        """The ``KeyboardInterrupt`` or ``SystemExit`` that ends the program."""
        self.critical: RunRecord | None = None
        """The record of a critical job that failed for good."""
        self.body: anyio.CancelScope | None = None
        """The scope of the body of the block. It is cancelled when the program is to end."""

    def close(self, *, forced: bool) -> None:
        """Begin to shut down, without waiting: submissions are refused at once, runs are dealt with in the next turn.

        If the turn waits for a store, a forced shutdown cancels the executing runs at once.
        """
        self._staging.close()
        self._forced = bool(self._forced) or forced
        if self._at_store and forced:
            self._cut_off()
        if self._keeper is not None:
            self._keeper.hurry(forced=self._forced)
        self._wakeup.wake()

    def wake(self) -> None:
        """Have it take a turn, in which it reads the clock."""
        self._wakeup.wake()

    def _cut_off(self) -> None:
        """Cancel the executing runs while the turn waits for the store: ending a run never waits for a store."""
        self._engine.cut_off(self._clock.read())
        self._cancel(self._engine.cancels)

    @property
    def closing(self) -> bool:
        """Whether a shutdown has begun: nothing new is accepted."""
        return self._forced is not None

    @property
    def held_up(self) -> bool:
        """Whether it waits for a run or for a store, and not only for its next turn."""
        return self._at_store or self._engine.executing

    async def run(self) -> None:  # noqa: ASYNC910  (it waits for all workers)
        """Take turns until a shutdown is complete."""
        self.begun = True
        with anyio.CancelScope(shield=True):
            try:
                for stage in (self._take_turns, self._end_workers):
                    crash: BaseException | None = None
                    try:
                        await stage()
                    except BaseException as exc:  # noqa: BLE001, ASYNC103  (it leaves the block)
                        crash = exc
                    if crash is not None:
                        # The exception leaves the block at its end. Until then the workers are waited for, as always.
                        # While it was handled, it would become the context of each cancellation that it causes.
                        self.abort(crash)
                        if guard.is_a(crash, GeneratorExit):
                            break  # the loop is torn down: nothing can be waited for any more
            finally:
                self.end()

    def end(self) -> None:
        """Send no more attempts to the workers, and answer every caller: the task has ended, or never begins."""
        self.begun = True
        self._wakeup.cancel_timer()
        self._dispatcher.close_dispatch()
        self.finish()

    async def _take_turns(self) -> None:  # noqa: ASYNC910  (part of the coordinator's task)
        while not (self._engine.over and not self._staging):
            with self._wakeup.alarm():
                await self._take_turns_until_alarm()

    async def _take_turns_until_alarm(self) -> None:
        engine = self._engine
        while True:
            if self._fault is not None:
                raise self._fault
            if self._keeper is not None:
                await self._load(self._keeper)
            now = self._decide()
            if self._keeper is not None:
                await self._commit(self._keeper, now)
                self._committed = self._staging.taken
            self._act(engine.take_effects())
            if engine.over and not self._staging:
                return  # noqa: ASYNC910  (part of the coordinator's task)
            due = engine.next_due(now)
            if self._keeper is not None and self._forced is None and (at := self._keeper.next_claim) is not None:
                due = at if due is None else min(at, due)
            if self._command_queue.has_commands or self._staging:
                self._wakeup.wake()
            await self._wakeup.sleep(math.inf if due is None else self._clock.deadline(due, now))
            await self._batcher.gather()

    def _decide(self) -> Now:
        """Read the clock, and decide about all that waits and is due; return the time of the turn."""
        engine = self._engine
        now = self.last_turn = self._clock.read()
        self._check_clock_step(now)
        self._take_input(now)
        engine.take_due(now)
        if engine.stuck:
            self._report_stuck(now)
        self._cancel(engine.cancels)
        return now

    def run_at_once(self, command: Command) -> bool:
        """Carry out a command in the caller's task, if nothing comes before it; return whether this was done.

        While the coordinator sleeps, nothing else waits for a turn, because whatever comes in wakes it. So this is the
        turn that it would take if the command woke it, without two switches of tasks, which cost as much as the turn.
        A command that comes while something else waits takes its place in the stream. A turn that waits for a store
        needs the coordinator's task.
        """
        if not self._wakeup.asleep or self._keeper is not None or self._forced is not None:
            return False
        self._command_queue.add(command)
        self._take_turn_outside()
        return True

    def _at_last_report(self) -> bool:
        """Take a turn in the task of a worker that has reported the only attempt that there was; see `run_at_once`.

        Where several attempts are with the workers, one turn for the outcomes of several costs less.
        """
        may = self._wakeup.asleep and self._keeper is None and self._forced is None and self._engine.has_one_assigned
        if may:
            self._take_turn_outside()
        return may

    def _take_turn_outside(self) -> None:
        # What is logged and told to observers in this turn is not part of the run that the caller may belong to.
        self._context.run(self._take_turn)

    def _take_turn(self) -> None:
        try:
            now = self._decide()
            self._act(self._engine.take_effects())
            due = self._engine.next_due(now)
            self._wakeup.set_alarm(math.inf if due is None else self._clock.deadline(due, now))
        except BaseException as exc:  # noqa: BLE001, ASYNC103  (the coordinator raises it)
            self._fault = exc
            self._wakeup.wake()

    async def _end_workers(self) -> None:  # noqa: ASYNC910  (with no worker left there is nothing to wait for)
        self._dispatcher.close_dispatch()
        while self._dispatcher.workers:
            await self._wakeup.sleep()

    def _check_clock_step(self, now: Now) -> None:
        drift = now.wall - now.loop
        if self._drift is not None and abs(drift - self._drift) >= CLOCK_STEP:
            self._engine.emit(now, ClockStepped, seconds=seconds(drift - self._drift))
            if self._keeper is not None:
                self._keeper.clock_stepped()
        self._drift = drift

    def _take_input(self, now: Now) -> None:
        engine, dispatcher = self._engine, self._dispatcher
        engine.listening = wanted = self._publisher.wanted()
        dispatcher.reports_starts = wanted[RunStarted]
        for attempt in dispatcher.take_started():
            engine.attempt_started(now, attempt)
        outcomes = dispatcher.take_outcomes()
        for attempt in outcomes:
            engine.report(now, attempt)
        submissions, self._taken = self._taken, None
        if submissions is None and self._staging:
            submissions = self._batcher.take(len(outcomes))
        if submissions is not None:
            for submission in submissions:
                engine.accept(now, submission)
            self._staging.admit_senders()
        if self._command_queue.has_commands:
            # The store may still refuse what is not committed: a command that asks about it is answered after the
            # commit.
            staged = self._staging.taken if self._keeper is None else self._committed
            self._command_queue.run_pending(now, staged=staged)
        if self._forced is not None:
            engine.begin_shutdown(now, forced=self._forced)

    async def _load(self, keeper: StoreKeeper) -> None:  # noqa: ASYNC910  (there may be nothing to load)
        """Claim from the store what the next turn decides about and what is not in the tables."""
        self._at_store = True
        try:
            await self._load_from(keeper)
        finally:
            self._at_store = False

    async def _load_from(self, keeper: StoreKeeper) -> None:  # noqa: ASYNC910  (there may be nothing to load)
        now = self._clock.read()
        if self._forced is None:
            await keeper.claim_due(now)
        taken = self._batcher.take(self._dispatcher.reported)
        # Whoever was told that the store is unavailable was not promised anything.
        self._taken = [each for each in taken if each.token is None or each.token.open]
        await keeper.load_keys(now, self._taken)
        await keeper.load_for_commands(now, self._command_queue)
        if self.completer is not None:
            await self.completer.work_off()

    async def _commit(self, keeper: StoreKeeper, now: Now) -> None:
        """Have the store commit what was decided. Only scopes are cancelled before that; all else waits for it."""
        self._at_store = True
        try:
            await keeper.commit(now)
        finally:
            self._at_store = False
        self._cancel(self._engine.cancels)  # The runs of jobs that the store refused.

    def _cancel(self, cancels: list[Attempt]) -> None:
        for attempt in cancels:
            assert attempt.scope is not None  # It was executing when this was decided, and nothing was awaited since.
            attempt.scope.cancel()
        cancels.clear()

    def _act(self, effects: Effects) -> None:
        for reply, answer in effects.answers:
            self._command_queue.answer(reply, answer)
        for attempt in effects.assignments:
            self._dispatcher.send(attempt)
        if effects.events:
            self._publisher.publish(effects.events)
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
        assert self.body is not None  # The runner sets it before the first task starts.
        self.close(forced=True)
        self.body.cancel()

    def abort(self, cause: BaseException) -> None:
        """End every attempt and the body, and answer every caller, after something that must not happen.

        All of this happens in one step. An attempt that waits for an answer, or asks for one in its cleanup, would
        never end otherwise, because nothing else answers any more. Subscriptions end, too, because an attempt may be
        waiting for an event.
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
        """Take what is left in the streams, so that the books balance, and answer every caller.

        After a crash the tables may be in any state, and this may fail, too; callers are answered all the same. A
        second call, when the block is left, only takes the outcomes of attempts that ended after a crash: what is
        planned stays as it was at the end, however much later the block is left.
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
        read, _ = guard.call(self._clock.read)  # The clock may be what failed, and may fail again.
        now = self.last_turn = self.last_turn if read is None else read
        engine = self._engine
        engine.begin_shutdown(now, forced=not engine.shutting_down)
        for attempt in self._dispatcher.take_outcomes():
            engine.report(now, attempt)
        for submission in (*(self._taken or ()), *self._staging.take(len(self._staging))):
            engine.accept(now, submission)
        engine.end_all(now)
        engine.listening = self._publisher.wanted()
        if engine.listening[SchedulerStopped]:
            engine.emit(now, SchedulerStopped)
        effects = engine.take_effects()
        effects.assignments.clear()
        self._act(effects)
