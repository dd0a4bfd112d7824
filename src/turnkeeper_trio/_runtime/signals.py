"""Signals: heard for a while, and then as they were before.

An event loop of asyncio takes a signal over by name, and gives it back to the system, not to whoever had it before. So
what was there is noted and put back here: a handler of Python, or one that the program has given to the event loop.
"""

import asyncio
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any, Final

import anyio

from turnkeeper_trio._runtime.clock import in_trio

_INSTEAD: Final = (
    "have what hears of the signal call scheduler.stop() in the event loop (from another thread: "
    "scheduler.threadsafe().stop()), and wait for shutdown_graceful()"
)


@contextmanager
def received(signals: tuple[signal.Signals, ...]) -> Generator[AsyncIterator[signal.Signals]]:
    """Receive signals as long as the block lasts.

    Raises:
        RuntimeError: signals cannot be had here.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(f"Python hears of signals in the main thread only, and this is another: {_INSTEAD}")
    with _put_back(set(signals)):
        try:
            receiver = anyio.open_signal_receiver(*signals)
            stream = receiver.__enter__()
        except NotImplementedError:
            raise RuntimeError(f"this event loop has no signals (those of Windows have none): {_INSTEAD}") from None
        try:
            yield stream
        finally:
            receiver.__exit__(None, None, None)


@contextmanager
def _put_back(signals: Iterable[signal.Signals]) -> Generator[None]:
    """Have the handlers of signals be afterwards what they were before."""
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
    """Return what the running loop of asyncio calls for signals. Nothing public tells that, and uvloop hides it."""
    handles: dict[int, Any] = getattr(asyncio.get_running_loop(), "_signal_handlers", {})
    return {number: (handles[number]._callback, handles[number]._args) for number in signals if number in handles}  # noqa: SLF001  (see above)


BLOCKED: Final = 0.2
"""Seconds after which an event loop that has not heard of a signal is blocked. A loop that is busy takes less."""


TOGETHER: Final = 0.2
"""Seconds within which two Ctrl-C are one: a hurried one, or that of the terminal and that of a program between."""


class _InFront:
    """A handler of ``SIGINT`` in front of another one, which may raise ``KeyboardInterrupt``."""

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
        self._unheard_since: float | None = None

    def __call__(self, number: int, frame: Any) -> None:
        interrupt: KeyboardInterrupt | None = None
        try:
            self.before(number, frame)
        except KeyboardInterrupt as exc:
            if self.over or self._is_blocked():
                raise  # What blocks the event loop is struck.
            interrupt = exc
        if not self.over:
            if self._unheard_since is None:
                self._unheard_since = time.monotonic()
            self._loop.call_soon_threadsafe(self._hear, interrupt)

    def _is_blocked(self) -> bool:
        """Return whether the event loop has not come round for long since a signal that it was to hear of."""
        return self._unheard_since is not None and time.monotonic() - self._unheard_since > BLOCKED

    def _hear(self, interrupt: KeyboardInterrupt | None) -> None:
        self._unheard_since = None
        self._force(interrupt)


def sigint_together() -> "_Installed":
    """While a block lasts on asyncio, have two Ctrl-C in quick succession be one.

    `asyncio.run` cancels the main task at the first, and raises at the second wherever the event loop happens to be:
    also between noting that a task is to go on and seeing to it, and then that task waits for ever, and so does
    `asyncio.run`.
    """
    return _Installed(_Together)


def sigint_forces(force: Callable[[KeyboardInterrupt | None], None]) -> "_Installed":
    """While a block is being left on asyncio, have a Ctrl-C force the shutdown, and strike nobody.

    `asyncio.run` cancels the main task at the first Ctrl-C, and raises at the second wherever the event loop happens to
    be: inside of a task of the scheduler's, or of the loop itself, which then leaves tasks and threads behind. Here
    ``force`` is called, with what was raised if anything was. (On trio it interrupts the main task alone, and where it
    waits.)
    """
    return _Installed(lambda before: _Forcing(before, force))


class _Installed:
    """Has a handler in front of the one that there is, on asyncio in the main thread.

    No `contextlib.contextmanager`, which would write to the error that passes through it.
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
        # Several schedulers may be left in any order.
        now = signal.getsignal(signal.SIGINT)
        while isinstance(now, _InFront) and now.over:
            now = now.before
            signal.signal(signal.SIGINT, now)
