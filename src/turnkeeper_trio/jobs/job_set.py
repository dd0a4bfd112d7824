"""Job sets: the jobs of an application, or of a part of it, as one value."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, ParamSpec, TypeVar, TypeVarTuple, Unpack, final, overload

from turnkeeper_trio import _validation
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.ids import RecurringJobId
from turnkeeper_trio._model.record import Record
from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.jobs._calls import check_arguments, check_callable
from turnkeeper_trio.jobs._defaults import Defaults
from turnkeeper_trio.jobs._options import JobDefaults, JobOptions
from turnkeeper_trio.jobs.request import RecurringJobRequest, check_names
from turnkeeper_trio.schedules import Never

__all__ = ["JobSet", "JobSetChanges", "JobSetEntry"]

P = ParamSpec("P")
R = TypeVar("R")
Args = TypeVarTuple("Args")


class _Usual(int):
    """A value that nobody has written: it reads as what it counts as, and is known by its identity."""


_NOT_WRITTEN: Final = _Usual(0)


@final
@dataclass(frozen=True, slots=True)
class JobSetEntry:
    """A job of a set."""

    __repr__ = guard.fields_shown

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

    def __init__(self, *, defaults: JobDefaults | None = None) -> None:
        """Make an empty set.

        Args:
            defaults: Rules for the jobs of the set that do not say it themselves, such as ``{"timeout": 30}``: the
                fields of `RecurringJobRequest` but those that tell jobs apart (name, key, schedule, initial run).

        Raises:
            ConfigurationError: a value is wrong, or there is no such field.
        """
        self._defaults = Defaults("defaults", defaults)
        self._entries: dict[str, JobSetEntry] = {}

    def __len__(self) -> int:
        """Return how many jobs are in the set."""
        return len(self._entries)

    def __iter__(self) -> Iterator[JobSetEntry]:
        """Iterate over the jobs, in the order in which they were added."""
        return iter(self._entries.values())

    @overload
    def add(
        self,
        request: RecurringJobRequest,
        fn: Callable[[*Args], Any],
        *args: *Args,
        kwargs: None = None,
    ) -> None: ...

    @overload
    def add(
        self,
        request: RecurringJobRequest,
        fn: Callable[..., Any] | str,
        *args: Any,
        kwargs: Mapping[str, Any] | None,
    ) -> None: ...

    @overload
    def add(
        self, request: RecurringJobRequest, fn: str, *args: Any, kwargs: Mapping[str, Any] | None = None
    ) -> None: ...

    def add(  # type: ignore[misc]  # mypy finds no implementation wide enough for a TypeVarTuple
        self,
        request: RecurringJobRequest,
        fn: Callable[..., Any] | str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a job.

        Raises:
            ConfigurationError: another job of the set has the same key, or the same name and no key; or ``kwargs`` is
                no mapping of names to values.
            TypeError: ``fn`` is no function, or does not take these arguments. (What is known by its name only is
                looked at when the set is applied.)
        """
        _validation.instance("request", request, RecurringJobRequest, "a RecurringJobRequest(name, schedule)")
        named = {} if kwargs is None else _validation.keywords("kwargs", kwargs)
        if not isinstance(fn, str):
            check_callable(fn)
            check_arguments(fn, args, named)
        key = request.key or request.name
        if key in self._entries:
            raise ConfigurationError(
                f"the set has a job {key!r} already; give one of them another name, or a key", parameter="request"
            )
        self._entries[key] = JobSetEntry(self._defaults.complete(request).replace(key=key), fn, args, named or None)

    def job(
        self,
        name: str,
        schedule: Schedule | None = None,
        max_retries: int | None = _NOT_WRITTEN,
        **options: Unpack[JobOptions],
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Return a decorator that adds the function below it, and returns it as it is.

        Args:
            name: The name of the job.
            schedule: When it runs; `Never` if not given.
            max_retries: How often a failed run is tried again; ``None``: for ever.
            **options: The other fields of `RecurringJobRequest`.

        Raises:
            ConfigurationError: as `RecurringJobRequest`, and as `add`.
            TypeError: as `add`: the function needs arguments, say. Give them with `add`.
        """
        written: dict[str, Any] = {"name": name, "schedule": Never() if schedule is None else schedule, **options}
        if max_retries is not _NOT_WRITTEN:
            written["max_retries"] = max_retries
        check_names(written)
        request = RecurringJobRequest(**self._defaults.missing(written), **written)

        def add(fn: Callable[P, R]) -> Callable[P, R]:
            self.add(request, fn, kwargs=None)
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
