"""Plain functions: called in a thread, whose end is awaited in any case.

No cancel scope interrupts a task that waits for a thread. But on asyncio a native cancellation does: the task would go
on while the thread still works. So the thread and the task share a claim, which only one of them can take, in one step:
if the thread takes it, it calls the function, and the task waits for the end; if the cancelled task takes it, the
thread never calls the function.
"""

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
from turnkeeper_trio._runtime.functions import Function
from turnkeeper_trio._runtime.loops import asyncio, in_trio


@final
class ThreadCall:
    """One call in a thread, on asyncio."""

    __slots__ = ("_call", "_claim", "_end", "_ended", "_error", "_loop", "_value")

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._claim = [True]
        """Holds one item until the claim is taken."""
        self._ended = False
        self._end: asyncio.Event | None = None
        """Set when the call has ended; made by a task that was cancelled and waits for that."""
        self._value: Any = None
        self._error: BaseException | None = None

    async def run(self, limiter: anyio.CapacityLimiter) -> Any:  # noqa: ASYNC910  (to wait for a thread is one)
        """Call, and return or raise what the call did, also if the task is cancelled natively meanwhile."""
        try:
            return await anyio.to_thread.run_sync(self._in_thread, limiter=limiter)
        except asyncio.CancelledError:  # noqa: ASYNC103  (if the call was made, it is what happened; the task remembers the request)
            if self._take_claim():
                raise
        await self._wait_until_ended()
        if self._error is not None:
            raise self._error
        return self._value

    def _take_claim(self) -> bool:
        """Return whether the claim was free; it is taken now. Atomic, because ``list.pop`` is."""
        try:
            return self._claim.pop()
        except IndexError:
            return False

    def _in_thread(self) -> Any:
        if not self._take_claim():
            return None
        try:
            self._value = self._call()
        except BaseException as exc:
            self._error = exc
            raise
        finally:
            self._ended = True
            if self._end is not None:
                with suppress(RuntimeError):  # The loop is closed, so no task waits.
                    self._loop.call_soon_threadsafe(self._end.set)
        return self._value

    async def _wait_until_ended(self) -> None:  # noqa: ASYNC910  (the call may have ended)
        self._end = asyncio.Event()
        with anyio.CancelScope(shield=True):
            while not self._ended:
                with suppress(asyncio.CancelledError):
                    await self._end.wait()


async def call_in_thread(
    attempt: Attempt, function: Function, args: tuple[Any, ...], kwargs: Any, *, limiter: anyio.CapacityLimiter
) -> tuple[Any, BaseException | None]:
    """Call a plain function for an attempt. Return its value and ``None``, or ``None`` and the error that it raised."""
    # The arguments are in a list, which the thread empties, because the traceback of an error must not keep them alive.
    # A closure would: trio's frames on the way into the thread hold the call, also after they are cleared.
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
        # Neither can pass an await: event loops refuse ``StopIteration``, and ``GeneratorExit`` closes each coroutine.
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
    """Return what ``inspect.isawaitable`` returns, but run no code of the value, which may be a lazy proxy."""
    if type(value) is GeneratorType:
        return bool(value.gi_code.co_flags & inspect.CO_ITERABLE_COROUTINE)
    return guard.is_a(value, Awaitable)
