"""The request: what a user asks for."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self, cast, final

from turnkeeper_trio import _checks
from turnkeeper_trio.abc import RetryPolicy, Schedule
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.policies import CatchUp, Overlap
from turnkeeper_trio.retries import DEFAULT_RETRY
from turnkeeper_trio.schedules import Never


@final
@dataclass(frozen=True, slots=True)
class RecurringJobRequest:
    """What is asked of the scheduler: when a job runs, and by which rules. Immutable; it may serve any number of jobs.

    A wrong value raises `ConfigurationError` here, naming the parameter.
    """

    name: str
    """What people call the job: in logs, lists and records. It need not be unique."""

    schedule: Schedule = field(default=Never())
    """When its occurrences are. `Never` is for jobs that run by hand, or once at ``initial_run_time``."""

    max_retries: int = 0
    """How often a failed run is tried again."""

    retry: RetryPolicy | None = field(default=None, kw_only=True)
    """How long to wait before a retry; `ExponentialBackoff` if not given. Only with ``max_retries``."""

    initial_run_time: datetime | timedelta | None = field(default=None, kw_only=True)
    """The first occurrence: an instant, or a delay from the acceptance of the job. Earlier ones do not exist."""

    timeout: float | timedelta | None = field(default=None, kw_only=True)
    """How long one attempt may execute, in seconds or as a ``timedelta``. Waiting and back-off do not count."""

    overlap: Overlap = field(default=Overlap.SKIP, kw_only=True)
    """What happens to an occurrence that falls due while a run of the job waits for a worker or executes."""

    catch_up: CatchUp = field(default=CatchUp.ONE, kw_only=True)
    """What happens to occurrences whose instant passed before the scheduler could look."""

    retry_past_next: bool = field(default=False, kw_only=True)
    """Whether a run that waits for its retry keeps the next occurrence from running. If not, it ends, failed."""

    priority: int = field(default=0, kw_only=True)
    """Of runs that wait for a worker, those of the highest priority start first."""

    jitter: float | timedelta = field(default=0, kw_only=True)
    """Each occurrence is due later than its instant by a time drawn anew from zero to this: never past the next one."""

    tags: tuple[str, ...] = field(default=(), kw_only=True)
    """Words to find the job by."""

    timeout_us: int | None = field(init=False, repr=False, compare=False)
    jitter_us: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check each parameter, and give the values one form."""
        _checks.text("name", self.name)
        _check_schedule(self.schedule)
        _checks.integer("max_retries", self.max_retries, least=0)
        _check_retry(self.retry, self.max_retries)
        _check_initial(self.initial_run_time)
        _set(self, "timeout_us", _checks.optional_duration("timeout", self.timeout, least=1))
        _set(self, "overlap", _checks.member("overlap", self.overlap, Overlap))
        _set(self, "catch_up", _checks.member("catch_up", self.catch_up, CatchUp))
        _checks.flag("retry_past_next", self.retry_past_next)
        _checks.integer("priority", self.priority)
        _set(self, "jitter_us", _checks.duration("jitter", self.jitter))
        _set(self, "tags", _tags(self.tags))

    def with_initial_run_time(self, at: datetime | timedelta) -> Self:
        """Return a copy whose first occurrence is at ``at``: an aware datetime, or a delay from acceptance."""
        return replace(self, initial_run_time=at)

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other values for some fields.

        Raises:
            ConfigurationError: a value is wrong, or there is no such field.
        """
        try:
            return replace(self, **changes)
        except TypeError as exc:
            raise ConfigurationError(f"a request has no such field: {exc}") from None

    @property
    def retry_policy(self) -> RetryPolicy:
        """The policy in force: ``retry``, or the default one."""
        return DEFAULT_RETRY if self.retry is None else self.retry


_set = object.__setattr__


def _check_schedule(schedule: object) -> None:
    if isinstance(schedule, type) or not callable(getattr(schedule, "next_after", None)):
        raise ConfigurationError(
            f"schedule must be a schedule such as Interval(minutes=5) or WeekdayTimes.on(WORKDAYS, time(9)), "
            f"or an object with a method next_after(after), not {schedule!r}",
            parameter="schedule",
        )


def _check_retry(retry: object, max_retries: int) -> None:
    if retry is None:
        return
    if isinstance(retry, type) or not callable(getattr(retry, "delay", None)):
        raise ConfigurationError(
            f"retry must be a policy such as ExponentialBackoff() or FixedRetryDelay(30), "
            f"or an object with a method delay(failed, rng), not {retry!r}",
            parameter="retry",
        )
    if max_retries == 0:
        raise ConfigurationError(
            "retry is given, but max_retries is 0, so it would never be used; write max_retries=3, say",
            parameter="retry",
        )


def _check_initial(at: object) -> None:
    if isinstance(at, timedelta):
        _checks.duration("initial_run_time", at)
    elif at is not None:
        _checks.instant("initial_run_time", at)


def _tags(tags: object) -> tuple[str, ...]:
    if isinstance(tags, str) or not isinstance(tags, Iterable):
        raise ConfigurationError(f"tags must be several strings, such as ('nightly',), not {tags!r}", parameter="tags")
    return tuple(_checks.text("tags", tag) for tag in cast("Iterable[object]", tags))
