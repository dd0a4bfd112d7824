"""The public names of the package, imported from the modules that define them.

The package loads this module when the first of the names is read, and not when the package is imported.
"""

from types import FunctionType

from turnkeeper_trio._model.ids import RecurringJobId, RunId
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.kept import NotKept
from turnkeeper_trio._model.metrics import Books, DurationStatistics, MetricsSnapshot
from turnkeeper_trio._model.run import (
    ActiveRun,
    Origin,
    Outcome,
    RunPhase,
    RunRecord,
    UpcomingRun,
)
from turnkeeper_trio._model.shutdown_report import ShutdownReport
from turnkeeper_trio._runtime.clock import SystemClock, VirtualClock
from turnkeeper_trio._runtime.logs import RunContextFilter
from turnkeeper_trio._runtime.opening import open_scheduler
from turnkeeper_trio._runtime.publisher import Subscription
from turnkeeper_trio._runtime.run_context import RunContext, current_run
from turnkeeper_trio._runtime.scheduler import Scheduler, ThreadsafeScheduler, current_scheduler
from turnkeeper_trio.errors import (
    ConfigurationError,
    CriticalJobFailed,
    InternalError,
    JobActive,
    JobEnded,
    JobError,
    JobExists,
    JobHalted,
    JobNotFound,
    RunNotFound,
    RunNotSucceeded,
    SchedulerClosed,
    ShutdownTimeout,
    StagingFull,
    SubmitError,
    TurnKeeperError,
    VersionConflict,
    WouldDeadlock,
)
from turnkeeper_trio.jobs import (
    JobDetails,
    JobSet,
    JobSummary,
    RecurringJobRequest,
    job_id_of_key,
)
from turnkeeper_trio.policies import CatchUp, OnConflict, OnCrash, Overlap, PriorityQueueType
from turnkeeper_trio.retries import ExponentialBackoff, FailedAttempt, FixedRetryDelay
from turnkeeper_trio.schedules import (
    EVERY_DAY,
    WEEKEND,
    WORKDAYS,
    After,
    AnyOf,
    Between,
    CalendarInterval,
    Cron,
    Except,
    FixedDelay,
    Interval,
    Never,
    Once,
    WeekdayTimes,
    upcoming,
)
from turnkeeper_trio.simulation import simulate
from turnkeeper_trio.verdicts import CancelJob, GiveUp, Retry, Snooze

__all__ = [
    "EVERY_DAY",
    "WEEKEND",
    "WORKDAYS",
    "ActiveRun",
    "After",
    "AnyOf",
    "Between",
    "Books",
    "CalendarInterval",
    "CancelJob",
    "CatchUp",
    "ConfigurationError",
    "CriticalJobFailed",
    "Cron",
    "DurationStatistics",
    "Except",
    "ExponentialBackoff",
    "FixedDelay",
    "FixedRetryDelay",
    "GiveUp",
    "InternalError",
    "Interval",
    "JobActive",
    "JobDetails",
    "JobEnded",
    "JobError",
    "JobExists",
    "JobHalted",
    "JobNotFound",
    "JobSet",
    "JobState",
    "JobSummary",
    "MetricsSnapshot",
    "Never",
    "NotKept",
    "OnConflict",
    "OnCrash",
    "Once",
    "Origin",
    "Outcome",
    "Overlap",
    "PriorityQueueType",
    "RecurringJobId",
    "RecurringJobRequest",
    "Retry",
    "RunContext",
    "RunContextFilter",
    "RunId",
    "RunNotFound",
    "RunNotSucceeded",
    "RunPhase",
    "RunRecord",
    "Scheduler",
    "SchedulerClosed",
    "ShutdownReport",
    "ShutdownTimeout",
    "Snooze",
    "StagingFull",
    "SubmitError",
    "Subscription",
    "SystemClock",
    "ThreadsafeScheduler",
    "TurnKeeperError",
    "UpcomingRun",
    "VersionConflict",
    "VirtualClock",
    "WeekdayTimes",
    "WouldDeadlock",
    "current_run",
    "current_scheduler",
    "job_id_of_key",
    "open_scheduler",
    "simulate",
    "upcoming",
]


def _set_public_modules() -> None:
    """Set ``__module__`` of all public names to the package, for messages, documentation and pickle."""
    package = __name__.rpartition(".")[0]
    for name in __all__:
        value = globals()[name]
        if not getattr(value, "__module__", "").startswith(f"{package}."):
            continue
        value.__module__ = package
        for member in vars(value).values() if isinstance(value, type) else ():
            function = member.fget if isinstance(member, property) else member
            while isinstance(function, FunctionType):
                function.__module__ = package
                function = getattr(function, "__wrapped__", None)
    FailedAttempt.__module__ = f"{package}.retries"


_set_public_modules()
