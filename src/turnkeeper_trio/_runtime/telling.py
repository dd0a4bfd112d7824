"""Telling: observers and the log are told each event, synchronously, once it is certain."""

import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, final

from turnkeeper_trio._model.event import Event
from turnkeeper_trio._runtime.logs import LOGGER, log_event

SLOW: Final = 0.010
"""Seconds over which an observer's call is logged: the coordinator does nothing else meanwhile."""


@final
class Teller:
    """Passes events on to the log and to the observers."""

    def __init__(self, observers: Iterable[object]) -> None:
        """Tell these observers, in their order."""
        self._observers: list[object] = list(observers)
        self._calls: dict[type[Event], list[tuple[object, Callable[[Event], Any]]]] = {}
        self.fatal: BaseException | None = None
        """A ``KeyboardInterrupt`` or ``SystemExit`` that an observer raised."""

    @property
    def wanted(self) -> bool:
        """Whether anybody wants to hear of ordinary events."""
        return bool(self._observers) or LOGGER.isEnabledFor(logging.INFO)

    def tell(self, events: Sequence[Event]) -> None:
        """Tell events, in their order."""
        for event in events:
            log_event(event)
            if self._observers:
                for observer, call in self._calls_for(type(event)):
                    self._call(observer, call, event)

    def _calls_for(self, kind: type[Event]) -> list[tuple[object, Callable[[Event], Any]]]:
        calls = self._calls.get(kind)
        if calls is None:
            name = method_name(kind)
            methods = ((observer, getattr(observer, name, None)) for observer in self._observers)
            calls = self._calls[kind] = [(observer, method) for observer, method in methods if callable(method)]
        return calls

    def _call(self, observer: object, call: Callable[[Event], Any], event: Event) -> None:
        began = time.perf_counter()
        try:
            call(event)
        except (KeyboardInterrupt, SystemExit) as exc:
            self.fatal = exc
        except BaseException:  # noqa: BLE001  (a faulty observer must not stop the scheduler)
            LOGGER.exception("the observer %r raised at %s, and is told nothing more", observer, type(event).__name__)
            self._observers = [each for each in self._observers if each is not observer]
            self._calls.clear()
            return
        took = time.perf_counter() - began
        if took > SLOW:
            LOGGER.warning(
                "the observer %r took %.0f ms at %s; the scheduler stood still meanwhile",
                observer,
                took * 1000,
                type(event).__name__,
            )


def method_name(kind: type[Event]) -> str:
    """Return the name of an observer's method for a kind of event: ``on_run_finished`` for `RunFinished`."""
    return "on" + re.sub(r"(?=[A-Z])", "_", kind.__name__).lower()
