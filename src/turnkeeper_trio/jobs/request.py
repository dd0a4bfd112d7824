"""The request: when a job runs, and by which rules."""

import functools
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Final, Self, Unpack, final

from turnkeeper_trio import _validation
from turnkeeper_trio._kinds import NO_KINDS, Kinds
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.text import listed
from turnkeeper_trio.abc import RetryPolicy, Schedule, Storable
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.jobs._codec import VERSION, checked_kinds, decoded, encoded
from turnkeeper_trio.jobs._misplaced import unknown_field
from turnkeeper_trio.jobs._options import RequestFields
from turnkeeper_trio.policies import CatchUp, OnCrash, Overlap
from turnkeeper_trio.retries import DEFAULT_RETRY
from turnkeeper_trio.schedules import Never
from turnkeeper_trio.schedules._adapter import is_schedule
from turnkeeper_trio.schedules._base import instant_in_range
from turnkeeper_trio.schedules._hints import no_schedule

__all__ = ["RecurringJobRequest"]


@final
@dataclass(frozen=True)
class RecurringJobRequest:
    """When a job runs, and by which rules. It is immutable, and any number of jobs may have the same request.

    Each field has a text of its own in the reference. What they are about:

    - which job it is: ``name``, ``key``, ``tags``
    - when it runs: ``schedule``, ``initial_run_time``, ``jitter``, ``until``, ``max_runs``
    - what happens when it fails: ``max_retries``, ``retry``, ``retry_past_next``, ``halt_after``, ``critical``
    - how long it may take: ``timeout``, ``cleanup_grace``, ``stuck_after``
    - what happens when it is late: ``catch_up``, ``start_deadline``
    - what runs beside it and before it: ``overlap``, ``max_concurrent``, ``max_waiting``, ``priority``
    - what happens when its process dies: ``on_crash``, ``crash_limit``

    A wrong value raises `ConfigurationError`, which names the parameter.
    """

    # A request holds the fields that were given, and reads the others from the class. To write all of them, as the
    # constructor of a frozen dataclass does, takes longer than to submit the job.

    name: str
    """The name of the job for people: in logs, lists and records. Several jobs may have the same name."""

    schedule: Schedule = field(default=Never())
    """When its occurrences are. `Never` is for jobs that run by hand, or once at ``initial_run_time``."""

    max_retries: int | None = 0
    """How often a failed run is tried again; ``None``: for ever, or until ``retry`` gives up."""

    key: str | None = field(default=None, kw_only=True)
    """Identifies the job: its id is made from the key, so that it is the same job when it is submitted again."""

    retry: RetryPolicy | None = field(default=None, kw_only=True)
    """How long to wait before a retry; `ExponentialBackoff` if not given. It is refused with ``max_retries=0``."""

    initial_run_time: datetime | timedelta | None = field(default=None, kw_only=True)
    """The first occurrence: an instant, or a delay from the submission of the job. The schedule begins after it."""

    timeout: float | timedelta | None = field(default=None, kw_only=True)
    """How long one attempt may execute, in seconds or as a ``timedelta``. Time spent waiting does not count.

    ``math.inf`` means the same as ``None``, here and in ``stuck_after`` and ``start_deadline``.
    """

    cleanup_grace: float | timedelta | None = field(default=None, kw_only=True)
    """How long a run that was asked to end may take before it counts as stuck, in seconds or as a ``timedelta``.

    ``None``: as long as the scheduler's ``cleanup_grace``. ``math.inf``: it never counts as stuck.
    """

    stuck_after: float | timedelta | None = field(default=None, kw_only=True)
    """After how long an attempt that still executes is reported (`RunStuck`), in seconds or as a ``timedelta``. The
    attempt continues."""

    overlap: Overlap = field(default=Overlap.SKIP, kw_only=True)
    """What happens to an occurrence that falls due while a run of the job waits for a worker or executes."""

    max_concurrent: int | None = field(default=None, kw_only=True)
    """With `Overlap.ALLOW_ALL`, how many runs of the job may be active at once; ``None``: any number."""

    max_waiting: int = field(default=1000, kw_only=True)
    """How many runs of the job may wait for other runs of it to end; further occurrences are skipped."""

    catch_up: CatchUp = field(default=CatchUp.ONE, kw_only=True)
    """What happens to occurrences whose instant passed before the scheduler could look."""

    start_deadline: float | timedelta | None = field(default=None, kw_only=True)
    """How late a run may start, in seconds or as a ``timedelta``; one that would start later is missed. ``None``: any
    run may start late."""

    retry_past_next: bool = field(default=False, kw_only=True)
    """Whether a run that waits for its retry counts for ``overlap``, so that the next occurrence does not start beside
    it. If not, the run ends as failed when the next occurrence is due. With `Overlap.ALLOW_ALL` it always waits on."""

    priority: int = field(default=0, kw_only=True)
    """Of the runs that wait for a worker, those of the highest priority start first."""

    jitter: float | timedelta = field(default=0, kw_only=True)
    """Each occurrence is due later than its instant by a random time up to this, in seconds or as a ``timedelta``, but
    before the instant of the next occurrence."""

    max_runs: int | None = field(default=None, kw_only=True)
    """After how many runs the job is finished. Runs that never began and runs triggered by hand do not count."""

    until: datetime | None = field(default=None, kw_only=True)
    """The last instant that an occurrence may have; the job is finished after it."""

    halt_after: int | None = field(default=None, kw_only=True)
    """The job is halted after this many runs in a row that failed or timed out after all their retries."""

    critical: bool = field(default=False, kw_only=True)
    """Whether a run that fails or times out after all its retries ends the program: then `open_scheduler` raises
    `CriticalJobFailed`."""

    tags: tuple[str, ...] = field(default=(), kw_only=True)
    """Words by which the job can be found."""

    on_crash: OnCrash = field(default=OnCrash.RERUN, kw_only=True)
    """What happens to a run whose process died while it executed. Only jobs in a durable store outlive their process.
    """

    crash_limit: int = field(default=3, kw_only=True)
    """After how many deaths of its process a run is not tried again, whatever ``on_crash`` says: it ends as failed."""

    timeout_us: int | None = field(default=None, init=False, repr=False, compare=False)
    cleanup_grace_us: int | None = field(default=None, init=False, repr=False, compare=False)
    stuck_after_us: int | None = field(default=None, init=False, repr=False, compare=False)
    start_deadline_us: int | None = field(default=None, init=False, repr=False, compare=False)
    until_us: int | None = field(default=None, init=False, repr=False, compare=False)
    jitter_us: int = field(default=0, init=False, repr=False, compare=False)
    given: frozenset[str] = field(init=False, repr=False, compare=False)
    """The names of the fields that were given. Defaults of jobs apply only to the other fields."""

    def __eq__(self, other: object) -> bool:
        """Return whether all fields are equal, whether given or not."""
        if not isinstance(other, RecurringJobRequest):
            return NotImplemented
        # A field that neither of them holds has its default in both.
        for name in _FIELDS.intersection([*self.__dict__, *other.__dict__]):
            one, another = getattr(self, name), getattr(other, name)
            if one is not another and one != another:
                return False
        return True

    def __hash__(self) -> int:
        return hash(tuple(getattr(self, name) for name in _IN_ORDER))

    def __repr__(self) -> str:
        return guard.fields_shown(self)

    def __str__(self) -> str:
        """Return the code that makes it, with the fields that were given: ``repr`` shows all of them."""
        given = (f"{name}={guard.shown(getattr(self, name))}" for name in _IN_ORDER[1:] if name in self.given)
        return f"{type(self).__name__}({listed([repr(self.name), *given])})"

    def with_initial_run_time(self, at: datetime | timedelta) -> Self:
        """Return a copy whose first occurrence is at ``at``: an aware datetime, or a delay from the submission."""
        _check_initial("at", at)
        return self.replace(initial_run_time=at)

    def replace(self, **changes: Unpack[RequestFields]) -> Self:
        """Return a copy with other values for some fields.

        Raises:
            ConfigurationError: a value is wrong, or there is no such field.
        """
        check_names(changes)
        copy: Self = object.__new__(type(self))
        _set(copy, "__dict__", {**self.__dict__, **changes, "given": self.given.union(changes)})
        _check_fields(copy, changes)
        return copy

    def to_json(self) -> dict[str, Any]:
        """Return the fields that are not the default as plain JSON values, with a version ``v``.

        `from_json` makes an equal request from it. A schedule or a retry policy of your own is written by its
        ``to_json`` if its class is a `Storable`. If not, its ``repr`` is written, which cannot be read back.
        """
        own = self.__dict__  # Only what was given: the rest is the default, and a value of the class.
        values = encoded({name: own[name] for name in _IN_ORDER if name in own}, _DEFAULTS)
        given = sorted(self.given.difference(values))
        return {"v": VERSION, **values, **({"given": given} if given else {})}

    @classmethod
    def from_json(cls, data: Any, *, kinds: Iterable[type[Storable]] = ()) -> "RecurringJobRequest":
        """Return the request that `to_json` wrote.

        Args:
            data: What `to_json` returned.
            kinds: Your own classes of schedules and retry policies that may be in it, each a `Storable`.

        Raises:
            ConfigurationError: ``data`` is not what `to_json` writes, is of a different version, or has a schedule or a
                retry policy of a class that is not among ``kinds``.
        """
        return read_request(data, checked_kinds("kinds", kinds) if kinds else NO_KINDS)

    @property
    def retry_policy(self) -> RetryPolicy:
        """The retry policy in force: ``retry``, or the default policy."""
        return DEFAULT_RETRY if self.retry is None else self.retry


_set = object.__setattr__
_IN_ORDER: Final = tuple(each.name for each in fields(RecurringJobRequest) if each.init)
_FIELDS: Final = frozenset(_IN_ORDER)
_DEFAULTS: Final = {each.name: each.default for each in fields(RecurringJobRequest) if each.default is not MISSING}
_BY_PLACE: Final = tuple(each.name for each in fields(RecurringJobRequest) if each.init and not each.kw_only)
"""The names of the fields that can be given by position."""

_GIVEN_BY_PLACE: Final = tuple(frozenset(_BY_PLACE[:number]) for number in range(len(_BY_PLACE) + 1))
"""The names of the fields that are given when as many values are given by position, and none by name."""

_init_of_all_fields: Final = RecurringJobRequest.__init__


def _init(self: RecurringJobRequest, /, *values: Any, **named: Any) -> None:
    """Take the fields that are given, and note which they are; check each, and convert equivalent values to one form.

    Raises:
        ConfigurationError: a value is wrong.
        TypeError: there is no such field, a field is given twice, or the name is missing.
    """
    if named and not _FIELDS.issuperset(named):
        raise unknown_field(next(name for name in named if name not in _FIELDS), _FIELDS)
    own: dict[str, Any] = dict(zip(_BY_PLACE, values, strict=False))
    own.update(named)
    if len(own) < len(values) + len(named) or "name" not in own:
        _init_of_all_fields(self, *values, **named)  # It raises, with Python's own words for what is wrong.
    given = own["given"] = frozenset(own) if named else _GIVEN_BY_PLACE[len(values)]
    _set(self, "__dict__", own)
    _check_fields(self, given)


# The signature stays that of the dataclass: `inspect.signature`, `help` and editors show it.
type.__setattr__(RecurringJobRequest, "__init__", functools.update_wrapper(_init, _init_of_all_fields))

_ONLY_WITH: Final[Mapping[str, Mapping[str, Any]]] = {
    "retry": {"max_retries": 1},
    "max_concurrent": {"overlap": Overlap.ALLOW_ALL},
}
"""Fields that are refused unless a second field has a fitting value; to check one alone, that value is added."""


def read_request(data: Any, kinds: Kinds) -> RecurringJobRequest:
    """Return the request that `RecurringJobRequest.to_json` wrote.

    Raises:
        ConfigurationError: As `RecurringJobRequest.from_json`.
    """
    values, given = decoded(data, _FIELDS, kinds)
    request = RecurringJobRequest(**values)
    _set(request, "given", given)
    return request


def written_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of some fields as JSON values, without those that are the default of their field."""
    return encoded(values, _DEFAULTS)


def in_order(written: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON values of fields in the order in which `RecurringJobRequest.to_json` writes them."""
    return {name: written[name] for name in ("v", *_IN_ORDER) if name in written}


def checked_fields(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of some fields, checked and converted to one form.

    Each is checked alone, because the other fields of the request are not known yet.

    Raises:
        ConfigurationError: a value is wrong, or there is no such field.
    """
    check_names(changes)
    given: dict[str, Any] = {"name": "job", **changes}
    for name in changes:
        given = {**_ONLY_WITH.get(name, {}), **given}
    request, error = guard.call(lambda: RecurringJobRequest(**given))
    if isinstance(error, ConfigurationError):
        raise error
    if error is not None:  # The values are a user's objects, so that checking them may raise anything.
        raise ConfigurationError(f"a value cannot be used: {guard.described(error)}") from error
    return {name: getattr(request, name) for name in changes}


def check_names(changes: Mapping[str, Any]) -> None:
    """Check that all names are fields of a request.

    Raises:
        ConfigurationError: there is no such field.
    """
    for name in changes:
        if name not in _FIELDS:
            raise ConfigurationError(
                f"a request has no field {name!r}, only {', '.join(sorted(_FIELDS))}", parameter=name
            )


def _set_limit(request: RecurringJobRequest, name: str, *, least: int) -> None:
    """Set a limit in microseconds. ``math.inf`` becomes ``None``, so that both make equal requests."""
    us = _validation.limit(name, getattr(request, name), least=least)
    _set(request, f"{name}_us", us)
    if us is None:
        _set(request, name, None)


def _check_name(request: RecurringJobRequest) -> None:
    name = _validation.text("name", request.name)
    if name is not request.name:
        _set(request, "name", name)


def _check_schedule(schedule: object) -> None:
    if not is_schedule(schedule):
        raise no_schedule("schedule", schedule)


def _check_retry(retry: object, max_retries: int | None) -> None:
    if retry is None:
        return
    if guard.is_a(retry, type) or not callable(guard.attribute(retry, "delay")):
        raise ConfigurationError(
            f"retry must be a policy such as ExponentialBackoff() or FixedRetryDelay(30), "
            f"or an object with a method delay(failed, rng), not {guard.shown(retry)}",
            parameter="retry",
        )
    if max_retries == 0:
        raise ConfigurationError(
            "retry is given, but max_retries is 0, so it would never be used; "
            "write max_retries=3, say, or None for ever",
            parameter="retry",
        )


def _check_concurrency(request: RecurringJobRequest) -> None:
    if request.max_concurrent is not None:
        _take_integer(request, "max_concurrent", least=1)
        if request.overlap is not Overlap.ALLOW_ALL:
            raise ConfigurationError(
                f"max_concurrent is given, but overlap is {request.overlap}, which allows one run at a time; "
                f"write overlap=Overlap.ALLOW_ALL",
                parameter="max_concurrent",
            )


def _take_integer(request: RecurringJobRequest, name: str, *, least: int | None = None) -> None:
    _set(request, name, _validation.integer(name, getattr(request, name), least=least))


def _take_bound(request: RecurringJobRequest, name: str, *, least: int) -> None:
    if getattr(request, name) is not None:
        _take_integer(request, name, least=least)


def _check_initial(name: str, at: object) -> None:
    if guard.is_a(at, timedelta):
        _validation.duration(name, at)
    elif at is not None:
        instant_in_range(name, at)


def _check_key(request: RecurringJobRequest) -> None:
    if request.key is not None:
        _set(request, "key", _validation.key("key", request.key))


def _check_retries(request: RecurringJobRequest) -> None:
    _take_bound(request, "max_retries", least=0)
    _check_retry(request.retry, request.max_retries)


def _check_cleanup_grace(request: RecurringJobRequest) -> None:
    grace = request.cleanup_grace
    _set(request, "cleanup_grace_us", None if grace is None else _validation.duration_or_inf("cleanup_grace", grace))


def _check_until(request: RecurringJobRequest) -> None:
    until = request.until
    _set(request, "until_us", None if until is None else instant_in_range("until", until))


def _check_policy(request: RecurringJobRequest) -> None:
    _validation.member("overlap", request.overlap, Overlap)
    _check_concurrency(request)


_CHECKS: Final[Mapping[str, Callable[[RecurringJobRequest], object]]] = {
    "name": _check_name,
    "schedule": lambda request: _check_schedule(request.schedule),
    "max_retries": _check_retries,
    "key": _check_key,
    "retry": _check_retries,
    "initial_run_time": lambda request: _check_initial("initial_run_time", request.initial_run_time),
    "timeout": lambda request: _set_limit(request, "timeout", least=1),
    "cleanup_grace": _check_cleanup_grace,
    "stuck_after": lambda request: _set_limit(request, "stuck_after", least=1),
    "overlap": _check_policy,
    "max_concurrent": _check_concurrency,
    "max_waiting": lambda request: _take_integer(request, "max_waiting", least=0),
    "catch_up": lambda request: _validation.member("catch_up", request.catch_up, CatchUp),
    "start_deadline": lambda request: _set_limit(request, "start_deadline", least=0),
    "retry_past_next": lambda request: _validation.flag("retry_past_next", request.retry_past_next),
    "priority": lambda request: _take_integer(request, "priority"),
    "jitter": lambda request: _set(request, "jitter_us", _validation.duration("jitter", request.jitter)),
    "max_runs": lambda request: _take_bound(request, "max_runs", least=1),
    "until": _check_until,
    "halt_after": lambda request: _take_bound(request, "halt_after", least=1),
    "critical": lambda request: _validation.flag("critical", request.critical),
    "on_crash": lambda request: _validation.member("on_crash", request.on_crash, OnCrash),
    "crash_limit": lambda request: _take_integer(request, "crash_limit", least=1),
    "tags": lambda request: _set(request, "tags", _validation.texts("tags", request.tags, "('nightly',)")),
}
"""The check of each field, in the order of the fields. Where two fields must fit, the check of each looks at both."""


def _check_fields(request: RecurringJobRequest, names: Collection[str]) -> None:
    """Check some fields of a request. The others have been checked before, or have their default."""
    left = len(names)
    for name, check in _CHECKS.items():
        if name in names:
            check(request)
            left -= 1
            if not left:  # Mostly the name and the schedule are given, and these come first.
                return


set_public_path(RecurringJobRequest)
