"""The worker pool: starts the workers, and replaces a worker whose task may still be cancelled by an earlier job.

On asyncio a job can cancel the task in which it ran long after it has returned: by a timer, by a timeout that it left
open, by a child task. That task is the worker's, so the cancellation would cut off the run that the worker executes
then. Only what has a reference to a task can cancel it. Therefore the worker counts the references to its task after
each attempt. If there are more than before, the worker ends, and a new one takes its place. The alternative, a task for
each attempt, would double the cost of an attempt.
"""

from collections.abc import Callable, Coroutine
from typing import Any, final

from anyio.abc import TaskGroup
from anyio.lowlevel import cancel_shielded_checkpoint

from turnkeeper_trio._runtime.dispatcher import Dispatcher
from turnkeeper_trio._runtime.loops import asyncio, defer_ctrl_c, in_trio
from turnkeeper_trio._runtime.worker import Worker


@final
class WorkerPool:
    """Keeps the number of workers constant."""

    def __init__(
        self, dispatcher: Dispatcher, make: Callable[[], Worker], abort: Callable[[BaseException], None]
    ) -> None:
        """Make workers by ``make``. ``abort`` is called with an error that must not happen."""
        self._dispatcher = dispatcher
        self._make = make
        self._abort = abort
        self._tasks: TaskGroup
        self._first: list[Worker] = []
        """The workers that were started first, not their successors."""
        self._drop: dict[Worker, Callable[[], None]] = {}
        """What to call for a worker that never begins."""

    def open(self, tasks: TaskGroup, workers: int) -> None:
        """Start this number of workers."""
        defer_ctrl_c(WorkerPool._work)
        self._tasks = tasks
        self._first = [self._start(number) for number in range(workers)]

    @property
    def all_begun(self) -> bool:
        """Whether each of the first workers has begun, or is known to never begin."""
        return all(worker.begun for worker in self._first)

    def check_started(self) -> None:
        """Abort if a worker never begins. To be called when each of the first has had time for its first step."""
        for worker in self._first:
            self._check_started(worker)

    def _start(self, number: int) -> Worker:
        worker = self._make()
        self._dispatcher.workers += 1
        self._drop[worker] = start(self._tasks, self._work(worker, number), f"turnkeeper worker {number}")
        return worker

    def _check_started(self, worker: Worker) -> None:
        """Abort if a worker never begins: on asyncio, a task that is cancelled before its first step runs no code."""
        if not worker.begun:
            worker.begun = True
            self._drop.pop(worker)()
            self._dispatcher.worker_ended()
            self._abort(asyncio.CancelledError())

    async def _work(self, worker: Worker, number: int) -> None:  # noqa: ASYNC910  (a task of its own)
        worker.begun = True
        self._drop.pop(worker, None)
        try:
            await worker.work()
            if worker.needs_replacing:
                await self._replace(number)
        except BaseException as exc:  # noqa: BLE001, ASYNC103  (it leaves the block)
            self._abort(exc)
        finally:
            self._dispatcher.worker_ended()

    async def _replace(self, number: int) -> None:  # noqa: ASYNC910  (on trio a task that was started begins)
        successor = self._start(number)
        if not in_trio():
            await first_steps()
            self._check_started(successor)


def start(tasks: TaskGroup, coroutine: Coroutine[Any, Any, None], name: str) -> Callable[[], None]:
    """Start a task; return what to call if it never begins: it closes the coroutine, so that Python does not warn."""
    tasks.start_soon(lambda: coroutine, name=name)
    return coroutine.close


async def first_steps() -> BaseException | None:
    """Let the tasks that were started before take their first step, on asyncio.

    Return a native cancellation that came meanwhile.
    """
    try:
        await cancel_shielded_checkpoint()
    except asyncio.CancelledError as exc:  # noqa: ASYNC103  (the caller knows what to do with it)
        return exc  # noqa: ASYNC104, ASYNC910  (see above; it has waited)
    return None  # noqa: ASYNC910  (it has waited)
