"""Asking about jobs, runs and numbers."""

from collections.abc import AsyncGenerator, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar, cast, overload
from uuid import UUID

import pendulum
from anyio.lowlevel import checkpoint

from turnkeeper_trio import _checks
from turnkeeper_trio._engine import asking, forecast
from turnkeeper_trio._engine.control import job_id_of
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.event import Event
from turnkeeper_trio._model.ids import RecurringJobId
from turnkeeper_trio._model.instants import utc_pendulum
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.run import ActiveRun, Outcome, RunRecord, UpcomingRun
from turnkeeper_trio._model.snapshot import MetricsSnapshot
from turnkeeper_trio._runtime.handle.line import Line
from turnkeeper_trio._runtime.subscriptions import Subscription
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.jobs import JobDetails, JobSummary

E1 = TypeVar("E1", bound=Event)
E2 = TypeVar("E2", bound=Event)
E3 = TypeVar("E3", bound=Event)
E4 = TypeVar("E4", bound=Event)
Subscribed = AbstractAsyncContextManager[Subscription[E1]]


class Asking(Line):
    """The facet of the handle that tells. What a task submitted before it asks is known when it asks.

    Each ``async`` operation is a checkpoint; cancelled, nothing has changed. All answer after the end, too.
    """

    async def get_job_details(self, job_id: RecurringJobId | str) -> JobDetails:
        """Return all there is to know about a job.

        Args:
            job_id: The id of the job, its text, or the job's key.

        Raises:
            JobNotFound: there is no such job.
            ConfigurationError: ``job_id`` is neither an id nor a key.
        """
        return await self._ask(asking.job_details, _checks.job("job_id", job_id))

    async def list_all_jobs(
        self,
        *,
        states: Collection[JobState] | None = None,
        tags: Collection[str] | None = None,
        after: RecurringJobId | str | None = None,
        limit: int = 1000,
    ) -> list[JobSummary]:
        """Return jobs in the order of their submission, those that ended and are remembered included.

        Args:
            states: Only jobs in one of these states.
            tags: Only jobs with at least one of these tags.
            after: Only jobs submitted after this one (an id, its text, or a key): the last of the page before.
            limit: At most so many.

        Raises:
            JobNotFound: there is no job ``after``.
            ConfigurationError: an argument makes no sense; ``limit`` is not a positive integer, say.
        """
        return await self._ask(
            asking.list_jobs,
            states=None if states is None else _checks.members("states", states, JobState),
            tags=None if tags is None else _checks.texts("tags", tags, "['nightly']"),
            after=None if after is None else _checks.job("after", after),
            limit=_checks.integer("limit", limit, least=1),
        )

    async def list_active_runs(self, job_id: RecurringJobId | str | None = None) -> list[ActiveRun]:
        """Return the runs of a job, or of all jobs, that are due and have not ended, in the order they became due.

        Args:
            job_id: The id of the job, its text, or the job's key.

        Raises:
            JobNotFound: there is no such job.
            ConfigurationError: ``job_id`` is neither an id nor a key.
        """
        return await self._ask(asking.list_active, job_id=_job(job_id))

    async def get_run_history(
        self,
        job_id: RecurringJobId | str | None = None,
        *,
        since: datetime | None = None,
        outcomes: Collection[Outcome] | None = None,
        limit: int = 100,
    ) -> list[RunRecord]:
        """Return records of runs that ended, and of occurrences that did not run, the newest first.

        Args:
            job_id: Only of this job: its id, the text of it, or its key.
            since: Only what ended at or after this instant.
            outcomes: Only with one of these outcomes.
            limit: At most so many.

        Raises:
            JobNotFound: there is no such job.
            ConfigurationError: an argument makes no sense; ``since`` has no timezone, say.
        """
        return await self._ask(
            asking.run_history,
            job_id=_job(job_id),
            since=None if since is None else _checks.instant("since", since),
            outcomes=None if outcomes is None else _checks.members("outcomes", outcomes, Outcome),
            limit=_checks.integer("limit", limit, least=1),
        )

    async def upcoming_runs(self, *, until: datetime | None = None, limit: int = 100) -> list[UpcomingRun]:
        """Return the next occurrences of all jobs in their order, without jitter, and the retries to come.

        Those that are planned, and those that follow by the schedules if nothing changes. A fixed delay is counted from
        the end of a run, so of such a job only what is planned can be told. A retry (or the end of a snooze) has an
        ``attempt`` above 1; one that the next occurrence will have superseded by then is left out.

        Args:
            until: Only up to this instant.
            limit: At most so many.

        Raises:
            ConfigurationError: ``until`` has no timezone, or ``limit`` is not a positive integer.
        """
        until_us = None if until is None else _checks.instant("until", until)
        most = _checks.integer("limit", limit, least=1)
        return await self._ask(forecast.upcoming_runs, until=until_us, limit=most)

    @overload
    def events(self, *, job_id: RecurringJobId | str | None = None, buffer: int = 1024) -> Subscribed[Event]: ...

    @overload
    def events(
        self, first: type[E1], /, *, job_id: RecurringJobId | str | None = None, buffer: int = 1024
    ) -> Subscribed[E1]: ...

    @overload
    def events(
        self, first: type[E1], second: type[E2], /, *, job_id: RecurringJobId | str | None = None, buffer: int = 1024
    ) -> Subscribed[E1 | E2]: ...

    @overload
    def events(
        self,
        first: type[E1],
        second: type[E2],
        third: type[E3],
        /,
        *,
        job_id: RecurringJobId | str | None = None,
        buffer: int = 1024,
    ) -> Subscribed[E1 | E2 | E3]: ...

    @overload
    def events(
        self,
        first: type[E1],
        second: type[E2],
        third: type[E3],
        fourth: type[E4],
        /,
        *,
        job_id: RecurringJobId | str | None = None,
        buffer: int = 1024,
    ) -> Subscribed[E1 | E2 | E3 | E4]: ...

    @overload
    def events(
        self, *types: type[Event], job_id: RecurringJobId | str | None = None, buffer: int = 1024
    ) -> Subscribed[Event]: ...

    def events(
        self, *types: type[Event], job_id: RecurringJobId | str | None = None, buffer: int = 1024
    ) -> Subscribed[Any]:
        """Subscribe to events: ``async with scheduler.events(RunFinished) as events:``, then ``async for``.

        From the moment the block is entered nothing is missed: subscribe first, then list what there is. The scheduler
        never waits for a subscriber. One that has ``buffer`` events waiting misses what comes then, and is told how
        many by a `Lagged` as soon as it has caught up to there. The iteration ends after `SchedulerStopped`, which is
        always told.

        Args:
            *types: Kinds of events; none for all. `Lagged` and `SchedulerStopped` come in any case; name them, too, to
                have them in the type of what is iterated over.
            job_id: Only events of this job: its id, the text of it, or its key.
            buffer: How many events may wait for the subscriber.

        Closing the iterator (its ``aclose``, ``contextlib.aclosing``) ends this subscription and nothing else, as
        leaving the block does; a ``break`` leaves it open until then. Entering is a checkpoint. One subscription serves
        one task.

        Raises:
            ConfigurationError: something else than a kind of event is given (write ``events(RunFinished, RunStarted)``,
                without a list), ``job_id`` is neither an id nor a key, or ``buffer`` is not a positive integer.
            SchedulerClosed: the scheduler has ended.
        """
        _check_kinds(types)
        return self._subscribed(types, _job(job_id), _checks.integer("buffer", buffer, least=1))

    @asynccontextmanager
    async def _subscribed(
        self, types: tuple[type[Event], ...], job: UUID | str | None, places: int
    ) -> AsyncGenerator[Subscription[Event]]:
        parts = self._parts
        parts.place.check()
        await checkpoint()
        if parts.coordinator.ended.is_set():
            self._closed()
        only = None if job is None else job_id_of(parts.engine.state, job)
        subscription: Subscription[Event] = Subscription(
            types, only, places, check=parts.place.check, left=parts.teller.unsubscribe
        )
        parts.teller.subscribe(subscription)
        try:
            yield subscription
        finally:
            subscription.close()

    def get_metrics_snapshot(self) -> MetricsSnapshot:
        """Return the counters and gauges as they are now. Does not wait, and is no checkpoint; also after the end."""
        parts = self._parts
        parts.place.check_thread()
        return asking.metrics(
            parts.engine.state,
            staged=len(parts.staging),
            staged_total=parts.staging.sent - parts.staging.withdrawn,
            rejected_total=self._rejected,
        )

    def now(self) -> pendulum.DateTime:
        """Return the scheduler's wall time, in UTC: real, or virtual in a test. Does not wait.

        Raises:
            RuntimeError: called outside of the event loop.
        """
        self._parts.place.check_thread()
        return utc_pendulum(self._parts.clock.wall())


def _job(job_id: object) -> UUID | str | None:
    return None if job_id is None else _checks.job("job_id", job_id)


def _check_kinds(types: tuple[object, ...]) -> None:
    for kind in types:
        if not (guard.is_a(kind, type) and issubclass(cast("type", kind), Event)):
            message = (
                f"events() takes kinds of events, such as events(RunFinished, RunStarted), not {guard.shown(kind)}"
            )
            raise ConfigurationError(message, parameter="types")
