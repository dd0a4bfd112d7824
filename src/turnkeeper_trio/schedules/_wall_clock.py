"""From wall labels to instants: the two rules of a calendar schedule, and how to count under each.

A label is the reading of a wall clock as an integer: microseconds since the label 1970-01-01 00:00, without a zone.
A calendar schedule is a set of labels. Which instants they name is decided here, and here only:

* *once*: each label happens once; in an overlap at its first pass, in a gap at the end of the gap.
* *every pass*: the schedule happens whenever the wall clock shows one of its labels: not in a gap, twice in an overlap.

Labels that land on one instant are one occurrence. The usual case costs two look-ups of an offset: when the clock is
the same before and after, and shows the label for the first time, there is nothing to decide. Rejected: counting from
the label of local midnight (a day may have none), and keeping tables of transitions for the search (a look-up of a
29 February forty years ahead would build forty of them).
"""

from abc import abstractmethod
from collections.abc import Hashable
from typing import Final, Protocol

from turnkeeper_trio._model.times import MAX_INSTANT, MIN_INSTANT
from turnkeeper_trio.schedules._base import BuiltinSchedule
from turnkeeper_trio.schedules._count_nodes import Leaf, Node, Plan
from turnkeeper_trio.schedules._zones import SHIFT, Zone

GAPS_IN_A_ROW: Final = 41
"""After so many of its labels in a row fell into gaps, a schedule has no further occurrence (at most one gap a year
holds labels of such a schedule, so this looks at least 40 years ahead)."""


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
        """After how many days they repeat; 0: they do not."""
        ...

    @property
    def fractions(self) -> frozenset[int]:
        """The fractions of a second that they use, in microseconds."""
        ...

    def day_key(self, day: int, /) -> Hashable:
        """Return what the labels of a day depend on, the days counted from 1970-01-01; ``None``: it has none."""
        ...

    def seconds(self, key: Hashable, fraction: int, /) -> int:
        """Return the seconds of a day of this key with a label of this fraction: bit n is second n."""
        ...


def _next_label(labels: Labels, after: int) -> int | None:
    label = labels.next_label(max(after, MIN_INSTANT - 1))
    return None if label is None or label > MAX_INSTANT else label


def _count(labels: Labels, after: int, until: int) -> int:
    after, until = max(after, MIN_INSTANT - 1), min(until, MAX_INSTANT)
    return labels.count_labels(after, until) if after < until else 0


def next_once(zone: Zone, labels: Labels, after: int) -> int | None:
    """Return the first instant later than ``after``, each label happening once."""
    offset = zone.offset(after)
    floor = after + offset
    while (label := _next_label(labels, floor)) is not None:
        at = zone.only_pass(label, offset)
        if at is None:
            at, beyond = zone.first_pass(label)
            if at <= after:  # `after` lies in the second pass, and this label happened in the first
                floor = beyond - 1
                continue
        return at if at <= MAX_INSTANT else None
    return None


def next_every_pass(zone: Zone, labels: Labels, after: int) -> int | None:
    """Return the first instant later than ``after`` at which the wall clock shows a label.

    Within ``SHIFT`` ahead a change may bring labels back that were passed already; further ahead it cannot.
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
        elif (first := zone.only_pass(label, offset)) is not None:
            return first if first <= MAX_INSTANT else None
        else:
            first, second = zone.both(label)
            if first <= second:
                return first if first <= MAX_INSTANT else None
            change = zone.change(second, first)
            gaps += 1
        # Go on at the change: nothing happens before it, and from it on the clock has another offset.
        after, offset = change - 1, zone.offset(change)
        floor = after + offset
    return None


def count_once(zone: Zone, labels: Labels, after: int, until: int) -> int:
    """Return the number of instants in ``(after, until]``, each label happening once."""
    count = 0
    seen = None  # labels below this one have happened
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
    """Return whether the gap ``[gap, end)`` has a label of its own, which then happens at its end."""
    return _count(labels, gap - 1, end - 1) > 0 and _count(labels, end - 1, end) == 0


def count_every_pass(zone: Zone, labels: Labels, after: int, until: int) -> int:
    """Return the number of instants in ``(after, until]`` at which the wall clock shows a label."""
    return sum(
        _count(labels, start - 1 + offset, end - 1 + offset)
        for start, end, offset in zone.segments(after + 1, until + 1)
    )


class WallSchedule(BuiltinSchedule):
    """A set of wall labels in a zone, each happening once unless ``every_pass`` says otherwise."""

    __slots__ = ("_zone",)
    _zone: "Zone"

    @property
    @abstractmethod
    def labels(self) -> "Labels":
        """The set of wall labels, without a zone."""

    @property
    def every_pass(self) -> bool:
        """Whether it happens at each pass of an overlap and never in a gap, rather than once for each label."""
        return False

    @property
    def timezone(self) -> str:
        """The IANA name of the zone."""
        return self._zone.key

    @property
    def zones(self) -> frozenset[str]:
        """The one zone."""
        return frozenset((self._zone.key,))

    def next_after_us(self, after: int) -> int | None:
        """Return the first occurrence strictly later than ``after``, or ``None``."""
        after = max(after, MIN_INSTANT - 1)
        if after >= MAX_INSTANT:
            return None
        return (next_every_pass if self.every_pass else next_once)(self._zone, self.labels, after)

    def days(self) -> Leaf:
        """Return its days and times, not looking at how often a label of an overlap happens."""
        labels = self.labels
        return Leaf(self._zone, labels.turn, labels.day_key, labels.seconds, labels.fractions)

    def node(self, plan: Plan) -> Node:
        """Return its days and times."""
        leaf = self.days()
        leaf.every_pass = self.every_pass
        return plan.wall(leaf)

    def count_between_us(self, after: int, until: int) -> int:
        """Return the number of occurrences t with ``after < t <= until``."""
        after, until = max(after, MIN_INSTANT - 1), min(until, MAX_INSTANT)
        if until <= after:
            return 0
        return (count_every_pass if self.every_pass else count_once)(self._zone, self.labels, after, until)
