"""Job sets: the jobs of an application, or of a part of it, as one value."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, ParamSpec, TypeVar, TypeVarTuple, Unpack, final, overload

from turnkeeper_trio import _validation
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.ids import RecurringJobId
from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.record import Record
from turnkeeper_trio._model.text import listed
from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.jobs._calls import check_arguments, check_callable, name_of
from turnkeeper_trio.jobs._defaults import Defaults
from turnkeeper_trio.jobs._misplaced import NoKeyword, misplaced
from turnkeeper_trio.jobs._options import JobDefaults, JobOptions
from turnkeeper_trio.jobs.request import RecurringJobRequest, check_names
from turnkeeper_trio.schedules import Never

__all__ = ["JobSet", "JobSetChanges", "JobSetEntry"]

P = ParamSpec("P")
R = TypeVar("R")
Args = TypeVarTuple("Args")


class _NotGiven(int):
    """A default of a parameter that is recognized by identity. It is shown as the number that it stands for."""


_NOT_GIVEN: Final = _NotGiven(0)


@final
@dataclass(frozen=True, slots=True)
class JobSetEntry:
    """A job of a job set: its request, its function or the name of it, and its arguments."""

    request: RecurringJobRequest
    fn: Callable[..., Any] | str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        return guard.fields_shown(self)

    def __str__(self) -> str:
        """Return the name, the schedule and the call in one line: ``report: Cron('0 9 * * *', …), calls send('a')``."""
        target = self.fn if isinstance(self.fn, str) else name_of(self.fn)
        named = (f"{name}={guard.shown(value)}" for name, value in (self.kwargs or {}).items())
        call = f"{target}({listed([*map(guard.shown, self.args), *named])})"
        return f"{self.request.name}: {guard.shown(self.request.schedule)}, calls {call}"


@final
class JobSet:
    """Jobs and their functions as one value, like a router of a web framework. Nothing is registered globally.

    ``await scheduler.apply(jobs)`` makes the scheduler's jobs what the set says, and may be called again. A job keeps
    its id, because the id is made from the key of its request, or from its name if it has no key.
    """

    def __init__(self, *, name: str = "default", version: int = 0, defaults: JobDefaults | None = None) -> None:
        """Make an empty set.

        Args:
            name: The name of the set. A scheduler may have several sets: applying one deletes only jobs that came with
                a set of the same name. In front of a durable store, the functions of the set are registered under
                ``"<name>/<key of the job>"``.
            version: The version of the set. A set does not replace a newer version of itself.
            defaults: Values for fields that a job of the set does not give, such as ``{"timeout": 30}``. All fields of
                `RecurringJobRequest` may have one, except ``name``, ``key``, ``schedule`` and ``initial_run_time``.

        Raises:
            ConfigurationError: a value is wrong, there is no such field, or the name has a ``/``.
        """
        self.name: Final[str] = _validation.text("name", name)
        """The name of the set."""
        if "/" in self.name:
            raise ConfigurationError(f"name must have no '/', not {self.name!r}", parameter="name")
        self.version: Final[int] = _validation.integer("version", version, least=0)
        """The version of the set."""
        self._defaults = Defaults("defaults", defaults)
        self._entries: dict[str, JobSetEntry] = {}

    def __len__(self) -> int:
        """Return the number of jobs in the set."""
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
        **unexpected: NoKeyword,
    ) -> None:
        """Add a job, which calls ``fn`` with these arguments.

        Raises:
            ConfigurationError: a job of the set has the same key (a job without a key has its name as its key); or
                ``request`` is no request, or ``kwargs`` no mapping of names to values.
            TypeError: ``fn`` is no function, or does not take these arguments. If ``fn`` is the name of a registered
                function, this is checked when the set is applied.
        """
        if unexpected:
            raise misplaced("JobSet.add", unexpected)
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
        max_retries: int | None = _NOT_GIVEN,
        **options: Unpack[JobOptions],
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Return a decorator that adds its function as a job, and returns the function unchanged.

        Args:
            name: The name of the job.
            schedule: When it runs; `Never` if not given.
            max_retries: How often a failed run is tried again; ``None``: for ever.
            **options: The other fields of `RecurringJobRequest`.

        Raises:
            ConfigurationError: as with `RecurringJobRequest` and `add`.
            TypeError: as with `add`; for example, the function needs arguments. Use `add` to give them.
        """
        written: dict[str, Any] = {"name": name, "schedule": Never() if schedule is None else schedule, **options}
        if max_retries is not _NOT_GIVEN:
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
    """What applying a job set changed: the ids of its jobs, by what happened to them."""

    added: tuple[RecurringJobId, ...]
    updated: tuple[RecurringJobId, ...]
    unchanged: tuple[RecurringJobId, ...]
    removed: tuple[RecurringJobId, ...]
    """Jobs of the set that was applied before, which are not in this one and were deleted."""

    newer_version: int | None = None
    """The version of the set that stays in force, if it is newer than the one applied: then nothing was changed."""

    def __str__(self) -> str:
        """Return the numbers: ``2 added, 1 removed``."""
        if self.newer_version is not None:
            return f"nothing, because version {self.newer_version} is newer"
        kinds = {"added": self.added, "updated": self.updated, "unchanged": self.unchanged, "removed": self.removed}
        return listed(f"{len(ids)} {kind}" for kind, ids in kinds.items() if ids) or "no jobs"


set_public_path(JobSet)
