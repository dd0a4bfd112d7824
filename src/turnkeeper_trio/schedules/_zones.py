"""Time zones: which names are accepted, and the offsets of a zone.

All that is asked of a zone is ``utcoffset()``, with ``fold``. A wall label (the reading of a clock, without a zone) has
two timestamps, one for fold 0 and one for fold 1. If they are equal, the label names one instant. If the first is
earlier, the clock shows the label twice (an overlap). If the first is later, the clock never shows it (a gap). A change
is an instant at which the offset changes. It is found by bisection, to the second. It is never taken from ``dst()``,
and never assumed to be an hour, because Lord Howe Island changes by 30 minutes, and Apia once left out a day.

The code relies on these properties of the tz database (as of 2025b; tests check them for the installed version): no
zone changes its offset by more than 24 hours; two changes of a zone are never closer than two days; no zone has a
change before 1800; and from 2100 on no zone has a change that its rules do not give.
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
"""25 hours in microseconds, more than any change of an offset. So a change further away cannot bring a label back."""

_UTC_NAMES = frozenset({"UTC", "Etc/UTC", "UCT", "Etc/UCT", "Universal", "Etc/Universal", "Zulu", "Etc/Zulu"})
_PROBE_DAYS = 2  # two changes are never closer, so a probe every two days misses none
_HALF_HOUR = 1800 * MICROSECONDS
_CELL = 37  # a cell is 2**37 microseconds, or 38 hours: less than the time between any two changes
_MOST_CELLS = 8192
_FIRST_CHANGES = 1800  # before this year, each zone has its local mean time
_RULES_ONLY = 2100  # from this year on, zones follow rules, which repeat as the calendar does: every 400 years
_DAYS_OF_400_YEARS = 146_097


@final
class Zone:
    """A time zone with an IANA name. Its offsets are in microseconds. `zone_named` makes one object for each name."""

    __slots__ = ("_cells", "_epoch", "_fixed", "info", "key")

    def __init__(self, key: str, info: ZoneInfo) -> None:
        self.key: str = key
        self.info: ZoneInfo = info
        self._epoch = datetime(1970, 1, 1, tzinfo=info)
        self._fixed = key in _UTC_NAMES
        self._cells: dict[int, int | None] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return zone_named, (self.key,)

    def local(self, at: int) -> datetime:
        """Return what the wall clock shows at an instant.

        A datetime cannot hold this at the very ends of the calendar and beyond. There, return what the clock shows two
        days inside of the calendar.
        """
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
        try:  # written out again, as in `offset`, because a call would cost as much as the look-up
            known = self._cells[at >> _CELL]
        except KeyError:
            known = self._cell(at >> _CELL)
        if known is not None:
            return known
        local = self.local(at)
        return None if local.fold else _us(local.utcoffset())

    def _cell(self, number: int) -> int | None:
        """Return the one offset of a cell of time, and remember it.

        Return ``None`` if the offset changes within the cell, or if the cell begins in the second pass of an overlap.
        It is enough to look at both ends: a cell is too short for two changes, and a second pass begins with a change.
        """
        first, last = self.local(number << _CELL), self.local(((number + 1) << _CELL) - 1)
        offset = _us(first.utcoffset())
        if len(self._cells) >= _MOST_CELLS:
            self._cells.clear()
        known = self._cells[number] = None if first.fold or _us(last.utcoffset()) != offset else offset
        return known

    def first_pass_by_guess(self, label: int, offset: int) -> int | None:
        """Return the instant at which the clock shows a label first, or ``None`` if two look-ups do not find it.

        ``offset`` is a guess of the offset at that instant. ``None`` means that the label is near a gap or an overlap.
        """
        at = label - offset
        seen = self.clear_offset(at)
        if seen == offset:
            return at
        if seen is None:
            return None
        at = label - seen
        return at if self.clear_offset(at) == seen else None

    def both(self, label: int) -> tuple[int, int]:
        """Return the two timestamps of a wall label: for fold 0, and for fold 1."""
        if self._fixed:
            return label, label
        wall = self._epoch + timedelta(microseconds=min(max(label, MIN_INSTANT), MAX_INSTANT))
        first, second = _us(wall.utcoffset()), _us(wall.replace(fold=1).utcoffset())
        return label - first, label - second

    def change(self, after: int, until: int) -> int:
        """Return the instant in ``(after, until]`` from which the offset is that of ``until``; the two must differ."""
        offset = self.offset(until)
        # Nearly all changes are at a full or half hour, so look there first.
        late = self._first_with(offset, after // _HALF_HOUR, -(-until // _HALF_HOUR), _HALF_HOUR) * _HALF_HOUR
        if self.offset(late - MICROSECONDS) != offset:
            return late
        early = (late - _HALF_HOUR) // MICROSECONDS
        return self._first_with(offset, early, late // MICROSECONDS, MICROSECONDS) * MICROSECONDS

    def _first_with(self, offset: int, early: int, late: int, unit: int) -> int:
        """Return the first number from ``early + 1`` to ``late``, in ``unit``, at which the zone has this offset.

        It has the offset at ``late``.
        """
        while late - early > 1:
            middle = (early + late) // 2
            if self.offset(middle * unit) == offset:
                late = middle
            else:
                early = middle
        return late

    def first_pass(self, label: int) -> tuple[int, int]:
        """Return the occurrence of a label under the rule "once" of `_wall_clock`, and the label from which to go on.

        In an overlap, the occurrence is at the first pass, and the label to go on from is the end of the overlap. In a
        gap, the occurrence is at the change, which ends the gap. Outside an overlap, the next label is to go on from.
        """
        first, second = self.both(label)
        if first == second:
            return first, label + 1
        if first < second:
            return first, self.change(first, second) + label - first
        return self.change(second, first), label + 1

    def segments(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield ``(start, end, offset)`` for each stretch with one offset within ``[start, end)``, in order."""
        first, last = (min(max(at, MIN_INSTANT), MAX_INSTANT) for at in (start, end))
        years = () if self._fixed else range(_year(first), _year(last) + 1)
        offset = self.offset(start)
        for year in years:
            for change, new in _changes(self, year):
                if start < change < end:
                    yield start, change, offset
                    start, offset = change, new
        yield start, end, offset


def _changes(zone: Zone, year: int) -> tuple[tuple[int, int], ...]:
    """Return the instants within a year of UTC at which the offset changes, each with the new offset."""
    if year < _FIRST_CHANGES:
        return ()
    turns = max(year - _RULES_ONLY, 0) // 400
    found = _search_changes(zone, year - 400 * turns)
    return tuple((at + turns * _DAYS_OF_400_YEARS * DAY, new) for at, new in found) if turns else found


@lru_cache(maxsize=8192)
def _search_changes(zone: Zone, year: int) -> tuple[tuple[int, int], ...]:
    """Return what `_changes` returns, by a look at every second day of the year: that takes milliseconds."""
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
    """Return the zone with an IANA name.

    Raises:
        ConfigurationError: The tz database has no such name; the message suggests the closest ones.
    """
    problem = refusal(key)
    if problem is not None:
        raise ConfigurationError(problem, parameter="timezone")
    return Zone(key, ZoneInfo(key))


def zone(value: object) -> Zone:
    """Return the zone that a user gave: an IANA name, or a ``ZoneInfo`` (a pendulum timezone is one).

    Raises:
        ConfigurationError: ``value`` is no zone with an IANA name.
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
