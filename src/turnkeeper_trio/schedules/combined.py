"""Combinations: `AnyOf`, several schedules at once, and `Between`, a schedule within a span of time."""

from abc import abstractmethod
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, Self, cast, final

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.times import MAX_INSTANT, MIN_INSTANT, utc_datetime
from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules import _adapter
from turnkeeper_trio.schedules._adapter import checked_schedule
from turnkeeper_trio.schedules._base import (
    BuiltinSchedule,
    instant_in_range,
    set_slot,
    written_schedule,
)
from turnkeeper_trio.schedules._count_nodes import Node, Plan, TooLong, Union, Window
from turnkeeper_trio.schedules._counting import counted
from turnkeeper_trio.schedules._literals import instant_code, instant_from_text, instant_text
from turnkeeper_trio.schedules._search import UNBOUNDED, Search
from turnkeeper_trio.schedules._zones import DAY, zone_named
from turnkeeper_trio.schedules.interval import FixedDelay

__all__ = ["AnyOf", "Between"]

NO_LIMIT: Final = 1 << 62
"""More occurrences than a schedule can have."""


_FEW: Final = 20
"""With fewer occurrences than this, listing them costs less than counting by days."""


def part(name: str, value: object, subject: str | None = None) -> Schedule:
    """Return ``value`` if it can be part of a combination.

    Raises:
        ConfigurationError: It is no schedule, or is a `FixedDelay`; the message calls it ``subject``, or ``name`` if
            that is not given.
    """
    if guard.is_a(value, FixedDelay):
        raise ConfigurationError(
            f"{subject or name} must not be {guard.shown(value)}: it is counted from the end of each run, so it cannot "
            f"be combined; write Interval(…)",
            parameter=name,
        )
    return checked_schedule(name, value, subject)


def zones_of(parts: Iterable[Schedule]) -> frozenset[str]:
    """Return the IANA names of the zones of the parts; a user's schedule has none."""
    return frozenset[str]().union(
        *(cast("BuiltinSchedule", each).zones for each in parts if guard.is_a(each, BuiltinSchedule))
    )


def happens(schedule: Schedule, at: int) -> bool:
    """Return whether a schedule has an occurrence at an instant."""
    return _adapter.next_within_us(schedule, at - 1, at, Search(UNBOUNDED)) is not None


class Combination(BuiltinSchedule):
    """A schedule that is made of other schedules: its parts. It answers by one `Search`, which all parts share."""

    __slots__ = ("_most_steps",)
    _most_steps: int

    @property
    def most_steps(self) -> int:
        """The number of steps that one search may have: the sum of those of the parts, and its own."""
        return self._most_steps

    @abstractmethod
    def next_within_us(self, after: int, until: int, search: Search) -> int | None:
        """Return the first occurrence t with ``after < t <= until``, or ``None``."""

    @abstractmethod
    def not_before_us(self, after: int, search: Search) -> int | None:
        """Return an instant later than ``after`` before which there is no occurrence, or ``None`` if there is none."""

    def next_after_us(self, after: int) -> int | None:
        """Return the first occurrence strictly later than ``after``, or ``None``."""
        return self.next_within_us(after, MAX_INSTANT, Search(self._most_steps))

    @property
    def timezone(self) -> str:
        """The IANA name of the zone of the parts if they have only one; else ``"UTC"``."""
        zones = self.zones
        return next(iter(zones)) if len(zones) == 1 else "UTC"

    def count_between_us(self, after: int, until: int) -> int:
        """Return the number of occurrences t with ``after < t <= until``."""
        return self.count_upto_us(after, until, NO_LIMIT)[0]

    def by_days(self, after: int, until: int, limit: int) -> int | None:
        """Return the number of occurrences t with ``after < t <= until``, counted by days (`_counting`).

        Return ``None`` if it cannot be counted so in bounded time. ``limit`` is the number of occurrences of a part
        that may be listed.
        """
        plan = Plan(after, until, min(limit, _adapter.LISTING_LIMIT))
        try:
            node = self.node(plan)
            zone = zone_named(min(self.zones)) if self.zones else None
            return counted(plan, node, lambda at: happens(self, at), zone)
        except TooLong:
            return None


@final
class AnyOf(Combination):
    """The occurrences of several schedules. Occurrences at the same instant are one. Also written ``a | b``.

    `count_between` counts by days, and lists only what it cannot count so in bounded time.

    Args:
        *schedules: At least one schedule, the library's or your own, but no `FixedDelay`.

    Raises:
        ConfigurationError: No schedule is given, or one of them is no schedule or is a `FixedDelay`.
    """

    __slots__ = ("_parts",)
    kind = "any_of"
    _parts: tuple[Schedule, ...]

    def __init__(self, *schedules: Schedule) -> None:
        if not schedules:
            raise ConfigurationError("schedules are missing: write AnyOf(a, b), or Never()", parameter="schedules")
        flat: list[Schedule] = []
        for each in schedules:
            flat += cast("AnyOf", each).schedules if guard.is_a(each, AnyOf) else (each,)
        set_slot(self, "_parts", tuple(part("schedules", each, "each of schedules") for each in flat))
        set_slot(self, "_most_steps", sum(map(_adapter.most_steps, flat)))

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """The schedules, in the order in which they were given; an `AnyOf` among them is replaced by its schedules."""
        return self._parts

    @property
    def zones(self) -> frozenset[str]:
        """The IANA names of the zones of the schedules."""
        return zones_of(self._parts)

    def next_within_us(self, after: int, until: int, search: Search) -> int | None:
        """Return the first occurrence t with ``after < t <= until``, or ``None``.

        Parts that may need many steps are asked last, and only up to what the others have. If there are several, they
        are asked for one stretch of time after the other, so that none looks far beyond an occurrence of another. In
        each stretch, at least one of them has an occurrence, or rejects one.
        """
        best = None
        far = [each for each in self._parts if _adapter.most_steps(each)]
        for each in self._parts:
            if not _adapter.most_steps(each):
                at = _adapter.next_within_us(each, after, until, search)
                if at is not None:
                    best = until = at
        if len(far) == 1:
            at = _adapter.next_within_us(far[0], after, until, search)
            return best if at is None else at
        low, length = after, DAY
        while low < until and (at := _earliest(_adapter.not_before_us(each, low, search) for each in far)) is not None:
            high = min(at - 1 + length, until)
            for each in far:
                at = _adapter.next_within_us(each, low, high, search)
                if at is not None:
                    best = until = high = at
            low, length = high, 2 * length
        return best

    def not_before_us(self, after: int, search: Search) -> int | None:
        """Return an instant later than ``after`` before which there is no occurrence, or ``None`` if there is none."""
        return _earliest(_adapter.not_before_us(each, after, search) for each in self._parts)

    def latest_us(self, after: int, until: int) -> int | None:
        """Return the last occurrence t with ``after < t <= until``, or ``None``."""
        found = [at for each in self._parts if (at := _adapter.latest_us(each, after, until)) is not None]
        return max(found, default=None)

    def first_us(self, at: int) -> int | None:
        """Return the first occurrence at or after ``at``, because an `After` without delay is due at ``at`` itself."""
        due = [first for each in self._parts if (first := _adapter.first_us(each, at)) is not None and first >= at]
        return _earliest([*due, self.next_after_us(at)])

    def count_upto_us(self, after: int, until: int, limit: int) -> tuple[int, bool]:
        """Return the number of occurrences t with ``after < t <= until``, and whether it is exact."""
        counts = [_adapter.count_between_us(each, after, until, limit) for each in self._parts]
        most = max(range(len(counts)), key=lambda index: counts[index][0])
        count, exact = counts[most]
        others = [each for index, each in enumerate(self._parts) if index != most and counts[index][0]]
        if not others or not exact:
            return count, exact
        # Either count by days, or list the occurrences of all parts but the one with the most.
        if sum(min(number, _FEW) for number, _ in counts) - min(count, _FEW) >= _FEW:
            by_days = self.by_days(after, until, limit)
            if by_days is not None:
                return by_days, True
        rest, dense = AnyOf(*others), self._parts[most]
        search = listing(rest, limit)
        at = rest.next_within_us(after, until, search)
        listed = 0
        while at is not None:
            if listed == limit:
                return count, False
            listed += 1
            count += not happens(dense, at)
            at = rest.next_within_us(at, until, search)
        return count, not search.given_up

    def node(self, plan: Plan) -> Node:
        """Return the union of the parts."""
        return Union([_adapter.node(each, plan) for each in self._parts])

    def anchored_us(self, at: int) -> Self:
        """Return the union of the bound schedules; itself if none of them needs binding."""
        bound = [_adapter.anchored_us(each, at) for each in self._parts]
        same = all(new is old for new, old in zip(bound, self._parts, strict=True))
        return self if same else type(self)(*bound)

    def _meaning(self) -> tuple[object, ...]:
        parts, fault = guard.call(frozenset, self._parts)
        return (self._parts if fault is not None else parts,)  # a user's schedule may have no hash

    def _code(self) -> str:
        return ", ".join(map(guard.shown, self._parts))

    def _fields(self) -> dict[str, Any]:
        return {"schedules": [written_schedule(each) for each in self._parts]}

    @classmethod
    def _from_fields(cls, data: dict[str, Any]) -> Self:
        return cls(*data["schedules"])


def listing(schedule: BuiltinSchedule, limit: int) -> Search:
    """Return the search by which the occurrences of a schedule are listed: at most ``limit`` of them."""
    return Search(UNBOUNDED if limit == NO_LIMIT else schedule.most_steps)


def _earliest(instants: Iterable[int | None]) -> int | None:
    return min((at for at in instants if at is not None), default=None)


@final
class Between(Combination):
    """The occurrences of a schedule from ``start`` to ``end``, both included.

    Args:
        schedule: The schedule, the library's or your own, but no `FixedDelay`.
        start: The first instant, an aware datetime; ``None`` for no such limit.
        end: The last instant, an aware datetime; ``None`` for no such limit.

    Raises:
        ConfigurationError: ``schedule`` is no schedule or is a `FixedDelay`; or ``start`` or ``end`` is naive; or both
            are ``None``; or ``end`` is before ``start``.
    """

    __slots__ = ("_end", "_part", "_start")
    kind = "between"
    _part: Schedule
    _start: int | None
    _end: int | None

    def __init__(self, schedule: Schedule, start: datetime | None = None, end: datetime | None = None) -> None:
        first = None if start is None else instant_in_range("start", start)
        last = None if end is None else instant_in_range("end", end)
        if first is None and last is None:
            raise ConfigurationError(
                "start and end are both missing: give one of them, or use the schedule itself", parameter="start"
            )
        if first is not None and last is not None and last < first:
            raise ConfigurationError(
                f"end must not be before start: {guard.shown(end)} is before {guard.shown(start)}", parameter="end"
            )
        base = part("schedule", schedule)
        set_slot(self, "_part", base)
        set_slot(self, "_most_steps", _adapter.most_steps(base))
        set_slot(self, "_start", first)
        set_slot(self, "_end", last)

    @property
    def schedule(self) -> Schedule:
        """The schedule."""
        return self._part

    @property
    def start(self) -> datetime | None:
        """The first instant, in UTC; ``None`` if there is no such limit."""
        return None if self._start is None else utc_datetime(self._start)

    @property
    def end(self) -> datetime | None:
        """The last instant, in UTC; ``None`` if there is no such limit."""
        return None if self._end is None else utc_datetime(self._end)

    @property
    def zones(self) -> frozenset[str]:
        """The IANA names of the zones of the schedule."""
        return zones_of((self._part,))

    def next_within_us(self, after: int, until: int, search: Search) -> int | None:
        """Return the first occurrence t with ``after < t <= until``, or ``None``."""
        low, high = self._window(after, until)
        return _adapter.next_within_us(self._part, low, high, search) if low < high else None

    def not_before_us(self, after: int, search: Search) -> int | None:
        """Return an instant later than ``after`` before which there is no occurrence, or ``None`` if there is none."""
        low, high = self._window(after, MAX_INSTANT)
        at = _adapter.not_before_us(self._part, low, search) if low < high else None
        return None if at is None or at > high else at

    def latest_us(self, after: int, until: int) -> int | None:
        """Return the last occurrence t with ``after < t <= until``, or ``None``."""
        low, high = self._window(after, until)
        return None if low >= high else _adapter.latest_us(self._part, low, high)

    def first_us(self, at: int) -> int | None:
        """Return the first occurrence for a job that was accepted at ``at``."""
        low, high = self._window(MIN_INSTANT - 1, MAX_INSTANT)
        first = _adapter.first_us(self._part, at)
        return first if first is not None and low < first <= high else self.next_after_us(at)

    def count_upto_us(self, after: int, until: int, limit: int) -> tuple[int, bool]:
        """Return the number of occurrences t with ``after < t <= until``, and whether it is exact."""
        low, high = self._window(after, until)
        return (0, True) if low >= high else _adapter.count_between_us(self._part, low, high, limit)

    def node(self, plan: Plan) -> Node:
        """Return the schedule's node within a window."""
        low, high = self._window(plan.after, plan.until)
        plan.cut(low + 1, high + 1)
        return Window(_adapter.node(self._part, plan), [(low + 1, high + 1)])

    def anchored_us(self, at: int) -> Self:
        """Return the bound schedule between the same instants; itself if the schedule needs no binding."""
        bound = _adapter.anchored_us(self._part, at)
        return self if bound is self._part else type(self)(bound, self.start, self.end)

    def _window(self, after: int, until: int) -> tuple[int, int]:
        """Return the part of ``(after, until]`` that lies from ``start`` to ``end``, as a span of the same form."""
        low = after if self._start is None else max(after, self._start - 1)
        return low, until if self._end is None else min(until, self._end)

    def _meaning(self) -> tuple[object, ...]:
        return self._part, self._start, self._end

    def _code(self) -> str:
        ends = [("start", self._start), ("end", self._end)]
        given = [f"{name}={instant_code(at)}" for name, at in ends if at is not None]
        return ", ".join([guard.shown(self._part), *given])

    def _fields(self) -> dict[str, Any]:
        return {
            "schedule": written_schedule(self._part),
            "start": None if self._start is None else instant_text(self._start),
            "end": None if self._end is None else instant_text(self._end),
        }

    @classmethod
    def _from_fields(cls, data: dict[str, Any]) -> Self:
        start, end = (None if data[name] is None else instant_from_text(data[name]) for name in ("start", "end"))
        return cls(data["schedule"], start, end)


set_public_path(AnyOf, Between)
