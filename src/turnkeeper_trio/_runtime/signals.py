"""Signals: received for the time of a block, and handled as before after it.

An event loop of asyncio that stops handling a signal restores the handler of the system, not the one that was set
before. So the handler that was set, in Python or in the event loop, is saved and restored here.
"""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any, Final

import anyio

from turnkeeper_trio._runtime.clock import in_trio

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


class _Sigint:
    """A handler of ``SIGINT`` that calls the one before it, and turns its ``KeyboardInterrupt`` into a forced shutdown.

    If the event loop has not run since the last Ctrl-C, something blocks it, and the interrupt is raised.
    """

    def __init__(self, before: Callable[[int, Any], object], force: Callable[[KeyboardInterrupt | None], None]) -> None:
        self.before = before
        self._force = force
        self._loop = asyncio.get_running_loop()
        self._delivered = True
        """Whether the event loop has run since the last signal."""
        self.over = False

    def __call__(self, number: int, frame: Any) -> None:
        interrupt: KeyboardInterrupt | None = None
        try:
            self.before(number, frame)
        except KeyboardInterrupt as exc:
            if self.over or not self._delivered:
                raise
            interrupt = exc
        if not self.over:
            self._delivered = False
            self._loop.call_soon_threadsafe(self._deliver, interrupt)

    def _deliver(self, interrupt: KeyboardInterrupt | None) -> None:
        self._delivered = True
        self._force(interrupt)


@contextmanager
def sigint_forces(force: Callable[[KeyboardInterrupt | None], None]) -> Generator[None]:
    """While a block is left on asyncio, have a Ctrl-C force the shutdown, and interrupt no task.

    `asyncio.run` cancels the main task at the first Ctrl-C. At the second it raises ``KeyboardInterrupt`` in whatever
    code runs: in a task of the scheduler, or in the loop itself, which then leaves tasks and threads behind. Here
    ``force`` is called instead, with the ``KeyboardInterrupt`` if there was one. (On trio a Ctrl-C interrupts only the
    main task, and only where it waits.)
    """
    before = signal.getsignal(signal.SIGINT)
    if in_trio() or threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    ours = _Sigint(before, force)
    signal.signal(signal.SIGINT, ours)
    try:
        yield
    finally:
        ours.over = True
        # Several schedulers may be left at once, in any order: remove each handler on top that is over.
        now = signal.getsignal(signal.SIGINT)
        while isinstance(now, _Sigint) and now.over:
            now = now.before
            signal.signal(signal.SIGINT, now)
