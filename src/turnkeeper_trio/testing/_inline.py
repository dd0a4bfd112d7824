"""`run_inline`: one run of a job without a scheduler. It calls the function at once; the engine decides on retries.

It is the engine of a scheduler, so it decides about a failure, a ``False`` or a policy that gives up as a scheduler
does. Time passes only while the engine waits for a retry, or while an async function sleeps.
"""

import math
import random
from collections.abc import Awaitable, Callable, Mapping
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime
from typing import Any, final
from uuid import uuid4

import anyio
import pendulum

from turnkeeper_trio import _validation
from turnkeeper_trio._engine import queries
from turnkeeper_trio._engine.engine import Attempt, AttemptResult, Engine, NoScope, Options, Submission
from turnkeeper_trio._model.run import Outcome, RunRecord
from turnkeeper_trio._model.text import duration_text, error_text, listed
from turnkeeper_trio._model.times import MICROSECONDS, Now, seconds, utc_datetime, utc_pendulum
from turnkeeper_trio._runtime.clock import VIRTUAL_START
from turnkeeper_trio._runtime.functions import Function, Functions
from turnkeeper_trio._runtime.run_context import CURRENT_RUN, RunContext
from turnkeeper_trio._runtime.thread_call import call_plainly
from turnkeeper_trio._runtime.worker import verdict_or_error
from turnkeeper_trio.events import Event, RunRetrying, Wanted
from turnkeeper_trio.jobs import RecurringJobRequest
from turnkeeper_trio.jobs._misplaced import NoKeyword, misplaced
from turnkeeper_trio.policies import OnConflict
from turnkeeper_trio.schedules import Never
from turnkeeper_trio.testing._backends import Backend
from turnkeeper_trio.testing._harness import current_session
from turnkeeper_trio.testing._run import run

__all__ = ["InlineAttempt", "InlineRun", "run_inline"]


@final
@dataclass(frozen=True, slots=True)
class InlineAttempt:
    """One call of the function."""

    number: int
    """The number of the attempt; the first is 1."""

    started_at: pendulum.DateTime
    reason: str
    """Why it did not succeed, in words; empty if it did."""

    error: BaseException | None
    """What it raised, or ``None``."""

    retry_in: float | None
    """The seconds until the next attempt; ``None`` if there was none."""

    def __str__(self) -> str:
        """Return what became of it: ``attempt 1: berlin-1 is down, tried again after 1.00 min``."""
        ended = self.reason or "succeeded" if self.error is None else error_text(self.error)
        again = "" if self.retry_in is None else f"tried again after {duration_text(self.retry_in)}"
        return f"attempt {self.number}: {listed([ended, again])}"


@final
@dataclass(frozen=True, slots=True)
class InlineRun:
    """The result of `run_inline`: the record of the run, and its attempts."""

    record: RunRecord
    """The record that a scheduler would keep."""

    attempts: tuple[InlineAttempt, ...]

    def __str__(self) -> str:
        """Return how it ended, and a line for each of several attempts."""
        lines = [str(self.record), *map(str, self.attempts if len(self.attempts) > 1 else ())]
        return "\n  ".join(lines)

    @property
    def outcome(self) -> Outcome:
        """How the run ended."""
        return self.record.outcome

    @property
    def delays(self) -> list[float]:
        """The seconds between each attempt that was tried again and the next one."""
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
    **unexpected: NoKeyword,
) -> InlineRun:
    """Perform one run of a job with its retries, without a scheduler, and return its result.

    A plain function is called in this thread, and its timeout cannot interrupt it. An async function runs in virtual
    time, in a new event loop for each attempt. The waits between attempts take no real time. `current_run` works.

    Args:
        request: The request of the job: its retries and its timeout. The schedule is not used.
        fn: The function.
        *args: Its positional arguments.
        kwargs: Its keyword arguments.
        start: The instant for which the run is planned, and at which it begins.
        backend: The kind of event loop for an async function.
        seed: The seed of the jitter of retries.
        **unexpected: No other keyword is accepted; the error says where it belongs.

    Raises:
        ConfigurationError: A parameter makes no sense.
        TypeError: ``fn`` is no function, or a keyword belongs somewhere else, as ``timeout=3`` to the request.
    """
    if unexpected:
        raise misplaced("run_inline", unexpected)
    functions = Functions()
    engine = Engine(Options(max_workers=1, dispatch_buffer=0), new_id=uuid4, rng=random.Random(seed))  # noqa: S311  (for jitter)
    engine.listening = Wanted(lambda kind: kind is RunRetrying)
    now = Now(_validation.instant("start", start), 0)
    once = request.replace(schedule=Never(), initial_run_time=utc_datetime(now.wall), jitter=0)
    target = functions.target(fn)
    engine.accept(now, Submission(uuid4(), once, target, args, dict(kwargs or {}), OnConflict.RAISE))
    attempts: list[InlineAttempt] = []
    while True:
        engine.take_due(now)
        for attempt in engine.take_effects().assignments:
            now = _perform(engine, attempt, functions.resolve(target), now, backend=backend, seed=seed)
            engine.report(now, attempt)
            attempts.append(_described(attempt, engine.take_effects().events))
        due = engine.next_due(now)
        if due is None:
            ((record,), _) = engine.ask(queries.all_records)
            return InlineRun(record, tuple(attempts))
        now = Now(due, now.loop + due - now.wall)


def _perform(engine: Engine, attempt: Attempt, function: Function, now: Now, *, backend: Backend, seed: int) -> Now:
    """Call the function for an attempt, write the result into the attempt, and return when it ended."""
    job = attempt.run.job
    args, kwargs = job.args, job.kwargs or {}
    attempt.claim(now, NoScope())
    context = copy_context()
    call = _Call(attempt, now, backend, seed)
    context.run(CURRENT_RUN.set, RunContext(engine, attempt, None, call.time))
    value, error = None, None
    try:
        if function.is_async:
            value = context.run(call.in_virtual_time, lambda: function.call(*args, **kwargs))
        else:
            value = context.run(call_plainly, function.call, args, kwargs)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as exc:  # noqa: BLE001, ASYNC103  (whatever a job raises, it is the outcome)
        error = verdict_or_error(exc)
    ended = Now(now.wall + call.took, now.loop + call.took)
    result = AttemptResult.TIMED_OUT if call.timed_out else AttemptResult.RETURNED
    attempt.end(ended, result if error is None else AttemptResult.RAISED, value=value, error=error)
    return ended


@final
class _Call:
    """The call of an async function, in its own event loop in virtual time."""

    def __init__(self, attempt: Attempt, now: Now, backend: Backend, seed: int) -> None:
        timeout = attempt.run.job.request.timeout_us
        self._attempt = attempt
        self._now = now
        self._timeout = math.inf if timeout is None else seconds(timeout)
        self._backend: Backend = backend
        self._seed = seed
        self._elapsed: Callable[[], float] = float
        self.took = 0
        """How long it took, in microseconds of virtual time."""
        self.timed_out = False

    def time(self) -> float:
        """Return the time of the event loop on which the function runs, in seconds; 0 before there is one."""
        return self._elapsed()

    def in_virtual_time(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Call the function on a new event loop; return what it returns, or raise what it raises."""

        async def main() -> Any:
            self._elapsed = current_session().harness.backend.time
            value, error = None, None
            scope = self._attempt.scope = anyio.CancelScope(deadline=self._timeout)  # the loop's time begins at 0
            try:
                with scope:
                    value = await call()
            except Exception as exc:  # noqa: BLE001  (it is raised outside, so that the time is noted)
                error = exc
            self.took = round(anyio.current_time() * MICROSECONDS)
            self.timed_out = scope.cancelled_caught
            return value, error

        value, error = run(main, start=utc_datetime(self._now.wall), backend=self._backend, seed=self._seed)
        if error is not None:
            raise error
        return value


def _described(attempt: Attempt, events: list[Event]) -> InlineAttempt:
    """Return the description of an attempt that has ended; a `RunRetrying` among the events means a next attempt."""
    retry = next((event for event in events if isinstance(event, RunRetrying)), None)
    return InlineAttempt(
        number=attempt.number,
        started_at=utc_pendulum(attempt.started.wall),
        reason=attempt.run.reason if retry is None else retry.reason,
        error=attempt.error,
        retry_in=None if retry is None else retry.delay,
    )
