"""Where a scheduler lives: the thread and the event loop in which it was opened, and may be spoken to.

Its streams and events belong to one event loop. What another thread does to them half happens: the item is in the
stream, and the coordinator is never woken (trio), or woken only by chance (asyncio). So each operation asks here first,
before it touches anything. Once the block has been left nothing can be harmed any more, and everybody may ask.

Calls from other threads come in by one door, which counts them: the block is not left before each has its answer, for
an event loop that has ended answers nobody.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar, final

import anyio
import anyio.from_thread
import trio
from anyio.lowlevel import EventLoopToken, current_token

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
        """Note where this is called."""
        self._thread = threading.get_ident()
        self._token: EventLoopToken = current_token()
        self._loop: object = self._token.native_token
        self._left = False
        self._lock = threading.Lock()
        self._shut = False
        """Whether nobody comes in from another thread any more."""
        self._inside = 0
        """How many calls from other threads have not been answered."""
        self._empty = SharedEvent()

    def check(self) -> None:
        """Refuse a call from anywhere else.

        Raises:
            RuntimeError: this is another thread, or another event loop runs here, or none.
        """
        if threading.get_ident() == self._thread and _running_loop() is self._loop:
            return
        if not self._left:
            other = "event loop" if threading.get_ident() == self._thread else "thread"
            raise RuntimeError(f"the scheduler was called from another {other} than it was opened in: {_ADVICE}")

    def check_thread(self) -> None:
        """Refuse a call from another thread that only reads.

        Raises:
            RuntimeError: this is another thread.
        """
        if threading.get_ident() != self._thread and not self._left:
            raise RuntimeError(f"the scheduler was asked from another thread than it was opened in: {_ADVICE}")

    def call(self, function: Callable[[], Coroutine[Any, Any, R]]) -> R:
        """Call a coroutine function in the event loop, from any other thread; wait in this one for what it returns.

        In a thread that anyio began from this event loop, a plain job's for one, the cancellation of whoever began it
        reaches the call. Elsewhere none does.

        Raises:
            RuntimeError: this is the thread of the event loop, which must not be blocked.
            SchedulerClosed: the block has been left, or is just being left.
        """
        if (_running_loop() is not None or threading.get_ident() == self._thread) and not self._left:
            raise RuntimeError(
                "threadsafe() is for threads without an event loop, and would block this one: write "
                "await scheduler.add_job(...) in the scheduler's own event loop, and call from a worker thread "
                "(anyio.to_thread.run_sync) in another; anyio.from_thread leads back"
            )
        with self._inside_of():
            return anyio.from_thread.run(function, token=None if self._begun_here() else self._token)

    def _begun_here(self) -> bool:
        """Return whether anyio began this thread, from the event loop of the scheduler."""
        with suppress(anyio.NoEventLoopError):
            return anyio.from_thread.run_sync(current_token).native_token is self._loop
        return False

    @contextmanager
    def _inside_of(self) -> Generator[None]:
        with self._lock:
            if self._shut:
                raise SchedulerClosed("the scheduler has ended")
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                last = self._shut and not self._inside
            if last:
                with suppress(anyio.RunFinishedError):
                    anyio.from_thread.run_sync(self._empty.set, token=self._token)

    async def shut(self) -> None:  # noqa: ASYNC910  (mostly nobody is inside)
        """Let nobody in any more, and wait until those inside have got the answers that were given them."""
        with self._lock:
            self._shut = True
            inside = self._inside
        if inside:
            await self._empty.wait()

    def leave(self) -> None:
        """The block has been left, and nothing moves any more: everybody may ask."""
        self._shut = self._left = True


def _running_loop() -> object:
    """Return what stands for the event loop that runs here, or ``None``."""
    if trio.lowlevel.in_trio_run():
        return trio.lowlevel.current_trio_token()
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
