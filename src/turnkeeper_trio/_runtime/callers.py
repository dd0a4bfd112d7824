"""The callers: who has asked the coordinator for something, and who waits for an answer.

Everybody who waits is answered: at once, when what it waits for has come about, or when the coordinator ends.
"""

import asyncio
from typing import Any, Final, cast, final

import trio

from turnkeeper_trio._engine.check import is_whole
from turnkeeper_trio._engine.engine import BATCH
from turnkeeper_trio._engine.now import Now
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.waiting import Wait
from turnkeeper_trio._model import guard
from turnkeeper_trio._runtime.commands import Command, Reply
from turnkeeper_trio._runtime.streams import Inlet
from turnkeeper_trio.errors import InternalError, SchedulerClosed, TurnKeeperError


@final
class Callers:
    """Commands that have been taken and wait for their turn, and replies that have not been answered."""

    def __init__(self, state: State, commands: Inlet[Command]) -> None:
        """Take commands from a stream."""
        self._state = state
        self._commands = commands
        self._asked: list[Command] = []
        self._replies: dict[Reply, None] = {}
        self._closed = False
        self.crashed = False
        """Whether the coordinator has failed, so that the tables may be in any state."""

    @property
    def asking(self) -> bool:
        """Whether a command waits to be carried out."""
        return bool(self._asked or self._commands)

    def expect(self, reply: Reply) -> None:
        """Somebody waits for an answer: there will be one, if only that the scheduler has ended."""
        if self._closed:
            if reply.open:
                reply.answer(SchedulerClosed(ENDED))
            return
        self._replies[reply] = None
        reply.among = self._replies

    def answer_asked(self, now: Now, *, staged: int) -> None:
        """Carry out commands in their order, each once everything that had been staged before it is in the books."""
        self._asked += self._commands.take(BATCH)
        self._commands.let_in()
        for done, command in enumerate(self._asked):
            if command.after > staged:
                del self._asked[:done]
                return
            self._carry_out(command, now)
        self._asked.clear()

    def _carry_out(self, command: Command, now: Now) -> None:
        reply = command.reply
        if not reply.given_up:
            self.expect(reply)
        answer, fault = guard.call(command.run, self._state, now)
        if fault is not None:
            answer = self._answer_to_fault(fault)
        if isinstance(answer, Wait):
            answer.token = reply
            if reply.given_up:
                answer.withdraw()
            else:
                reply.wait = answer
        else:
            self._state.effects.answers.append((reply, answer))

    def _answer_to_fault(self, fault: BaseException) -> Exception:
        """Return what a caller is told whose command raised. Where the tables are whole, it is nobody else's affair."""
        if guard.is_a(fault, TurnKeeperError):
            return cast("TurnKeeperError", fault)
        if not is_whole(self._state):
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
        self._asked += self._commands.take(len(self._commands))

    def dismiss(self, last_turn: Now) -> None:
        """The coordinator ends: answer everybody, from the final state where that says it."""
        for command in self._asked:
            if command.reply.open:
                command.reply.answer(self.answer_after_end(command, last_turn))
        self._asked.clear()
        for reply in tuple(self._replies):
            if reply.open:
                reply.answer(SchedulerClosed(ENDED))
        self._replies.clear()

    def answer_after_end(self, command: Command, last_turn: Now) -> Any:
        """Return what can be answered from the final state; what would change something is refused."""
        closed = SchedulerClosed("the scheduler has ended")
        if command.changes:
            return closed
        answer, fault = guard.call(command.run, self._state, last_turn)
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
