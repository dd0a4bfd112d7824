"""The completer: it carries work of a job, that is committed together with the job's success, to the coordinator."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, final

from anyio.lowlevel import checkpoint_if_cancelled

from turnkeeper_trio._engine.engine import Attempt, Engine
from turnkeeper_trio._runtime.commands import CommandQueue, Reply
from turnkeeper_trio._runtime.inbox import Wakeup
from turnkeeper_trio._runtime.keeper import StoreKeeper
from turnkeeper_trio.abc import TransactionalStore


class _Answer(NamedTuple):
    """What a job is answered. Its parts may be anything, so that a reply must not raise them."""

    value: Any
    error: BaseException | None


@final
class Completer:
    """What is to be completed by the coordinator, which alone speaks to the store about runs."""

    def __init__(
        self,
        engine: Engine,
        keeper: StoreKeeper,
        store: TransactionalStore,
        command_queue: CommandQueue,
        wakeup: Wakeup,
    ) -> None:
        self._engine = engine
        self._keeper = keeper
        self._store = store
        self._command_queue = command_queue
        self._wakeup = wakeup
        self._waiting: list[tuple[Reply, Attempt, Callable[[Any], Any]]] = []

    async def complete(self, attempt: Attempt, work: Callable[[Any], Any]) -> Any:
        """Have work be done and committed together with the success of a run; return what it returned.

        A cancellation gives up the answer. The work is then either done and committed, or not begun.
        """
        await checkpoint_if_cancelled()
        reply = Reply()
        self._command_queue.expect(reply)
        self._waiting.append((reply, attempt, work))
        self._wakeup.wake()
        answer: _Answer = await reply.get()
        if answer.error is not None:
            raise answer.error
        return answer.value

    async def work_off(self) -> None:  # noqa: ASYNC910  (part of the coordinator's task)
        """Do what waits, one after the other.

        Raises:
            StoreUnavailable: the store was not waited for any longer.
            StoreError: the store failed in a different way.
        """
        waiting, self._waiting = self._waiting, []
        for reply, attempt, work in waiting:
            if not reply.open:
                continue
            completion = self._engine.completion_of(attempt, work)
            if completion is not None and await self._keeper.until_available(self._store.complete, completion):
                self._engine.complete(attempt, completion.value)
                answer = _Answer(completion.value, None)
            else:
                error = None if completion is None else completion.error
                answer = _Answer(None, RuntimeError(OVER) if error is None else error)
            self._command_queue.answer(reply, answer)


OVER: Final = "this attempt of the run does not execute any more, or has completed the run already"
