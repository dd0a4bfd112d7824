"""From wall labels to instants: the two rules of a calendar schedule, and how occurrences are counted under each.

A label is the reading of a wall clock as an integer: microseconds since the label 1970-01-01 00:00, without a zone. A
calendar schedule is a set of labels in a zone. This module, and no other, decides which instants they name:

* *once*: each label is one occurrence. In an overlap it is at the first pass, in a gap it is at the end of the gap.
* *every pass*: there is an occurrence whenever the wall clock shows a label: none in a gap, two in an overlap.

Labels that name the same instant are one occurrence. The usual case costs two look-ups of an offset: if the offset is
the same now and at the label, and the clock shows the label for the first time, there is nothing to decide.

Rejected: to count from the label of midnight, because a day may have none; and to keep a table of each year's clock
changes for the search, because the search for a 29 February that is forty years ahead would build forty tables.
"""

from collections.abc import Hashable
from typing import Final, Protocol

from turnkeeper_trio._model.times import MAX_INSTANT, MIN_INSTANT
from turnkeeper_trio.schedules._zones import SHIFT, Zone

GAPS_IN_A_ROW: Final = 41
"""If this many labels in a row are in gaps, the schedule has no further occurrence. Labels that are all in gaps meet at
most one gap a year, so the search looks at least 40 years ahead."""


class Labels(Protocol):
    """A set of wall labels."""

    def next_label(self, after: int, /) -> int | None:
        """Return the first label greater than ``after``, or ``None``."""
        ...

    def count_labels(self, after: int, until: int, /) -> int:
        """Return the number of labels with ``after < label <= until``."""
        ...

    @property
    def turn(self) -> int:
        """The number of days after which the labels repeat; 0 if they do not repeat."""
        ...

    @property
    def fractions(self) -> frozenset[int]:
        """The fractions of a second that labels have, in microseconds."""
        ...

    def day_key(self, day: int, /) -> Hashable:
        """Return a key for a day, counted from 1970-01-01: days with equal keys have the same labels.

        Return ``None`` if the day has no label.
        """
        ...

    def seconds(self, key: Hashable, fraction: int, /) -> int:
        """Return the seconds of a day with this key that have a label with this fraction: bit n is second n."""
        ...


def _next_label(labels: Labels, after: int) -> int | None:
    label = labels.next_label(max(after, MIN_INSTANT - 1))
    return None if label is None or label > MAX_INSTANT else label


def _count(labels: Labels, after: int, until: int) -> int:
    after, until = max(after, MIN_INSTANT - 1), min(until, MAX_INSTANT)
    return labels.count_labels(after, until) if after < until else 0


def next_once(zone: Zone, labels: Labels, after: int) -> int | None:
    """Return the first occurrence later than ``after`` under the rule "once", or ``None``."""
    offset = zone.offset(after)
    floor = after + offset
    while (label := _next_label(labels, floor)) is not None:
        at = zone.first_pass_by_guess(label, offset)
        if at is None:
            at, beyond = zone.first_pass(label)
            if at <= after:  # `after` is in the second pass of an overlap, and the label was due in the first
                floor = beyond - 1
                continue
        return at if at <= MAX_INSTANT else None
    return None


def next_every_pass(zone: Zone, labels: Labels, after: int) -> int | None:
    """Return the first occurrence later than ``after`` under the rule "every pass", or ``None``.

    A change less than ``SHIFT`` ahead may bring back labels that the clock has shown already; a later change cannot.
    """
    offset = zone.offset(after)
    floor = after + offset
    gaps = 0
    while gaps < GAPS_IN_A_ROW:
        label = _next_label(labels, floor)
        at = after + SHIFT if label is None else label - offset
        ahead = min(at, after + SHIFT)
        if zone.offset(ahead) != offset:
            change = zone.change(after, ahead)
        elif label is None:
            return None
        elif at == ahead:
            return at if at <= MAX_INSTANT else None
        elif (first := zone.first_pass_by_guess(label, offset)) is not None:
            return first if first <= MAX_INSTANT else None
        else:
            first, second = zone.both(label)
            if first <= second:
                return first if first <= MAX_INSTANT else None
            change = zone.change(second, first)
            gaps += 1
        # Go on from the change: there is no occurrence before it, and the clock has a new offset from there.
        after, offset = change - 1, zone.offset(change)
        floor = after + offset
    return None


def count_once(zone: Zone, labels: Labels, after: int, until: int) -> int:
    """Return the number of occurrences in ``(after, until]`` under the rule "once"."""
    count = 0
    seen = None  # the clock has shown, or left out, each label below this one
    for start, end, offset in zone.segments(after - 2 * SHIFT, until + 1):
        first, beyond = start + offset, end + offset
        if seen is None:
            seen = first
        elif seen < first and start > after and _in_gap(labels, seen, first):
            count += 1
        low = max(seen, first, after + offset + 1)
        if low < beyond:
            count += _count(labels, low - 1, beyond - 1)
        seen = max(seen, beyond)
    return count


def _in_gap(labels: Labels, gap: int, end: int) -> bool:
    """Return whether labels in the gap ``[gap, end)`` make an occurrence at its end that the label ``end`` does not."""
    return _count(labels, gap - 1, end - 1) > 0 and _count(labels, end - 1, end) == 0


def count_every_pass(zone: Zone, labels: Labels, after: int, until: int) -> int:
    """Return the number of occurrences in ``(after, until]`` under the rule "every pass"."""
    return sum(
        _count(labels, start - 1 + offset, end - 1 + offset)
        for start, end, offset in zone.segments(after + 1, until + 1)
    )
