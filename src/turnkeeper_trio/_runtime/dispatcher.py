"""The dispatcher: it carries attempts from the coordinator to the workers, and their outcomes back.

The dispatch stream and the outcome stream have a place for each attempt that can be with the workers (``max_workers``
and the dispatch buffer), and stay open until the last worker has ended. So a send never waits and cannot fail.
Therefore the last step of a worker for an attempt is synchronous, and no outcome can be lost.

Attempts begin in the order in which they were sent, because a worker takes the first in the stream whichever worker it
is. For an attempt whose function waits for something, a worker of its own is woken, so that what begins together begins
in one turn of the event loop. Functions that do not wait are executed by one worker, one after the other: to wake a
worker for each costs more than to execute it, and all of them would find the stream empty but the first. Whether a
function waits is known when it has begun, so what it did the last time is taken for what it will do. Before a worker
waits for a job, or for what it has left behind, it wakes another if more attempts are in the stream than workers are on
their way to it (`wake_worker`). So no attempt waits in the stream while a worker is idle.
"""

from collections.abc import Callable
from typing import Final, final

import anyio

from turnkeeper_trio._engine.engine import Attempt
from turnkeeper_trio._runtime.clock import BoundClock
from turnkeeper_trio._runtime.functions import Function, Functions
from turnkeeper_trio._runtime.hooks import TestHooks
from turnkeeper_trio._runtime.inbox import Wakeup
from turnkeeper_trio._runtime.primitives import Event, primitives


@final
class Dispatcher:
    """The dispatch and the outcome stream, and what a worker needs to execute an attempt."""

    def __init__(
        self,
        *,
        max_workers: int,
        dispatch_buffer: int,
        clock: BoundClock,
        wakeup: Wakeup,
        functions: Functions,
        hooks: TestHooks,
    ) -> None:
        places = max_workers + dispatch_buffer
        self.clock: Final = clock
        self._functions = functions
        self._hooks = hooks
        self.limiter: Final = anyio.CapacityLimiter(max_workers)
        """Limits the threads of plain functions. It is not anyio's default, by which other work could delay them."""
        self._wakeup = wakeup
        self._dispatch_in, self._dispatch_out = anyio.create_memory_object_stream[Attempt](places)
        self._sent_count = 0
        """How many attempts are in the dispatch stream."""
        self._closed = False
        """Whether the dispatch stream is closed."""
        self._event = primitives().event
        self._idle: list[Event] = []
        """An event for each worker that waits for an attempt, to wake it."""
        self._woken = 0
        """How many workers were woken, and have not resumed yet."""
        self._outcomes_in, self._outcomes_out = anyio.create_memory_object_stream[Attempt](places)
        self.reported: int = 0
        """How many outcomes are in the outcome stream."""
        self.at_last_report: Callable[[], bool] = lambda: False
        """Has the coordinator take a turn at once, if it can; see `Coordinator`."""
        self.reports_starts = False
        """Whether the coordinator wants to know when an attempt begins."""
        self._started: list[Attempt] = []
        """Attempts that have begun, and that the coordinator does not know of yet."""
        self.workers: int = 0
        """How many workers have not ended."""
        self.cancellation_logged = False
        """Whether the log says already that an idle worker was cancelled from outside."""

    def function(self, attempt: Attempt) -> Function:
        """Return the function to call for an attempt."""
        job = attempt.run.job
        return self._hooks.function(job.request.name, self._functions.resolve(job.target))

    def send(self, attempt: Attempt) -> None:
        """Send an attempt to the workers."""
        self._dispatch_in.send_nowait(attempt)
        self._sent_count += 1
        if self._idle:
            if not self._woken or self.function(attempt).waits:
                self._wake_idle()
        elif not self.workers:
            self._return_unsent()

    def wake_worker(self) -> None:
        """Wake an idle worker, if there are more attempts than workers that were woken for them.

        A worker calls this before it waits for a job, because it may leave attempts in the stream.
        """
        if self._sent_count > self._woken and self._idle:
            self._wake_idle()

    def _wake_idle(self) -> None:
        self._woken += 1
        self._idle.pop().set()

    def take_nowait(self) -> Attempt | None:
        """Take the next attempt, if there is one.

        Raises:
            anyio.EndOfStream: the dispatch stream is closed and empty.
        """
        if not self._sent_count and not self._closed:
            return None
        attempt = self._dispatch_out.receive_nowait()
        self._sent_count -= 1
        return attempt

    async def take(self) -> Attempt:
        """Wait for the next attempt. To wait on an event costs half of what to wait inside of the stream costs.

        Raises:
            anyio.EndOfStream: the dispatch stream is closed and empty.
        """
        attempt = None
        while attempt is None:
            woken = self._event()
            self._idle.append(woken)
            try:
                await woken.wait()
            except BaseException:
                # On asyncio the task may be cancelled natively after it was woken: wake another worker in its place.
                if woken in self._idle:
                    self._idle.remove(woken)
                else:
                    self._woken -= 1
                    self.wake_worker()
                raise
            self._woken -= 1
            attempt = self.take_nowait()
        return attempt  # noqa: ASYNC910  (it has waited at least once)

    def wake(self) -> None:
        """Have the coordinator take a turn, because its next deadline has become an earlier one."""
        self._wakeup.wake()

    def report_started(self, attempt: Attempt) -> None:
        """Report that a worker has begun an attempt; only while `reports_starts`."""
        self._started.append(attempt)
        self._wakeup.wake()

    def report(self, attempt: Attempt, *, at_once: bool = False) -> bool:
        """Report that a worker has ended an attempt, or returns it as it is; return whether it has been decided about.

        With ``at_once`` that happens in this step, if it is the only outcome and nothing comes before it.
        """
        self._outcomes_in.send_nowait(attempt)
        self.reported += 1
        if at_once and not self._sent_count and self.at_last_report():
            return True
        self._wakeup.wake()
        return False

    def take_started(self) -> list[Attempt]:
        """Return the attempts that have begun since the last call, if starts are reported."""
        started = self._started
        if started:
            self._started = []
        return started

    def take_outcomes(self) -> list[Attempt]:
        """Return the attempts that were reported since the last call."""
        if not self.reported:
            return []
        receive = self._outcomes_out.receive_nowait
        outcomes = [receive() for _ in range(self.reported)]
        self.reported = 0
        return outcomes

    def worker_ended(self) -> None:
        """Note that a worker has ended. When the last has, what no worker took returns to the coordinator."""
        self.workers -= 1
        if not self.workers:
            self._return_unsent()
        self._wakeup.wake()

    def _return_unsent(self) -> None:
        """Report the attempts that no worker took, because none is left: natively cancelled, workers end too soon."""
        while self._sent_count:
            self._sent_count -= 1
            self.report(self._dispatch_out.receive_nowait())

    def close_dispatch(self) -> None:
        """Close the dispatch stream: the workers end when they have taken what is in it."""
        self._closed = True
        self._dispatch_in.close()
        while self._idle:
            self._wake_idle()

    def release(self) -> None:
        """Close both streams. No worker may be left."""
        self.close_dispatch()
        self._dispatch_out.close()
        self._outcomes_in.close()
        self._outcomes_out.close()
