"""Events, and how they are published: to the log, to observers by a call, to each subscriber through a bounded queue.

The coordinator never waits for a receiver. A slow subscriber misses events, and learns how many from a `Lagged`; a
faulty observer is removed. The alternative, to wait for room, would let one receiver stop every job.
"""

import logging
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import CoroutineType
from typing import Any, Final, Generic, TypeVar, cast, final
from uuid import UUID

from anyio.lowlevel import checkpoint

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._runtime.logs import LOGGER, exc_info, log_event, write
from turnkeeper_trio._runtime.primitives import Event as Wakeable
from turnkeeper_trio._runtime.primitives import primitives, set_event
from turnkeeper_trio.events import Event, Lagged, SchedulerStopped, Wanted

E_co = TypeVar("E_co", bound=Event, covariant=True)


@final
class Subscription(Generic[E_co]):
    """The events for one subscriber: an asynchronous iterator, which ends when the scheduler has ended.

    `Scheduler.events` makes it. To close it ends this subscription and nothing else.
    """

    def __init__(
        self,
        types: tuple[type[Event], ...],
        job_id: UUID | None,
        buffer: int,
        *,
        check: Callable[[], None],
        on_close: Callable[["Subscription[Event]"], None],
    ) -> None:
        """Keep up to ``buffer`` events of these types, of one job or of all.

        ``check`` refuses a call from another thread or event loop.
        """
        self._buffer = buffer
        self._types: Final = types or (Event,)
        self._job_id = job_id
        self._check = check
        self._on_close = on_close
        self._checkpoint, self._arrival = primitives()
        self._queue: deque[Event] = deque()
        """What the subscriber has not taken: events, and at most one `Lagged` after each of them."""
        self._kept = 0
        """How many of these are not a `Lagged`. A `Lagged` needs no room, so there is always room for it."""
        self._missed = 0
        """How many events were missed since the last `Lagged`."""
        self._last_missed: Event | None = None
        self._ended = False
        self._waiting: list[Wakeable] = []
        """What is set when the next event arrives, for each task that waits for one: mostly there is one task."""

    def __aiter__(self) -> "Subscription[E_co]":
        """Iterate over the events. A second iteration continues where the first stopped."""
        return self

    async def __anext__(self) -> E_co:
        """Wait for the next event, and return it.

        Always a checkpoint. Cancelled, it has taken no event.

        Raises:
            StopAsyncIteration: no further event comes: the scheduler has ended, or the subscription was closed.
            RuntimeError: the caller is in another thread or event loop than the scheduler.
        """
        self._check()
        if self._ended:
            await checkpoint()  # In any event loop: one may still read it after the scheduler's.
        elif self._queue:
            await self._checkpoint()
        while not self._queue:
            if self._ended:
                raise StopAsyncIteration
            arrival = self._arrival()
            self._waiting.append(arrival)
            try:
                await arrival.wait()
            finally:
                self._waiting.remove(arrival)
        event = self._queue.popleft()
        if not isinstance(event, Lagged):
            self._kept -= 1
            self._append_lagged()
        return cast("E_co", event)  # noqa: ASYNC910  (it has waited, or there was something to take, and then it is one above)

    async def aclose(self) -> None:
        """Unsubscribe, and remove the events that were not taken: the iteration ends. A second call changes nothing.

        Always a checkpoint. Cancelled, it has unsubscribed all the same.

        Raises:
            RuntimeError: the caller is in another thread or event loop than the scheduler.
        """
        self._check()
        self.close()
        await checkpoint()

    def takes(self, kind: type[Event]) -> bool:
        """Return whether the subscriber wants events of a kind."""
        return issubclass(kind, (*self._types, SchedulerStopped))

    def offer(self, event: Event) -> None:
        """Keep an event that the subscriber wants; count it as missed if there is no room."""
        last = isinstance(event, SchedulerStopped)
        if not last and not isinstance(event, self._types):
            return
        if not last and self._job_id is not None and self._job_id != event.job_id:
            return
        if not last and self._kept >= self._buffer:
            self._missed += 1
            self._last_missed = event
            return
        if last:
            self._append_lagged()
        self._queue.append(event)
        self._kept += 1
        if last:
            self._ended = True
        self._wake()

    def end(self) -> None:
        """Have the iteration end after the events that are kept."""
        self._ended = True
        self._wake()

    def close(self) -> None:
        """Unsubscribe, and remove the events that are kept."""
        self._queue.clear()
        self._last_missed = None
        self.end()
        self._on_close(self)

    def _append_lagged(self) -> None:
        """Append a `Lagged` for the events that were missed, if any: it comes where the gap is, before later events."""
        last = self._last_missed
        if last is not None:
            lagged = Lagged(sequence=last.sequence, at=last.at, job_id=None, run_id=None, count=self._missed)
            self._queue.append(lagged)
            self._missed, self._last_missed = 0, None

    def _wake(self) -> None:
        for arrival in self._waiting:
            set_event(arrival)


SLOW: Final = 0.010
"""Seconds above which the call of an observer is logged as slow, because the coordinator stands still during it."""


@final
class EventPublisher:
    """Publishes events to the log, to the observers and to the subscribers."""

    def __init__(self, observers: Iterable[object]) -> None:
        """Call these observers, in their order."""
        self._observers: list[object] = list(observers)
        self._logs_all = False
        """Whether the log takes ordinary events."""
        self._wanted = Wanted(self._is_wanted)
        self._subscriptions: dict[Subscription[Event], None] = {}
        self._calls: dict[type[Event], list[tuple[object, Callable[[Event], Any]]]] = {}
        """The observers with a method for a kind of event, and these methods; looked up at the first such event."""
        self.fatal: BaseException | None = None
        """A ``KeyboardInterrupt`` or ``SystemExit`` that an observer raised."""

    def wanted(self) -> Wanted:
        """Return which kinds of ordinary events something receives: an observer, a subscriber, or the log."""
        logs_all = LOGGER.isEnabledFor(logging.INFO)
        if logs_all is not self._logs_all:
            self._logs_all = logs_all
            self._wanted.clear()
        return self._wanted

    def _is_wanted(self, kind: type[Event]) -> bool:
        subscribed = any(subscription.takes(kind) for subscription in self._subscriptions)
        return self._logs_all or subscribed or bool(self._calls_for(kind))

    def publish(self, events: Sequence[Event]) -> None:
        """Publish events, in their order."""
        for event in events:
            log_event(event)
            if self._observers:
                for observer, call in self._calls_for(type(event)):
                    self._call(observer, call, event)
            for subscription in self._subscriptions:
                subscription.offer(event)

    def subscribe(self, subscription: Subscription[Event]) -> None:
        """Offer events to a subscriber from now on."""
        self._subscriptions[subscription] = None
        self._wanted.clear()

    def unsubscribe(self, subscription: Subscription[Event]) -> None:
        """Offer no more events to a subscriber. A second call changes nothing."""
        self._subscriptions.pop(subscription, None)
        self._wanted.clear()

    def end(self) -> None:
        """End every subscription.

        In an ordinary shutdown each has received `SchedulerStopped` before, which ends it. After a crash there is none.
        """
        subscriptions, self._subscriptions = self._subscriptions, {}
        for subscription in subscriptions:
            subscription.end()

    def _calls_for(self, kind: type[Event]) -> list[tuple[object, Callable[[Event], Any]]]:
        calls = self._calls.get(kind)
        if calls is None:
            found: list[tuple[object, Callable[[Event], Any]]] = []
            for observer in self._observers:
                method, fault = guard.call(getattr, observer, method_name(kind), None)
                if fault is not None:
                    self._remove(observer, kind, fault)
                elif callable(method):
                    found.append((observer, method))
            calls = self._calls[kind] = found
        return calls

    def _call(self, observer: object, call: Callable[[Event], Any], event: Event) -> None:
        began = time.perf_counter()
        try:
            returned = call(event)
            if returned is not None:
                _refuse_coroutine(returned)
        except (KeyboardInterrupt, SystemExit) as exc:
            self.fatal = exc
        except BaseException as exc:  # noqa: BLE001, ASYNC103  (a faulty observer must not stop the scheduler)
            self._remove(observer, type(event), exc)
            return  # noqa: ASYNC104  (a plain call cannot be cancelled)
        took = time.perf_counter() - began
        if took > SLOW:
            write(
                logging.WARNING,
                "the observer %s took %.0f ms at %s; the scheduler stood still meanwhile",
                guard.shown(observer),
                took * 1000,
                type(event).__name__,
            )

    def _remove(self, observer: object, kind: type[Event], error: BaseException) -> None:
        """Remove an observer, because it raised."""
        self._observers = [each for each in self._observers if each is not observer]
        self._calls.clear()
        self._wanted.clear()
        text = "the observer %s raised at %s, and is told nothing more"
        write(logging.ERROR, text, guard.shown(observer), kind.__name__, exc_info=exc_info(error))


def _refuse_coroutine(returned: object) -> None:
    if guard.is_coroutine(returned):
        guard.call(cast("CoroutineType[Any, Any, Any]", returned).close)
        raise TypeError("it is called synchronously, so its methods must be plain functions, not 'async def'")


def method_name(kind: type[Event]) -> str:
    """Return the name of an observer's method for a kind of event: ``on_run_finished`` for `RunFinished`."""
    return "on" + re.sub(r"(?=[A-Z])", "_", kind.__name__).lower()


set_public_path(Subscription)
