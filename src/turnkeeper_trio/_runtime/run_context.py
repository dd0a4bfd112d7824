"""What a job can ask while it runs: which run it is, and which scheduler runs it."""

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, final

import anyio
import anyio.from_thread
import pendulum

from turnkeeper_trio import _validation
from turnkeeper_trio._engine.engine import Attempt, Engine
from turnkeeper_trio._model.ids import RecurringJobId, RunId
from turnkeeper_trio._model.times import MICROSECONDS, utc_pendulum


@final
class RunContext:
    """The run that the current code belongs to. Also right in threads and in tasks that the job started."""

    __slots__ = ("_attempt", "_engine", "_loop_thread", "_time", "host")

    def __init__(self, engine: Engine, attempt: Attempt, host: object, time: Callable[[], float]) -> None:
        """Make the context of one attempt: ``host`` is the scheduler that runs it, ``time`` tells the loop's time."""
        self._engine = engine
        self._attempt = attempt
        self._time = time
        self._loop_thread = threading.get_ident()
        self.host: object = host

    def __repr__(self) -> str:
        """Name the run."""
        return f"<RunContext {self.name!r} run={self.run_id} attempt={self.attempt}>"

    @property
    def job_id(self) -> RecurringJobId:
        """The job."""
        return RecurringJobId(self._attempt.run.job.job_id)

    @property
    def run_id(self) -> RunId:
        """The run."""
        return self._engine.run_id(self._attempt.run)

    @property
    def name(self) -> str:
        """The name of the job."""
        return self._attempt.run.job.request.name

    @property
    def scheduled_at(self) -> pendulum.DateTime:
        """The instant for which the run was planned."""
        return utc_pendulum(self._attempt.run.occurrence.scheduled_at)

    @property
    def attempt(self) -> int:
        """Which attempt of the run this is; the first is 1."""
        return self._attempt.number

    @property
    def cancel_requested(self) -> bool:
        """Whether the attempt was asked to end: cancelled, timed out, or cut off by a shutdown. For plain functions.

        May be asked in any thread, as the scope itself may not: trio's looks at the clock of the loop it is asked in.
        """
        scope = self._attempt.scope
        timed_out = isinstance(scope, anyio.CancelScope) and self._time() >= scope.deadline
        return timed_out or self._attempt.cause is not None

    def extend_timeout(self, seconds: float) -> None:
        """Move the deadline of this attempt by so many seconds, if it has a timeout.

        Also from threads: that of a plain function, or one that the job started by anyio, asyncio or trio.

        Raises:
            ConfigurationError: ``seconds`` is negative.
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

    @property
    def executing(self) -> bool:
        """Whether the attempt is still being executed; a task that outlives its job sees ``False``."""
        return self._attempt.run.attempt is self._attempt and self._attempt.scope is not None


CURRENT_RUN: Final[ContextVar[RunContext]] = ContextVar("turnkeeper_trio_current_run")


def current_run() -> RunContext:
    """Return the run that the calling code belongs to.

    Raises:
        RuntimeError: the calling code belongs to no run.
    """
    try:
        return CURRENT_RUN.get()
    except LookupError:
        raise RuntimeError("current_run() was called outside of a job") from None
