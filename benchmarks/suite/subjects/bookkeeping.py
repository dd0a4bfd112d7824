"""The bookkeeping that any honest scheduler must do, shared by floors (v) and (vi).

A job is submitted through a bounded stream, and gets an id. Its run is an object in a table, found by that id (the
next runs of a recurring job get ids of their own). It executes in a cancel scope with a timeout; wall time and loop
time are read before and after it; what came of it is noted, errors included. The last runs that ended are remembered,
as many as this library remembers by default.

What is not here, and what a scheduler adds to it: schedules other than "every so many seconds", retries, overlap and
catch-up rules, cancelling and changing jobs, priorities, pausing, a context for each run, events, metrics, a shutdown
that accounts for what it found.
"""

import heapq
import time
from collections import deque
from dataclasses import dataclass
from itertools import count
from uuid import UUID, uuid4

import anyio

from suite.subjects.interface import TIMEOUT, Job

STAGING = 128
REMEMBERED = 10_000


@dataclass(slots=True)
class Run:
    """A run, from its submission on."""

    run_id: UUID
    job: Job
    due: float
    every: float | None
    timeout: float
    began: tuple[float, float] | None = None
    ended: tuple[float, float] | None = None
    outcome: str | None = None
    error: BaseException | None = None


class Books:
    """The staging stream, the heap of what is planned, and the table of runs."""

    def __init__(self) -> None:
        self._staging, self._staged = anyio.create_memory_object_stream[Run](STAGING)
        self._numbers = count(1)
        self._remembered: deque[UUID] = deque()
        self.planned: list[tuple[float, int, Run]] = []
        self.runs: dict[UUID, Run] = {}
        self.begun = 0
        self.ended = 0

    async def submit(self, job: Job, at: float | None, every: float | None) -> UUID:
        """Wait for room, and stage a job."""
        run = Run(uuid4(), job, time.time() if at is None else at, every, TIMEOUT)
        await self._staging.send(run)
        return run.run_id

    def take_in(self) -> None:
        """Plan what is staged."""
        receive = self._staged.receive_nowait
        try:
            while True:
                self._plan(receive())
        except anyio.WouldBlock:
            pass

    def next_due(self, now: float) -> Run | None:
        """Take out the first run that is due; if it is a recurring job's, plan the next."""
        if not self.planned or self.planned[0][0] > now:
            return None
        run = heapq.heappop(self.planned)[2]
        if run.every is not None:
            self._plan(Run(uuid4(), run.job, run.due + run.every, run.every, run.timeout))
        self.begun += 1
        return run

    async def execute(self, run: Run) -> None:
        """Run the function, and note on the run what came of it."""
        run.began = (time.time(), anyio.current_time())
        try:
            with anyio.CancelScope(deadline=run.began[1] + run.timeout) as scope:
                await run.job()
        except Exception as exc:  # noqa: BLE001  (whatever a job raises, it is the outcome)
            run.outcome, run.error = "failed", exc
        else:
            run.outcome = "timed out" if scope.cancelled_caught else "succeeded"
        run.ended = (time.time(), anyio.current_time())

    def history(self, run: Run) -> None:
        """Count a run that has ended, and forget the oldest if there are too many."""
        self.ended += 1
        self._remembered.append(run.run_id)
        if len(self._remembered) > REMEMBERED:
            del self.runs[self._remembered.popleft()]

    def close(self) -> None:
        """Close the streams."""
        self._staging.close()
        self._staged.close()

    def _plan(self, run: Run) -> None:
        self.runs[run.run_id] = run
        heapq.heappush(self.planned, (run.due, next(self._numbers), run))


class Booked:
    """What floors (v) and (vi) share: the books, a submission that rings, and who waits until all is filed."""

    def __init__(self) -> None:
        self._books = Books()
        self._wakeup = anyio.Event()
        self._filed = anyio.Event()

    def submitter(self, job, *, at=None, every=None):
        """Stage it, and ring."""

        async def submit():
            job_id = await self._books.submit(job, at, every)
            self._wakeup.set()
            return job_id

        return submit

    async def settle(self) -> None:
        """Wait until every run that was begun is filed."""
        while self._books.ended < self._books.begun:
            self._filed = anyio.Event()
            await self._filed.wait()
