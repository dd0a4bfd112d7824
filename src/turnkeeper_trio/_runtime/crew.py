"""The crew: the workers of one scheduler, and who takes the place of one whose task a job has spoilt.

On asyncio a job can cancel the task that it runs in when it has long returned: by a timer, by a timeout that it left
open, by a child. That task is its worker's, and the cancellation would strike whichever run has the worker then. Nobody
can cancel a task without a reference to it: so after each attempt the worker counts the references to its task, and
where there are more than before, the task ends, and another takes its place. The alternative, a task for each attempt,
costs what the rest of the attempt does.
"""

import asyncio
from collections.abc import Callable
from typing import final

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import cancel_shielded_checkpoint
from trio.lowlevel import enable_ki_protection

from turnkeeper_trio._runtime.clock import in_trio
from turnkeeper_trio._runtime.desk import Desk
from turnkeeper_trio._runtime.worker import Worker


@final
class Crew:
    """As many workers as there are to be."""

    def __init__(self, desk: Desk, make: Callable[[], Worker], abort: Callable[[BaseException], None]) -> None:
        """Have workers made by ``make``; ``abort`` is told what must not happen."""
        self._desk = desk
        self._make = make
        self._abort = abort
        self._tasks: TaskGroup
        self._first: dict[int, Worker] = {}
        """Those that were started first and have not been seen to begin, by their numbers."""

    def open(self, tasks: TaskGroup, workers: int) -> None:
        """Start the workers."""
        self._tasks = tasks
        self._first = {number: self._start(number) for number in range(workers)}

    @property
    def all_begun(self) -> bool:
        """Whether each of the first workers has begun."""
        return all(worker.begun for worker in self._first.values())

    def start_missing(self) -> None:
        """Start those of the first workers anew that have not begun, though each has had time for its first step.

        On asyncio a task that is cancelled before its first step never takes it.
        """
        for number, worker in self._first.items():
            if not worker.begun:
                self._first[number] = self._start_instead_of(worker, number)

    def _start(self, number: int) -> Worker:
        worker = self._make()
        self._desk.workers += 1
        self._tasks.start_soon(self._work, worker, number, name=f"turnkeeper worker {number}")
        return worker

    def _start_instead_of(self, missing: Worker, number: int) -> Worker:
        missing.missing = True
        self._desk.workers -= 1
        return self._start(number)

    @enable_ki_protection
    async def _work(self, worker: Worker, number: int) -> None:  # noqa: ASYNC910  (a task of its own)
        if worker.missing:
            return  # It begins after all, and another has its place.
        worker.begun = True
        try:
            await worker.work()
            if worker.spoilt:
                await self._replace(number)
        except (Exception, KeyboardInterrupt, SystemExit, anyio.get_cancelled_exc_class()) as exc:  # noqa: BLE001, ASYNC103  (it leaves the block)
            self._abort(exc)
        finally:
            self._desk.worker_ended()

    async def _replace(self, number: int) -> None:  # noqa: ASYNC910  (on trio a task that was started begins)
        successor = self._start(number)
        while not in_trio() and not successor.begun:
            await step()
            if not successor.begun:
                successor = self._start_instead_of(successor, number)


async def step() -> BaseException | None:
    """Let what was started before have its first step, on asyncio; return a native cancellation that came meanwhile."""
    try:
        await cancel_shielded_checkpoint()
    except asyncio.CancelledError as exc:  # noqa: ASYNC103  (the caller knows what to do with it)
        return exc
    return None  # noqa: ASYNC910  (it has waited)
