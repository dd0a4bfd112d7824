"""What floors (i) and (iii) share: a heap of what is due, and a submission that pushes onto it and never waits."""

import heapq
import time
from itertools import count

import anyio
from anyio.lowlevel import checkpoint

from suite.subjects.interface import YIELD_EVERY


class Heaped:
    """The heap, and who sleeps by it."""

    def __init__(self) -> None:
        self._heap = []
        self._numbers = count(1)
        self._wakeup = anyio.Event()

    def submitter(self, job, *, at=None, every=None):
        """Push it, and ring if it is the first."""

        async def submit() -> int:
            number = next(self._numbers)
            heapq.heappush(self._heap, (time.time() if at is None else at, number, every, job))
            if self._heap[0][1] == number:
                self._wakeup.set()
            if number % YIELD_EVERY == 0:
                await checkpoint()
            return number

        return submit

    async def settle(self) -> None:
        """Nothing is recorded: there is nothing to wait for."""
