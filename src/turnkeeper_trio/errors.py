"""The errors of the library. Each carries the data that its handler needs, such as the id of the job."""

from collections.abc import Callable, Mapping
from typing import Any, final
from uuid import UUID

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.error import TurnKeeperError
from turnkeeper_trio._model.kept import StoredError
from turnkeeper_trio._model.public_path import set_public_path
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
    "StoreCorrupted",
    "StoreError",
    "StoreInUse",
    "StoreNotFound",
    "StoreReadOnly",
    "StoreTooNew",
    "StoreUnavailable",
    "StoredError",
    "SubmissionRefused",
    "SubmitError",
    "TurnKeeperError",
    "VersionConflict",
    "WouldDeadlock",
]


@final
class ConfigurationError(TurnKeeperError, ValueError):
    """A value makes no sense for its parameter. It is raised by the call to which the value was given."""

    def __init__(self, message: str, *, parameter: str = "") -> None:
        super().__init__(message)
        self.parameter = parameter
        """The name of the parameter, as the caller wrote it."""


class SubmitError(TurnKeeperError):
    """A job was not accepted. The error holds what was submitted, so that it can be submitted again."""

    def __init__(
        self,
        message: str,
        *,
        request: Any = None,
        fn: Callable[..., Any] | str | None = None,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        """What went wrong. (The ``args`` of this exception are those of the job.)"""
        self.request = request
        """The `RecurringJobRequest`; ``None`` if it was not the submission of one job that failed."""
        self.fn: Any = fn
        """The function, or the name under which it is registered."""
        self.args = args
        """The positional arguments of the function."""
        self.kwargs: dict[str, Any] = dict(kwargs or {})
        """The keyword arguments of the function."""

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r})"


@final
class StagingFull(SubmitError):
    """`Scheduler.try_add_job` found no room in staging."""


@final
class SchedulerClosed(SubmitError):
    """The scheduler is shutting down or has ended: it accepts nothing new."""


@final
class SubmissionRefused(SubmitError):
    """The store refused the job."""


class JobError(TurnKeeperError):
    """An operation on a job could not be carried out."""

    def __init__(self, message: str, *, job_id: UUID | None = None, run_id: UUID | None = None) -> None:
        super().__init__(message)
        self.job_id = job_id
        """The id of the job, if it is known."""
        self.run_id = run_id
        """The id of the run, if the error is about one."""


@final
class JobNotFound(JobError, LookupError):
    """No job has this id or key: it never existed here, it was deleted, or it ended and was forgotten."""

    def __init__(
        self, message: str, *, job_id: UUID | None = None, run_id: UUID | None = None, key: str | None = None
    ) -> None:
        super().__init__(message, job_id=job_id, run_id=run_id)
        self.key = key
        """The text that named the job, as a key or as its id; ``None`` if it was named by its id itself."""


@final
class RunNotFound(JobError, LookupError):
    """No run has this id, or its record was forgotten; or no run of the job ever began."""


@final
class JobExists(JobError):
    """A job was submitted with `OnConflict.RAISE`, and a job has its key already; ``job_id`` is the id of that job."""


@final
class VersionConflict(JobError):
    """The job has changed since the version that the caller knows."""


@final
class JobActive(JobError):
    """The run cannot begin now, because of an active run of the job; ``run_id`` is the id of that run."""


@final
class JobHalted(JobError):
    """The job is halted: its schedule is faulty, or it failed too often. The message says why."""


@final
class JobEnded(JobError):
    """The job was cancelled or is finished: no run of it starts any more."""


@final
class WouldDeadlock(TurnKeeperError, RuntimeError):
    """A run waits for something that cannot happen before the run itself has ended."""


@final
class ShutdownTimeout(TurnKeeperError, TimeoutError):
    """The shutdown was not complete when its timeout passed. The runs continue; the caller may wait again, or force."""

    def __init__(self, message: str, *, report: ShutdownReport) -> None:
        super().__init__(message)
        self.report = report
        """What the shutdown had done by then. It still waits for the runs in ``still_running``."""


@final
class CriticalJobFailed(TurnKeeperError):
    """A run of a critical job failed after all its retries. `open_scheduler` raises this when its block is left.

    Its cause is the error of the run.
    """

    def __init__(self, record: RunRecord) -> None:
        super().__init__(record)
        self.record = record
        """The record of the run."""

    def __str__(self) -> str:
        """Return the name of the job, and why its run failed."""
        record = self.record
        why = record.reason if record.error is None else guard.raised(record.error)
        return f"the critical job {record.name!r} failed: {why}"


class StoreError(TurnKeeperError):
    """A store cannot be used, or failed. A subclass says why; what it cannot say is the cause of this error."""

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path
        """The file of the store, or its address; empty if it has none."""


@final
class StoreUnavailable(StoreError):
    """A store cannot do something now: nothing was done, or it is unknown whether it was. The call is made again."""


@final
class StoreInUse(StoreError):
    """Another process has the store open, or another scheduler of this one: a store is for one at a time."""

    def __init__(self, message: str, *, path: str = "", pid: int | None = None, host: str | None = None) -> None:
        super().__init__(message, path=path)
        self.pid = pid
        """The id of the process that has it open; ``None`` if that is not known."""
        self.host = host
        """The name of its machine; ``None`` if that is not known."""


@final
class StoreNotFound(StoreError):
    """There is no such store, and it was not made, because its folder is missing or ``create=False`` was given."""


@final
class StoreCorrupted(StoreError):
    """What is there is no store, or is damaged. It was left as it is."""


@final
class StoreTooNew(StoreError):
    """The store was written by a later version of this library. It was left as it is."""

    def __init__(self, message: str, *, path: str = "", found: int, known: int) -> None:
        super().__init__(message, path=path)
        self.found = found
        """The version of its schema."""
        self.known = known
        """The latest version of the schema that this library can read."""


@final
class StoreReadOnly(StoreError):
    """The store, or its folder, cannot be written by this process."""


@final
class InternalError(TurnKeeperError):
    """A fault of this library. Please report it, with the error that is its cause."""


set_public_path(
    ConfigurationError,
    SubmitError,
    StagingFull,
    SchedulerClosed,
    JobError,
    JobNotFound,
    RunNotFound,
    JobExists,
    VersionConflict,
    JobActive,
    JobHalted,
    JobEnded,
    WouldDeadlock,
    ShutdownTimeout,
    CriticalJobFailed,
    InternalError,
)

StoredError.__module__ = __name__  # Where users find it.
