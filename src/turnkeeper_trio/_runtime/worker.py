"""The worker: takes attempts, and executes each in a cancel scope and a context of its own.

A job can enter a cancel scope and not leave it: an async generator that yields inside of ``move_on_after`` and that
nobody exhausts does so. The task is spoilt from then on, and with it a worker: what the worker does next would be cut
off by a scope that it knows nothing of. trio closes such a scope with the one around it, and says so by an error; anyio
on asyncio refuses to leave the one around it. Nothing public tells the innermost scope of a task, or closes it, so
`ScopeGuard` looks where trio and anyio keep it.

A task group left open that way has child tasks, too: they are cancelled, and waited for. trio has the parent fail if it
ends with a nursery of its own open.
"""

import asyncio
import logging
import math
import sys
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import suppress
from contextvars import Context
from typing import Any, Final, final

import anyio
import trio
from anyio.lowlevel import cancel_shielded_checkpoint
from trio.lowlevel import disable_ki_protection, enable_ki_protection

from turnkeeper_trio._engine.engine import Attempt, AttemptResult, Engine
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.times import MICROSECONDS
from turnkeeper_trio._runtime.clock import in_trio
from turnkeeper_trio._runtime.dispatcher import Dispatcher
from turnkeeper_trio._runtime.functions import Function
from turnkeeper_trio._runtime.logs import write
from turnkeeper_trio._runtime.run_context import CURRENT_RUN, RunContext
from turnkeeper_trio._runtime.thread_call import call_in_thread
from turnkeeper_trio.verdicts import CancelJob, GiveUp, Retry, Snooze, Verdict


@final
class ScopeGuard:
    """Remembers the innermost cancel scope of the current task, and tells whether it is another now."""

    __slots__ = ("_field", "_innermost", "_nurseries", "_owner")

    def __init__(self) -> None:
        """Remember it."""
        self._owner: Any
        if in_trio():
            self._owner, self._field = trio.lowlevel.current_task(), "_cancel_status"
        else:
            states = sys.modules["anyio._backends._asyncio"].__dict__["_task_states"]
            self._owner, self._field = states[asyncio.current_task()], "cancel_scope"
        self._innermost = getattr(self._owner, self._field, None)
        self._nurseries = len(self._owner.child_nurseries) if self._field == "_cancel_status" else 0

    @property
    def broken(self) -> bool:
        """Whether a scope was entered since, and not left."""
        return getattr(self._owner, self._field, None) is not self._innermost

    async def mend(self, scope: anyio.CancelScope) -> None:  # noqa: ASYNC910  (there may be no child task)
        """Make it possible to leave ``scope``, which was the innermost, and have it be left.

        Child tasks of the job's are cancelled and waited for, however long they take.

        Raises:
            RuntimeError: always.
        """
        error = RuntimeError("the job left a cancel scope of its own open")
        if self._field == "cancel_scope":
            while self._owner.cancel_scope is not scope:
                await _close(self._owner.cancel_scope)
        else:
            while len(self._owner.child_nurseries) > self._nurseries:
                nursery = self._owner.child_nurseries[-1]
                nursery.cancel_scope.cancel()
                # What __aexit__ does: it waits for the children, cancelled itself or not, and returns what they raised.
                error.__context__ = await nursery._nested_child_finished(None)  # noqa: SLF001  (see the module)
        raise error


async def _close(scope: Any) -> None:  # noqa: ASYNC910  (there may be no child task)
    """Cancel and leave a scope of anyio's on asyncio, and wait for the other tasks in it."""
    scope.cancel()
    scope.__exit__(None, None, None)
    with anyio.CancelScope(shield=True):
        while tasks := _tasks_in(scope):
            with suppress(asyncio.CancelledError):  # a native one, which the worker forgets
                await asyncio.wait(tasks)


def _tasks_in(scope: Any) -> set["asyncio.Task[Any]"]:
    """Return the tasks in a scope, and in those inside of it, that have not ended."""
    tasks, todo = set[asyncio.Task[Any]](), [scope]
    while todo:
        inner = todo.pop()
        tasks |= {task for task in inner._tasks if not task.done()}  # noqa: SLF001  (see the module)
        todo += inner._child_scopes  # noqa: SLF001  (see the module)
    return tasks


count_references: Final[Callable[[object], int]] = getattr(sys, "getrefcount", lambda _: 0)
"""Where nothing counts references, as on PyPy, no task is taken for spoilt by them."""


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


class _Carried(Exception):
    """Carries what a job raised through the cancel scope, which would look at it, and ask it what its class is."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


@final
class Worker:
    """Takes attempts from the dispatcher until there are no more.

    One cancel scope serves many attempts, for to enter one costs 8 µs on trio and 5 on asyncio, a tenth of what a job
    does; the deadline is set for each. It is left, and another entered, after an attempt that did not just return in
    time: what it was then cannot be told before the scope has taken back its own cancellation.

    Its task needs replacing when a job has left something that may cancel it later: it ends then, see `WorkerPool`.
    """

    def __init__(self, dispatcher: Dispatcher, engine: Engine, context: Context, host: object) -> None:
        """Make a worker; jobs run in copies of ``context``."""
        self._dispatcher = dispatcher
        self._engine = engine
        self._context = context
        self._host = host
        self._attempt: Attempt | None = None
        """What it executes."""
        self._native: asyncio.Task[Any] | None = None
        """The task that a job may cancel natively, on asyncio."""
        self._inside = self._outside = sys.maxsize
        """The least number of references to that task, as seen from inside and from outside of a scope."""
        self.begun = False
        """Whether its task has taken its first step, or never will."""
        self._suspected = False
        """Whether there are more references than before, which may be those of an error."""
        self.needs_replacing = False
        """Whether another task has to take its place."""

    @enable_ki_protection
    async def work(self) -> None:  # noqa: ASYNC910  (a task of its own)
        """Execute attempts until dispatch is closed and empty, or the task is spoilt.

        Runs shielded: only an attempt's own scope ends it.
        """
        self._native = None if in_trio() else asyncio.current_task()
        with anyio.CancelScope(shield=True), suppress(anyio.EndOfStream):
            while not self.needs_replacing:
                await self._work_in_one_scope()
                if self._suspected and not self.needs_replacing:
                    await self._check_references()

    async def _check_references(self) -> None:
        """See whether somebody still holds the task, once the coordinator has had a turn and cleared the frames."""
        assert self._native is not None
        self._suspected = False
        try:
            await cancel_shielded_checkpoint()
        except asyncio.CancelledError:  # noqa: ASYNC103  (whoever holds it did, or the loop is torn down)
            await _forget_cancellation(self._native)  # noqa: ASYNC102  (it lets what was asked for strike, and no more)
            self.needs_replacing = True
        else:
            self.needs_replacing = self._references() > self._outside

    async def _work_in_one_scope(self) -> None:  # noqa: ASYNC910  (part of the worker's task)
        """Execute attempts until one needs the scope to be left; note what became of that one outside of it."""
        error, value, returned = None, None, False
        self._outside = min(self._outside, self._references())
        try:
            with anyio.CancelScope() as scope:
                value = await self._execute_in(scope)
                returned = True
        except _Carried as exc:
            error = exc.error
        except BaseException as exc:  # noqa: BLE001, ASYNC103  (whatever a job raises, it is the outcome)
            error = exc
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            assert error is not None  # dispatch is closed, or this library is at fault, or the task was cancelled
            if self._native is None or not isinstance(error, asyncio.CancelledError):
                raise error
            await _forget_cancellation(self._native)
            if not self._engine.shutting_down and not self._dispatcher.cancellation_logged:
                self._dispatcher.cancellation_logged = True
                write(logging.WARNING, "an idle worker was cancelled from outside, and goes on; so do others, untold")
            return
        try:
            if self._native is not None and _is_being_cancelled(self._native):
                await _forget_cancellation(self._native)
            if self._references() > self._outside:
                # What a failed attempt raised may hold the task by its traceback, until the coordinator has taken it.
                self._suspected = error is not None
                self.needs_replacing = self.needs_replacing or error is None
            now = self._dispatcher.clock.read()
            if error is not None:
                error, ending = _classify(error)
                attempt.end(now, ending, error=error)
            elif returned:
                attempt.end(now, AttemptResult.RETURNED, value=value)
            else:
                attempt.end(now, AttemptResult.TIMED_OUT if attempt.cause is None else AttemptResult.CUT_OFF)
        finally:
            self._dispatcher.report(attempt)

    async def _execute_in(self, scope: anyio.CancelScope) -> Any:  # noqa: ASYNC910  (part of the worker's task)
        """Execute attempts, and report those that returned in time; return what another one returned."""
        dispatcher, clock, scope_guard = self._dispatcher, self._dispatcher.clock, ScopeGuard()
        until = math.inf
        self._inside = min(self._inside, self._references())
        while True:
            attempt = dispatcher.take_nowait()
            if attempt is None:
                if until != math.inf:
                    until = scope.deadline = math.inf
                attempt = await dispatcher.take()
            self._attempt = attempt
            now = clock.read()
            if not attempt.claim(now, scope):
                self._attempt = None
                dispatcher.report(attempt)
                continue
            request = attempt.run.job.request
            timeout = request.timeout_us
            if (timeout is not None or request.stuck_after_us is not None) and self._engine.body_began(now, attempt):
                dispatcher.wake()
            if timeout is not None:
                until = scope.deadline = clock.loop_time() + timeout / MICROSECONDS
            elif until != math.inf:
                until = scope.deadline = math.inf
            dispatcher.report_started(attempt)
            try:
                value = await self._call(attempt)
            finally:
                if scope_guard.broken:
                    self.needs_replacing = True
                    await scope_guard.mend(scope)  # noqa: ASYNC102  (it waits for nobody)
            now = clock.read()
            struck = attempt.deadline is not None and now.loop + 1 >= attempt.deadline
            if struck or attempt.cause is not None or self._is_touched():
                return value
            self._attempt = None
            attempt.end(now, AttemptResult.RETURNED, value=value)
            dispatcher.report(attempt)
            value = None  # An idle worker must not keep it alive.

    def _is_touched(self) -> bool:
        """Return whether the task was cancelled natively, or more hold it than did before and so may cancel it."""
        if self._native is None:
            return False
        references = self._references()  # No local name for the task: it would be one more.
        if references != self._inside:
            if references > self._inside:
                return True
            self._outside -= self._inside - references  # Who held it before has let go.
            self._inside = references
        return _is_being_cancelled(self._native)

    def _references(self) -> int:
        """Return how many references there are to the task, on asyncio."""
        return 0 if self._native is None else count_references(self._native)

    @disable_ki_protection
    async def _call(self, attempt: Attempt) -> Any:
        """Call the function, in a context that no other attempt sees."""
        job = attempt.run.job
        function = self._dispatcher.function(attempt)
        context = self._context.copy()
        run_context = RunContext(self._engine, attempt, self._host, self._dispatcher.clock.loop_time)
        context.run(CURRENT_RUN.set, run_context)
        args, kwargs = job.args, job.kwargs or {}
        if function.is_async:
            attempt.body = _await(function, args, kwargs)
        else:
            # Its id is made here: a thread must not touch the tables.
            _ = run_context.run_id
            attempt.body = self._in_thread(attempt, function, args, kwargs)
        try:
            return await InContext(context, attempt.body)
        except BaseException as exc:
            if guard.holds(exc, anyio.get_cancelled_exc_class()):
                raise  # The scope takes its own out of it.
            raise _Carried(exc) from None  # noqa: ASYNC104  (no cancellation is in it)

    async def _in_thread(self, attempt: Attempt, function: Function, args: tuple[Any, ...], kwargs: Any) -> Any:
        # What it raises passes neither through the loop's code nor through a `with`: both look at it, and write to it.
        with self._dispatcher.clock.hold():
            value, error = await call_in_thread(attempt, function, args, kwargs, limiter=self._dispatcher.limiter)
        if error is not None:
            raise error
        return value


async def _await(function: Function, args: tuple[Any, ...], kwargs: Any) -> Any:
    return await function.call(*args, **kwargs)


def _trim_traceback(error: BaseException) -> None:
    """Cut the library's own frames, and those of the way into the thread, off the begin of a traceback."""
    trace = after = guard.traceback_of(error)
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == __file__:
            after = trace.tb_next
        trace = trace.tb_next
    if after is not None:
        guard.set_traceback(error, after)


def _classify(error: BaseException) -> tuple[BaseException, AttemptResult]:
    """Return what an attempt that raised ends as: only what means the program is fatal, bare or in a group."""
    _trim_traceback(error)
    for each in _leaves(error):
        if guard.is_a(each, guard.PROGRAM):
            return each, AttemptResult.FATAL
    return heard(error), AttemptResult.RAISED


def heard(error: BaseException) -> BaseException:
    """Return the verdict that a group comes to, and what is none as it is.

    A task group of the job's makes a group of whatever its tasks raise, so that a verdict is one in a group, too. With
    errors beside it the run has failed, with the group; cancellations do not count.
    """
    said = [each for each in _leaves(error) if not guard.is_a(each, _CANCELLED)]
    if said and all(guard.is_a(each, Verdict) for each in said):
        return min(said, key=_finality)
    return error


_CANCELLED: Final = (asyncio.CancelledError, trio.Cancelled)
"""What comes of a cancellation, on either event loop."""


_FINALITY: Final = (CancelJob, GiveUp, Retry, Snooze, Verdict)
"""Verdicts, the most final first: of several in one group it is heard."""


def _finality(verdict: BaseException) -> int:
    return next(rank for rank, kind in enumerate(_FINALITY) if guard.is_a(verdict, kind))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Iterate over what is in a group, in its order, past what a subclass makes of ``exceptions``; or over an error."""
    todo = [error]
    while todo:
        each = todo.pop()
        inner = guard.members(each)
        if inner:
            todo += reversed(inner)
        else:
            yield each


def _is_being_cancelled(task: "asyncio.Task[Any]") -> bool:
    """Return whether there is a request to cancel a task, or one that was taken back and strikes all the same.

    Before Python 3.13 ``uncancel`` does not keep what ``cancel`` began from happening at the next await. Nothing public
    tells that; anyio looks at the same place.
    """
    return bool(task.cancelling() or getattr(task, "_must_cancel", False))


async def _forget_cancellation(task: "asyncio.Task[Any]") -> None:  # noqa: ASYNC910  (part of the worker's task)
    """A job cancelled the task it ran in, which is the worker's: the worker goes on, and the next job knows nothing."""
    while task.cancelling():
        task.uncancel()
    # The request may still be waiting to be delivered at the next await: let it strike here.
    with suppress(asyncio.CancelledError):
        await cancel_shielded_checkpoint()
