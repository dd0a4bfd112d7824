"""What can go wrong, by who acted: each error carries the data that its handler needs."""

from collections.abc import Callable, Mapping
from typing import Any, final
from uuid import UUID

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.error import TurnKeeperError
from turnkeeper_trio._model.run import RunNotSucceeded, RunRecord
from turnkeeper_trio._model.shutdown_report import ShutdownReport

__all__ = [
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
    "StoreUnavailable",
    "SubmissionRefused",
    "SubmitError",
    "TurnKeeperError",
    "VersionConflict",
    "WouldDeadlock",
]


@final
class ConfigurationError(TurnKeeperError, ValueError):
    """A parameter was given a value that makes no sense; raised at the call where it was given."""

    def __init__(self, message: str, *, parameter: str = "") -> None:
        """Make the error of one parameter."""
        super().__init__(message)
        self.parameter = parameter
        """The name of the parameter, as the caller wrote it."""


class SubmitError(TurnKeeperError):
    """A job was not taken. The submission is carried along, so that nothing is lost and it can be made again."""

    def __init__(
        self,
        message: str,
        *,
        request: Any = None,
        fn: Callable[..., Any] | str | None = None,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the error of one submission."""
        super().__init__(message)
        self.message = message
        """What went wrong. (``args`` are the job's, so they cannot be the exception's.)"""
        self.request = request
        """The `RecurringJobRequest`, or ``None`` where something else than a job was submitted."""
        self.fn: Any = fn
        """The function, or the name under which it is registered."""
        self.args = args
        """Its positional arguments."""
        self.kwargs: dict[str, Any] = dict(kwargs or {})
        """Its keyword arguments."""

    def __str__(self) -> str:
        """Return what went wrong."""
        return self.message

    def __repr__(self) -> str:
        """Return the kind of error and what went wrong."""
        return f"{type(self).__name__}({self.message!r})"


@final
class StagingFull(SubmitError):
    """`Scheduler.try_add_job` found no room in staging."""


@final
class SchedulerClosed(SubmitError):
    """The scheduler is shutting down, or has ended: it takes nothing new."""


@final
class SubmissionRefused(SubmitError):
    """The store did not take the job."""


class JobError(TurnKeeperError):
    """An operation on a job could not be carried out."""

    def __init__(self, message: str, *, job_id: UUID | None = None, run_id: UUID | None = None) -> None:
        """Make the error of one job or run."""
        super().__init__(message)
        self.job_id = job_id
        """The job it was about, where known."""
        self.run_id = run_id
        """The run it was about, where there is one."""


@final
class JobNotFound(JobError, LookupError):
    """No job has this id: it never had one here, it was deleted, or it ended and its record has been forgotten."""


@final
class RunNotFound(JobError, LookupError):
    """No run has this id, or its record has been forgotten."""


@final
class JobExists(JobError):
    """A job was submitted under the key of another, with `OnConflict.RAISE`; ``job_id`` names the other."""


@final
class VersionConflict(JobError):
    """The job was changed since the version that the caller knows."""


@final
class JobActive(JobError):
    """The job has an active run, and may have only one; ``run_id`` names it."""


@final
class JobHalted(JobError):
    """The job is halted: its schedule is faulty, or it failed too often. The message tells why."""


@final
class JobEnded(JobError):
    """The job has been cancelled or is finished, and nothing of it will run any more."""


@final
class WouldDeadlock(TurnKeeperError, RuntimeError):
    """A job asked for something that cannot happen before the job itself has ended."""


@final
class ShutdownTimeout(TurnKeeperError, TimeoutError):
    """The shutdown was not complete when its timeout came. The runs go on; the caller may wait again, or force."""

    def __init__(self, message: str, *, report: ShutdownReport) -> None:
        """Make the error of a shutdown that goes on."""
        super().__init__(message)
        self.report = report
        """What the shutdown had done by then; ``still_running`` names what it waits for."""


@final
class CriticalJobFailed(TurnKeeperError):
    """A critical job failed for good; raised by leaving `open_scheduler`, from the error of the job."""

    def __init__(self, record: RunRecord) -> None:
        """Make the error of the run that failed."""
        super().__init__(record)
        self.record = record
        """The record of the run."""

    def __str__(self) -> str:
        """Name the job and what it failed of."""
        record = self.record
        why = record.reason if record.error is None else guard.raised(record.error)
        return f"the critical job {record.name!r} failed: {why}"


@final
class StoreUnavailable(TurnKeeperError):
    """A store could not commit a batch just now; raised by `Store.apply` to have it tried again."""


@final
class InternalError(TurnKeeperError):
    """A fault of this library: please report it, with the error it was raised from."""
