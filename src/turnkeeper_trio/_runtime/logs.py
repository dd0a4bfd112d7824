"""The log: a line for each event, in the logger ``turnkeeper_trio``, and a filter that adds the run to every line."""

import logging
import sys
from collections.abc import Iterable
from dataclasses import fields
from types import TracebackType
from typing import Any, Final, TypeAlias, final

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.record import peek
from turnkeeper_trio._model.run import ActiveRun, Outcome, RunRecord
from turnkeeper_trio._runtime.run_context import CURRENT_RUN
from turnkeeper_trio.events import (
    WARN_AFTER_SKIPPED,
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
    OccurrenceMissed,
    OccurrenceSkipped,
    RunFinished,
    RunRetrying,
    RunStarted,
    RunStuck,
    SchedulerStopped,
    ShutdownStarted,
)

_FAILURES: Final = frozenset({Outcome.FAILED, Outcome.TIMED_OUT})

ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]

LOGGER: Final = logging.getLogger("turnkeeper_trio")


_LINES: Final[dict[type[Event], tuple[int, str]]] = {
    ClockStepped: (logging.WARNING, "the wall clock moved by %(seconds)+.3f s against the event loop's"),
    JobAdded: (logging.INFO, "%(name)s added, next run %(next_run_time)s"),
    JobCancelled: (logging.INFO, "%(name)s cancelled: %(reason)s"),
    JobDeleted: (logging.INFO, "%(name)s deleted"),
    JobFinished: (logging.INFO, "%(name)s finished: no further occurrence"),
    JobHalted: (logging.ERROR, "%(name)s is halted: %(reason)s"),
    JobPaused: (logging.INFO, "%(name)s paused: %(note)s"),
    JobResumed: (logging.INFO, "%(name)s resumed, next run %(next_run_time)s"),
    JobUpdated: (logging.INFO, "%(name)s updated to version %(version)d, next run %(next_run_time)s"),
    OccurrenceMissed: (logging.INFO, "%(name)s missed %(count)d, %(lateness).3f s late: %(reason)s"),
    OccurrenceSkipped: (logging.INFO, "%(name)s at %(scheduled_at)s is %(outcome)s: %(reason)s"),
    RunRetrying: (logging.INFO, "%(name)s, attempt %(attempt)d: %(reason)s; the next in %(delay).3f s"),
    RunStarted: (logging.INFO, "%(name)s started, attempt %(attempt)d"),
    RunStuck: (logging.WARNING, "%(name)s has been %(phase)s for %(running_for).1f s; it is at\n%(stack)s"),
    SchedulerStopped: (logging.INFO, "stopped"),
    ShutdownStarted: (logging.INFO, "shutdown started, forced: %(forced)s"),
}
"""The level and the text of the line for each kind of event. `RunFinished` has its own function."""


_SKIPPED_AGAIN: Final = (
    logging.WARNING,
    "%(name)s at %(scheduled_at)s is %(outcome)s, as %(skipped)d were while it does not keep up: %(reason)s",
)
"""The line of the skipped occurrence that makes `TOLD_AFTER` in a row. It comes once, until the job keeps up again."""


def write(level: int, text: str, *args: object, **options: Any) -> None:
    """Write a line to the log. Filters and handlers are the user's: if one raises, the line is lost, and no more."""
    _, fault = guard.call(LOGGER.log, level, text, *args, **options)
    if fault is not None and logging.raiseExceptions:
        # The standard library does the same if a handler fails. The standard error stream may fail, too.
        guard.call(lambda: sys.stderr.write(guard.trace(fault)))


def exc_info(error: BaseException | None) -> ExcInfo | None:
    """Return an error as ``exc_info`` for a line. Given the error alone, the log would read its ``__class__``."""
    return None if error is None else (type(error), error, guard.traceback_of(error))


def log_event(event: Event) -> None:
    """Write one event to the log: failures at ERROR, what an operator has to know at WARNING, all else at INFO."""
    if isinstance(event, RunFinished):
        failed = peek(peek(event, "record"), "outcome") in _FAILURES
        if LOGGER.isEnabledFor(logging.ERROR if failed else logging.INFO):
            _log_finished(event, event.record)
        return
    level, text = _LINES[type(event)]
    if isinstance(event, OccurrenceSkipped) and event.skipped == WARN_AFTER_SKIPPED:
        level, text = _SKIPPED_AGAIN
    if LOGGER.isEnabledFor(level):
        values = {field.name: getattr(event, field.name) for field in fields(event)}
        if isinstance(event, JobPaused | JobResumed) and event.job_id is None:
            values["name"] = "all jobs"
        if isinstance(event, RunRetrying) and event.error is not None:
            # The reason names the type of the error already, so only its text is added.
            values["reason"] = ": ".join(filter(None, (event.reason, guard.text(event.error))))
        for why in ("reason", "note"):
            if values.get(why) == "":
                text = text.removesuffix(f": %({why})s")
        about = _about(event.job_id, event.run_id, values.get("name"), values.get("attempt"))
        write(level, text, values, extra=about)


def log_waiting(runs: Iterable[ActiveRun]) -> None:
    """Write a line for each run that a shutdown waits for."""
    for run in runs:
        write(
            logging.WARNING,
            "the shutdown waits for %s, attempt %d, %s for %.0f s",
            run.name,
            run.attempt,
            run.phase,
            run.running_for,
            extra=_about(run.job_id, run.run_id, run.name, run.attempt),
        )


def _log_finished(event: RunFinished, record: RunRecord) -> None:
    about = _about(event.job_id, event.run_id, record.name, record.attempts)
    if record.outcome in _FAILURES:
        text = "%s failed for good after %d attempt(s): %s"
        write(
            logging.ERROR,
            text,
            record.name,
            record.attempts,
            record.reason,
            exc_info=exc_info(record.error),
            extra=about,
        )
    else:
        write(logging.INFO, "%s %s in %.3f s", record.name, record.outcome, record.duration, extra=about)


def _about(job_id: object, run_id: object, name: object, attempt: object) -> dict[str, object]:
    return {"job_id": job_id, "run_id": run_id, "job_name": name, "attempt": attempt}


@final
class RunContextFilter(logging.Filter):
    """Adds ``job_id``, ``run_id``, ``job_name`` and ``attempt`` to each record, also to those that a job logs itself.

    Give it to a handler: ``handler.addFilter(RunContextFilter())``. For a record that belongs to no run, the attributes
    are ``None``.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attributes that the record does not have. No record is removed."""
        run = CURRENT_RUN.get(None)
        for name in ("job_id", "run_id", "attempt"):
            if getattr(record, name, None) is None:
                setattr(record, name, getattr(run, name, None))
        if getattr(record, "job_name", None) is None:
            record.job_name = getattr(run, "name", None)
        return True


set_public_path(RunContextFilter)
