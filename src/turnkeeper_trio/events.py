"""The events that observers and subscribers are told.

All of them are in the package's namespace too, but for `JobHalted`: there the name stands for the error.
"""

from turnkeeper_trio._model.event import (
    ClockStepped,
    Event,
    JobAdded,
    JobCancelled,
    JobDeleted,
    JobFinished,
    JobHalted,
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

__all__ = [
    "ClockStepped",
    "Event",
    "JobAdded",
    "JobCancelled",
    "JobDeleted",
    "JobFinished",
    "JobHalted",
    "JobPaused",
    "JobResumed",
    "JobUpdated",
    "Lagged",
    "OccurrenceMissed",
    "OccurrenceSkipped",
    "RunFinished",
    "RunRetrying",
    "RunStarted",
    "RunStuck",
    "SchedulerStopped",
    "ShutdownStarted",
]
