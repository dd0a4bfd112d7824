"""The types of mappings and keyword arguments that hold fields of a request.

`RecurringJobRequest` says what each field means.
"""

from datetime import datetime, timedelta
from typing import TypedDict

from turnkeeper_trio.abc import RetryPolicy, Schedule
from turnkeeper_trio.policies import CatchUp, OnCrash, Overlap


class JobRules(TypedDict, total=False):
    """The rules by which a job runs."""

    retry: RetryPolicy | None
    timeout: float | timedelta | None
    cleanup_grace: float | timedelta | None
    stuck_after: float | timedelta | None
    overlap: Overlap
    max_concurrent: int | None
    max_waiting: int
    catch_up: CatchUp
    start_deadline: float | timedelta | None
    retry_past_next: bool
    priority: int
    jitter: float | timedelta
    max_runs: int | None
    until: datetime | None
    halt_after: int | None
    critical: bool
    tags: tuple[str, ...]
    on_crash: OnCrash
    crash_limit: int


class JobDefaults(JobRules, total=False):
    """Defaults of jobs: the rules by which they run, but not their name, key, schedule and initial run."""

    max_retries: int


class JobOptions(JobRules, total=False):
    """What `JobSet.job` takes by name."""

    key: str | None
    initial_run_time: datetime | timedelta | None


class JobChanges(JobDefaults, total=False):
    """What `Scheduler.update_job` changes: all fields but the key, because the key identifies the job."""

    name: str
    schedule: Schedule
    initial_run_time: datetime | timedelta | None


class RequestFields(JobChanges, total=False):
    """All fields of a request."""

    key: str | None
