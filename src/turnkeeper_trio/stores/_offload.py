"""Where the synchronous work of a store is done: in a thread, one piece after the other, or in the task that calls.

A thread keeps the event loop free while a disk works. Virtual time does not wait for threads, so that there the work is
done in the task itself. Work that has begun is never abandoned: a cancellation of its caller takes effect before it or
not at all, and what it returned is never lost. Only a native cancellation on asyncio (``task.cancel()``) leaves the
thread behind: what comes after it waits for that.
"""

import threading
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar, final

import anyio
import anyio.lowlevel
import anyio.to_thread

P = ParamSpec("P")
T = TypeVar("T")

THREAD: Final = "thread"
INLINE: Final = "inline"


@final
class Offload:
    """Does one piece of work at a time; made in the event loop in which it is used."""

    __slots__ = ("_limiter", "_lock")

    def __init__(self, *, inline: bool) -> None:
        self._limiter = None if inline else anyio.CapacityLimiter(1)
        self._lock = threading.Lock()

    def call_here(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what ``work`` returns, without a thread; what a thread was left with is waited for."""
        with self._lock:
            return work(*args, **kwargs)

    async def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what ``work`` returns. This is a checkpoint."""
        if self._limiter is None:
            await anyio.lowlevel.checkpoint_if_cancelled()
            result = work(*args, **kwargs)
            await anyio.lowlevel.cancel_shielded_checkpoint()
            return result

        def one_at_a_time() -> T:
            with self._lock:
                return work(*args, **kwargs)

        return await anyio.to_thread.run_sync(one_at_a_time, limiter=self._limiter)
