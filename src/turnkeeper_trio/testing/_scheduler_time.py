"""`SchedulerTime`: how a test moves virtual time. Its errors say why a job does not run as the test expects."""

import inspect
import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, Final, final
from uuid import UUID

import pendulum

from turnkeeper_trio import _validation
from turnkeeper_trio._model.job import ENDED_STATES
from turnkeeper_trio._model.run import RunRecord
from turnkeeper_trio._model.times import MICROSECONDS, duration_us
from turnkeeper_trio._runtime.scheduler import Scheduler
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.testing._faults import FaultPlan
from turnkeeper_trio.testing._harness import LoopHarness, Session, Settings, current_session
from turnkeeper_trio.testing._inspect import Opened
from turnkeeper_trio.testing._runs import Runs


def why_no_run(schedulers: list[Opened], job: UUID | str) -> str | None:
    """Return in words why a job has no further run; ``None`` if it has one, or if there is no such job."""
    outlook = [each for opened in schedulers for each in opened.outlook(job)]
    if not outlook or any(alive for _, alive in outlook):
        return None
    states = ", ".join(dict.fromkeys(state for state, _ in outlook))
    ended = all(state in ENDED_STATES for state, _ in outlook)
    what = job_in_words(job)
    return f"{what} does not run again: it is {states}" if ended else f"{what} has no run planned ({states})"


def job_in_words(job: UUID | str) -> str:
    """Return a job, given by its name or its id, in words."""
    return f"the job {job!r}" if isinstance(job, str) else f"the job with the id {job}"


def if_unknown(schedulers: list[Opened], job: UUID | str) -> str:
    """Return in words that there is no such job, and which jobs there are; empty if there is such a job."""
    if any(opened.outlook(job) for opened in schedulers):
        return ""
    names = ", ".join(repr(name) for opened in schedulers for name in opened.names())
    return f" (there is no such job; there are: {names or 'none'})"


def within_in_words(within: timedelta) -> str:
    """Return a limit in words."""
    text = str(within)
    return f"within {text.removesuffix(', 0:00:00') if within.days else text}"


def times_in_words(n: int) -> str:
    """Return a number of times in words."""
    return {0: "not at all", 1: "once"}.get(n, f"{n} times")


__all__ = ["SchedulerTime", "current_scheduler_time"]


_MONTH: Final = timedelta(days=30)


@final
class SchedulerTime:
    """The virtual time of a test, and of every scheduler that is opened in it.

    The fixture ``scheduler_time`` is one; inside of `run`, `current_scheduler_time` returns one. Where a method takes
    an instant, a datetime or a text without an offset is a label of the wall clock in the test's timezone.

    When an async method returns, everything has happened that can happen before time goes on: runs that are due have
    begun, and runs that take no time have ended.
    """

    def __init__(self, session: Any) -> None:
        self._session: Final[Session] = session
        self._settings: Final[Settings] = self._session.settings

    @property
    def _harness(self) -> LoopHarness:
        return self._session.harness

    @property
    def now(self) -> pendulum.DateTime:
        """The wall time, in the test's timezone."""
        harness = self._harness
        return self._settings.local.read(harness.settable_clock.wall())

    @property
    def next_due(self) -> pendulum.DateTime | None:
        """When the next occurrence or retry of any job is planned, in the test's timezone; ``None`` if none is."""
        planned = self._harness.planned()
        return self._settings.local.read(planned[0][0]) if planned else None

    @property
    def timezone(self) -> str:
        """The test's timezone."""
        return self._settings.local.timezone

    @property
    def seed(self) -> int:
        """The seed of trio's schedule, and of the jitter in schedulers that are opened without ``rng``."""
        return self._settings.seed

    @property
    def schedulers(self) -> tuple[Scheduler, ...]:
        """The schedulers that were opened on this event loop, in order."""
        return tuple(opened.scheduler for opened in self._harness.opened_here)

    @property
    def fault_plan(self) -> FaultPlan:
        """The plan of the calls that are to fail."""
        return self._settings.faults

    async def settle(self) -> None:
        """Wait until everything has happened that can happen before time goes on."""
        harness = self._harness
        harness.extend_horizon()
        await harness.gate.rest()

    async def travel_to(self, instant: datetime | str) -> None:
        """Let time pass until an instant.

        Raises:
            SchedulerTimeError: ``instant`` is in the past.
            ConfigurationError: ``instant`` names no instant, or two.
        """
        await self._travel(self._settings.local.instant("instant", instant))

    async def advance(self, duration: float | timedelta = 0, /, **parts: float) -> None:
        """Let time pass: ``advance(90)`` (seconds), ``advance(timedelta(days=1))`` or ``advance(hours=1)``.

        Raises:
            SchedulerTimeError: The duration is negative.
            ConfigurationError: It is no duration.
        """
        await self._travel(self._harness.settable_clock.wall() + _duration(duration, parts))

    async def _travel(self, instant: int) -> None:
        harness = self._harness
        harness.extend_horizon()
        if instant < harness.settable_clock.wall():
            asked = self._settings.local.show(instant)
            raise harness.error(f"time cannot go back to {asked}; step_wall() sets the wall clock as an operator does")
        deadline = harness.settable_clock.deadline(instant)
        await harness.gate.travel(deadline)
        harness.extend_horizon()

    async def next_event(self, *, within: timedelta = _MONTH) -> pendulum.DateTime:
        """Let time pass until the next timer: a run that is due, a job that ends its sleep, a timeout. Return its time.

        Raises:
            SchedulerTimeError: There is no timer within that time.
        """
        await self.settle()
        if not await self._step(self._limit(within)):
            raise self._harness.error(f"nothing is to happen {within_in_words(within)}")
        return self.now

    async def run_until(
        self, predicate: Callable[[], object | Awaitable[object]], *, within: timedelta = _MONTH
    ) -> pendulum.DateTime:
        """Let time pass until ``predicate()`` is true, and return the time. It is called at each timer.

        Args:
            predicate: A function, or an async function.
            within: How long to let time pass at most.

        Raises:
            SchedulerTimeError: It does not become true within that time, or there is no further timer.
        """
        await self.settle()
        limit = self._limit(within)
        while not await _holds(predicate):
            if not await self._step(limit):
                name = getattr(predicate, "__qualname__", repr(predicate))
                raise self._harness.error(f"{name} does not become true {within_in_words(within)}")
        return self.now

    async def run_until_runs(self, job: UUID | str, n: int = 1, *, within: timedelta = _MONTH) -> list[RunRecord]:
        """Let time pass until ``n`` further runs of a job have ended; return their records, in the order of their ends.

        Args:
            job: The id of a job, or a name, which stands for all jobs with that name.
            n: How many runs.
            within: How long to let time pass at most.

        Raises:
            SchedulerTimeError: Fewer runs end within that time, or the job has no further run.
        """
        _validation.integer("n", n, least=1)
        harness = self._harness
        marks = {id(opened): opened.mark() for opened in harness.opened_here}
        await self.settle()
        limit = self._limit(within)
        found: list[RunRecord] = []
        while True:
            for opened in harness.opened_here:
                for mark, run in opened.ended_runs(job, marks.get(id(opened), 0)):
                    marks[id(opened)] = mark
                    found.append(opened.record(run))
            if len(found) >= n:
                return found[:n]
            reason = why_no_run(harness.opened_here, job)
            if reason is not None or not await self._step(limit):
                problem = reason or f"{job_in_words(job)} does not run {times_in_words(n)} {within_in_words(within)}"
                raise harness.error(
                    f"{problem}; it ran {times_in_words(len(found))}{if_unknown(harness.opened_here, job)}"
                )

    def _limit(self, within: timedelta) -> float:
        return self._harness.backend.time() + within.total_seconds()

    async def _step(self, limit: float) -> bool:
        """Let time pass until the next timer, unless it is after ``limit``, a loop time; return whether time passed."""
        harness = self._harness
        harness.extend_horizon()
        timer = harness.backend.next_timer()
        if timer == math.inf or timer > limit:
            return False
        await harness.gate.travel(timer)
        return True

    def hold(self) -> AbstractContextManager[None]:
        """Hold time inside a ``with`` block, while the test waits for a thread, a socket or a process."""
        return self._harness.gate.hold()

    def step_wall(self, duration: float | timedelta = 0, /, **parts: float) -> None:
        """Set the wall clock forward or back, as NTP or an operator does: ``step_wall(hours=-1)``. It does not wait.

        The event loop's time does not change, so timeouts, retries and the occurrences of a `FixedDelay` keep their
        time.

        Raises:
            ConfigurationError: It is no duration.
        """
        self._harness.step(_duration(duration, parts))

    def suspend(self, duration: float | timedelta = 0, /, **parts: float) -> None:
        """Let the machine sleep: the wall clock goes on, but nothing runs, and the loop's time stands still.

        The scheduler then finds that it is late, and decides about each occurrence that it missed. This does not wait:
        the scheduler decides when the test next lets other tasks run.

        Raises:
            SchedulerTimeError: The duration is negative.
            ConfigurationError: It is no duration.
        """
        us = _duration(duration, parts)
        if us < 0:
            raise self._harness.error("a machine cannot sleep for a negative time")
        self._harness.step(us)

    def runs(self, name: str | None = None) -> Runs:
        """Return the records of all occurrences so far, in every scheduler of this event loop.

        Args:
            name: Return only those of jobs with this name.

        Raises:
            AssertionError: A scheduler has forgotten records (``history_limit``, ``history_per_job``, a deleted job).
        """
        records = [record for opened in self._harness.opened_here for record in opened.records()]
        return Runs(records, timezone=self.timezone).of(name)


def current_scheduler_time() -> SchedulerTime:
    """Return the virtual time of the running event loop.

    Raises:
        ConfigurationError: The loop's time is not virtual.
    """
    return SchedulerTime(current_session())


async def _holds(predicate: Callable[[], Any]) -> bool:
    answer = predicate()
    return bool(await answer if inspect.isawaitable(answer) else answer)


def _duration(duration: float | timedelta, parts: dict[str, float]) -> int:
    try:
        return duration_us(timedelta(**parts)) + (
            duration_us(duration) if isinstance(duration, timedelta) else round(duration * MICROSECONDS)
        )
    except (TypeError, ValueError, OverflowError) as exc:
        raise ConfigurationError(
            f"no duration: {exc}; write 90, timedelta(days=1) or hours=2", parameter="duration"
        ) from None
