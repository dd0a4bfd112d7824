"""A call in a thread that is waited for, on asyncio, whatever becomes of the task that awaits it.

No cancel scope reaches a task that waits for a thread, but a native cancellation does: the task goes on, and nobody
knows of the thread any more. Who takes the claim decides, and each can do so in one step from its own thread: the
thread, and then it calls and is waited for; or the task that was cut off, and then the thread never calls.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, final

import anyio
import anyio.to_thread


@final
class ThreadCall:
    """One call."""

    __slots__ = ("_call", "_claim", "_end", "_ended", "_error", "_loop", "_value")

    def __init__(self, call: Callable[[], Any]) -> None:
        """Have ``call`` called once `run` is awaited."""
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._claim = [True]
        self._ended = False
        self._end: asyncio.Event | None = None
        """Set when the call has ended, if somebody waits for that who was cut off."""
        self._value: Any = None
        self._error: BaseException | None = None

    async def run(self, limiter: anyio.CapacityLimiter) -> Any:  # noqa: ASYNC910  (to wait for a thread is one)
        """Call, and return or raise what the call did, though the task be cancelled natively meanwhile."""
        try:
            return await anyio.to_thread.run_sync(self._in_thread, limiter=limiter)
        except asyncio.CancelledError:  # noqa: ASYNC103  (if the call was made, it is what happened; the task remembers the request)
            if self._claimed():
                raise
        await self._see_end()
        if self._error is not None:
            raise self._error
        return self._value

    def _claimed(self) -> bool:
        try:
            return self._claim.pop()
        except IndexError:
            return False

    def _in_thread(self) -> Any:
        if not self._claimed():
            return None
        try:
            self._value = self._call()
        except BaseException as exc:
            self._error = exc
            raise
        finally:
            self._ended = True
            if self._end is not None:
                with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                    self._loop.call_soon_threadsafe(self._end.set)
        return self._value

    async def _see_end(self) -> None:  # noqa: ASYNC910  (the call may have ended)
        self._end = asyncio.Event()
        with anyio.CancelScope(shield=True):
            while not self._ended:
                with suppress(asyncio.CancelledError):
                    await self._end.wait()
