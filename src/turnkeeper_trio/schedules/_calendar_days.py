"""Days of the calendar in a zone: which day an instant is on, and when a day begins and ends.

A day is known by its ordinal. It is not assumed to begin at midnight (a gap may hold midnight), nor to be 24 hours
long, nor even to be one piece: where clocks go back from 00:01 to 23:01, the old day comes back for an hour.
"""

from collections.abc import Iterable
from datetime import date
from typing import Final

from turnkeeper_trio._model.times import MAX_INSTANT
from turnkeeper_trio.schedules._zones import DAY, SHIFT, Zone

DayRange = tuple[int, int]
"""The first and the last of some days in a row, as ordinals."""


_EPOCH: Final = date(1970, 1, 1).toordinal()


def day_of(zone: Zone, at: int) -> int:
    """Return the day that the calendar of a zone shows at an instant."""
    return (at + zone.offset(at)) // DAY + _EPOCH


def _midnight(day: int) -> int:
    return (day - _EPOCH) * DAY


def day_start(zone: Zone, day: int) -> int:
    """Return the first instant of a day."""
    return zone.first_pass(_midnight(day))[0]


def days_end(zone: Zone, days: DayRange, at: int) -> int:
    """Return the first instant later than ``at``, which is on one of some days in a row, that is on none of them.

    That is the end of the piece around ``at``: where the clock goes back over the first midnight, the day before comes
    back, and these days go on after it.
    """
    first, beyond = _midnight(days[0]), _midnight(days[1] + 1)
    offset = zone.offset(at)
    # No two changes are as close as this, so equal offsets mean that there is none between.
    if at + offset < first + SHIFT and zone.offset(at + SHIFT) != offset:
        for start, _, offset in zone.segments(at, at + SHIFT):
            if start + offset < first:
                return start
            if start + offset >= beyond:
                break
    if beyond > MAX_INSTANT:
        return MAX_INSTANT + 1
    early = zone.first_pass(beyond)[0]
    return early if early > at else zone.both(beyond)[1]


def spans(zone: Zone, days: DayRange) -> list[tuple[int, int]]:
    """Return the instants of some days as spans ``(after, until]``."""
    first, end = _midnight(days[0]), _midnight(days[1] + 1)
    if days[0] == days[1]:  # the usual case costs three look-ups, and no table of a year's changes
        offset = zone.offset(first - SHIFT)
        if offset == zone.offset(first + DAY // 2) == zone.offset(end + SHIFT):
            return [(first - offset - 1, end - offset - 1)]
    found: list[tuple[int, int]] = []
    for start, stop, offset in zone.segments(first - SHIFT, end + SHIFT):
        low, high = max(start, first - offset), min(stop, end - offset)
        if low < high:
            found.append((low - 1, high - 1))
    return found


def union(found: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans in order, merged where they meet."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(found):
        if merged and low <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], high)
        else:
            merged.append((low, high))
    return merged
