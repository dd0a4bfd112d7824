"""What a caller hands to the coordinator, and how it gets its answer."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast, final

import anyio
import trio

from turnkeeper_trio._engine.engine import BATCH, Engine, Wait
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.times import Now
from turnkeeper_trio._runtime.inbox import Inbox
from turnkeeper_trio._runtime.primitives import set_event
from turnkeeper_trio.errors import InternalError, SchedulerClosed, TurnKeeperError


@final
class Reply:
    """The caller's end of a question: it waits here, and is answered once."""

    __slots__ = ("_answer", "_answered", "_event", "among", "given_up", "wait")

    def __init__(self) -> None:
        """Make an unanswered reply."""
        self._event = anyio.Event()
        self._answer: Any = None
        self._answered = False
        self.given_up: bool = False
        """Whether the caller waits no longer."""
        self.wait: Wait | None = None
        """What the answer depends on, where it was not ready at once."""
        self.among: dict[Reply, None] = {}
        """The unanswered replies that it is kept among: it goes when it is answered, and when it is given up."""

    @property
    def open(self) -> bool:
        """Whether somebody still waits for the answer."""
        return not self._answered and not self.given_up

    def answer(self, answer: Any) -> None:
        """Answer; an exception is raised at the caller."""
        self._answer = answer
        self._answered = True
        set_event(self._event)

    async def get(self) -> Any:
        """Wait for the answer. Cancelled, it gives up the answer, not what was decided."""
        try:
            await self._event.wait()
        except BaseException:
            self.given_up = True
            self.among.pop(self, None)
            if self.wait is not None:
                self.wait.withdraw()
            raise
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@final
class Command:
    """A decision that a caller asks for: a function of the engine's ring, its arguments, and where to answer."""

    __slots__ = ("after", "args", "changes", "decide", "kwargs", "reply", "timed")

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
        """Ask for ``decide(state, now, *args, **kwargs)``; without ``now`` where it is not ``timed``."""
        self.decide: Callable[..., Any] = decide
        self.args: tuple[Any, ...] = args
        self.kwargs: dict[str, Any] = kwargs
        self.reply: Reply = reply
        self.after: int = after
        """How many submissions had been staged when it was asked: these are taken first, so that it knows them."""
        self.changes: bool = changes
        """Whether it changes anything; if not, it can be answered after the end."""
        self.timed: bool = timed
        """Whether the decision needs the time."""

    def run(self, engine: Engine, now: Now) -> Any:
        """Decide. What is raised for the caller is the answer."""
        if self.timed:
            return engine.decide(self.decide, now, *self.args, **self.kwargs)
        return engine.ask(self.decide, *self.args, **self.kwargs)


@final
class CommandQueue:
    """Commands that have been taken and wait for their turn, and replies that have not been answered."""

    def __init__(self, engine: Engine, commands: Inbox[Command]) -> None:
        """Take commands from a stream."""
        self._engine = engine
        self._commands = commands
        self._pending: list[Command] = []
        self._replies: dict[Reply, None] = {}
        self._closed = False
        self.crashed = False
        """Whether the coordinator has failed, so that the tables may be in any state."""

    @property
    def has_commands(self) -> bool:
        """Whether a command waits to be carried out."""
        return bool(self._pending or self._commands)

    def expect(self, reply: Reply) -> None:
        """Somebody waits for an answer: there will be one, if only that the scheduler has ended."""
        if not reply.open:
            return
        if self._closed:
            reply.answer(SchedulerClosed(ENDED))
            return
        self._replies[reply] = None
        reply.among = self._replies

    def run_pending(self, now: Now, *, staged: int) -> None:
        """Carry out commands in their order, each once everything that had been staged before it is in the books."""
        self._pending += self._commands.take(BATCH)
        self._commands.admit_senders()
        for done, command in enumerate(self._pending):
            if command.after > staged:
                del self._pending[:done]
                return
            self._run_command(command, now)
        self._pending.clear()

    def _run_command(self, command: Command, now: Now) -> None:
        reply = command.reply
        if not reply.given_up:
            self.expect(reply)
        answer, fault = guard.call(command.run, self._engine, now)
        if fault is not None:
            answer = self._answer_to_fault(fault)
        if isinstance(answer, Wait):
            answer.token = reply
            if reply.given_up:
                answer.withdraw()
            else:
                reply.wait = answer
        else:
            self._engine.answer(reply, answer)

    def _answer_to_fault(self, fault: BaseException) -> Exception:
        """Return what a caller is told whose command raised. Where the tables are whole, it is nobody else's affair."""
        if guard.is_a(fault, TurnKeeperError):
            return cast("TurnKeeperError", fault)
        if not self._engine.is_consistent():
            raise fault
        return failed_operation(fault)

    def answer(self, reply: Reply, answer: Any) -> None:
        """Answer somebody, if still waiting."""
        self._replies.pop(reply, None)
        if reply.open:
            reply.answer(answer)

    def close(self) -> None:
        """Take no further commands; those in the stream are dismissed with the others."""
        self._closed = True
        self._commands.close()
        self._pending += self._commands.take(len(self._commands))

    def answer_remaining(self, last_turn: Now) -> None:
        """The coordinator ends: answer everybody, from the final state where that says it."""
        for command in self._pending:
            if command.reply.open:
                command.reply.answer(self.answer_after_end(command, last_turn))
        self._pending.clear()
        for reply in tuple(self._replies):
            if reply.open:
                reply.answer(SchedulerClosed(ENDED))
        self._replies.clear()

    def answer_after_end(self, command: Command, last_turn: Now) -> Any:
        """Return what can be answered from the final state; what would change something is refused."""
        closed = SchedulerClosed("the scheduler has ended")
        if command.changes:
            return closed
        answer, fault = guard.call(command.run, self._engine, last_turn)
        if fault is not None:
            if guard.is_a(fault, TurnKeeperError):
                return fault
            return internal_error(fault) if self.crashed else failed_operation(fault)
        if isinstance(answer, Wait):
            answer.withdraw()
            return closed
        return answer


ENDED: Final = "the scheduler ended before this came about"


def is_cancellation(error: BaseException | None) -> bool:
    """Return whether an error is what cancels a task, on either event loop."""
    return guard.is_a(error, (asyncio.CancelledError, trio.Cancelled))


def failed_operation(cause: BaseException) -> InternalError:
    """Return the error that tells one caller of a fault of this library, which concerns nobody else."""
    error = InternalError(
        "this operation failed, and the scheduler goes on; this is a fault of turnkeeper_trio, please report it"
    )
    error.__cause__ = cause
    return error


def internal_error(cause: BaseException) -> InternalError:
    """Return the error that tells of a fault of this library."""
    message = "the scheduler failed; this is a fault of turnkeeper_trio, please report it"
    if is_cancellation(cause):
        message = "a task of the scheduler was cancelled, which only the scheduler itself may do"
    error = InternalError(message)
    error.__cause__ = cause
    return error
