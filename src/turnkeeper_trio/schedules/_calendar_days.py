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


def day_end(zone: Zone, day: int, at: int, *, last_pass: bool = False) -> int:
    """Return when the day after ``day`` begins, later than ``at``; with ``last_pass``, when it does so finally."""
    label = _midnight(day + 1)
    if label > MAX_INSTANT:
        return MAX_INSTANT + 1
    first = zone.first_pass(label)[0]
    return max(first, zone.both(label)[1]) if last_pass or first <= at else first


def spans(zone: Zone, days: DayRange) -> list[tuple[int, int]]:
    """Return the instants of some days as spans ``(after, until]``."""
    first, end = _midnight(days[0]), _midnight(days[1] + 1)
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
