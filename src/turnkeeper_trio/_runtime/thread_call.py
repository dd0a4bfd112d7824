"""Plain functions, called in a thread that is waited for, whatever becomes of the task that awaits it.

No cancel scope reaches a task that waits for a thread, but on asyncio a native cancellation does: the task goes on, and
nobody knows of the thread any more. Who takes the claim decides, and each can do so in one step from its own thread:
the thread, and then it calls and is waited for; or the task that was cut off, and then the thread never calls.
"""

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from types import GeneratorType
from typing import Any, final

import anyio
import anyio.to_thread

from turnkeeper_trio._engine.engine import Attempt
from turnkeeper_trio._model import guard
from turnkeeper_trio._runtime.clock import in_trio
from turnkeeper_trio._runtime.functions import Function


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


async def call_in_thread(
    attempt: Attempt, function: Function, args: tuple[Any, ...], kwargs: Any, *, limiter: anyio.CapacityLimiter
) -> tuple[Any, BaseException | None]:
    """Call a plain function for an attempt; return what it returned and ``None``, or ``None`` and what it raised."""
    # In a list that the thread empties, and in no closure: a frame that is cleared still has its function, and with it
    # what that is closed over, and trio's frames on the way into a thread are closed over all that they are given.
    call: Callable[[], tuple[Any, BaseException | None]] = partial(_call_given, attempt, [(function, args, kwargs)])
    del args, kwargs
    if in_trio():
        return await anyio.to_thread.run_sync(call, limiter=limiter)
    called: tuple[Any, BaseException | None] = await ThreadCall(call).run(limiter)
    return called


def _call_given(
    attempt: Attempt, given: list[tuple[Function, tuple[Any, ...], Any]]
) -> tuple[Any, BaseException | None]:
    return guard.call(_call, attempt, *given.pop())


def _call(attempt: Attempt, function: Function, args: tuple[Any, ...], kwargs: Any) -> Any:
    attempt.thread = threading.get_ident()
    return call_plainly(function.call, args, kwargs)


def call_plainly(call: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
    try:
        value = call(*args, **kwargs)
    except (StopIteration, GeneratorExit) as exc:
        # They cannot cross an await: event loops refuse the one, and the other closes every coroutine on its way.
        raise RuntimeError(f"the job raised {type(exc).__name__}") from exc
    if _is_awaitable(value):
        if guard.is_coroutine(value):
            value.close()
        name = guard.attribute(call, "__qualname__") or guard.shown(call)
        raise TypeError(
            f"{name} is a plain function: it ran in a thread, and it returned an awaitable, which nobody awaits; "
            f"make it 'async def' and await there"
        )
    return value


def _is_awaitable(value: Any) -> bool:
    """Return what ``inspect.isawaitable`` does, and runs no code of the value: it may be a lazy proxy."""
    if type(value) is GeneratorType:
        return bool(value.gi_code.co_flags & inspect.CO_ITERABLE_COROUTINE)
    return guard.is_a(value, Awaitable)
