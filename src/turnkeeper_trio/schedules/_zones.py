"""Time zones: which names are taken, and what is asked of a zone.

A zone is asked for one thing only, ``utcoffset()`` (with ``fold``). A wall label has two timestamps, that of fold 0
and that of fold 1: equal, it names one instant; the first earlier, the label happens twice (an overlap); the first
later, it does not exist (a gap). A transition is where the offset changes, found by bisection to the second, never
taken from ``dst()`` and never assumed to be an hour: Lord Howe moves by 30 minutes, Apia left out a day.

Two properties of the tz database are relied upon (as of 2025b; a test checks them for the installed one): no zone
changes its offset by more than 24 hours, and no two changes are closer than two days.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, Final, final
from zoneinfo import ZoneInfo

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.times import MAX_INSTANT, MICROSECONDS, MIN_INSTANT
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules._zone_names import refusal

DAY: Final = 86_400 * MICROSECONDS
"""Microseconds in 24 hours."""

SHIFT: Final = 25 * 3600 * MICROSECONDS
"""More than any change of offset: what happened further away cannot make a label come back."""

_UTC_NAMES = frozenset({"UTC", "Etc/UTC", "UCT", "Etc/UCT", "Universal", "Etc/Universal", "Zulu", "Etc/Zulu"})
_PROBE_DAYS = 2
_HALF_HOUR = 1800 * MICROSECONDS
_CELL = 37  # bits of an instant within a cell: 38 hours, less than lies between any two changes
_MOST_CELLS = 8192


@final
class Zone:
    """A time zone by its IANA name, with offsets in microseconds. One object a name: `zone_named`."""

    __slots__ = ("_cells", "_epoch", "_fixed", "info", "key")

    def __init__(self, key: str, info: ZoneInfo) -> None:
        """Wrap a loaded zone."""
        self.key: str = key
        self.info: ZoneInfo = info
        self._epoch = datetime(1970, 1, 1, tzinfo=info)
        self._fixed = key in _UTC_NAMES
        self._cells: dict[int, int | None] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return zone_named, (self.key,)

    def local(self, at: int) -> datetime:
        """Return the wall clock at an instant; beyond the first and last days of the calendar, that of those days."""
        try:
            return datetime.fromtimestamp(at // MICROSECONDS, self.info)
        except (OSError, OverflowError, ValueError):  # out of range; on Windows, also anything before 1970
            near = min(max(at, MIN_INSTANT + 2 * DAY), MAX_INSTANT - 2 * DAY)
            return self.info.fromutc(self._epoch + timedelta(seconds=near // MICROSECONDS))

    def offset(self, at: int) -> int:
        """Return the offset from UTC at an instant."""
        if self._fixed:
            return 0
        try:
            known = self._cells[at >> _CELL]
        except KeyError:
            known = self._cell(at >> _CELL)
        return _us(self.local(at).utcoffset()) if known is None else known

    def clear_offset(self, at: int) -> int | None:
        """Return the offset at an instant, or ``None`` if the wall clock shows its label for the second time."""
        if self._fixed:
            return 0
        try:
            known = self._cells[at >> _CELL]
        except KeyError:
            known = self._cell(at >> _CELL)
        if known is not None:
            return known
        local = self.local(at)
        return None if local.fold else _us(local.utcoffset())

    def _cell(self, number: int) -> int | None:
        """Return the offset throughout a cell of time, and remember it; ``None`` if it changes, or labels come back.

        No two changes are as close as the two ends of a cell, and what a change brings back lies right after it.
        """
        first, last = self.local(number << _CELL), self.local(((number + 1) << _CELL) - 1)
        offset = _us(first.utcoffset())
        if len(self._cells) >= _MOST_CELLS:
            self._cells.clear()
        known = self._cells[number] = None if first.fold or _us(last.utcoffset()) != offset else offset
        return known

    def only_pass(self, label: int, offset: int) -> int | None:
        """Return when a label happens for the first time, if that is plain to see; ``offset`` is a guess."""
        at = label - offset
        seen = self.clear_offset(at)
        if seen == offset:
            return at
        if seen is None:
            return None
        at = label - seen
        return at if self.clear_offset(at) == seen else None

    def both(self, label: int) -> tuple[int, int]:
        """Return the two timestamps of a wall label: that of fold 0 and that of fold 1."""
        if self._fixed:
            return label, label
        wall = self._epoch + timedelta(microseconds=min(max(label, MIN_INSTANT), MAX_INSTANT))
        first, second = _us(wall.utcoffset()), _us(wall.replace(fold=1).utcoffset())
        return label - first, label - second

    def change(self, after: int, until: int) -> int:
        """Return the instant in ``(after, until]`` from which the offset is that of ``until``; the two must differ."""
        offset = self.offset(until)
        # Nearly all changes are at a full or half hour: look there first.
        late = self._first_with(offset, after // _HALF_HOUR, -(-until // _HALF_HOUR), _HALF_HOUR) * _HALF_HOUR
        if self.offset(late - MICROSECONDS) != offset:
            return late
        early = (late - _HALF_HOUR) // MICROSECONDS
        return self._first_with(offset, early, late // MICROSECONDS, MICROSECONDS) * MICROSECONDS

    def _first_with(self, offset: int, early: int, late: int, unit: int) -> int:
        """Return the first of ``early + 1`` … ``late`` at which the offset is ``offset``; at ``late`` it is."""
        while late - early > 1:
            middle = (early + late) // 2
            if self.offset(middle * unit) == offset:
                late = middle
            else:
                early = middle
        return late

    def first_pass(self, label: int) -> tuple[int, int]:
        """Return when a label happens under the rule "once", and the first label after it, or beyond its overlap.

        In an overlap that is the first pass; in a gap, the instant of the transition, which is the end of the gap.
        """
        first, second = self.both(label)
        if first == second:
            return first, label + 1
        if first < second:
            return first, self.change(first, second) + label - first
        return self.change(second, first), label + 1

    def segments(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield ``(start, end, offset)`` for each stretch of one offset within ``[start, end)``."""
        first, last = (min(max(at, MIN_INSTANT), MAX_INSTANT) for at in (start, end))
        years = () if self._fixed else range(_year(first), _year(last) + 1)
        offset = self.offset(start)
        for year in years:
            for change, new in _changes(self, year):
                if start < change < end:
                    yield start, change, offset
                    start, offset = change, new
        yield start, end, offset


@lru_cache(maxsize=8192)
def _changes(zone: Zone, year: int) -> tuple[tuple[int, int], ...]:
    """Return the instants within a year (in UTC) at which the offset changes, each with the new offset."""
    at, end = _year_start(year) - 1, _year_start(year + 1) - 1
    offset = zone.offset(at)
    found: list[tuple[int, int]] = []
    while at < end:
        before, at = at, min(at + _PROBE_DAYS * DAY, end)
        new = zone.offset(at)
        if new != offset:
            found.append((zone.change(before, at), new))
            offset = new
    return tuple(found)


def _us(offset: timedelta | None) -> int:
    assert offset is not None
    return (offset.days * 86_400 + offset.seconds) * MICROSECONDS + offset.microseconds


def _year(at: int) -> int:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).year


def _year_start(year: int) -> int:
    if year > 9999:  # noqa: PLR2004  (the end of the calendar)
        return MAX_INSTANT + 1
    return (datetime(year, 1, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@lru_cache(maxsize=1024)
def zone_named(key: str) -> Zone:
    """Return the zone of an IANA name.

    Raises:
        ConfigurationError: The name is not one of the tz database; the closest names are suggested.
    """
    problem = refusal(key)
    if problem is not None:
        raise ConfigurationError(problem, parameter="timezone")
    return Zone(key, ZoneInfo(key))


def zone(value: object) -> Zone:
    """Return the zone that a user named: an IANA name, or a ``ZoneInfo`` (a pendulum timezone is one).

    Raises:
        ConfigurationError: It is no zone with an IANA name.
    """
    if isinstance(value, str):
        return zone_named(str(value))
    if value is UTC:
        return zone_named("UTC")
    if isinstance(value, ZoneInfo) and value.key:
        return zone_named(value.key)
    if isinstance(value, tzinfo):
        raise ConfigurationError(
            f"timezone must have an IANA name, and {guard.shown(value)} has none; write the place, as in "
            f"timezone='Europe/Berlin' (a fixed offset is no zone: it does not follow the clock changes)",
            parameter="timezone",
        )
    raise ConfigurationError(
        f"timezone must be an IANA name such as 'Europe/Berlin', or a ZoneInfo, not {guard.shown(value)}",
        parameter="timezone",
    )
