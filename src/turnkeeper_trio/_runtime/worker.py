"""The worker: takes attempts, and executes each in a cancel scope and a context.

A job can enter a cancel scope and not leave it. An async generator that yields inside of ``move_on_after``, and is not
iterated to its end, does so. From then on the task is unusable, and so is the worker whose task it is: the open scope
could cut off the next attempts. trio closes such a scope together with the one around it, and raises an error; anyio
on asyncio refuses to leave the one around it. There is no public way to find the innermost scope of a task, or to close
it, so `ScopeGuard` uses the private fields of trio and anyio.

A task group that is left open that way has child tasks, too. They are cancelled and waited for, because trio fails if a
task ends with an open nursery.
"""

import logging
import math
import sys
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import suppress
from contextvars import Context
from typing import Any, Final, final

import anyio
from anyio.lowlevel import cancel_shielded_checkpoint

from turnkeeper_trio._engine.engine import Attempt, AttemptResult, Engine
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.times import MICROSECONDS, Now
from turnkeeper_trio._runtime.dispatcher import Dispatcher
from turnkeeper_trio._runtime.functions import Function
from turnkeeper_trio._runtime.logs import write
from turnkeeper_trio._runtime.loops import admit_ctrl_c, asyncio, defer_ctrl_c, in_trio, is_cancellation, trio
from turnkeeper_trio._runtime.run_context import CURRENT_RUN, RunContext
from turnkeeper_trio._runtime.thread_call import call_in_thread
from turnkeeper_trio.verdicts import CancelJob, GiveUp, Retry, Snooze, Verdict


@final
class ScopeGuard:
    """Remembers the innermost cancel scope of the current task, and finds scopes that are open inside of it later."""

    __slots__ = ("_field", "_innermost", "_nurseries", "_owner")

    def __init__(self) -> None:
        self._owner: Any
        if in_trio():
            self._owner, self._field = trio.lowlevel.current_task(), "_cancel_status"
        else:
            states = sys.modules["anyio._backends._asyncio"].__dict__["_task_states"]
            self._owner, self._field = states[asyncio.current_task()], "cancel_scope"
        self._innermost = getattr(self._owner, self._field, None)
        self._nurseries = len(self._owner.child_nurseries) if self._field == "_cancel_status" else 0

    @property
    def left_open(self) -> bool:
        """Whether a scope was entered since, and not left."""
        return getattr(self._owner, self._field, None) is not self._innermost

    async def close_scopes(self, scope: anyio.CancelScope) -> None:  # noqa: ASYNC910  (there may be no child task)
        """Close the scopes inside of ``scope``, which was the innermost, and raise, so that it is left.

        Child tasks of the job are cancelled and waited for, however long they take.

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
                # As __aexit__ does: it waits for the children, also if cancelled, and returns what they raised.
                error.__context__ = await nursery._nested_child_finished(None)  # noqa: SLF001  (see the module)
        raise error


async def _close(scope: Any) -> None:  # noqa: ASYNC910  (there may be no child task)
    """Cancel and leave a scope of anyio on asyncio, and wait for the other tasks in it."""
    scope.cancel()
    scope.__exit__(None, None, None)
    with anyio.CancelScope(shield=True):
        while tasks := _tasks_in(scope):
            with suppress(asyncio.CancelledError):  # a native one, which the worker takes back later
                await asyncio.wait(tasks)


def _tasks_in(scope: Any) -> set["asyncio.Task[Any]"]:
    """Return the tasks in a scope, and in the scopes inside of it, that have not ended."""
    tasks: set[asyncio.Task[Any]] = set()
    todo = [scope]
    while todo:
        inner = todo.pop()
        tasks |= {task for task in inner._tasks if not task.done()}  # noqa: SLF001  (see the module)
        todo += inner._child_scopes  # noqa: SLF001  (see the module)
    return tasks


count_references: Final[Callable[[object], int]] = getattr(sys, "getrefcount", lambda _: 0)
"""Returns the number of references to an object; always 0 where Python counts none, as on PyPy."""


@final
class InContext:
    """Awaits a coroutine inside of a context: a variable that it sets is not set outside, and not for the next run.

    A task cannot change its context, and a task for each attempt would cost more than all the rest of the dispatch.
    """

    __slots__ = ("_context", "_coroutine", "_wanted")

    def __init__(self, context: Context, coroutine: Coroutine[Any, Any, Any], wanted: Any) -> None:
        """Await the rest of a coroutine that has begun, and waits for what it ``wanted`` of the event loop."""
        self._context = context
        self._coroutine = coroutine
        self._wanted = wanted

    def __await__(self) -> Generator[Any, Any, Any]:
        """Pass values and errors between the event loop and the coroutine."""
        enter, coroutine, wanted = self._context.run, self._coroutine, self._wanted
        try:
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
    """Carries the error of a job through the cancel scope, which would read the ``__class__`` of the error itself."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


@final
class Worker:
    """Takes attempts from the dispatcher until there are no more.

    One cancel scope serves many attempts, because to enter a scope costs 8 µs on trio and 5 µs on asyncio, a tenth of
    what a job costs. The deadline is set for each attempt. After an attempt that did not simply return in time, the
    scope is left, and a new one is entered: how the attempt ended is known only when the scope has taken back its own
    cancellation.

    When a job leaves something behind that may cancel the task later, the worker ends and is replaced; see
    `WorkerPool`.
    """

    def __init__(self, dispatcher: Dispatcher, engine: Engine, context: Context, host: object) -> None:
        """Make a worker of the scheduler ``host``. Jobs run in copies of ``context``."""
        defer_ctrl_c(Worker.work)
        admit_ctrl_c(Worker._begin, Worker._finish)
        self._dispatcher = dispatcher
        self._engine = engine
        self._context = context
        self._host = host
        self._attempt: Attempt | None = None
        """The attempt that it executes."""
        self._native: asyncio.Task[Any] | None = None
        """Its task on asyncio, where a job may cancel it natively; ``None`` on trio."""
        self._inside = self._outside = sys.maxsize
        """The least numbers of references to that task, counted inside and outside of the cancel scope."""
        self.begun = False
        """Whether its task has taken its first step, or never will."""
        self._suspected = False
        """Whether more references to the task exist than before, perhaps only those of an error."""
        self.needs_replacing = False
        """Whether a new worker has to take its place."""

    async def work(self) -> None:  # noqa: ASYNC910  (a task of its own)
        """Execute attempts until the dispatch stream is closed and empty, or the worker needs replacing.

        It runs shielded: only the scope of an attempt can end the attempt.
        """
        self._native = None if in_trio() else asyncio.current_task()
        with anyio.CancelScope(shield=True), suppress(anyio.EndOfStream):
            while not self.needs_replacing:
                await self._work_in_one_scope()
                if self._suspected and not self.needs_replacing:
                    await self._check_references()

    async def _check_references(self) -> None:
        """Count the references to the task again, after the coordinator has had a turn and cleared the frames."""
        assert self._native is not None
        self._suspected = False
        try:
            await cancel_shielded_checkpoint()
        except asyncio.CancelledError:  # noqa: ASYNC103  (by whatever holds the task, or by a loop that is torn down)
            await _take_back_cancellation(self._native)  # noqa: ASYNC102  (it waits only for the requested cancellation)
            self.needs_replacing = True
        else:
            self.needs_replacing = self._references() > self._outside

    async def _work_in_one_scope(self) -> None:  # noqa: ASYNC910  (part of the worker's task)
        """Execute attempts until one needs the scope to be left, and note outside of the scope how that one ended."""
        error, value, returned = None, None, False
        self._outside = min(self._outside, self._references())
        try:
            with anyio.CancelScope() as scope:
                value = await self._execute_in(scope)
                returned = True
        except _Carried as exc:
            error = exc.error
        except BaseException as exc:  # noqa: BLE001, ASYNC103  (all that a job raises is its outcome)
            error = exc
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            assert error is not None  # The stream is closed, or this library is at fault, or the task was cancelled.
            if self._native is None or not isinstance(error, asyncio.CancelledError):
                raise error
            await _take_back_cancellation(self._native)
            if not self._engine.shutting_down and not self._dispatcher.cancellation_logged:
                self._dispatcher.cancellation_logged = True
                write(logging.WARNING, "an idle worker was cancelled from outside, and goes on; so do others, untold")
            return
        try:
            if self._native is not None and _is_being_cancelled(self._native):
                await _take_back_cancellation(self._native)
            if self._references() > self._outside:
                # The traceback of an error may refer to the task until the coordinator has taken the attempt.
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
        """Execute attempts, and report those that returned in time. Return the value of one that returned too late."""
        dispatcher, clock, scope_guard = self._dispatcher, self._dispatcher.clock, ScopeGuard()
        until, resumed = math.inf, True
        self._inside = min(self._inside, self._references())
        now = clock.read()
        while True:
            attempt = dispatcher.take_nowait()
            if attempt is None:
                if until != math.inf:
                    until = scope.deadline = math.inf
                attempt, resumed = await dispatcher.take(), True
                now = clock.read()
            self._attempt = attempt
            if not attempt.claim(now, scope):
                self._attempt = None
                dispatcher.report(attempt)
                continue
            deadline = math.inf if attempt.deadline is None else attempt.deadline / MICROSECONDS
            if until != deadline:
                until = scope.deadline = deadline
            if dispatcher.reports_starts:
                dispatcher.report_started(attempt)
            function = dispatcher.function(attempt)
            try:
                rest, value = self._begin(attempt, function)
                function.waits = rest is not None
                if rest is not None:
                    value, resumed = await self._finish(now, attempt, rest), True
            finally:
                if scope_guard.left_open:
                    self.needs_replacing = True
                    dispatcher.wake_worker()
                    await scope_guard.close_scopes(scope)  # noqa: ASYNC102  (the children must end, however long they take)
            now = clock.read()
            too_late = attempt.deadline is not None and now.loop + 1 >= attempt.deadline
            if too_late or attempt.cause is not None or self._may_be_cancelled():
                return value  # noqa: ASYNC910  (part of the worker's task)
            self._attempt = None
            attempt.end(now, AttemptResult.RETURNED, value=value)
            # At once only if other tasks have run since the last time: a turn may assign the next attempt to this
            # worker, and so on for ever.
            # What this turn has assigned may have been due only after this worker looked at the clock.
            now = clock.read() if dispatcher.report(attempt, at_once=resumed) else now
            resumed = False
            value = None  # An idle worker must not keep the value alive.

    def _may_be_cancelled(self) -> bool:
        """Return whether the task was cancelled natively, or has new references by which it may be cancelled later."""
        if self._native is None:
            return False
        references = self._references()  # No local name for the task: it would be one more.
        if references != self._inside:
            if references > self._inside:
                return True
            self._outside -= self._inside - references  # An earlier reference is gone.
            self._inside = references
        return _is_being_cancelled(self._native)

    def _references(self) -> int:
        """Return the number of references to the task; 0 on trio."""
        return 0 if self._native is None else count_references(self._native)

    def _begin(self, attempt: Attempt, function: Function) -> tuple[InContext | None, Any]:
        """Call the function, in a copy of the context that no other attempt uses, and execute it until it waits.

        Return the rest, which is to be awaited, or ``None`` and what it returned without waiting for anything, as many
        functions do: then no task has to be resumed for it.
        """
        job = attempt.run.job
        context = self._context.copy()
        run_context = RunContext(self._engine, attempt, self._host, self._dispatcher.clock.loop_time)
        context.run(CURRENT_RUN.set, run_context)
        args, kwargs = job.args, job.kwargs or {}
        try:
            body: Any
            if function.is_async:
                body = context.run(function.call, *args, **kwargs)
                if not guard.is_coroutine(body):
                    body = _await(body)
            else:
                # To read the id makes it, in a table of the engine. A thread must not do that, so it is done here.
                _ = run_context.run_id
                body = self._in_thread(attempt, function, args, kwargs)
            attempt.body = body
            try:
                return InContext(context, body, context.run(body.send, None)), None
            except StopIteration as stop:
                return None, stop.value
        except BaseException as exc:
            if _is_cancellation(exc):
                raise
            raise _Carried(exc) from None  # noqa: ASYNC104  (no cancellation is in it)

    async def _finish(self, now: Now, attempt: Attempt, rest: InContext) -> Any:
        """Await the rest of a call that began at ``now``. Until here, nobody could look whether it takes too long."""
        self._dispatcher.wake_worker()
        watched = attempt.deadline is not None or attempt.run.job.request.stuck_after_us is not None
        if watched and self._engine.body_began(now, attempt):
            self._dispatcher.wake()
        try:
            return await rest
        except BaseException as exc:
            if _is_cancellation(exc):
                raise
            raise _Carried(exc) from None  # noqa: ASYNC104  (no cancellation is in it)

    async def _in_thread(self, attempt: Attempt, function: Function, args: tuple[Any, ...], kwargs: Any) -> Any:
        # The error of the function is returned, not raised, through the loop's code and the `with`, because both would
        # read and write its attributes.
        with self._dispatcher.clock.hold():
            value, error = await call_in_thread(attempt, function, args, kwargs, limiter=self._dispatcher.limiter)
        if error is not None:
            raise error
        return value


def _is_cancellation(error: BaseException) -> bool:
    """Return whether a cancellation is in an error: the scope removes its own from it."""
    return guard.holds(error, anyio.get_cancelled_exc_class())


async def _await(awaitable: Any) -> Any:
    """Await what is no coroutine, such as a future that an async function of a different kind returns."""
    return await awaitable


def _trim_traceback(error: BaseException) -> None:
    """Remove the frames of the library, and those on the way into the thread, from the start of a traceback."""
    trace = after = guard.traceback_of(error)
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == __file__:
            after = trace.tb_next
        trace = trace.tb_next
    if after is not None:
        guard.set_traceback(error, after)


def _classify(error: BaseException) -> tuple[BaseException, AttemptResult]:
    """Return the error and the result of an attempt that raised.

    It is fatal only if the error is ``KeyboardInterrupt`` or ``SystemExit``, bare or in a group.
    """
    _trim_traceback(error)
    for each in _leaves(error):
        if guard.is_a(each, guard.PROGRAM):
            return each, AttemptResult.FATAL
    return verdict_or_error(error), AttemptResult.RAISED


def verdict_or_error(error: BaseException) -> BaseException:
    """Return the verdict inside of an error, if it holds nothing but verdicts; else the error itself.

    A task group of the job puts what its tasks raise into a group, also a verdict. If the group holds other errors
    too, the run has failed with the group. Cancellations in it do not count.
    """
    errors = [each for each in _leaves(error) if not is_cancellation(each)]
    if errors and all(guard.is_a(each, Verdict) for each in errors):
        return min(errors, key=_finality)
    return error


_FINALITY: Final = (CancelJob, GiveUp, Retry, Snooze, Verdict)
"""The kinds of verdicts, the most final first. Of several in a group, the most final one counts."""


def _finality(verdict: BaseException) -> int:
    return next(rank for rank, kind in enumerate(_FINALITY) if guard.is_a(verdict, kind))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Iterate over the errors in a group, in order, groups in it included; or over the one error that is no group.

    A subclass may redefine ``exceptions``, so `guard.members` reads the field of the base class.
    """
    todo = [error]
    while todo:
        each = todo.pop()
        inner = guard.members(each)
        if inner:
            todo += reversed(inner)
        else:
            yield each


def _is_being_cancelled(task: "asyncio.Task[Any]") -> bool:
    """Return whether a request to cancel a task exists, or one that was taken back but is delivered all the same.

    Before Python 3.13, a request that ``uncancel`` has taken back is still delivered at the next await. Only a private
    field shows that; anyio reads the same one.
    """
    return bool(task.cancelling() or getattr(task, "_must_cancel", False))


async def _take_back_cancellation(task: "asyncio.Task[Any]") -> None:  # noqa: ASYNC910  (part of the worker's task)
    """Take back the cancellation of a worker's task, so that the worker goes on and the next job is not cut off."""
    while task.cancelling():
        task.uncancel()
    # The request may still be delivered at the next await: have it delivered here.
    with suppress(asyncio.CancelledError):
        await cancel_shielded_checkpoint()
