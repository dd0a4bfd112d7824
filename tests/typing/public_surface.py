"""The public surface as a user's type checker sees it. It is checked by mypy and pyright, and never run.

Every public name is used here, in the way in which it is meant to be used; `assert_type` pins what comes out.
"""

import asyncio
import logging
import random
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, aclosing
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, assert_type
from uuid import UUID
from zoneinfo import ZoneInfo

import pendulum

import turnkeeper_trio
from turnkeeper_trio import (
    EVERY_DAY,
    WEEKEND,
    WORKDAYS,
    ActiveRun,
    After,
    Books,
    CancelJob,
    CatchUp,
    ConfigurationError,
    CriticalJobFailed,
    DurationStatistics,
    ExponentialBackoff,
    FixedDelay,
    FixedRetryDelay,
    GiveUp,
    InternalError,
    Interval,
    JobActive,
    JobDetails,
    JobEnded,
    JobError,
    JobExists,
    JobHalted,
    JobNotFound,
    JobSet,
    JobState,
    JobSummary,
    MetricsSnapshot,
    Never,
    NotKept,
    Once,
    OnConflict,
    OnCrash,
    Origin,
    Outcome,
    Overlap,
    PriorityQueueType,
    RecurringJobId,
    RecurringJobRequest,
    Retry,
    RunContext,
    RunContextFilter,
    RunId,
    RunNotFound,
    RunNotSucceeded,
    RunPhase,
    RunRecord,
    Scheduler,
    SchedulerClosed,
    ShutdownReport,
    ShutdownTimeout,
    Snooze,
    StagingFull,
    SubmitError,
    Subscription,
    SystemClock,
    ThreadsafeScheduler,
    TurnKeeperError,
    UpcomingRun,
    VersionConflict,
    VirtualClock,
    WeekdayTimes,
    WouldDeadlock,
    current_run,
    current_scheduler,
    job_id_of_key,
    open_scheduler,
    simulate,
)
from turnkeeper_trio.abc import ArgumentCodec, Clock, RetryPolicy, Schedule, Store
from turnkeeper_trio.errors import (
    StoreCorrupted,
    StoredError,
    StoreError,
    StoreInUse,
    StoreNotFound,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
    SubmissionRefused,
)
from turnkeeper_trio.events import (
    ClockStepped,
    Event,
    JobAdded,
    JobCancelled,
    JobDeleted,
    JobFinished,
    JobPaused,
    JobResumed,
    JobUpdated,
    Lagged,
    OccurrenceMissed,
    OccurrenceSkipped,
    RunFinished,
    RunRetrying,
    RunStarted,
    RunStuck,
    SchedulerStopped,
    ShutdownStarted,
)
from turnkeeper_trio.jobs import JobDefaults, JobSetChanges, JobSetEntry
from turnkeeper_trio.retries import FailedAttempt, retry_from_json
from turnkeeper_trio.schedules import (
    AnyOf,
    Between,
    CalendarInterval,
    Cron,
    Except,
    Weekday,
    schedule_from_json,
    upcoming,
)
from turnkeeper_trio.simulation import SimulatedRun, Simulation
from turnkeeper_trio.stores import Keep, MemoryStore
from turnkeeper_trio.stores.sqlite import SQLiteStore
from turnkeeper_trio.testing import (
    FaultPlan,
    InjectedFault,
    InlineAttempt,
    InlineRun,
    Runs,
    SchedulerTime,
    SchedulerTimeError,
    StoreConformance,
    SweepError,
    VirtualEventLoop,
    assert_run_log,
    cancel_sweep,
    current_scheduler_time,
    run,
    run_inline,
    runs,
)
from turnkeeper_trio.verdicts import Verdict

assert_type(turnkeeper_trio.__compiled__, bool)


class Fortnightly:
    """A schedule of a user's own: one method, no base class."""

    def next_after(self, after: datetime, /) -> datetime | None:
        return after + timedelta(weeks=2)


class Patient:
    """A retry policy of a user's own."""

    def delay(self, failed: FailedAttempt, rng: random.Random, /) -> timedelta | None:
        assert_type(failed.number, int)
        assert_type(failed.outcome, Outcome)
        assert_type(failed.error, BaseException | None)
        assert_type(failed.elapsed, float)
        return timedelta(hours=rng.random()) if failed.number < 3 else None


class Watcher:
    """An observer has the methods that it wants."""

    def on_run_finished(self, event: RunFinished) -> None:
        assert_type(event.record, RunRecord)

    def on_run_retrying(self, event: RunRetrying) -> None:
        assert_type(event.delay, float)


def schedules(at: datetime) -> None:
    zone = ZoneInfo("Europe/Berlin")
    every: list[Schedule] = [
        WeekdayTimes([(Weekday.MONDAY, time(9)), ("friday", time(17, 30))], timezone=zone),
        WeekdayTimes.on(WORKDAYS, time(9), time(17), timezone="Europe/Berlin"),
        WeekdayTimes.on(WEEKEND, time(9)),
        WeekdayTimes.on(EVERY_DAY, time(9)),
        WeekdayTimes.on(Weekday.SUNDAY, time(9)),
        Interval(timedelta(hours=1)),
        Interval(hours=1, minutes=30, anchor=at),
        FixedDelay(seconds=5),
        Once(at),
        Once(at, timezone=zone, fold=1),
        After(2.5),
        After(hours=1),
        Never(),
        Fortnightly(),
        Cron("0 9 * * mon-fri", timezone=zone),
        CalendarInterval(months=1, start=date(2030, 1, 31), at=time(9)),
        AnyOf(Interval(5), Fortnightly()),
        Interval(5) | Cron("@daily"),
        Except(Interval(5), date(2030, 1, 1), (date(2030, 2, 1), date(2030, 2, 3)), Fortnightly()),
        Between(Interval(5), start=at),
    ]
    for schedule in every:
        assert_type(schedule.next_after(at), datetime | None)
    assert_type(upcoming(every[0], start=at, count=3), list[pendulum.DateTime])
    assert_type(Interval(5).anchored(at), Interval)
    assert_type(Interval(5).count_between(at, at), int)
    assert_type(Interval(5).to_json(), dict[str, Any])
    restored: Schedule = schedule_from_json(Never().to_json())
    assert restored is not None
    own: Schedule = schedule_from_json({"kind": "fortnightly"}, kinds=[Kept, KeptWithAnnotation])
    assert_type(Between.from_json(own, kinds=[Kept]), Between)
    assert_type(retry_from_json({}, kinds=[Kept]), RetryPolicy)
    assert_type(FixedRetryDelay.from_json(FixedRetryDelay(5).to_json()), FixedRetryDelay)
    request = RecurringJobRequest("name", on_crash=OnCrash.MARK, crash_limit=1)
    assert_type(RecurringJobRequest.from_json(request.to_json(), kinds=[Kept]), RecurringJobRequest)


class Kept:
    """What a durable store can keep."""

    kind = "kept"

    def to_json(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_json(cls, data: Any) -> "Kept":
        return cls()


class KeptWithAnnotation:
    """The same, with a stricter annotation."""

    kind: ClassVar[str] = "annotated"

    def to_json(self) -> int:
        return 1

    @classmethod
    def from_json(cls, data: int) -> Self:
        return cls()


class Codec:
    """How arguments are written and read."""

    def dumps(self, value: object) -> str:
        return repr(value)

    def loads(self, text: str) -> object:
        return text


async def durable(store: Store) -> None:
    codec: ArgumentCodec = Codec()
    assert_type(store.horizon, float)
    try:
        async with open_scheduler(
            max_workers=1, store=store, store_timeout=timedelta(seconds=5), kinds=[Kept], codec=codec
        ) as scheduler:
            for record in await scheduler.get_run_history(outcomes=[Outcome.LOST]):
                if isinstance(record.value, NotKept):
                    assert_type(record.value.shown, str)
                if isinstance(record.error, StoredError):
                    assert_type((record.error.kind, record.error.message, record.error.traceback), tuple[str, str, str])
            books = scheduler.get_metrics_snapshot().books
            assert_type((books.admitted, books.released, books.lost), tuple[int, int, int])
        if scheduler.shutdown_report is not None:
            assert_type(scheduler.shutdown_report.handed_back, int)
    except StoreInUse as exc:
        assert_type((exc.pid, exc.host), tuple[int | None, str | None])
    except StoreTooNew as exc:
        assert_type((exc.found, exc.known), tuple[int, int])
    except (StoreNotFound, StoreCorrupted, StoreReadOnly, StoreUnavailable) as exc:
        assert_type(exc.path, str)
    except StoreError as exc:
        assert_type(exc.path, str)


def requests(at: datetime) -> RecurringJobRequest:
    policies: list[RetryPolicy] = [
        ExponentialBackoff(initial=1, factor=2, maximum=60, jitter=0, max_elapsed=3600),
        FixedRetryDelay(timedelta(minutes=1), jitter=0.5),
        Patient(),
    ]
    request = RecurringJobRequest("name", Interval(5), 3, retry=policies[0], timeout=30, tags=("a", "b"))
    request = request.with_initial_run_time(at).with_initial_run_time(timedelta(hours=1))
    assert_type(request, RecurringJobRequest)
    assert_type(request.replace(overlap=Overlap.SKIP, catch_up=CatchUp.ONE), RecurringJobRequest)
    return RecurringJobRequest("name")


async def work(name: str, *, times: int = 1) -> int:
    run = current_run()
    assert_type(run, RunContext)
    assert_type(run.job_id, RecurringJobId)
    assert_type(run.run_id, RunId)
    assert_type(run.name, str)
    assert_type(run.attempt, int)
    assert_type(run.scheduled_at, pendulum.DateTime)
    assert_type(run.cancel_requested, bool)
    assert_type(current_scheduler(), Scheduler)
    return len(name) * times


def plain(name: str) -> bool:
    return bool(name)


async def a_scheduler() -> None:
    clocks: list[Clock] = [SystemClock(), VirtualClock(datetime(2030, 1, 1, tzinfo=UTC))]
    async with open_scheduler(
        max_workers=4,
        priority_queue=PriorityQueueType.BINARY_HEAP,
        shutdown_grace=timedelta(seconds=10),
        clock=clocks[0],
        observers=[Watcher()],
        rng=random.Random(0),
        job_defaults={"timeout": 30, "max_retries": 2},
    ) as scheduler:
        assert_type(scheduler, Scheduler)
        scheduler.register("work", work, aliases=["old.work"])
        job_id = await scheduler.add_job(requests(scheduler.now()), work, "a", kwargs={"times": 2})
        assert_type(job_id, RecurringJobId)
        assert_type(scheduler.try_add_job(RecurringJobRequest("b"), plain, "b"), RecurringJobId)
        await misplaced_keywords(scheduler)
        several = ((RecurringJobRequest("c"), plain, text) for text in "abc")
        assert_type(await scheduler.add_jobs(several), list[RecurringJobId])
        entries = [JobSetEntry(RecurringJobRequest("d"), "work")]
        assert_type(await scheduler.add_jobs(entries, atomic=True), list[RecurringJobId])
        run_id = await scheduler.trigger_job_now(job_id)
        assert_type(run_id, RunId)
        record = await scheduler.wait_run(run_id)
        assert_type(record, RunRecord)
        assert_type(await scheduler.wait_job(job_id), RunRecord)
        await scheduler.wait_idle(due_only=True)
        await questions(scheduler, job_id)
        assert_type(await scheduler.skip_next_run(job_id), RunRecord | None)
        assert_type(await scheduler.cancel_job(job_id, cancel_running=True), tuple[RunRecord, ...])
        await control(scheduler, job_id, run_id)
        await job_sets(scheduler)
        await scheduler.delete_job(job_id)
        assert_type(await scheduler.run_until_signal(signal.SIGTERM), ShutdownReport)
        assert_type(await scheduler.shutdown_graceful(5), ShutdownReport)
        assert_type(await scheduler.shutdown_force(timedelta(seconds=5)), ShutdownReport)
    assert_type(scheduler.is_closed, bool)
    assert_type(scheduler.shutdown_report, ShutdownReport | None)
    assert_type(scheduler.now(), pendulum.DateTime)
    metrics(scheduler.get_metrics_snapshot())


async def misplaced_keywords(scheduler: Scheduler) -> None:
    """A field of the request, or an argument of the function, is refused here, too."""
    request, blocking = RecurringJobRequest("b"), scheduler.threadsafe()
    await scheduler.add_job(request, plain, "b", timeout=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportUnknownMemberType]
    scheduler.try_add_job(request, plain, "b", timeout=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    scheduler.scheduled(request, plain, "b", timeout=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    JobSet().add(request, plain, "b", timeout=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    blocking.add_job(request, plain, "b", timeout=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    blocking.try_add_job(request, plain, "b", timeout=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    run_inline(request, plain, "b", timeout=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def control(scheduler: Scheduler, job_id: RecurringJobId, run_id: RunId) -> None:
    assert_type(await scheduler.cancel_run(run_id, reason="too slow"), RunRecord)
    assert_type(await scheduler.update_job(job_id, if_version=1, fn=plain, args=("a",), timeout=5), int)
    await scheduler.pause_job(job_id, note="maintenance")
    await scheduler.resume_job(job_id, missed=CatchUp.ALL)
    await scheduler.pause_all(note="maintenance")
    await scheduler.resume_all()
    async with scheduler.paused(wait=False):
        assert_type(await scheduler.trigger_job_now(job_id, overlap=Overlap.ALLOW_ALL), RunId)
    request = RecurringJobRequest(
        "keyed", Interval(5), key="k", overlap=Overlap.CANCEL_OTHER, max_runs=3, critical=True
    )
    for policy in OnConflict:
        await scheduler.add_job(request, plain, "a", on_conflict=policy)
    async with scheduler.scheduled(request, plain, "a") as scoped:
        assert_type(scoped, RecurringJobId)
    for upcoming_run in await scheduler.upcoming_runs(until=scheduler.now(), limit=5):
        assert_type(upcoming_run, UpcomingRun)
        assert_type(upcoming_run.scheduled_at, pendulum.DateTime)
    async with scheduler.events(RunFinished, JobUpdated, job_id=job_id, buffer=10) as told:
        assert_type(told, Subscription[RunFinished | JobUpdated])
        async for event in told:
            events(event)


async def told(scheduler: Scheduler, job_id: RecurringJobId) -> None:
    async with scheduler.events(RunFinished) as one, aclosing(one), scheduler.events() as every:
        assert_type(every, Subscription[Event])
        as_iterator: AsyncIterator[RunFinished] = one
        async for event in as_iterator:
            assert_type(event.record, RunRecord)
    scheduler.stop(force=True)
    threadsafe = scheduler.threadsafe()
    assert_type(threadsafe, ThreadsafeScheduler)
    assert_type(threadsafe.add_job(RecurringJobRequest("b"), plain, "b"), RecurringJobId)
    assert_type(threadsafe.wait_job(job_id), RunRecord)
    assert_type(threadsafe.update_job("key", if_version=1, timeout=5), int)
    threadsafe.update_job("key", timout=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def handles(scheduler: Scheduler, job_id: RecurringJobId, run_id: RunId, key: str) -> None:
    assert_type(job_id_of_key(key), RecurringJobId)
    await scheduler.pause_job(key)
    assert_type((await scheduler.list_all_jobs(after=key))[0].key, str | None)
    await scheduler.wait_run(key)
    # What follows is wrong, and is told by both checkers: an unused comment is told, too.
    await scheduler.wait_job(run_id)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await scheduler.wait_run(job_id)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await scheduler.update_job(key, timout=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await scheduler.add_job(requests(scheduler.now()), plain, 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    scheduler.try_add_job(requests(scheduler.now()), plain, "a", 2)  # type: ignore[arg-type, call-arg]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await scheduler.add_jobs([(plain, requests(scheduler.now()))])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    JobSet().add(requests(scheduler.now()), plain, 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]


async def job_sets(scheduler: Scheduler) -> None:
    defaults: JobDefaults = {"timeout": 30}
    jobs = JobSet(name="shop", version=2, defaults=defaults)

    @jobs.job("nightly", Cron("0 3 * * *"), max_retries=2, timeout=60)
    async def nightly(shop: str = "berlin") -> int:
        return len(shop)

    assert_type(await nightly("hamburg"), int)
    jobs.add(RecurringJobRequest("b"), plain, "b")
    for entry in jobs:
        assert_type(entry, JobSetEntry)
        assert_type(entry.request, RecurringJobRequest)
    changes = await scheduler.apply(jobs)
    assert_type(changes, JobSetChanges)
    assert_type(changes.added, tuple[RecurringJobId, ...])
    assert_type(changes.newer_version, int | None)


def verdicts(at: timedelta) -> Verdict:
    every: list[Verdict] = [Retry(), Retry(after=at), Snooze(2.5), GiveUp("no use"), CancelJob("done")]
    return every[0]


def simulations(at: datetime) -> None:
    dry = simulate(requests(at), start=at, end=at, durations={"name": 2}, max_workers=2)
    assert_type(dry, Simulation)
    for row in dry:
        assert_type(row, SimulatedRun)
        assert_type(row.outcome, Outcome)


async def questions(scheduler: Scheduler, job_id: RecurringJobId) -> None:
    details = await scheduler.get_job_details(job_id)
    assert_type(details, JobDetails)
    assert_type(details.next_run_time, pendulum.DateTime | None)
    assert_type(details.state, JobState)
    assert_type(await scheduler.list_all_jobs(states=[JobState.ACTIVE], tags=["a"]), list[JobSummary])
    assert_type(await scheduler.list_active_runs(), list[ActiveRun])
    for active in await scheduler.list_active_runs(job_id):
        assert_type(active.phase, RunPhase)
        assert_type(active.running_for, float)
    for record in await scheduler.get_run_history(job_id, outcomes={Outcome.FAILED}, limit=10):
        assert_type(record.origin, Origin)
        assert_type(record.outcome, Outcome)
        assert_type(record.started_at, pendulum.DateTime | None)
        assert_type(record.lateness, float | None)
        assert_type(record.to_json(), dict[str, Any])
        record.unwrap()


def metrics(snapshot: MetricsSnapshot) -> None:
    assert_type(snapshot.jobs_submitted, int)
    assert_type(snapshot.books, Books)
    assert_type(snapshot.books.balanced, bool)
    assert_type(snapshot.job_execution_duration, DurationStatistics)


def reports(report: ShutdownReport) -> None:
    assert_type(report.finished, tuple[RunRecord, ...])
    assert_type(report.interrupted, tuple[RunRecord, ...])
    assert_type(report.never_started, tuple[RunRecord, ...])
    assert_type(report.still_running, tuple[ActiveRun, ...])


def events(event: Event) -> None:
    assert_type(event.sequence, int)
    assert_type(event.at, pendulum.DateTime)
    assert_type(event.job_id, RecurringJobId | None)
    assert_type(event.run_id, RunId | None)
    match event:
        case JobAdded() | JobCancelled() | JobDeleted() | JobFinished():
            assert_type(event.name, str)
        case RunStarted() | RunStuck():
            assert_type(event.attempt, int)
        case OccurrenceMissed() | OccurrenceSkipped():
            assert_type(event.scheduled_at, pendulum.DateTime)
        case ClockStepped():
            assert_type(event.seconds, float)
        case ShutdownStarted():
            assert_type(event.forced, bool)
        case JobPaused():
            assert_type(event.note, str)
        case JobResumed() | JobUpdated():
            assert_type(event.next_run_time, pendulum.DateTime | None)
        case Lagged():
            assert_type(event.count, int)
        case SchedulerStopped():
            pass
        case _:
            pass


def logs(handler: logging.Handler) -> None:
    handler.addFilter(RunContextFilter())


def errors_are_what_they_are_said_to_be() -> None:
    every: list[type[TurnKeeperError]] = [CriticalJobFailed, InternalError, RunNotSucceeded, StoreError]
    stores: list[type[StoreError]] = [
        StoreCorrupted, StoreInUse, StoreNotFound, StoreReadOnly, StoreTooNew, StoreUnavailable,
    ]  # fmt: skip
    submissions: list[type[SubmitError]] = [StagingFull, SchedulerClosed, SubmissionRefused]
    jobs: list[type[JobError]] = [
        JobActive, JobEnded, JobExists, JobHalted, JobNotFound, RunNotFound, VersionConflict,
    ]  # fmt: skip
    values: list[type[ValueError]] = [ConfigurationError]
    lookups: list[type[LookupError]] = [JobNotFound, RunNotFound]
    timeouts: list[type[TimeoutError]] = [ShutdownTimeout]
    runtimes: list[type[RuntimeError]] = [WouldDeadlock]
    for error in (*every, *stores, *submissions, *jobs, *values, *lookups, *timeouts, *runtimes):
        assert issubclass(error, TurnKeeperError)


def errors_carry_data(
    submission: SubmitError, job: JobError, configuration: ConfigurationError, timeout: ShutdownTimeout
) -> None:
    assert_type(submission.args, tuple[Any, ...])
    assert_type(submission.kwargs, dict[str, Any])
    assert_type(job.job_id, UUID | None)
    assert_type(job.run_id, UUID | None)
    assert_type(configuration.parameter, str)
    assert_type(timeout.report, ShutdownReport)


def virtual_time() -> None:
    with asyncio.Runner(loop_factory=VirtualEventLoop) as runner:
        runner.run(asyncio.sleep(86_400))
    loop = VirtualEventLoop()
    held: AbstractContextManager[None] = loop.hold()
    assert_type(loop.held, bool)
    assert_type(loop.time(), float)
    assert_type(loop.is_virtual, Literal[True])
    with held:
        loop.close()


async def moving_time(time: SchedulerTime, scheduler: Scheduler, job_id: RecurringJobId) -> int:
    await time.travel_to("2026-03-30 09:00")
    await time.travel_to(datetime(2026, 3, 30, tzinfo=UTC))
    await time.advance(hours=1)
    await time.advance(timedelta(days=1))
    await time.settle()
    assert_type(await time.next_event(within=timedelta(days=1)), pendulum.DateTime)
    assert_type(await time.run_until(lambda: True), pendulum.DateTime)
    assert_type(await time.run_until_runs(job_id, 2, within=timedelta(days=7)), list[RunRecord])
    assert_type(await time.run_until_runs("weekly"), list[RunRecord])
    assert_type(time.now, pendulum.DateTime)
    assert_type(time.next_due, pendulum.DateTime | None)
    assert_type(time.schedulers, tuple[Scheduler, ...])
    assert_type(time.fault_plan, FaultPlan)
    with time.hold():
        time.step_wall(hours=-1)
        time.suspend(hours=8)
    seen: Runs = time.runs("weekly")
    assert_type(seen.started, list[pendulum.DateTime])
    assert_type(seen.outcomes, list[Outcome])
    assert_type(seen.lateness, list[float])
    assert_type(seen[0], RunRecord)
    seen.assert_succeeded()
    seen.assert_on_time(tolerance=1)
    assert_type(runs(scheduler, "weekly", timezone="Europe/Berlin"), Runs)
    assert_run_log(scheduler, "2026-03-30 09:00 weekly ok", timezone="Europe/Berlin")
    return 1


async def in_virtual_time(days: int) -> str:
    await current_scheduler_time().advance(days=days)
    return "done"


def plain_tests(request: RecurringJobRequest) -> None:
    faults = FaultPlan().job("fetch", 2, OSError).observer("on_run_finished").store(3, InjectedFault())
    assert_type(run(in_virtual_time, 365, start="2026-03-28 00:00", timezone="UTC", backend="asyncio"), str)
    assert_type(run(in_virtual_time, 1, seed=7, mode="explicit", faults=faults), str)
    inline = run_inline(request, plain, "a", kwargs={}, seed=1)
    assert_type(inline, InlineRun)
    assert_type(inline.record, RunRecord)
    assert_type(inline.attempts, tuple[InlineAttempt, ...])
    assert_type(inline.delays, list[float])


def stores_are_stores() -> None:
    class TestOfMyStore(StoreConformance):
        def new_store(self) -> Store:
            return MemoryStore()

    keep = Keep(per_job=10, age=timedelta(days=30), total=None)
    stores: list[Store] = [
        MemoryStore(), MemoryStore(horizon=60), SQLiteStore("jobs.db"), TestOfMyStore().new_store(),
        SQLiteStore(Path("jobs.db"), durability="normal", history=keep, horizon=timedelta(minutes=5), offload="thread"),
    ]  # fmt: skip
    assert_type(stores[0].horizon, float)


def sweeping(error: SchedulerTimeError, found: SweepError) -> None:
    async def scenario() -> None: ...

    async def scenario_with_state(state: list[int]) -> None:
        state.append(1)

    def invariant(state: list[int]) -> None:
        assert len(state) < 2

    assert_type(cancel_sweep(scenario), int)
    assert_type(cancel_sweep(scenario, lambda: None, backend="trio", stride=2), int)
    assert_type(cancel_sweep(scenario_with_state, invariant, state=list[int], how="task"), int)
    assert_type(error.now, pendulum.DateTime)
    assert_type(found.step, int)
