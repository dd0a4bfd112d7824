"""Days of the calendar in a zone: which day an instant is on, and when a day begins and ends.

A day is known by its ordinal (``date.toordinal``). It need not begin at midnight, because midnight may be in a gap. It
need not be 24 hours long. It need not even be one piece: if the clock goes back from 00:01 to 23:01, the day before
comes back for almost an hour.
"""

from collections.abc import Iterable
from datetime import date
from typing import Final

from turnkeeper_trio._model.times import MAX_INSTANT
from turnkeeper_trio.schedules._zones import DAY, SHIFT, Zone

DayRange = tuple[int, int]
"""Some days in a row: the ordinals of the first and the last."""


_EPOCH: Final = date(1970, 1, 1).toordinal()


def day_of(zone: Zone, at: int) -> int:
    """Return the day that the calendar of a zone shows at an instant."""
    return (at + zone.offset(at)) // DAY + _EPOCH


def _midnight(day: int) -> int:
    """Return the label of midnight at the beginning of a day."""
    return (day - _EPOCH) * DAY


def day_start(zone: Zone, day: int) -> int:
    """Return the first instant of a day."""
    return zone.first_pass(_midnight(day))[0]


def days_end(zone: Zone, days: DayRange, at: int) -> int:
    """Return the first instant later than ``at`` that is on none of some days in a row; ``at`` is on one of them.

    That is the end of the piece around ``at``. If the clock goes back over the first midnight, the day before comes
    back, and the days go on in a second piece after it.
    """
    first, beyond = _midnight(days[0]), _midnight(days[1] + 1)
    offset = zone.offset(at)
    # Two changes are never as close as SHIFT, so equal offsets at both ends mean that there is no change between them.
    if at + offset < first + SHIFT and zone.offset(at + SHIFT) != offset:
        for start, _, offset in zone.segments(at, at + SHIFT):
            if start + offset < first:
                return start
            if start + offset >= beyond:
                break
    if beyond > MAX_INSTANT:
        return MAX_INSTANT + 1
    end = zone.first_pass_by_guess(beyond, offset)
    if end is not None and end > at:
        return end
    early = zone.first_pass(beyond)[0]
    return early if early > at else zone.both(beyond)[1]


def spans(zone: Zone, days: DayRange) -> list[tuple[int, int]]:
    """Return the instants of some days in a row, as spans ``(after, until]`` in order."""
    first, end = _midnight(days[0]), _midnight(days[1] + 1)
    if days[0] == days[1]:  # without a change near the day, three look-ups are enough; `segments` searches whole years
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
    """Return the union of spans ``(after, until]``, in order; spans that overlap or touch become one."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(found):
        if merged and low <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], high)
        else:
            merged.append((low, high))
    return merged
