"""One run without a scheduler: the function is called here and now, and the engine decides about its retries.

It is the same engine that decides in a scheduler, driven by hand: so what it says of a failure, a ``False`` or a policy
that gives up is what a scheduler would say. Time passes only where the engine waits for a retry, or where an
asynchronous function sleeps.
"""

import random
from collections.abc import Callable, Mapping
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, final
from uuid import uuid4

import anyio
import pendulum

from turnkeeper_trio._engine.effects import Effects
from turnkeeper_trio._engine.engine import Engine
from turnkeeper_trio._engine.intake import Submission
from turnkeeper_trio._engine.now import Now
from turnkeeper_trio._engine.state import Options
from turnkeeper_trio._engine.tables import Attempt, Ending
from turnkeeper_trio._model.event import RunRetrying
from turnkeeper_trio._model.instants import MICROSECONDS, instant_us, utc_datetime, utc_pendulum
from turnkeeper_trio._model.run import Outcome, RunRecord
from turnkeeper_trio._runtime.clock import VIRTUAL_START
from turnkeeper_trio._runtime.context import CURRENT_RUN, RunContext
from turnkeeper_trio._runtime.functions import Function, Functions
from turnkeeper_trio._runtime.worker import call_plainly
from turnkeeper_trio.jobs import RecurringJobRequest
from turnkeeper_trio.schedules import Never
from turnkeeper_trio.testing._births import born_virtual
from turnkeeper_trio.testing._runs import settings
from turnkeeper_trio.testing._schedules import Backend
from turnkeeper_trio.testing._time import SchedulerTime

__all__ = ["InlineAttempt", "InlineRun", "run_inline"]


@final
@dataclass(frozen=True, slots=True)
class InlineAttempt:
    """One call of the function."""

    number: int
    """Which attempt it was; the first is 1."""

    started_at: pendulum.DateTime
    outcome: Outcome
    """How it ended, had it been the last."""

    error: BaseException | None
    """What it raised."""

    retry_in: float | None
    """After how many seconds it was tried again; ``None`` if it was not."""


@final
@dataclass(frozen=True, slots=True)
class InlineRun:
    """What became of a run."""

    record: RunRecord
    """As a scheduler would keep it."""

    attempts: tuple[InlineAttempt, ...]

    @property
    def outcome(self) -> Outcome:
        """How the run ended."""
        return self.record.outcome

    @property
    def delays(self) -> list[float]:
        """The seconds between an attempt that failed and the next one."""
        return [attempt.retry_in for attempt in self.attempts if attempt.retry_in is not None]


def run_inline(
    request: RecurringJobRequest,
    fn: Callable[..., Any],
    /,
    *args: Any,
    kwargs: Mapping[str, Any] | None = None,
    start: datetime = VIRTUAL_START,
    backend: Backend = "trio",
    seed: int = 0,
) -> InlineRun:
    """Perform one run of a job with its retries, without a scheduler, and return what became of it.

    A plain function is called in this thread, and its timeout cannot cut it off. A coroutine function runs on a fresh
    event loop in virtual time, one for each attempt. The waits between attempts take no time. `current_run` works.

    Args:
        request: The rules: retries, timeout. Its schedule does not matter.
        fn: The function.
        *args: Its positional arguments.
        kwargs: Its keyword arguments.
        start: When the run is planned for, and begins.
        backend: The kind of event loop for a coroutine function.
        seed: The seed of the jitter of its retries.

    Raises:
        ConfigurationError: a parameter makes no sense.
        TypeError: ``fn`` is no function.
    """
    functions = Functions()
    engine = Engine(Options(max_workers=1, dispatch_buffer=0), new_id=uuid4, rng=random.Random(seed))  # noqa: S311
    engine.state.listening = True
    now = Now(instant_us(start), 0)
    once = request.replace(schedule=Never(), initial_run_time=utc_datetime(now.wall), jitter=0)
    target = functions.target(fn)
    engine.accept(Submission(uuid4(), once, target, args, kwargs), now)
    attempts: list[InlineAttempt] = []
    while True:
        engine.take_due(now)
        effects = engine.take_effects()
        if not effects.assignments:
            (item,) = engine.state.archive.newest_first(None)
            return InlineRun(engine.state.record(item), tuple(attempts))
        (attempt,) = effects.assignments
        now = _perform(engine, attempt, functions.resolve(target), now, backend=backend, seed=seed)
        engine.report(attempt, now)
        told = engine.take_effects()
        attempts.append(_described(attempt, told))
        due = engine.next_due(now)
        if due is not None:
            now = Now(due, now.loop + due - now.wall)


def _perform(engine: Engine, attempt: Attempt, function: Function, now: Now, *, backend: Backend, seed: int) -> Now:
    """Call the function for an attempt, and note what happened; return when that was."""
    job = attempt.run.job
    call = _call_in_loop if function.is_async else call_plainly
    attempt.claim(now, _Unbounded())
    context = copy_context()
    context.run(CURRENT_RUN.set, RunContext(engine.state, attempt, None))
    took, timed_out, value, error = 0, False, None, None
    try:
        if function.is_async:
            timeout = job.request.timeout_us
            took, timed_out, value = context.run(
                _call_in_loop, function, job.args, job.kwargs or {}, now=now, timeout=timeout, backend=backend, seed=seed
            )
        else:
            value = context.run(call_plainly, function.call, job.args, job.kwargs or {})
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as exc:  # noqa: BLE001  (whatever a job raises, it is the outcome)
        error = exc
    then = Now(now.wall + took, now.loop + took)
    ending = Ending.RAISED if error is not None else Ending.TIMED_OUT if timed_out else Ending.RETURNED
    attempt.end(then, ending, value=value, error=error)
    return then


@final
class _Unbounded:
    """The scope of an attempt that nobody can cancel."""

    cancel_called = False

    def cancel(self) -> None:
        """Do nothing."""
