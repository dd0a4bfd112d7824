"""What every schedule of the library shares: integer methods inside, datetimes outside, value semantics, JSON.

A subclass gives three answers in integers (microseconds since the epoch, UTC), and what makes it a value: the tuple
that stands for its meaning, the code that makes it, and its fields as JSON values. Everything else is here, once.
"""

from abc import abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, Final, Self, cast

from turnkeeper_trio import _validation
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.times import MAX_INSTANT, MIN_INSTANT, utc_datetime
from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules._count_nodes import Node, Plan

JSON_VERSION: Final = 1
"""The version that `to_json` writes, and the only one that `schedule_from_json` reads."""

_KINDS: dict[str, type["BuiltinSchedule"]] = {}


class BuiltinSchedule:
    """A schedule of the library: an immutable, hashable, comparable value.

    Instants are integers inside: microseconds since 1970-01-01 00:00 UTC. The methods that end in ``_us`` take and
    return them; the others take any aware ``datetime`` (a ``pendulum.DateTime`` is one) and return UTC.
    """

    __slots__ = ()
    kind: ClassVar[str] = ""
    """The name of the kind in JSON."""

    def __init_subclass__(cls) -> None:
        """Make the kind known to `schedule_from_json`."""
        if cls.kind:
            _KINDS[cls.kind] = cls

    # -- the rule, in integers

    @abstractmethod
    def next_after_us(self, after: int) -> int | None:
        """Return the first occurrence strictly later than ``after``, or ``None``."""

    @abstractmethod
    def count_between_us(self, after: int, until: int) -> int:
        """Return the number of occurrences t with ``after < t <= until``."""

    def count_upto_us(self, after: int, until: int, limit: int) -> tuple[int, bool]:  # noqa: ARG002  (for combinations)
        """Return the count, and whether it is exact: a combination may hold what must be listed, up to ``limit``."""
        return self.count_between_us(after, until), True

    def node(self, plan: Plan) -> Node:
        """Return this schedule as a part of what is counted: by default, what it does in that time, listed.

        Raises:
            TooLong: It cannot be counted in bounded time.
        """
        return plan.listed(self.next_after_us)

    def latest_us(self, after: int, until: int) -> int | None:
        """Return the last occurrence t with ``after < t <= until``, or ``None``."""
        return latest_by_search(self.next_after_us, after, until)

    def anchored_us(self, at: int) -> Self:  # noqa: ARG002  (most kinds have nothing to bind)
        """Return the schedule bound to the instant of acceptance; itself where nothing is to bind."""
        return self

    def first_us(self, at: int) -> int | None:
        """Return the first occurrence of this schedule if it was accepted, and bound, at ``at``.

        It differs from ``next_after_us(at)`` for what happens once: an instant that has passed, or that is ``at``
        itself, is still to be done.
        """
        return self.next_after_us(at)

    # -- the rule, in datetimes

    @property
    def timezone(self) -> str:
        """The IANA name of the zone the schedule is written in, for display; ``"UTC"`` where a zone is irrelevant."""
        return "UTC"

    @property
    def zones(self) -> frozenset[str]:
        """The zones whose wall clock the schedule reads: empty, one, or several in a combination."""
        return frozenset()

    def next_after(self, after: datetime) -> datetime | None:
        """Return the earliest occurrence strictly later than ``after``, in UTC, or ``None`` if there is none.

        Args:
            after: Any aware datetime.

        Raises:
            ConfigurationError: ``after`` is naive, or the schedule is not bound yet (`anchored`).
        """
        at = self.next_after_us(_validation.instant("after", after))
        return None if at is None else utc_datetime(at)

    def count_between(self, after: datetime, until: datetime) -> int:
        """Return how many occurrences there are with ``after < t <= until``, counted and not listed.

        Args:
            after: Any aware datetime; an occurrence at this instant is not counted.
            until: Any aware datetime; an occurrence at this instant is counted.

        Raises:
            ConfigurationError: One of the two is naive, or the schedule is not bound yet (`anchored`).
        """
        return self.count_between_us(_validation.instant("after", after), _validation.instant("until", until))

    def anchored(self, at: datetime) -> Self:
        """Return the schedule bound to the instant at which a job was accepted.

        Binds what is counted from there: an `Interval` without ``anchor``, a `CalendarInterval` without ``start``, an
        `After`, a `FixedDelay`, and combinations of them. Anything else returns itself.

        Raises:
            ConfigurationError: ``at`` is naive.
        """
        return self.anchored_us(instant_in_range("at", at))

    def __or__(self, other: Schedule) -> "BuiltinSchedule":
        """Return the union with another schedule, an `AnyOf`."""
        return _union(self, other)

    def __ror__(self, other: Schedule) -> "BuiltinSchedule":
        """Return the union with another schedule, an `AnyOf`."""
        return _union(other, self)

    # -- the value

    @abstractmethod
    def _meaning(self) -> tuple[object, ...]:
        """Return what equality and hash are about."""

    @abstractmethod
    def _code(self) -> str:
        """Return the arguments in the code that makes this value."""

    @abstractmethod
    def _fields(self) -> dict[str, Any]:
        """Return the fields as JSON values."""

    @classmethod
    @abstractmethod
    def _from_fields(cls, data: dict[str, Any]) -> Self:
        """Make the value from what `_fields` returned."""

    def to_json(self) -> dict[str, Any]:
        """Return the schedule as plain JSON values, with its ``kind`` and a ``version``."""
        return {"kind": self.kind, "version": JSON_VERSION, **self._fields()}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Make a schedule from what `to_json` returned.

        Raises:
            ConfigurationError: ``data`` is not what `to_json` writes, or is of another kind or a later version.
        """
        made = schedule_from_json(data)
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
"""How a constructor fills the slots of an immutable value."""


def _restored(cls: type[BuiltinSchedule], slots: dict[str, Any]) -> BuiltinSchedule:
    """Return an unpickled value."""
    value = cls.__new__(cls)
    for name, content in slots.items():
        set_slot(value, name, content)
    return value


def schedule_from_json(data: Any) -> BuiltinSchedule:
    """Make a schedule of any kind from what its `to_json` returned.

    Raises:
        ConfigurationError: ``data`` is not what `to_json` writes, is of a kind that is not known here (a class of
            one's own inside a combination is one), or of a later version.
    """
    if not isinstance(data, dict):
        raise ConfigurationError(
            f"data must be the dict that to_json() returned, not {guard.shown(data)}", parameter="data"
        )
    fields: dict[str, Any] = {str(name): value for name, value in data.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    kind, version = fields.pop("kind", None), fields.pop("version", None)
    cls = _KINDS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        known = ", ".join(sorted(_KINDS))
        raise ConfigurationError(
            f"no schedule of the library has the kind {guard.shown(kind)}; known: {known}", parameter="data"
        )
    if version is True or version != JSON_VERSION:
        raise ConfigurationError(
            f"version {guard.shown(version)} of the kind {guard.shown(kind)} is not known here, only {JSON_VERSION}",
            parameter="data",
        )
    try:
        return cls._from_fields(fields)  # pyright: ignore[reportPrivateUsage]
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as exc:
        raise ConfigurationError(
            f"data is not what to_json() writes for {guard.shown(kind)}: {exc}", parameter="data"
        ) from exc


def instant_in_range(name: str, value: object) -> int:
    """Return an aware datetime as an integer, if it is one that can be shown in UTC."""
    at = _validation.instant(name, value)
    if not MIN_INSTANT <= at <= MAX_INSTANT:
        raise ConfigurationError(f"{name} is outside the years 1 to 9999 in UTC: {guard.shown(value)}", parameter=name)
    return at


def latest_by_search(next_after: Callable[[int], int | None], after: int, until: int) -> int | None:
    """Return the last occurrence in ``(after, until]``, found by galloping back from ``until``, then by bisection."""

    def within(at: int) -> int | None:
        found = next_after(at)
        return None if found is None or found > until else found

    last = within(after)
    if last is None:
        return None
    back = 1_000_000
    while until - back > last:
        near = within(until - back)
        if near is not None:
            last = near
            break
        back *= 8
    late = until
    while (later := within(last)) is not None:
        last = later
        middle = (last + late) // 2
        further = within(middle)
        if further is None:
            late = middle
        else:
            last = further
    return last


def _union(*schedules: Schedule) -> BuiltinSchedule:
    """Return an `AnyOf`. It is a kind of its own, so this module asks the registry of kinds for it."""
    make = cast("Callable[..., BuiltinSchedule]", _KINDS["any_of"])
    return make(*schedules)
