"""Signals: received for the time of a block, and handled as before after it.

An event loop of asyncio that stops handling a signal restores the handler of the system, not the one that was set
before. So the handler that was set, in Python or in the event loop, is saved and restored here.
"""

import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any, Final

import anyio

from turnkeeper_trio._runtime.loops import asyncio, in_trio

_ADVICE: Final = (
    "have what hears of the signal call scheduler.stop() in the event loop (from another thread: "
    "scheduler.threadsafe().stop()), and wait for shutdown_graceful()"
)


@contextmanager
def receive_signals(signals: tuple[signal.Signals, ...]) -> Generator[AsyncIterator[signal.Signals]]:
    """Receive signals for as long as the block lasts.

    Raises:
        RuntimeError: the thread or the event loop cannot receive signals.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(f"Python hears of signals in the main thread only, and this is another: {_ADVICE}")
    with _restored_handlers(set(signals)):
        try:
            receiver = anyio.open_signal_receiver(*signals)
            stream = receiver.__enter__()
        except NotImplementedError:
            raise RuntimeError(f"this event loop has no signals (those of Windows have none): {_ADVICE}") from None
        try:
            yield stream
        finally:
            receiver.__exit__(None, None, None)


@contextmanager
def _restored_handlers(signals: Iterable[signal.Signals]) -> Generator[None]:
    """Restore the handlers of signals when the block is left."""
    before = {number: signal.getsignal(number) for number in signals}
    of_loop = {} if in_trio() else _handlers_of_loop(before)
    try:
        yield
    finally:
        for number, handler in before.items():
            if number in of_loop:
                callback, args = of_loop[number]
                asyncio.get_running_loop().add_signal_handler(number, callback, *args)
            elif handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)


def _handlers_of_loop(signals: Iterable[signal.Signals]) -> dict[signal.Signals, tuple[Callable[..., Any], Any]]:
    """Return the callbacks of the running asyncio loop for signals. No public way to them exists; uvloop has none."""
    handles: dict[int, Any] = getattr(asyncio.get_running_loop(), "_signal_handlers", {})
    return {number: (handles[number]._callback, handles[number]._args) for number in signals if number in handles}  # noqa: SLF001  (see above)


BLOCKED: Final = 0.2
"""Seconds after which an event loop that has not run since a signal is blocked. A busy loop takes less."""


TOGETHER: Final = 0.2
"""Seconds within which two Ctrl-C count as one: a terminal and a program between may both send it."""


class _InFront:
    """A handler of ``SIGINT`` in front of the handler before it, which may raise ``KeyboardInterrupt``."""

    def __init__(self, before: Callable[[int, Any], object]) -> None:
        self.before = before
        self.over = False


class _Together(_InFront):
    """Lets a second Ctrl-C that belongs to the first raise nothing."""

    _last: float | None = None

    def __call__(self, number: int, frame: Any) -> None:
        now = time.monotonic()
        # Noted before: the second may come while the first is being handled.
        last, self._last = self._last, now
        try:
            self.before(number, frame)
        except KeyboardInterrupt:
            if self.over or last is None or now - last > TOGETHER:
                raise


class _Forcing(_InFront):
    """Lets a Ctrl-C force the shutdown, and raise nothing."""

    def __init__(self, before: Callable[[int, Any], object], force: Callable[[KeyboardInterrupt | None], None]) -> None:
        super().__init__(before)
        self._force = force
        self._loop = asyncio.get_running_loop()
        self._undelivered_since: float | None = None
        """When the first signal came that the event loop has not run since."""

    def __call__(self, number: int, frame: Any) -> None:
        interrupt: KeyboardInterrupt | None = None
        try:
            self.before(number, frame)
        except KeyboardInterrupt as exc:
            if self.over or self._is_blocked():
                raise  # It interrupts the code that blocks the event loop.
            interrupt = exc
        if not self.over:
            if self._undelivered_since is None:
                self._undelivered_since = time.monotonic()
            self._loop.call_soon_threadsafe(self._deliver, interrupt)

    def _is_blocked(self) -> bool:
        """Return whether the event loop has not run for long since a signal."""
        return self._undelivered_since is not None and time.monotonic() - self._undelivered_since > BLOCKED

    def _deliver(self, interrupt: KeyboardInterrupt | None) -> None:
        self._undelivered_since = None
        self._force(interrupt)


def sigint_together() -> "_Installed":
    """While a block lasts on asyncio, have two Ctrl-C in quick succession count as one.

    `asyncio.run` cancels the main task at the first. At the second it raises ``KeyboardInterrupt`` in whatever code
    runs, perhaps in the event loop itself, after it has noted that a task continues and before it sees to that. Then
    this task waits for ever, and so does `asyncio.run`.
    """
    return _Installed(_Together)


def sigint_forces(force: Callable[[KeyboardInterrupt | None], None]) -> "_Installed":
    """While a block is left on asyncio, have a Ctrl-C force the shutdown, and interrupt no task.

    `asyncio.run` cancels the main task at the first Ctrl-C. At the second it raises ``KeyboardInterrupt`` in whatever
    code runs: in a task of the scheduler, or in the loop itself, which then leaves tasks and threads behind. Here
    ``force`` is called instead, with the ``KeyboardInterrupt`` if there was one. (On trio a Ctrl-C interrupts only the
    main task, and only where it waits.)
    """
    return _Installed(lambda before: _Forcing(before, force))


class _Installed:
    """Installs a handler in front of the one that is there, on asyncio in the main thread.

    It is no `contextlib.contextmanager`, because that writes to the error that passes through it.
    """

    def __init__(self, make: Callable[[Callable[[int, Any], object]], "_Together | _Forcing"]) -> None:
        self._make = make
        self._ours: _Together | _Forcing | None = None

    def __enter__(self) -> None:
        if in_trio() or threading.current_thread() is not threading.main_thread():
            return
        before = signal.getsignal(signal.SIGINT)
        if callable(before):
            self._ours = self._make(before)
            signal.signal(signal.SIGINT, self._ours)

    def __exit__(self, *_: object) -> None:
        if self._ours is None:
            return
        self._ours.over = True
        # Several schedulers may be left at once, in any order: remove each handler on top that is over.
        now = signal.getsignal(signal.SIGINT)
        while isinstance(now, _InFront) and now.over:
            now = now.before
            signal.signal(signal.SIGINT, now)
