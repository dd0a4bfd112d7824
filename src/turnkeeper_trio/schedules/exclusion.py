"""`Except`: a schedule without some days. Also how the excluded days are read, and which zone they are days of."""

from bisect import bisect_right
from collections.abc import Collection, Iterable
from datetime import date, datetime, tzinfo
from typing import Any, Final, Self, cast, final

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.times import MAX_INSTANT
from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules import _adapter
from turnkeeper_trio.schedules._base import latest_by_search, set_slot, written_schedule
from turnkeeper_trio.schedules._calendar_days import DayRange, day_of, day_start, days_end, spans, union
from turnkeeper_trio.schedules._count_nodes import Leaf, Node, Plan, TooLong, Window, WithoutDays
from turnkeeper_trio.schedules._hints import instead_of
from turnkeeper_trio.schedules._literals import date_code
from turnkeeper_trio.schedules._search import UNBOUNDED, Search
from turnkeeper_trio.schedules._wall_schedule import WallSchedule
from turnkeeper_trio.schedules._zones import DAY, Zone, zone, zone_named
from turnkeeper_trio.schedules.combined import (
    NO_LIMIT,
    AnyOf,
    Combination,
    listing,
    part,
    zones_of,
)

__all__ = ["Except"]

_WRITE = "write dates, ranges (first, last) of dates, or schedules"
"""What messages say to write instead."""


def dates_and_schedules(excluded: Iterable[object]) -> tuple[tuple[DayRange, ...], tuple[Schedule, ...]]:
    """Return the excluded days, as ranges in order, of which no two touch; and the excluded schedules.

    Raises:
        ConfigurationError: Something is neither a date, nor a range of dates, nor a schedule.
    """
    ranges: list[DayRange] = []
    schedules: list[Schedule] = []
    for each in excluded:
        if isinstance(each, date):
            day = _day(each)
            ranges.append((day, day))
        elif isinstance(each, tuple):
            ranges.append(_range(each))  # pyright: ignore[reportUnknownArgumentType]  (the user's)
        elif isinstance(each, list | set | frozenset | dict):
            raise ConfigurationError(
                f"excluded must not hold a {guard.type_name(cast('object', each))}: put a * before it, as in "
                f"Except(schedule, *holidays)",
                parameter="excluded",
            )
        else:
            schedules.append(_schedule(each))
    # A range of days is a span that begins after the day before.
    merged = union((first - 1, last) for first, last in ranges)
    return tuple((before + 1, last) for before, last in merged), tuple(schedules)


def _schedule(value: object) -> Schedule:
    """Return ``value`` if it is a schedule that can be excluded; else raise an error that says what to write."""
    if guard.attribute(value, "next_after") is None:
        day, _ = guard.call(date.fromisoformat, cast("str", value)) if guard.is_a(value, str) else (None, None)
        code = instead_of(value) if day is None else date_code(day)
        hint = f"write {code}" if code and value is not None else _WRITE
        raise ConfigurationError(f"excluded must not hold {guard.shown(value)}; {hint}", parameter="excluded")
    return part("excluded", value, "each of excluded")


def _day(value: object) -> int:
    """Return the ordinal of a date."""
    if isinstance(value, datetime):
        raise ConfigurationError(
            f"excluded must hold dates, and {guard.shown(value)} is an instant; write date({value.year}, "
            f"{value.month}, {value.day})",
            parameter="excluded",
        )
    if not isinstance(value, date):
        raise ConfigurationError(f"excluded must not hold {guard.shown(value)}; {_WRITE}", parameter="excluded")
    return value.toordinal()


def _range(pair: tuple[object, ...]) -> DayRange:
    if len(pair) != 2:  # noqa: PLR2004  (a pair)
        raise ConfigurationError(
            f"a range of dates is (first, last), not {guard.shown(pair)}; {_WRITE}", parameter="excluded"
        )
    first, last = _day(pair[0]), _day(pair[1])
    if last < first:
        raise ConfigurationError(
            f"a range of dates must not end before it starts: write ({pair[1]}, {pair[0]}), not {guard.shown(pair)}",
            parameter="excluded",
        )
    return first, last


def zone_of_days(given: Zone | None, own: Collection[str], involved: Collection[str]) -> Zone:
    """Return the zone of excluded days: ``given``, else the only one of ``own``, else the only one of ``involved``.

    Args:
        given: The zone that the user gave.
        own: The names of the zones of the excluded schedule; empty for dates.
        involved: The names of the zones of all schedules.

    Raises:
        ConfigurationError: No zone is given, and neither ``own`` nor ``involved`` has exactly one.
    """
    if given is not None:
        return given
    for zones in (own, involved):
        if len(zones) == 1:
            return zone_named(next(iter(zones)))
    found = f"the zones {', '.join(sorted(involved))} are involved" if involved else "no zone is involved"
    raise ConfigurationError(
        f"timezone is missing: a day is a day in some zone, and {found}; write timezone='Europe/Berlin'",
        parameter="timezone",
    )


_LAST_DAY: Final = date.max.toordinal()


DAYS_IN_A_ROW: Final = 4000
"""If this many occurrences in a row fall on days of excluded schedules, there is no further occurrence. That is over
ten years of days. A range of dates is passed in one step, and steps for dates are added to this number. The numbers of
an `Except` and of those in its schedule are added, and this is how many steps one search may have (`_search`)."""


_PROBES: Final = 3
"""How many times these steps the search for the latest occurrence may have, because it looks back from the end."""


@final
class Except(Combination):
    """The occurrences of a schedule, except those on certain days.

    A day is excluded as a whole: all instants at which the calendar of the zone shows it. An excluded schedule stands
    for the days on which it has an occurrence. If 4,000 occurrences in a row fall on days of excluded schedules, there
    is no further occurrence; for dates there is no such limit. If ``schedule`` contains an `Except`, each has its
    4,000, and a search ends as soon as they have rejected the sum of these.

    Args:
        schedule: The schedule, the library's or your own, but no `FixedDelay`.
        *excluded: Dates; ranges of dates ``(first, last)``, both included; schedules.
        timezone: The zone of the days, an IANA name or a ``ZoneInfo``. Without it, the days of an excluded schedule are
            those of its own zone. Days for which that does not decide are those of the only zone that the schedules
            have.

    Raises:
        ConfigurationError: Something is no date, range or schedule; or a range ends before it starts; or the zone of
            the days is not clear.
    """

    __slots__ = ("_dates", "_given", "_part", "_schedules", "_zone", "_zones")
    kind = "except"
    _part: Schedule
    _dates: tuple[DayRange, ...]
    _schedules: tuple[Schedule, ...]
    _given: Zone | None
    _zone: Zone | None  # of the dates, if there are any
    _zones: tuple[Zone, ...]  # of the days of each excluded schedule

    def __init__(
        self, schedule: Schedule, *excluded: date | tuple[date, date] | Schedule, timezone: str | tzinfo | None = None
    ) -> None:
        base = part("schedule", schedule)
        dates, schedules = dates_and_schedules(excluded)
        given = None if timezone is None else zone(timezone)
        involved = zones_of((base, *schedules))
        set_slot(self, "_part", base)
        set_slot(self, "_dates", dates)
        set_slot(self, "_most_steps", _adapter.most_steps(base) + _in_a_row(dates))
        set_slot(self, "_schedules", schedules)
        set_slot(self, "_given", given)
        set_slot(self, "_zone", zone_of_days(given, (), involved) if dates else None)
        own = tuple(zone_of_days(given, zones_of((each,)), involved) for each in schedules)
        set_slot(self, "_zones", own)

    @property
    def schedule(self) -> Schedule:
        """The schedule whose occurrences on the excluded days are left out."""
        return self._part

    @property
    def excluded(self) -> tuple[date | tuple[date, date] | Schedule, ...]:
        """The excluded dates and ranges, in order, then the schedules. Ranges that overlap or touch are merged."""
        days = [(date.fromordinal(first), date.fromordinal(last)) for first, last in self._dates]
        return (*(first if first == last else (first, last) for first, last in days), *self._schedules)

    @property
    def zones(self) -> frozenset[str]:
        """The IANA names of the zones of all schedules, and of ``timezone``."""
        given = frozenset[str]() if self._given is None else frozenset((self._given.key,))
        return zones_of((self._part, *self._schedules)) | given

    def next_within_us(self, after: int, until: int, search: Search) -> int | None:
        """Return the first occurrence t with ``after < t <= until``, or ``None``."""
        start, after, rejected = search.passed_from(id(self), after)
        found, most = None, _in_a_row(self._dates)
        while after < until and (at := _adapter.next_within_us(self._part, after, until, search)) is not None:
            end = self._excluded_until(at, search)
            if end is None:
                found, until = at, at - 1
                break
            rejected += 1
            search.steps -= 1
            after = end - 1
            if rejected == most or search.given_up:
                until = MAX_INSTANT
                break
        search.passed[id(self)] = start, max(after, until), rejected
        return found

    def not_before_us(self, after: int, search: Search) -> int | None:
        """Return an instant later than ``after`` before which there is no occurrence, or ``None`` if there is none."""
        _, after, _ = search.passed_from(id(self), after)
        return _adapter.not_before_us(self._part, after, search)

    def latest_us(self, after: int, until: int) -> int | None:
        """Return the last occurrence t with ``after < t <= until``, or ``None``; if steps are short, one before it."""
        search = Search(_PROBES * self._most_steps)
        return latest_by_search(lambda low, high: self.next_within_us(low, high, search), after, until)

    def first_us(self, at: int) -> int | None:
        """Return the first occurrence for a job that was accepted at ``at``."""
        first = _adapter.first_us(self._part, at)
        return self.next_after_us(at) if first is None else self.next_after_us(first - 1)

    def count_upto_us(self, after: int, until: int, limit: int) -> tuple[int, bool]:
        """Return the number of occurrences t with ``after < t <= until``, and whether it is exact."""
        if self._schedules or guard.is_a(self._part, Combination):
            by_days = self.by_days(after, until, limit)
            if by_days is not None:
                return by_days, True
        count, exact = _adapter.count_between_us(self._part, after, until, limit)
        if not count or not exact:
            return self._listed(after, until, limit) if count else (0, True)
        excluded = self._spans(after, until, zip(self._schedules, self._zones, strict=True), limit)
        if excluded is None:
            return self._listed(after, until, limit)
        for first, last in union(excluded):
            low, high = max(first, after), min(last, until)
            if low < high:
                count -= _adapter.count_between_us(self._part, low, high, limit)[0]
        return count, True

    def anchored_us(self, at: int) -> Self:
        """Return the same with all schedules bound; itself if none of them needs binding."""
        base = _adapter.anchored_us(self._part, at)
        bound = [_adapter.anchored_us(each, at) for each in self._schedules]
        if base is self._part and all(new is old for new, old in zip(bound, self._schedules, strict=True)):
            return self
        dates = [(date.fromordinal(first), date.fromordinal(last)) for first, last in self._dates]
        return type(self)(base, *dates, *bound, timezone=None if self._given is None else self._given.key)

    def _excluded_until(self, at: int, search: Search) -> int | None:
        """Return the end of the excluded days that an instant is on, or ``None`` if it is on no excluded day."""
        if self._zone is not None:
            day = day_of(self._zone, at)
            index = bisect_right(self._dates, (day, _LAST_DAY)) - 1
            if index >= 0 and day <= self._dates[index][1]:
                return days_end(self._zone, self._dates[index], at)
        for index, where in enumerate(self._zones):
            day = day_of(where, at)
            if self._excludes(index, day, search):
                return days_end(where, (day, day), at)
        return None

    def _excludes(self, index: int, day: int, search: Search) -> bool:
        """Return whether an excluded schedule has an occurrence on a day."""
        schedule, where = self._schedules[index], self._zones[index]
        if not _adapter.most_steps(schedule):
            return _happens_on(schedule, where, day, search)
        key = id(self), index, day
        known = search.excluded.get(key)
        if known is None:
            known = search.excluded[key] = _happens_on(schedule, where, day, search.within_a_day())
        return known

    def node(self, plan: Plan) -> Node:
        """Return the schedule without the excluded days."""
        made = _adapter.node(self._part, plan)
        listed: list[tuple[Schedule, Zone]] = []
        for each, where in zip(self._schedules, self._zones, strict=True):
            for single in cast("AnyOf", each).schedules if guard.is_a(each, AnyOf) else (each,):
                days = single.node(plan) if isinstance(single, WallSchedule) and single.timezone == where.key else None
                if isinstance(days, Leaf):
                    made = WithoutDays(made, days, _near_changes(plan, single, where))
                else:
                    listed.append((single, where))
        excluded = self._spans(plan.after, plan.until, listed, plan.limit)
        if excluded is None:
            raise TooLong
        outside = [(low + 1, high + 1) for low, high in union(excluded)]
        for span in outside:
            plan.cut(*span)
        return Window(made, outside, outside=True)

    def _spans(
        self, after: int, until: int, schedules: Iterable[tuple[Schedule, Zone]], limit: int
    ) -> list[tuple[int, int]] | None:
        """Return the excluded days on which ``(after, until]`` has instants, as spans of that form.

        Args:
            after: The instant before the first.
            until: The last instant.
            schedules: The excluded schedules that are to be listed, each with the zone of its days.
            limit: The number of days of these schedules that may be listed; if there are more, return ``None``.
        """
        found: list[tuple[int, int]] = []
        if self._zone is not None:
            first, last = day_of(self._zone, after), day_of(self._zone, until)
            for days in self._dates:
                if days[1] >= first - 1 and days[0] <= last + 1:
                    found += spans(self._zone, (max(days[0], first - 2), min(days[1], last + 2)))
        for each, where in schedules:
            # One more day at each end, because days overlap where the clock goes back over midnight.
            search = Search(UNBOUNDED if limit == NO_LIMIT else _adapter.most_steps(each))
            end = until + 3 * DAY
            at = _adapter.next_within_us(each, day_start(where, day_of(where, after) - 1) - 1, end, search)
            last = day_of(where, until) + 1
            while at is not None and (day := day_of(where, at)) <= last:
                if not limit:
                    return None
                limit -= 1
                found += spans(where, (day, day))
                at = _adapter.next_within_us(each, days_end(where, (day, day), at) - 1, end, search)
            if search.given_up:
                return None
        return found

    def _listed(self, after: int, until: int, limit: int) -> tuple[int, bool]:
        count, search = 0, listing(self, limit)
        at = self.next_within_us(after, until, search)
        while at is not None and count < limit:
            count += 1
            at = self.next_within_us(at, until, search)
        return count, at is None and not search.given_up

    def _meaning(self) -> tuple[object, ...]:
        zone_key = None if self._zone is None else self._zone.key
        return self._part, self._dates, zone_key, self._schedules, tuple(where.key for where in self._zones)

    def _code(self) -> str:
        parts = [guard.shown(self._part)]
        for days in self._dates:
            first, last = (date_code(date.fromordinal(day)) for day in days)
            parts.append(first if first == last else f"({first}, {last})")
        parts += map(guard.shown, self._schedules)
        if self._given is not None:
            parts.append(f"timezone={self._given.key!r}")
        return ", ".join(parts)

    def _fields(self) -> dict[str, Any]:
        return {
            "schedule": written_schedule(self._part),
            "dates": [[date.fromordinal(day).isoformat() for day in days] for days in self._dates],
            "schedules": [written_schedule(each) for each in self._schedules],
            "timezone": None if self._given is None else self._given.key,
        }

    @classmethod
    def _from_fields(cls, data: dict[str, Any]) -> Self:
        dates = [(date.fromisoformat(first), date.fromisoformat(last)) for first, last in data["dates"]]
        return cls(data["schedule"], *dates, *data["schedules"], timezone=data["timezone"])


def _near_changes(plan: Plan, days: Schedule, where: Zone) -> list[tuple[int, int, bool]]:
    """Return the pieces of the days near each clock change, as spans ``[start, end)``, and whether each is excluded."""
    search = Search(0)  # the schedule is none that needs steps
    near: dict[int, None] = {}
    for change in plan.changes(where):
        for day in range(day_of(where, change - 1) - 1, day_of(where, change) + 2):
            near[day] = None
    found: list[tuple[int, int, bool]] = []
    for day in near:
        excluded = _happens_on(days, where, day, search)
        for low, high in spans(where, (day, day)):
            plan.cut(low + 1, high + 1)
            found.append((low + 1, high + 1, excluded))
    return sorted(found)


def _happens_on(schedule: Schedule, where: Zone, day: int, search: Search) -> bool:
    """Return whether a schedule has an occurrence on a day."""
    pieces = spans(where, (day, day))
    return any(_adapter.next_within_us(schedule, low, high, search) is not None for low, high in pieces)


def _in_a_row(dates: tuple[DayRange, ...]) -> int:
    """Return how many occurrences in a row may be rejected."""
    return DAYS_IN_A_ROW + 2 * len(dates)  # a range may need two, because the clock may go back into it


set_public_path(Except)
