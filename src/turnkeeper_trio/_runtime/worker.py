"""Workers: each runs one attempt at a time, inside of a cancel scope and a context of its own, and knows nothing else.

Whatever a job does, it ends as an outcome. Only `KeyboardInterrupt` and `SystemExit` mean the program, and these too
are reported, not raised. An attempt is taken to be cut off only if its scope swallowed its own cancellation: any other
cancellation that comes out of a job (a cancelled future it awaited, its own task that it cancelled) is an error of the
job. What happened is therefore read outside of the scope, after it has done so.
"""

import asyncio
import inspect
import math
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from contextvars import Context
from typing import Any, cast, final

import anyio
from anyio.lowlevel import cancel_shielded_checkpoint
from trio.lowlevel import disable_ki_protection, enable_ki_protection

from turnkeeper_trio._engine.attempt import Attempt
from turnkeeper_trio._engine.endings import Ending
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._model.instants import MICROSECONDS
from turnkeeper_trio._runtime.clock import in_trio
from turnkeeper_trio._runtime.context import CURRENT_RUN, RunContext
from turnkeeper_trio._runtime.desk import Desk
from turnkeeper_trio._runtime.functions import Function
from turnkeeper_trio._runtime.scopes import close_inner_scopes


@final
class InContext:
    """Awaits a coroutine inside of a context: nothing that it sets is seen outside, nor by the next run.

    A task cannot change its context, and a task for each attempt would cost more than the attempt's hand-over.
    """

    __slots__ = ("_context", "_coroutine")

    def __init__(self, context: Context, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Await ``coroutine`` in ``context``."""
        self._context = context
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        """Pass on what the event loop and the coroutine say to each other."""
        enter, coroutine = self._context.run, self._coroutine
        try:
            wanted = enter(coroutine.send, None)
            while True:
                try:
                    got = yield wanted
                except BaseException as exc:  # noqa: BLE001, ASYNC103  (it is passed on, not handled)
                    wanted = enter(coroutine.throw, exc)
                else:
                    wanted = enter(coroutine.send, got)
        except StopIteration as stop:
            return stop.value


@final
class Worker:
    """Takes attempts from the desk until there are no more."""

    def __init__(self, desk: Desk, state: State, context: Context, host: object) -> None:
        """Make a worker; jobs run in copies of ``context``."""
        self._desk = desk
        self._state = state
        self._context = context
        self._host = host

    @enable_ki_protection
    async def work(self) -> None:  # noqa: ASYNC910  (a task of its own)
        """Execute attempts until dispatch is closed and empty. Runs shielded: only an attempt's own scope ends it."""
        desk = self._desk
        with anyio.CancelScope(shield=True):
            while True:
                try:
                    attempt = await desk.take()
                except anyio.EndOfStream:
                    return  # noqa: ASYNC910  (a task of its own)
                try:
                    await self._execute(attempt)
                finally:
                    desk.report(attempt)

    async def _execute(self, attempt: Attempt) -> None:  # noqa: ASYNC910  (part of the worker's task)
        """Claim an attempt, run its function, and note on it what happened."""
        clock = self._desk.clock
        now = clock.read()
        timeout = attempt.run.job.request.timeout_us
        scope = anyio.CancelScope(deadline=math.inf if timeout is None else clock.loop_time() + timeout / MICROSECONDS)
        if not attempt.claim(now, scope):
            return  # noqa: ASYNC910  (part of the worker's task)
        self._desk.tell_started(attempt)
        native = None if in_trio() else asyncio.current_task()
        cancelling = 0 if native is None else native.cancelling()
        returned, value, error = False, None, None
        try:
            with scope:
                value = await self._call(attempt, scope)
                returned = True
        except BaseException as exc:  # noqa: BLE001, ASYNC103  (whatever a job raises, it is the outcome)
            error = exc
        if native is not None and native.cancelling() > cancelling:
            await _forget_cancellation(native, cancelling)
        now = clock.read()
        if error is not None:
            error, ending = _mapped(error)
            attempt.end(now, ending, error=error)
        elif returned:
            attempt.end(now, Ending.RETURNED, value=value)
        else:
            attempt.end(now, Ending.TIMED_OUT if attempt.cause is None else Ending.CUT_OFF)

    @disable_ki_protection
    async def _call(self, attempt: Attempt, scope: anyio.CancelScope) -> Any:
        """Call the function, in a context that no other attempt sees."""
        job = attempt.run.job
        function = self._desk.function(attempt)
        context = self._context.copy()
        run_context = RunContext(self._state, attempt, self._host, self._desk.clock.loop_time)
        context.run(CURRENT_RUN.set, run_context)
        args, kwargs = job.args, job.kwargs or {}
        if function.is_async:
            attempt.body = _await(function, args, kwargs)
        else:
            # Its id is made here: a thread must not touch the tables.
            _ = run_context.run_id
            attempt.body = self._in_thread(attempt, function, args, kwargs)
        try:
            value = await InContext(context, attempt.body)
        finally:
            left_open = not in_trio() and close_inner_scopes(scope)
        if left_open:
            raise RuntimeError("the job left a cancel scope of its own open")
        return value

    async def _in_thread(self, attempt: Attempt, function: Function, args: tuple[Any, ...], kwargs: Any) -> Any:
        def call() -> Any:
            attempt.thread = threading.get_ident()
            return call_plainly(function.call, args, kwargs)

        with self._desk.clock.hold():
            return await anyio.to_thread.run_sync(call, limiter=self._desk.limiter)


async def _await(function: Function, args: tuple[Any, ...], kwargs: Any) -> Any:
    return await function.call(*args, **kwargs)


def call_plainly(call: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
    try:
        value = call(*args, **kwargs)
    except (StopIteration, GeneratorExit) as exc:
        # They cannot cross an await: event loops refuse the one, and the other closes every coroutine on its way.
        raise RuntimeError(f"the job raised {type(exc).__name__}") from exc
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()
        name = getattr(call, "__qualname__", repr(call))
        raise TypeError(
            f"{name} is a plain function: it ran in a thread, and it returned an awaitable, which nobody awaits; "
            f"make it 'async def' and await there"
        )
    return value


def _begin_at_job(error: BaseException) -> None:
    """Cut the library's own frames, and those of the way into the thread, off the begin of a traceback."""
    trace = after = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == __file__:
            after = trace.tb_next
        trace = trace.tb_next
    if after is not None:
        error.__traceback__ = after


def _mapped(error: BaseException) -> tuple[BaseException, Ending]:
    """Return what an attempt that raised ends as: only what means the program is fatal, bare or in a group."""
    _begin_at_job(error)
    todo = [error]
    while todo:
        each = todo.pop()
        if isinstance(each, KeyboardInterrupt | SystemExit):
            return each, Ending.FATAL
        if isinstance(each, BaseExceptionGroup):
            todo += cast("tuple[BaseException, ...]", each.exceptions)
    return error, Ending.RAISED


async def _forget_cancellation(task: "asyncio.Task[Any]", before: int) -> None:  # noqa: ASYNC910  (part of the worker's task)
    """A job cancelled the task it ran in, which is the worker's: the worker goes on, and the next job knows nothing."""
    while task.cancelling() > before:
        task.uncancel()
    # The request may still be waiting to be delivered at the next await: let it strike here.
    with suppress(asyncio.CancelledError):
        await cancel_shielded_checkpoint()
