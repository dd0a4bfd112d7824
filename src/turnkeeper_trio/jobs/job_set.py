"""Job sets: the jobs of an application, or of a part of it, as one value."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, final

from turnkeeper_trio._model.ids import RecurringJobId
from turnkeeper_trio._model.record import Record
from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.jobs.request import RecurringJobRequest
from turnkeeper_trio.schedules import Never

P = ParamSpec("P")
R = TypeVar("R")


@final
@dataclass(frozen=True, slots=True)
class JobSetEntry:
    """A job of a set."""

    request: RecurringJobRequest
    fn: Callable[..., Any] | str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None


@final
class JobSet:
    """Jobs and their functions, side by side. A value of your own, like a router: nothing is registered anywhere.

    ``await scheduler.apply(jobs)`` makes the scheduler's jobs what the set says, as often as you like: a job keeps its
    id by the key of its request, or by its name where it has none.
    """

    def __init__(self) -> None:
        """Make an empty set."""
        self._entries: dict[str, JobSetEntry] = {}

    def __len__(self) -> int:
        """Return how many jobs are in the set."""
        return len(self._entries)

    def __iter__(self) -> Iterator[JobSetEntry]:
        """Iterate over the jobs, in the order in which they were added."""
        return iter(self._entries.values())

    def add(
        self,
        request: RecurringJobRequest,
        fn: Callable[..., Any] | str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a job.

        Raises:
            ConfigurationError: another job of the set has the same key, or the same name and no key.
        """
        key = request.key or request.name
        if key in self._entries:
            raise ConfigurationError(
                f"the set has a job {key!r} already; give one of them another name, or a key", parameter="request"
            )
        self._entries[key] = JobSetEntry(request.replace(key=key), fn, args, kwargs)

    def job(
        self, name: str, schedule: Schedule | None = None, max_retries: int | None = 0, **options: Any
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Return a decorator that adds the function below it, and returns it as it is.

        Args:
            name: The name of the job.
            schedule: When it runs; `Never` if not given.
            max_retries: How often a failed run is tried again; ``None``: for ever.
            **options: The other fields of `RecurringJobRequest`.

        Raises:
            ConfigurationError: as `RecurringJobRequest`, and as `add`.
        """
        request = RecurringJobRequest(name, Never() if schedule is None else schedule, max_retries).replace(**options)

        def add(fn: Callable[P, R]) -> Callable[P, R]:
            self.add(request, fn)
            return fn

        return add


@final
@dataclass(frozen=True, slots=True)
class JobSetChanges(Record):
    """What applying a job set has changed."""

    added: tuple[RecurringJobId, ...]
    updated: tuple[RecurringJobId, ...]
    unchanged: tuple[RecurringJobId, ...]
    removed: tuple[RecurringJobId, ...]
    """Jobs that came with a set before, and are not in this one: deleted."""
