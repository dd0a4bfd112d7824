"""Subscriptions: events as a bounded stream for each subscriber; the scheduler waits for none of them."""

from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar, cast, final
from uuid import UUID

import anyio
from anyio.lowlevel import checkpoint

from turnkeeper_trio._model.event import Event, Lagged, SchedulerStopped

E_co = TypeVar("E_co", bound=Event, covariant=True)


@final
class Subscription(Generic[E_co]):
    """The events for one subscriber: an asynchronous iterator, which ends when the scheduler has ended.

    `Scheduler.events` makes it. Closing it ends this subscription, and touches nothing else.
    """

    def __init__(
        self,
        types: tuple[type[Event], ...],
        job_id: UUID | None,
        buffer: int,
        *,
        check: Callable[[], None],
        left: Callable[["Subscription[Event]"], None],
    ) -> None:
        """Keep up to ``buffer`` events of certain types, of one job or of all.

        ``check`` refuses a call from elsewhere; ``left`` is called when the subscriber goes.
        """
        self._buffer = buffer
        self._types: Final = types or (Event,)
        self._job_id = job_id
        self._check = check
        self._left = left
        self._queue: deque[Event] = deque()
        """What the subscriber has not taken: events, and at most one `Lagged` after each of them."""
        self._kept = 0
        """How many of these are not a `Lagged`: a gap takes up no room, so that it can always be told."""
        self._missed = 0
        self._last_missed: Event | None = None
        self._ended = False
        self._came: anyio.Event | None = None
        """By what to call the tasks that wait for the next event."""

    def __aiter__(self) -> "Subscription[E_co]":
        """Iterate over the events; iterating once more goes on where one left off."""
        return self

    async def __anext__(self) -> E_co:
        """Wait for the next event. Always a checkpoint; cancelled, it has taken none.

        Raises:
            StopAsyncIteration: there is no further event: the scheduler has ended, or this was closed.
            RuntimeError: called from another thread or event loop than the scheduler's.
        """
        self._check()
        await checkpoint()
        while not self._queue:
            if self._ended:
                raise StopAsyncIteration
            if self._came is None:
                self._came = anyio.Event()
            await self._came.wait()
        event = self._queue.popleft()
        if not isinstance(event, Lagged):
            self._kept -= 1
            self._tell_gap()
        return cast("E_co", event)

    async def aclose(self) -> None:
        """Unsubscribe, and drop what is kept: the iteration ends, and nothing else. Twice is fine.

        A checkpoint; cancelled, it has happened all the same.

        Raises:
            RuntimeError: called from another thread or event loop than the scheduler's.
        """
        self._check()
        self.close()
        await checkpoint()

    def offer(self, event: Event) -> None:
        """Keep an event if it is wanted, or count it as missed where there is no room."""
        last = isinstance(event, SchedulerStopped)
        if not last and not (isinstance(event, self._types) and self._job_id in {None, event.job_id}):
            return
        if not last and self._kept >= self._buffer:
            self._missed += 1
            self._last_missed = event
            return
        if last:
            self._tell_gap()
        self._queue.append(event)
        self._kept += 1
        if last:
            self._ended = True
        self._call()

    def end(self) -> None:
        """Have the iteration end after what is kept."""
        self._ended = True
        self._call()

    def close(self) -> None:
        """The subscriber has gone."""
        self._queue.clear()
        self._last_missed = None
        self.end()
        self._left(self)

    def _tell_gap(self) -> None:
        """There is room: whoever catches up is to know that it missed something before it believes to know all."""
        last = self._last_missed
        if last is not None:
            lagged = Lagged(sequence=last.sequence, at=last.at, job_id=None, run_id=None, count=self._missed)
            self._queue.append(lagged)
            self._missed, self._last_missed = 0, None

    def _call(self) -> None:
        if self._came is not None:
            self._came.set()
            self._came = None
