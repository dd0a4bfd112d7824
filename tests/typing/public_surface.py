"""The public surface as a user's type checker sees it. It is checked by mypy and pyright, and never run.

Every public name is used here once, in the way in which it is meant to be used; `assert_type` pins what
comes out.
"""

import asyncio
from contextlib import AbstractContextManager
from datetime import datetime, time, timedelta
from typing import Any, Literal, assert_type
from uuid import UUID
from zoneinfo import ZoneInfo

from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.errors import (
    ConfigurationError,
    CriticalJobFailed,
    InternalError,
    JobActive,
    JobEnded,
    JobError,
    JobHalted,
    JobNotFound,
    RunNotFound,
    RunNotSucceeded,
    SchedulerClosed,
    ShutdownTimeout,
    StagingFull,
    StoreUnavailable,
    SubmissionRefused,
    SubmitError,
    TurnKeeperError,
    WouldDeadlock,
)
from turnkeeper_trio.schedules import (
    EVERY_DAY,
    WEEKEND,
    WORKDAYS,
    After,
    FixedDelay,
    Interval,
    Never,
    Once,
    Weekday,
    WeekdayTimes,
    schedule_from_json,
)
from turnkeeper_trio.testing import VirtualEventLoop


def errors_are_what_they_are_said_to_be() -> None:
    every: list[type[TurnKeeperError]] = [CriticalJobFailed, InternalError, RunNotSucceeded, StoreUnavailable]
    submissions: list[type[SubmitError]] = [StagingFull, SchedulerClosed, SubmissionRefused]
    jobs: list[type[JobError]] = [JobActive, JobEnded, JobHalted, JobNotFound, RunNotFound]
    values: list[type[ValueError]] = [ConfigurationError]
    lookups: list[type[LookupError]] = [JobNotFound, RunNotFound]
    timeouts: list[type[TimeoutError]] = [ShutdownTimeout]
    runtimes: list[type[RuntimeError]] = [WouldDeadlock]
    for error in (*every, *submissions, *jobs, *values, *lookups, *timeouts, *runtimes):
        assert issubclass(error, TurnKeeperError)


def errors_carry_data(submission: SubmitError, job: JobError, configuration: ConfigurationError) -> None:
    assert_type(submission.args, tuple[Any, ...])
    assert_type(submission.kwargs, dict[str, Any])
    assert_type(job.job_id, UUID | None)
    assert_type(job.run_id, UUID | None)
    assert_type(configuration.parameter, str)


class Fortnightly:
    """A schedule of a user's own needs one method, and no base class."""

    def next_after(self, after: datetime, /) -> datetime | None:
        return after + timedelta(weeks=2)


def schedules_are_schedules(at: datetime) -> None:
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
    ]
    for schedule in every:
        assert_type(schedule.next_after(at), datetime | None)
    assert_type(Interval(5).anchored(at), Interval)
    assert_type(Interval(5).count_between(at, at), int)
    assert_type(Interval(5).to_json(), dict[str, Any])
    restored: Schedule = schedule_from_json(Never().to_json())
    assert restored is not None


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
