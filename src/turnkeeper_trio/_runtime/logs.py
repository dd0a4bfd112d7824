"""The log: events as lines under the logger ``turnkeeper_trio``, and the filter that names the run on every line."""

import logging
from collections.abc import Iterable
from typing import Final, final

from turnkeeper_trio._model.event import (
    ClockStepped,
    Event,
    JobAdded,
    JobCancelled,
    JobDeleted,
    JobFinished,
    JobHalted,
    OccurrenceMissed,
    OccurrenceSkipped,
    RunFinished,
    RunRetrying,
    RunStarted,
    RunStuck,
    SchedulerStopped,
    ShutdownStarted,
)
from turnkeeper_trio._model.run import ActiveRun, Outcome, RunRecord
from turnkeeper_trio._runtime.context import CURRENT_RUN

LOGGER: Final = logging.getLogger("turnkeeper_trio")


def log_event(event: Event) -> None:
    """Write one event to the log: failures at ERROR, what an operator should know at WARNING, the rest at INFO."""
    match event:
        case RunFinished(record=record):
            _log_finished(event, record)
        case JobHalted():
            _log(logging.ERROR, event, "%s is halted: %s", event.name, event.reason)
        case ClockStepped():
            _log(logging.WARNING, event, "the wall clock moved by %+.3f s against the event loop's", event.seconds)
        case OccurrenceMissed():
            _log(logging.WARNING, event, "%s missed %d: %s", event.name, event.count, event.reason)
        case RunStuck():
            _log(logging.WARNING, event, "%s was asked to end and has not ended; it is at\n%s", event.name, event.stack)
        case RunRetrying():
            what = event.error if event.error is not None else event.outcome
            _log(logging.INFO, event, "%s failed (%s), next attempt in %.3f s", event.name, what, event.delay)
        case OccurrenceSkipped():
            _log(logging.INFO, event, "%s at %s is %s: %s", event.name, event.scheduled_at, event.outcome, event.reason)
        case RunStarted():
            _log(logging.INFO, event, "%s started, attempt %d", event.name, event.attempt)
        case JobAdded():
            _log(logging.INFO, event, "%s added, next run %s", event.name, event.next_run_time)
        case JobCancelled():
            _log(logging.INFO, event, "%s cancelled: %s", event.name, event.reason or "no reason given")
        case JobDeleted():
            _log(logging.INFO, event, "%s deleted", event.name)
        case JobFinished():
            _log(logging.INFO, event, "%s finished: no further occurrence", event.name)
        case ShutdownStarted():
            _log(logging.INFO, event, "shutdown started%s", ", forced" if event.forced else "")
        case SchedulerStopped():
            _log(logging.INFO, event, "stopped")
        case _:
            _log(logging.INFO, event, "%s", event)


def log_waiting(runs: Iterable[ActiveRun]) -> None:
    """Say what a shutdown is waiting for."""
    for run in runs:
        LOGGER.warning(
            "the shutdown waits for %s, attempt %d, %s for %.0f s",
            run.name,
            run.attempt,
            run.phase,
            run.running_for,
            extra={"job_id": run.job_id, "run_id": run.run_id, "job_name": run.name, "attempt": run.attempt},
        )


def _log_finished(event: RunFinished, record: RunRecord) -> None:
    extra = {"attempt": record.attempts, "job_name": record.name}
    if record.outcome in (Outcome.FAILED, Outcome.TIMED_OUT):
        message, level = "%s failed for good after %d attempt(s): %s", logging.ERROR
        _log(level, event, message, record.name, record.attempts, record.reason, error=record.error, **extra)
    else:
        message = "%s %s in %.3f s"
        _log(logging.INFO, event, message, record.name, record.outcome, record.duration, **extra)


def _log(
    level: int, event: Event, message: str, *args: object, error: BaseException | None = None, **extra: object
) -> None:
    about = {"job_id": event.job_id, "run_id": event.run_id}
    about["job_name"] = getattr(event, "name", None)
    about["attempt"] = getattr(event, "attempt", None)
    LOGGER.log(level, message, *args, exc_info=error, extra=about | extra)


@final
class RunContextFilter(logging.Filter):
    """Adds ``job_id``, ``run_id``, ``job_name`` and ``attempt`` to every record of a run, the job's own included.

    Give it to a handler: ``handler.addFilter(RunContextFilter())``. Records that belong to no run get ``None``.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the four attributes where the record has none; never drops a record."""
        run = CURRENT_RUN.get(None)
        for name in ("job_id", "run_id", "attempt"):
            if getattr(record, name, None) is None:
                setattr(record, name, getattr(run, name, None))
        if getattr(record, "job_name", None) is None:
            record.job_name = getattr(run, "name", None)
        return True
