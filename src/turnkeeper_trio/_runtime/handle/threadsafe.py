"""The same operations for other threads, as calls that block."""

import functools
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast, final, overload
from uuid import UUID

import pendulum

from turnkeeper_trio._model.ids import RecurringJobId
from turnkeeper_trio._model.snapshot import MetricsSnapshot
from turnkeeper_trio._runtime.handle.asking import Asking
from turnkeeper_trio._runtime.handle.changing import Changing
from turnkeeper_trio._runtime.handle.ending import Ending
from turnkeeper_trio._runtime.handle.line import Line
from turnkeeper_trio._runtime.handle.submitting import Submitting
from turnkeeper_trio._runtime.handle.waiting import Waiting
from turnkeeper_trio._runtime.place import Place
from turnkeeper_trio.jobs import RecurringJobRequest
from turnkeeper_trio.policies import OnConflict

P = ParamSpec("P")
R = TypeVar("R")
H = TypeVar("H", bound=Line)


class Blocking(Generic[P, R]):
    """A method of the handle that waits in the calling thread instead."""

    def __init__(self, method: Callable[Concatenate[H, P], Coroutine[Any, Any, R]]) -> None:
        """Do what a method of the handle does."""
        self._method = cast("Callable[..., Coroutine[Any, Any, R]]", method)
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, facade: None, owner: type[object]) -> "Blocking[P, R]": ...

    @overload
    def __get__(self, facade: "ThreadsafeScheduler", owner: type[object]) -> Callable[P, R]: ...

    def __get__(self, facade: "ThreadsafeScheduler | None", owner: type[object]) -> "Blocking[P, R] | Callable[P, R]":
        """Bind the method to a scheduler, as a function does."""
        if facade is None:
            return self
        method = self._method

        @functools.wraps(method)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return facade._call(method, args, kwargs)  # noqa: SLF001  (it is a method of that class)

        return call


@final
class ThreadsafeScheduler:
    """A scheduler for other threads: `Scheduler.threadsafe` makes it.

    Its methods have the names of the scheduler's, take what these take, and return or raise what these return or raise;
    but they are plain functions, which block the calling thread until there is an answer. There always is one: when the
    scheduler ends, whoever still waits gets `SchedulerClosed`, and the block of `open_scheduler` is not left before.

    In a thread that anyio began, as that of a plain job, the call is cancelled with whoever began the thread. In other
    threads nothing cancels it. In the thread of the event loop each method is a ``RuntimeError``: it would block it.
    After the block has been left each is `SchedulerClosed`; ask the scheduler itself then.

    What waits inside of a block of its own (`Scheduler.scheduled`, `Scheduler.paused`, `Scheduler.events`) and
    `Scheduler.run_until_signal` are not here.
    """

    def __init__(self, scheduler: Any, place: Place) -> None:
        """Make it for a scheduler that lives in a place."""
        self._scheduler = scheduler
        self._place = place

    def add_job(
        self,
        request: RecurringJobRequest,
        fn: Callable[..., Any] | str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        on_conflict: OnConflict = OnConflict.UPDATE,
    ) -> RecurringJobId:
        """Submit a job, waiting for room; as `Scheduler.add_job`."""
        options = {"kwargs": kwargs, "on_conflict": on_conflict}
        return self._call(Submitting.add_job, (request, fn, *args), options)

    def try_add_job(
        self,
        request: RecurringJobRequest,
        fn: Callable[..., Any] | str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        on_conflict: OnConflict = OnConflict.UPDATE,
    ) -> RecurringJobId:
        """Submit a job if there is room, as `Scheduler.try_add_job`; it only waits for the event loop to look."""
        options = {"kwargs": kwargs, "on_conflict": on_conflict}
        return self._call_soon(Submitting.try_add_job, (request, fn, *args), options)

    apply = Blocking(Submitting.apply)

    cancel_job = Blocking(Changing.cancel_job)
    cancel_run = Blocking(Changing.cancel_run)
    delete_job = Blocking(Changing.delete_job)
    skip_next_run = Blocking(Changing.skip_next_run)
    pause_job = Blocking(Changing.pause_job)
    resume_job = Blocking(Changing.resume_job)
    pause_all = Blocking(Changing.pause_all)
    resume_all = Blocking(Changing.resume_all)
    trigger_job_now = Blocking(Changing.trigger_job_now)

    def update_job(self, job_id: UUID, **changes: Any) -> int:
        """Change a job while it runs; as `Scheduler.update_job`."""
        return self._call(Changing.update_job, (job_id,), changes)

    wait_run = Blocking(Waiting.wait_run)
    wait_job = Blocking(Waiting.wait_job)
    wait_idle = Blocking(Waiting.wait_idle)

    get_job_details = Blocking(Asking.get_job_details)
    list_all_jobs = Blocking(Asking.list_all_jobs)
    list_active_runs = Blocking(Asking.list_active_runs)
    get_run_history = Blocking(Asking.get_run_history)
    upcoming_runs = Blocking(Asking.upcoming_runs)

    shutdown_graceful = Blocking(Ending.shutdown_graceful)
    shutdown_force = Blocking(Ending.shutdown_force)

    def get_metrics_snapshot(self) -> MetricsSnapshot:
        """Return the counters and gauges; as `Scheduler.get_metrics_snapshot`."""
        return self._call_soon(Asking.get_metrics_snapshot, (), {})

    def now(self) -> pendulum.DateTime:
        """Return the scheduler's wall time; as `Scheduler.now`."""
        return self._call_soon(Asking.now, (), {})

    def stop(self, *, force: bool = False) -> None:
        """Ask for a shutdown and do not wait for it; as `Scheduler.stop`."""
        self._call_soon(Ending.stop, (), {"force": force})

    def _call(self, method: Callable[..., Coroutine[Any, Any, R]], args: tuple[Any, ...], kwargs: Any) -> R:
        return self._place.call(functools.partial(method, self._scheduler, *args, **kwargs))

    def _call_soon(self, method: Callable[..., R], args: tuple[Any, ...], kwargs: Any) -> R:
        async def answer() -> R:  # noqa: ASYNC910  (what it calls does not wait)
            return method(self._scheduler, *args, **kwargs)

        return self._place.call(answer)
