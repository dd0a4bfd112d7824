"""Commands and replies: what a caller asks the coordinator for, and how the caller gets the answer.

Each caller that waits gets one answer, whatever happens: also when the scheduler ends or fails.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, cast, final
from uuid import UUID

import anyio

from turnkeeper_trio._engine.engine import BATCH, Engine, Wait
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.ids import job_id_of_key
from turnkeeper_trio._model.kept import record_of_row
from turnkeeper_trio._model.stored import StoredRun
from turnkeeper_trio._model.times import Now
from turnkeeper_trio._runtime.inbox import Inbox
from turnkeeper_trio._runtime.loops import asyncio, in_trio, is_cancellation
from turnkeeper_trio._runtime.primitives import Event, set_event
from turnkeeper_trio.errors import (
    InternalError,
    JobNotFound,
    RunNotFound,
    SchedulerClosed,
    StoreUnavailable,
    TurnKeeperError,
)


@final
class Reply:
    """What a caller waits for: it is answered once."""

    __slots__ = ("_answer", "_answered", "_event", "given_up", "submits", "unanswered", "wait")

    def __init__(self, *, submits: bool = False) -> None:
        self.submits: bool = submits
        """Whether its caller submitted a job: it does not wait for a store that is unavailable for long."""
        self._event: Event | None = None
        """Set when it is answered; made when the caller begins to wait."""
        self._answer: Any = None
        self._answered = False
        self.given_up: bool = False
        """Whether the caller has stopped waiting."""
        self.wait: Wait | None = None
        """What the answer depends on, if it was not ready at once."""
        self.unanswered: dict[Reply, None] = {}
        """The table of unanswered replies that holds this one, until it is answered or given up."""

    @property
    def open(self) -> bool:
        """Whether the caller still waits for the answer."""
        return not self._answered and not self.given_up

    def answer(self, answer: Any) -> None:
        """Answer the caller: `get` returns the answer, or raises it if it is an exception."""
        self._answer = answer
        self._answered = True
        if self._event is not None:
            set_event(self._event)

    def result(self) -> Any:
        """Return the answer, or raise it."""
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    async def get(self) -> Any:
        """Wait for the answer; a checkpoint if there is none yet.

        A cancellation gives up the answer, but does not undo what was decided.
        """
        if self._answered:
            return self.result()  # noqa: ASYNC910  (see above)
        try:
            await self.until_answered()
        except BaseException:
            self.give_up()
            raise
        return self.result()

    async def until_answered(self) -> None:  # noqa: ASYNC910  (it may be answered already)
        """Wait for the answer, and leave it where it is. Cancelled, the caller may wait again, or give up."""
        if not self._answered:
            if self._event is None:
                self._event = anyio.Event()
            await self._event.wait()

    def give_up(self) -> None:
        """Stop waiting."""
        self.given_up = True
        self.unanswered.pop(self, None)
        if self.wait is not None:
            self.wait.withdraw()


class Needs(NamedTuple):
    """What a command needs that may be in the store only."""

    job_ids: tuple[UUID, ...] = ()
    run_ids: tuple[UUID, ...] = ()
    job_sets: tuple[str, ...] = ()


@final
class Command:
    """A decision that a caller asks for: a function of `_engine`, its arguments, and the reply to answer."""

    __slots__ = ("after", "args", "changes", "decide", "found", "kwargs", "needs", "reply", "timed")

    def __init__(
        self,
        decide: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        reply: Reply,
        after: int,
        changes: bool,
        timed: bool,
    ) -> None:
        """Ask for ``decide(state, now, *args, **kwargs)``, or without ``now`` if the decision is not ``timed``."""
        self.decide: Callable[..., Any] = decide
        self.args: tuple[Any, ...] = args
        self.kwargs: dict[str, Any] = kwargs
        self.reply: Reply = reply
        self.after: int = after
        """How many submissions had been staged before it. They are taken first, so that the decision knows them."""
        self.changes: bool = changes
        """Whether it changes anything. If not, it is answered after the end, too."""
        self.timed: bool = timed
        """Whether the decision needs the time."""
        self.needs: Needs | None = None
        """What has to be loaded from the store before it is carried out."""
        self.found: Mapping[UUID, StoredRun] | None = None
        """What the store had of the runs that it needs; ``None`` if nothing was loaded for it."""

    def run(self, engine: Engine, now: Now) -> Any:
        """Decide, and return the answer."""
        if self.timed:
            return engine.decide(self.decide, now, *self.args, **self.kwargs)
        return engine.ask(self.decide, *self.args, **self.kwargs)


@final
class CommandQueue:
    """The commands that wait to be carried out, and the replies that have no answer yet."""

    def __init__(self, engine: Engine, commands: Inbox[Command], *, loads: bool) -> None:
        self._engine = engine
        self._commands = commands
        self._pending: list[Command] = []
        self._replies: dict[Reply, None] = {}
        self._closed = False
        self.loads: Final = loads
        """Whether what is not in the tables may be in a store."""
        self.to_load: list[Command] = []
        """Commands that wait until what they need was loaded from the store."""
        self.crashed = False
        """Whether the coordinator has failed. The tables of the engine may be in any state then."""

    @property
    def has_commands(self) -> bool:
        """Whether a command waits to be carried out."""
        return bool(self._pending or self._commands or self.to_load)

    def expect(self, reply: Reply) -> None:
        """Have a reply be answered in any case: if nothing else answers it, by the end of the scheduler."""
        if not reply.open:
            return
        if self._closed:
            reply.answer(SchedulerClosed(ENDED))
            return
        self._replies[reply] = None
        reply.unanswered = self._replies

    def add(self, command: Command) -> None:
        """Have a command be carried out in the turn that begins now, past the stream."""
        self._pending.append(command)

    def run_pending(self, now: Now, *, staged: int) -> None:
        """Carry out commands in their order, each as soon as all that was staged before it has entered the books.

        ``staged`` is how many submissions have entered the books.
        """
        self._pending += self._commands.take(BATCH)
        self._commands.admit_senders()
        for done, command in enumerate(self._pending):
            if command.after > staged:
                del self._pending[:done]
                return
            if self.loads and command.needs is not None and command.found is None:
                self.to_load.append(command)
            else:
                self._run_command(command, now)
        self._pending.clear()

    def loaded(self, command: Command, found: Mapping[UUID, StoredRun]) -> None:
        """Have a command be carried out in the next turn, because what it needs is in the tables now."""
        command.found = found
        self._pending.append(command)

    def _run_command(self, command: Command, now: Now) -> None:
        reply = command.reply
        if not reply.given_up:
            self.expect(reply)
        answer, fault = guard.call(command.run, self._engine, now)
        if fault is not None:
            if self.loads and guard.is_a(fault, (JobNotFound, RunNotFound)):
                found = self._look_in_store(command, cast("JobNotFound | RunNotFound", fault))
                if found is None:
                    self.to_load.append(command)
                    return
                answer = found
            else:
                answer = self._answer_to_fault(fault)
        if isinstance(answer, Wait):
            answer.token = reply
            if reply.given_up:
                answer.withdraw()
            else:
                reply.wait = answer
        else:
            self._engine.answer(reply, answer)

    def _look_in_store(self, command: Command, fault: "JobNotFound | RunNotFound") -> Any:
        """Return the answer to a command that names what is not in the tables; ``None``: it waits for the store.

        Nothing has been changed by it, because each decision looks for what it is about first.
        """
        if command.found is None:
            jobs: tuple[UUID, ...] = () if fault.job_id is None else (fault.job_id,)
            if isinstance(fault, JobNotFound) and fault.key is not None:
                jobs = (*jobs, job_id_of_key(fault.key))  # a text that looks like an id may be a key
            command.needs = Needs(jobs, () if fault.run_id is None else (fault.run_id,))
            return None
        row = None if fault.run_id is None else command.found.get(fault.run_id)
        return fault if row is None or row.image.outcome is None else record_of_row(row)

    def _answer_to_fault(self, fault: BaseException) -> Exception:
        """Return the answer to a command that raised. If the tables are still whole, only its caller is concerned."""
        if guard.is_a(fault, TurnKeeperError):
            return cast("TurnKeeperError", fault)
        if not self._engine.is_consistent():
            raise fault
        return failed_operation(fault)

    def refuse_submissions(self, away: StoreUnavailable) -> None:
        """Answer the callers that submitted jobs, because the store is unavailable.

        A job that is still in staging is not accepted later. What is part of the batch that the store does not commit
        may be.
        """
        for reply in tuple(self._replies):
            if reply.submits and reply.open:
                message = f"{away}; the job is not accepted, or it is accepted when the store is available again"
                error = StoreUnavailable(message)
                error.__cause__ = away
                self.answer(reply, error)

    def answer(self, reply: Reply, answer: Any) -> None:
        """Answer a reply, if its caller still waits."""
        self._replies.pop(reply, None)
        if reply.open:
            reply.answer(answer)

    def close(self) -> None:
        """Take no further commands. Those in the stream join the pending ones, for `answer_remaining`."""
        self._closed = True
        self._commands.close()
        self._pending += self._commands.take(len(self._commands))

    def answer_remaining(self, last_turn: Now) -> None:
        """Answer every caller that still waits: from the final state if possible, else with `SchedulerClosed`.

        Called when the coordinator ends. ``last_turn`` is when the engine last decided.
        """
        for command in (*self._pending, *self.to_load):
            if command.reply.open:
                command.reply.answer(self.answer_after_end(command, last_turn))
        self._pending.clear()
        self.to_load.clear()
        for reply in tuple(self._replies):
            if reply.open:
                reply.answer(SchedulerClosed(ENDED))
        self._replies.clear()

    def answer_after_end(self, command: Command, last_turn: Now) -> Any:
        """Return the answer of the final state; refuse a command that would change it, or would have to wait."""
        closed = SchedulerClosed("the scheduler has ended")
        if command.changes:
            return closed
        answer, fault = guard.call(command.run, self._engine, last_turn)
        if fault is not None:
            if self.loads and guard.is_a(fault, (JobNotFound, RunNotFound)):
                return closed  # It may be in the store, which is closed, too.
            if guard.is_a(fault, TurnKeeperError):
                return fault
            return internal_error(fault) if self.crashed else failed_operation(fault)
        if isinstance(answer, Wait):
            answer.withdraw()
            return closed
        return answer


ENDED: Final = "the scheduler ended before this came about"


def failed_operation(cause: BaseException) -> InternalError:
    """Return the error for a fault of this library in one operation: it concerns nobody but the caller."""
    error = InternalError(
        "this operation failed, and the scheduler goes on; this is a fault of turnkeeper_trio, please report it"
    )
    error.__cause__ = cause
    return error


def internal_error(cause: BaseException) -> InternalError:
    """Return the error for a fault of this library that ended the scheduler."""
    message = "the scheduler failed; this is a fault of turnkeeper_trio, please report it"
    if is_cancellation(cause):
        message = "a task of the scheduler was cancelled, which only the scheduler itself may do"
    error = InternalError(message)
    error.__cause__ = cause
    return error


def is_native(cancellation: BaseException) -> bool:
    """Return whether a cancellation was requested by ``Task.cancel``, on asyncio, and not by a scope of anyio.

    The text is that by which anyio itself recognizes its own.
    """
    if in_trio():
        return False
    reason = cancellation.args[0] if cancellation.args else None
    of_a_scope = isinstance(reason, str) and reason.startswith("Cancelled via cancel scope ")
    return isinstance(cancellation, asyncio.CancelledError) and not of_a_scope
