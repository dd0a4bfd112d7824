"""The run context: what a job can ask while it runs, such as which run it is, and which scheduler executes it."""

import inspect
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Concatenate, Final, ParamSpec, TypeAlias, TypeVar, final

import anyio
import anyio.from_thread

from turnkeeper_trio import _validation
from turnkeeper_trio._engine.engine import Attempt, Engine
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.deferred import pendulum
from turnkeeper_trio._model.ids import RecurringJobId, RunId
from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.times import MICROSECONDS, utc_pendulum
from turnkeeper_trio.errors import ConfigurationError

P = ParamSpec("P")
T = TypeVar("T")
Completing: TypeAlias = Callable[[Attempt, Callable[[Any], Any]], Awaitable[Any]]
"""How a run has work committed together with its success."""


@final
class RunContext:
    """The run that the calling code belongs to, also in threads and in tasks that the job started.

    `current_run` returns it.
    """

    __slots__ = ("_attempt", "_complete", "_engine", "_loop_thread", "_time", "host")

    def __init__(
        self,
        engine: Engine,
        attempt: Attempt,
        host: object,
        time: Callable[[], float],
        complete: Completing | None = None,
    ) -> None:
        """Make the context of one attempt. ``host`` is the scheduler; ``time`` returns the loop's time in seconds."""
        self._complete = complete
        self._engine = engine
        self._attempt = attempt
        self._time = time
        self._loop_thread = threading.get_ident()
        self.host: object = host

    def __repr__(self) -> str:
        return f"<RunContext {self.name!r} run={self.run_id} attempt={self.attempt}>"

    @property
    def job_id(self) -> RecurringJobId:
        """The id of the job."""
        return RecurringJobId(self._attempt.run.job.job_id)

    @property
    def run_id(self) -> RunId:
        """The id of the run."""
        return self._engine.run_id(self._attempt.run)

    @property
    def run_key(self) -> str:
        """The id of the run as text, for what is done once although the function may be called again.

        It is the same in each attempt: after a failure, and after the process of the attempt before it died. No other
        run has it, of this job or of another, also not after the job was deleted and added again.
        """
        return str(self.run_id)

    @property
    def name(self) -> str:
        """The name of the job."""
        return self._attempt.run.job.request.name

    @property
    def scheduled_at(self) -> "pendulum.DateTime":
        """The instant for which the run was planned."""
        return utc_pendulum(self._attempt.run.occurrence.scheduled_at)

    @property
    def attempt(self) -> int:
        """The number of this attempt of the run; the first is 1."""
        return self._attempt.number

    @property
    def cancel_requested(self) -> bool:
        """Whether the attempt was asked to end: it was cancelled, timed out, or cut off by a shutdown.

        Useful in plain functions, because no cancellation reaches them by itself. Any thread may read it.
        """
        # Not from `scope.cancel_called`: on trio that reads the clock of the loop, which another thread does not have.
        scope = self._attempt.scope
        timed_out = isinstance(scope, anyio.CancelScope) and self._time() >= scope.deadline
        return timed_out or self._attempt.cause is not None

    def extend_timeout(self, seconds: float) -> None:
        """Move the deadline of this attempt to a later time. Without a timeout, or once cancelled, nothing changes.

        It may be called in the event loop, in the thread of a plain function, and in a thread that the job started by
        anyio, asyncio or trio. In a thread it waits for the event loop. No checkpoint.

        Args:
            seconds: By how many seconds.

        Raises:
            ConfigurationError: ``seconds`` is negative, or no duration.
        """
        us = _validation.duration("seconds", seconds)
        if threading.get_ident() == self._loop_thread:
            self._extend(us)
        else:
            anyio.from_thread.run_sync(self._extend, us)

    def _extend(self, us: int) -> None:
        attempt = self._attempt
        scope, deadline = attempt.scope, attempt.deadline
        if isinstance(scope, anyio.CancelScope) and deadline is not None and not scope.cancel_called:
            scope.deadline += us / MICROSECONDS
            attempt.deadline = deadline + us

    async def complete_with(self, work: "Callable[Concatenate[Any, P], T]", /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do ``work(transaction, *args, **kwargs)`` and end the run as succeeded, in one transaction of the store.

        So both are there, or neither, whenever the process or the machine dies: what the job has to do is done exactly
        once. The store must keep tables of yours beside its own, as `~turnkeeper_trio.stores.sqlite.SQLiteStore` does;
        ``transaction`` reads and writes them, see `~turnkeeper_trio.stores.sqlite.SQLiteTransaction`. ``work`` is a
        plain function, and is called where the store does its work, so that all other commits wait for it. It must do
        nothing but use the transaction, because it is done again if the disk failed meanwhile.

        When this returns, the run has succeeded, and its value is what ``work`` returned, whatever the job does
        afterwards. If ``work`` raises, nothing of it is committed, and this raises what it raised: the job may go on,
        or fail. Cancelled, the run has succeeded and ``work`` is committed, or neither.

        A plain function calls it by ``anyio.from_thread.run(current_run().complete_with, work)``.

        Returns:
            What ``work`` returned.

        Raises:
            ConfigurationError: there is no store that can do this, or ``work`` is no plain function.
            RuntimeError: the attempt does not execute any more, or has completed the run already.
            SchedulerClosed: the scheduler ended first.
        """
        complete = self._complete
        if complete is None:
            raise ConfigurationError(
                "complete_with() needs a store that keeps your tables beside its own, such as "
                "open_scheduler(store=SQLiteStore('jobs.db'))"
            )
        if inspect.iscoroutinefunction(work) or not callable(work):
            message = f"work must be a plain function, not {guard.shown(work)}"
            raise ConfigurationError(message, parameter="work")

        def with_arguments(transaction: Any) -> T:
            return work(transaction, *args, **kwargs)

        value: T = await complete(self._attempt, with_arguments)
        return value

    @property
    def executing(self) -> bool:
        """Whether the attempt is still executing. It is ``False`` in a task that outlives its run."""
        return self._attempt.run.attempt is self._attempt and self._attempt.scope is not None


CURRENT_RUN: Final[ContextVar[RunContext]] = ContextVar("turnkeeper_trio_current_run")


def current_run() -> RunContext:
    """Return the run that the calling code belongs to. It does not wait, and is no checkpoint.

    Raises:
        RuntimeError: the calling code belongs to no run.
    """
    try:
        return CURRENT_RUN.get()
    except LookupError:
        raise RuntimeError("current_run() was called outside of a job") from None


set_public_path(RunContext, current_run)
