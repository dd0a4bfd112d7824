"""How events are told: to observers by a call, to each subscriber by a bounded stream; nobody is waited for."""

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
from turnkeeper_trio._runtime.logs import LOGGER, exc_info, log_event, write
from turnkeeper_trio._runtime.primitives import SharedEvent
from turnkeeper_trio.events import Event, Lagged, SchedulerStopped

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
        self._came: SharedEvent | None = None
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
                self._came = SharedEvent()
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
            came, self._came = self._came, None
            came.set()


SLOW: Final = 0.010
"""Seconds over which an observer's call is logged: the coordinator does nothing else meanwhile."""


@final
class EventPublisher:
    """Passes events on to the log and to the observers."""

    def __init__(self, observers: Iterable[object]) -> None:
        """Tell these observers, in their order."""
        self._observers: list[object] = list(observers)
        self._subscriptions: dict[Subscription[Event], None] = {}
        self._calls: dict[type[Event], list[tuple[object, Callable[[Event], Any]]]] = {}
        self.fatal: BaseException | None = None
        """A ``KeyboardInterrupt`` or ``SystemExit`` that an observer raised."""

    @property
    def wanted(self) -> bool:
        """Whether anybody wants to hear of ordinary events."""
        return bool(self._observers or self._subscriptions) or LOGGER.isEnabledFor(logging.INFO)

    def tell(self, events: Sequence[Event]) -> None:
        """Tell events, in their order."""
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

    def unsubscribe(self, subscription: Subscription[Event]) -> None:
        """Offer no more events to a subscriber. Twice is fine."""
        self._subscriptions.pop(subscription, None)

    def end(self) -> None:
        """Nothing more is told. Subscribers know by the last event, but for one that a crash has swallowed."""
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
                    self._drop(observer, kind, fault)
                elif callable(method):
                    found.append((observer, method))
            calls = self._calls[kind] = found
        return calls

    def _call(self, observer: object, call: Callable[[Event], Any], event: Event) -> None:
        began = time.perf_counter()
        try:
            _refuse_coroutine(call(event))
        except (KeyboardInterrupt, SystemExit) as exc:
            self.fatal = exc
        except BaseException as exc:  # noqa: BLE001, ASYNC103  (a faulty observer must not stop the scheduler)
            self._drop(observer, type(event), exc)
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

    def _drop(self, observer: object, kind: type[Event], error: BaseException) -> None:
        """Tell an observer nothing more, for it raised."""
        self._observers = [each for each in self._observers if each is not observer]
        self._calls.clear()
        text = "the observer %s raised at %s, and is told nothing more"
        write(logging.ERROR, text, guard.shown(observer), kind.__name__, exc_info=exc_info(error))


def _refuse_coroutine(returned: object) -> None:
    if guard.is_coroutine(returned):
        guard.call(cast("CoroutineType[Any, Any, Any]", returned).close)
        raise TypeError("it is called synchronously, so its methods must be plain functions, not 'async def'")


def method_name(kind: type[Event]) -> str:
    """Return the name of an observer's method for a kind of event: ``on_run_finished`` for `RunFinished`."""
    return "on" + re.sub(r"(?=[A-Z])", "_", kind.__name__).lower()
