"""The dispatcher stands between the coordinator and the workers: attempts go out to them, and outcomes come back.

Dispatch and outcome stream have as many places as attempts can be out (`max_workers` and the dispatch buffer), and stay
open until the last worker has ended: sending to them never waits and cannot fail. A worker's last act for an attempt is
therefore synchronous, and nothing can come between an attempt and its outcome.
"""

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
    """Dispatch, outcomes, and what a worker needs to execute an attempt."""

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
        """Open both streams."""
        places = max_workers + dispatch_buffer
        self.clock: Final = clock
        self._functions = functions
        self._hooks = hooks
        self.limiter: Final = anyio.CapacityLimiter(max_workers)
        """The threads of plain functions: the library's own, so that nobody else's work keeps them waiting."""
        self._wakeup = wakeup
        self._dispatch_in, self._dispatch_out = anyio.create_memory_object_stream[Attempt](places)
        self._sent_count = 0
        """How many attempts are in the dispatch stream."""
        self._closed = False
        self._event = primitives().event
        self._idle: list[Event] = []
        """By what to call the workers that wait for something to do."""
        self._outcomes_in, self._outcomes_out = anyio.create_memory_object_stream[Attempt](places)
        self._reported = 0
        """How many outcomes are in their stream."""
        self.reports_starts = False
        """Whether the coordinator wants to know when an attempt begins."""
        self._started: list[Attempt] = []
        self.workers: int = 0
        """How many workers have not ended."""
        self.cancellation_logged = False
        """Whether it was told that an idle worker was cancelled."""

    def function(self, attempt: Attempt) -> Function:
        """Return the function to call for an attempt."""
        job = attempt.run.job
        return self._hooks.function(job.request.name, self._functions.resolve(job.target))

    def send(self, attempt: Attempt) -> None:
        """Hand an attempt to the workers."""
        self._dispatch_in.send_nowait(attempt)
        self._sent_count += 1
        if self._idle:
            self._idle.pop().set()
        elif not self.workers:
            self._return_unsent()

    def take_nowait(self) -> Attempt | None:
        """Take the next attempt, if there is one.

        Raises:
            anyio.EndOfStream: nothing more is handed out.
        """
        if not self._sent_count and not self._closed:
            return None
        attempt = self._dispatch_out.receive_nowait()
        self._sent_count -= 1
        return attempt

    async def take(self) -> Attempt:
        """Wait for the next attempt. To be called by an event costs half of what a wait inside of the stream does.

        Raises:
            anyio.EndOfStream: nothing more is handed out.
        """
        attempt = None
        while attempt is None:
            called = self._event()
            self._idle.append(called)
            try:
                await called.wait()
            except BaseException:
                # On asyncio the task may be cancelled natively: then another is to come for what this was called for.
                if called in self._idle:
                    self._idle.remove(called)
                elif self._idle:
                    self._idle.pop().set()
                raise
            attempt = self.take_nowait()
        return attempt  # noqa: ASYNC910  (it has waited at least once)

    def wake(self) -> None:
        """The coordinator is to look when to look again."""
        self._wakeup.wake()

    def report_started(self, attempt: Attempt) -> None:
        """A worker has begun an attempt."""
        if self.reports_starts:
            self._started.append(attempt)
            self._wakeup.wake()

    def report(self, attempt: Attempt) -> None:
        """A worker is done with an attempt."""
        self._outcomes_in.send_nowait(attempt)
        self._reported += 1
        self._wakeup.wake()

    def take_started(self) -> list[Attempt]:
        """Return the attempts that have begun since this was last called, where that is wanted."""
        started = self._started
        if started:
            self._started = []
        return started

    def take_outcomes(self) -> list[Attempt]:
        """Return the attempts that have come back since this was last called."""
        receive = self._outcomes_out.receive_nowait
        outcomes = [receive() for _ in range(self._reported)]
        self._reported = 0
        return outcomes

    def worker_ended(self) -> None:
        """A worker has ended."""
        self.workers -= 1
        if not self.workers:
            self._return_unsent()
        self._wakeup.wake()

    def _return_unsent(self) -> None:
        """No worker is left, as happens when they are cancelled natively: what none has taken comes back as it is."""
        while self._sent_count:
            self._sent_count -= 1
            self.report(self._dispatch_out.receive_nowait())

    def close_dispatch(self) -> None:
        """Hand out nothing more: the workers end when they have taken what is there."""
        self._closed = True
        self._dispatch_in.close()
        while self._idle:
            self._idle.pop().set()

    def release(self) -> None:
        """Close both streams; no worker is left."""
        self.close_dispatch()
        self._dispatch_out.close()
        self._outcomes_in.close()
        self._outcomes_out.close()
