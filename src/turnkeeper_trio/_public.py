"""The public names of the package, and the modules that define them.

Type checkers read the imports. At run time the package imports the module of a name when the name is first read.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from turnkeeper_trio._model.ids import RecurringJobId, RunId
    from turnkeeper_trio._model.job import JobState
    from turnkeeper_trio._model.kept import NotKept
    from turnkeeper_trio._model.metrics import Books, DurationStatistics, MetricsSnapshot
    from turnkeeper_trio._model.run import ActiveRun, Origin, Outcome, RunPhase, RunRecord, UpcomingRun
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
    from turnkeeper_trio.jobs import JobDetails, JobSet, JobSummary, RecurringJobRequest, job_id_of_key
    from turnkeeper_trio.policies import CatchUp, OnConflict, OnCrash, Overlap, PriorityQueueType
    from turnkeeper_trio.retries import ExponentialBackoff, FixedRetryDelay
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
    )
    from turnkeeper_trio.schedules.upcoming import upcoming
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

MODULES: Final = {
    "_model.ids": ("RecurringJobId", "RunId"),
    "_model.job": ("JobState",),
    "_model.kept": ("NotKept",),
    "_model.metrics": ("Books", "DurationStatistics", "MetricsSnapshot"),
    "_model.run": ("ActiveRun", "Origin", "Outcome", "RunPhase", "RunRecord", "UpcomingRun"),
    "_model.shutdown_report": ("ShutdownReport",),
    "_runtime.clock": ("SystemClock", "VirtualClock"),
    "_runtime.logs": ("RunContextFilter",),
    "_runtime.opening": ("open_scheduler",),
    "_runtime.publisher": ("Subscription",),
    "_runtime.run_context": ("RunContext", "current_run"),
    "_runtime.scheduler": ("Scheduler", "ThreadsafeScheduler", "current_scheduler"),
    "errors": (
        "ConfigurationError",
        "CriticalJobFailed",
        "InternalError",
        "JobActive",
        "JobEnded",
        "JobError",
        "JobExists",
        "JobHalted",
        "JobNotFound",
        "RunNotFound",
        "RunNotSucceeded",
        "SchedulerClosed",
        "ShutdownTimeout",
        "StagingFull",
        "SubmitError",
        "TurnKeeperError",
        "VersionConflict",
        "WouldDeadlock",
    ),
    "jobs": ("JobDetails", "JobSet", "JobSummary", "RecurringJobRequest", "job_id_of_key"),
    "policies": ("CatchUp", "OnConflict", "OnCrash", "Overlap", "PriorityQueueType"),
    "retries": ("ExponentialBackoff", "FixedRetryDelay"),
    "schedules": (
        "EVERY_DAY",
        "WEEKEND",
        "WORKDAYS",
        "After",
        "AnyOf",
        "Between",
        "CalendarInterval",
        "Cron",
        "Except",
        "FixedDelay",
        "Interval",
        "Never",
        "Once",
        "WeekdayTimes",
        "upcoming",
    ),
    "simulation": ("simulate",),
    "verdicts": ("CancelJob", "GiveUp", "Retry", "Snooze"),
}
"""The modules of the package that define public names, each with these names."""

HOMES: Final = {name: module for module, names in MODULES.items() for name in names}
"""The module of each public name."""

SUBMODULES: Final = frozenset(
    ("abc", "errors", "events", "jobs", "policies", "retries", "schedules", "simulation", "verdicts")
)
"""The modules that are found as attributes of the package before they are imported."""
