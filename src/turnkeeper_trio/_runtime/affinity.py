"""Affinity: a scheduler may be called only in the thread and the event loop in which it was opened.

Its streams and events belong to one event loop. A call from another thread would have only half of its effect: the item
is in the stream, but the coordinator is never woken (trio), or woken only by chance (asyncio). So each operation checks
the affinity first, before it changes anything. After the block has been left, no call can do harm, and each is allowed.

`Affinity.call` is the only way in for other threads. It counts the calls, and the block is not left before each of them
has its answer, because an event loop that has ended answers nobody.
"""

import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar, final

import anyio
import anyio.from_thread
from anyio.lowlevel import EventLoopToken, current_token

from turnkeeper_trio._runtime.loops import running_loop
from turnkeeper_trio._runtime.primitives import SharedEvent
from turnkeeper_trio.errors import SchedulerClosed

R = TypeVar("R")


_ADVICE: Final = (
    "write scheduler.threadsafe().add_job(...), and so on, which any thread may call; or, in a thread that anyio began "
    "(a plain job runs in one), anyio.from_thread.run(scheduler.add_job, ...)"
)


@final
class Affinity:
    """The thread and the event loop of one open scheduler."""

    def __init__(self) -> None:
        """Remember the thread and the event loop of the caller."""
        self._thread = threading.get_ident()
        self._token: EventLoopToken = current_token()
        self._loop: object = self._token.native_token
        self._left = False
        """Whether the block has been left."""
        self._lock = threading.Lock()
        self._refuses_calls = False
        """Whether calls from other threads are refused."""
        self._open_calls = 0
        """How many calls from other threads have no answer yet."""
        self._all_answered = SharedEvent()
        """Set when calls are refused and none is open."""

    def check(self) -> None:
        """Refuse a call from another thread or event loop.

        Raises:
            RuntimeError: the caller is in another thread, or in another event loop, or in none.
        """
        # A loop runs in one thread only, so who is in the loop is in its thread.
        if running_loop() is not self._loop and not self._left:
            other = "event loop" if threading.get_ident() == self._thread else "thread"
            raise RuntimeError(f"the scheduler was called from another {other} than it was opened in: {_ADVICE}")

    def check_thread(self) -> None:
        """Refuse a call from another thread. Enough for a call that needs no event loop.

        Raises:
            RuntimeError: the caller is in another thread.
        """
        if threading.get_ident() != self._thread and not self._left:
            raise RuntimeError(f"the scheduler was asked from another thread than it was opened in: {_ADVICE}")

    def call(self, function: Callable[[], Coroutine[Any, Any, R]]) -> R:
        """Call a coroutine function in the scheduler's event loop, and block this thread until it returns.

        In a thread that anyio started from this event loop, such as that of a plain job, a cancellation of the task
        that waits for the thread reaches the call. In other threads nothing cancels the call.

        Raises:
            RuntimeError: an event loop runs in this thread, and must not be blocked.
            SchedulerClosed: the block has been left, or the scheduler has ended and the block is being left.
        """
        if (running_loop() is not None or threading.get_ident() == self._thread) and not self._left:
            raise RuntimeError(
                "threadsafe() is for threads without an event loop, and would block this one: write "
                "await scheduler.add_job(...) in the scheduler's own event loop, and call from a worker thread "
                "(anyio.to_thread.run_sync) in another; anyio.from_thread leads back"
            )
        with self._counted():
            return anyio.from_thread.run(function, token=None if self._is_started_by_loop() else self._token)

    def _is_started_by_loop(self) -> bool:
        """Return whether anyio started this thread from the event loop of the scheduler."""
        with suppress(anyio.NoEventLoopError):
            return anyio.from_thread.run_sync(current_token).native_token is self._loop
        return False

    @contextmanager
    def _counted(self) -> Generator[None]:
        with self._lock:
            if self._refuses_calls:
                raise SchedulerClosed("the scheduler has ended")
            self._open_calls += 1
        try:
            yield
        finally:
            with self._lock:
                self._open_calls -= 1
                last = self._refuses_calls and not self._open_calls
            if last:
                with suppress(anyio.RunFinishedError):
                    anyio.from_thread.run_sync(self._all_answered.set, token=self._token)

    async def finish_calls(self) -> None:  # noqa: ASYNC910  (there may be no open call to wait for)
        """Refuse further calls from other threads, and wait until each open one has received its answer."""
        with self._lock:
            self._refuses_calls = True
            open_calls = self._open_calls
        if open_calls:
            await self._all_answered.wait()

    def mark_left(self) -> None:
        """Note that the block has been left: nothing changes any more, so a call from anywhere is allowed."""
        self._refuses_calls = self._left = True
