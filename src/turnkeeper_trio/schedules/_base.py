"""The base class of the library's schedules, and how a schedule is read from JSON.

A subclass defines its rule in integers (microseconds since the epoch, UTC): the next occurrence after an instant, and
the number of occurrences in a span. It also defines what makes it a value: the tuple that equality compares, the code
that makes it, and its fields as JSON values. The methods that take datetimes, equality, ``repr``, immutability,
pickling and JSON are defined here, once.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, ClassVar, Final, Self, cast, overload

from turnkeeper_trio import _validation
from turnkeeper_trio._kinds import NO_KINDS, Kinds, by_kind, custom_from_json, custom_to_json
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.times import MAX_INSTANT, MIN_INSTANT, utc_datetime
from turnkeeper_trio.abc import Schedule, Storable
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules._count_nodes import Node, Plan
from turnkeeper_trio.schedules._search import Search

JSON_VERSION: Final = 1
"""The version that `to_json` writes, and the only one that `schedule_from_json` reads."""

_KINDS: dict[str, type["BuiltinSchedule"]] = {}
_CLASSES: dict[int, type["BuiltinSchedule"]] = {}
"""The same classes by their ``id``: a class of a user's may compare equal to anything."""


class BuiltinSchedule:
    """A schedule of the library: an immutable, hashable value, equal to each of its kind that means the same.

    Methods whose names end in ``_us`` take and return instants as integers: microseconds since 1970-01-01 00:00 UTC.
    The other methods take any aware ``datetime`` (a ``pendulum.DateTime`` is one) and return UTC.
    """

    __slots__ = ()
    kind: ClassVar[str] = ""
    """The name of the kind in JSON."""

    def __init_subclass__(cls) -> None:
        """Register the kind, so that `schedule_from_json` finds the class, if the class is the library's."""
        if "kind" in vars(cls) and cls.__module__.startswith(f"{__package__}."):
            _KINDS[cls.kind] = _CLASSES[id(cls)] = cls

    # -- the rule, in integers

    @abstractmethod
    def next_after_us(self, after: int) -> int | None:
        """Return the first occurrence strictly later than ``after``, or ``None``."""

    def next_within_us(self, after: int, until: int, search: Search) -> int | None:  # noqa: ARG002  (for combinations)
        """Return the first occurrence t with ``after < t <= until``, or ``None``.

        A combination asks its parts by this method, because what is beyond ``until`` may cost a lot.
        """
        at = self.next_after_us(after)
        return at if at is not None and at <= until else None

    def not_before_us(self, after: int, search: Search) -> int | None:  # noqa: ARG002  (for combinations)
        """Return an instant later than ``after`` before which there is no occurrence, or ``None`` if there is none."""
        return self.next_after_us(after)

    @property
    def most_steps(self) -> int:
        """The number of steps that one search may have (`_search`); 0 if none is ever needed."""
        return 0

    @abstractmethod
    def count_between_us(self, after: int, until: int) -> int:
        """Return the number of occurrences t with ``after < t <= until``."""

    def count_upto_us(self, after: int, until: int, limit: int) -> tuple[int, bool]:  # noqa: ARG002  (for combinations)
        """Return the number of occurrences t with ``after < t <= until``, and whether the number is exact.

        It is always exact here. A combination may have parts that it can count only by listing their occurrences; it
        lists at most ``limit`` of them, and beyond that its number is a lower bound.
        """
        return self.count_between_us(after, until), True

    def node(self, plan: Plan) -> Node:
        """Return the node that stands for this schedule when a combination is counted.

        By default, each occurrence within the plan's time is listed.

        Raises:
            TooLong: It cannot be counted in bounded time.
        """
        return plan.listed(self.next_after_us)

    def latest_us(self, after: int, until: int) -> int | None:
        """Return the last occurrence t with ``after < t <= until``, or ``None``."""
        search = Search(0)
        return latest_by_search(lambda low, high: self.next_within_us(low, high, search), after, until)

    def anchored_us(self, at: int) -> Self:  # noqa: ARG002  (most kinds have nothing to bind)
        """Return the schedule bound to ``at``, the instant of acceptance; itself if it needs no binding."""
        return self

    def first_us(self, at: int) -> int | None:
        """Return the first occurrence for a job that was accepted at ``at``, the instant to which this is bound.

        This is ``next_after_us(at)``, except for a schedule that happens once: its occurrence is still due if its
        instant is ``at`` itself, or has passed.
        """
        return self.next_after_us(at)

    # -- the rule, in datetimes

    @property
    def timezone(self) -> str:
        """The IANA name of the zone in which to show the schedule; ``"UTC"`` if it belongs to no zone."""
        return "UTC"

    @property
    def zones(self) -> frozenset[str]:
        """The IANA names of the zones of the schedule: none or one; a combination may have several."""
        return frozenset()

    def next_after(self, after: datetime) -> datetime | None:
        """Return the earliest occurrence strictly later than ``after``, in UTC, or ``None`` if there is none.

        Args:
            after: Any aware datetime.

        Raises:
            ConfigurationError: ``after`` is naive, or the schedule is not bound yet (see `anchored`).
        """
        at = self.next_after_us(_validation.instant("after", after))
        return None if at is None else utc_datetime(at)

    def count_between(self, after: datetime, until: datetime) -> int:
        """Return the number of occurrences t with ``after < t <= until``.

        The library's schedules are counted by arithmetic, between the clock changes of their zone. Occurrences are
        listed only for a part of a combination that cannot be counted so. The number is always exact, so that costs
        time in proportion to the number of these occurrences, without a limit.

        Args:
            after: Any aware datetime; an occurrence at this instant is not counted.
            until: Any aware datetime; an occurrence at this instant is counted.

        Raises:
            ConfigurationError: ``after`` or ``until`` is naive, or the schedule is not bound yet (see `anchored`).
        """
        return self.count_between_us(_validation.instant("after", after), _validation.instant("until", until))

    def anchored(self, at: datetime) -> Self:
        """Return the schedule bound to ``at``, the instant at which a job was accepted.

        Some schedules are counted from that instant: an `Interval` without ``anchor``, a `CalendarInterval` without
        ``start``, an `After` without ``anchor``, a `FixedDelay`, and a combination that contains one of these. Any
        other schedule returns itself.

        Args:
            at: Any aware datetime.

        Raises:
            ConfigurationError: ``at`` is naive, or outside the years 1 to 9999 in UTC.
        """
        return self.anchored_us(instant_in_range("at", at))

    def __or__(self, other: Schedule) -> "BuiltinSchedule":
        """Return the `AnyOf` of the two schedules."""
        return _union(self, other)

    def __ror__(self, other: Schedule) -> "BuiltinSchedule":
        """Return the `AnyOf` of the two schedules."""
        return _union(other, self)

    # -- the value

    @abstractmethod
    def _meaning(self) -> tuple[object, ...]:
        """Return the tuple that equality compares and the hash is made of."""

    @abstractmethod
    def _code(self) -> str:
        """Return the arguments of the call that makes this value, as code: what ``repr`` shows in parentheses."""

    @abstractmethod
    def _fields(self) -> dict[str, Any]:
        """Return the fields as JSON values."""

    @classmethod
    @abstractmethod
    def _from_fields(cls, data: dict[str, Any]) -> Self:
        """Make the value from what `_fields` returned; the parts of a combination are schedules again."""

    def to_json(self) -> dict[str, Any]:
        """Return the schedule as a dict of JSON values: its ``kind``, a ``version``, and its fields."""
        return {"kind": self.kind, "version": JSON_VERSION, **self._fields()}

    @classmethod
    def from_json(cls, data: Any, *, kinds: Iterable[type[Storable]] = ()) -> Self:
        """Make a schedule of this class from what `to_json` returned.

        Args:
            data: What `to_json` returned.
            kinds: Your own classes of schedules that a combination may contain.

        Raises:
            ConfigurationError: ``data`` is not what `to_json` writes, or its kind or its version is a different one.
        """
        made = schedule_from_json(data, kinds=kinds)
        if not isinstance(made, cls):
            raise ConfigurationError(
                f"data is the JSON of {guard.shown(made)}, which is no {cls.__name__}", parameter="data"
            )
        return made

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BuiltinSchedule):
            return NotImplemented
        return type(self) is type(other) and self._meaning() == other._meaning()

    def __hash__(self) -> int:
        return hash((self.kind, self._meaning()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._code()})"

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: make another one instead of setting {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name!r} cannot be deleted")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        names = [name for cls in type(self).__mro__ for name in getattr(cls, "__slots__", ())]
        return _restored, (type(self), {name: getattr(self, name) for name in names})


set_slot = object.__setattr__
"""Sets a slot of a new value. The value's own ``__setattr__`` refuses, because the value is immutable."""


def _restored(cls: type[BuiltinSchedule], slots: dict[str, Any]) -> BuiltinSchedule:
    """Return the value that ``__reduce__`` described."""
    value = cls.__new__(cls)
    for name, content in slots.items():
        set_slot(value, name, content)
    return value


@overload
def schedule_from_json(data: Any) -> BuiltinSchedule: ...


@overload
def schedule_from_json(data: Any, *, kinds: Iterable[type[Storable]]) -> Schedule: ...


def schedule_from_json(data: Any, *, kinds: Iterable[type[Storable]] = ()) -> Schedule:
    """Make a schedule of any kind from what its `to_json` returned.

    Args:
        data: What `to_json` returned.
        kinds: Your own classes that may be in it, each a `Storable`.

    Raises:
        ConfigurationError: ``data`` is not what `to_json` writes, its version is a different one, or its kind is
            neither one of the library's nor one of ``kinds``.
    """
    return read_schedule(data, by_kind("kinds", kinds, _KINDS) if kinds else NO_KINDS)


def read_schedule(data: Any, kinds: Kinds) -> Schedule:
    """Return the schedule that `written_schedule` wrote.

    Raises:
        ConfigurationError: As `schedule_from_json`.
    """
    if not isinstance(data, dict):
        raise ConfigurationError(
            f"data must be the dict that to_json() returned, not {guard.shown(data)}", parameter="data"
        )
    fields: dict[str, Any] = {str(name): value for name, value in data.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  (JSON)
    kind = fields.pop("kind", None)
    cls = _KINDS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        return cast("Schedule", custom_from_json({**fields, "kind": kind}, kinds, "schedule", _KINDS))
    version = fields.pop("version", None)
    if version is True or version != JSON_VERSION:
        raise ConfigurationError(
            f"version {guard.shown(version)} of the kind {guard.shown(kind)} is not known here, only {JSON_VERSION}",
            parameter="data",
        )
    try:
        if "schedule" in fields:
            fields["schedule"] = read_schedule(fields["schedule"], kinds)
        if "schedules" in fields:
            fields["schedules"] = [read_schedule(each, kinds) for each in fields["schedules"]]
        return cls._from_fields(fields)  # pyright: ignore[reportPrivateUsage]  (of this module)
    except ConfigurationError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as exc:
        raise ConfigurationError(
            f"data is not what to_json() writes for {guard.shown(kind)}: {exc}", parameter="data"
        ) from exc


def written_schedule(value: Schedule) -> dict[str, Any]:
    """Return a schedule, the library's or a user's, as JSON values."""
    return cast("BuiltinSchedule", value).to_json() if is_library_schedule(value) else custom_to_json(value)


def is_library_schedule(value: object) -> bool:
    """Return whether a schedule is one of the library's: not of a user's class, though that be a subclass."""
    return id(type(value)) in _CLASSES


def schedule_kinds() -> frozenset[str]:
    """Return the kinds of the library's schedules."""
    return frozenset(_KINDS)


def instant_in_range(name: str, value: object) -> int:
    """Return an aware datetime in microseconds since the epoch.

    Raises:
        ConfigurationError: It is naive, is no datetime, or is outside the years 1 to 9999 in UTC.
    """
    at = _validation.instant(name, value)
    if not MIN_INSTANT <= at <= MAX_INSTANT:
        raise ConfigurationError(f"{name} is outside the years 1 to 9999 in UTC: {guard.shown(value)}", parameter=name)
    return at


def latest_by_search(next_within: Callable[[int, int], int | None], after: int, until: int) -> int | None:
    """Return the last occurrence in ``(after, until]``, found by calls of ``next_within``, or ``None``.

    The search steps back from ``until``, each step eight times as long as the one before, until an occurrence lies
    between. Bisection does the rest. No stretch of time in which there is nothing is looked at again.
    """
    last = next_within(after, until)
    if last is None:
        return None
    back = 1_000_000
    late = until  # there is no occurrence later than this
    while until - back > last:
        near = next_within(until - back, late)
        if near is not None:
            last = near
            break
        late = until - back
        back *= 8
    while (later := next_within(last, late)) is not None:
        last = later
        middle = (last + late) // 2
        further = next_within(middle, late)
        if further is None:
            late = middle
        else:
            last = further
    return last


def _union(*schedules: Schedule) -> BuiltinSchedule:
    """Return an `AnyOf`. Its class is looked up by kind, because its module imports this one."""
    make = cast("Callable[..., BuiltinSchedule]", _KINDS["any_of"])
    return make(*schedules)
