"""Telling: the log, observers and subscribers are told each event, synchronously, once it is certain."""

import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence
from types import CoroutineType
from typing import Any, Final, cast, final

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.event import Event
from turnkeeper_trio._runtime.logs import LOGGER, exc_info, log_event, write
from turnkeeper_trio._runtime.subscriptions import Subscription

SLOW: Final = 0.010
"""Seconds over which an observer's call is logged: the coordinator does nothing else meanwhile."""


@final
class Teller:
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
