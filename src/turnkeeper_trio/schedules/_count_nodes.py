"""The nodes of a count: a combination as a tree, in which each node is a set of seconds for each day.

`_counting` says how such a tree is counted. A schedule of the library makes its own node; what has no sets of days
is listed as single instants of the `Plan`.
"""

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator, Sequence
from math import gcd, lcm
from typing import Any, Final, final

from turnkeeper_trio._model.times import MAX_INSTANT, MICROSECONDS
from turnkeeper_trio.schedules._zones import DAY, SHIFT, Zone

_SECONDS: Final = 86_400
_WHOLE_DAY: Final[int] = (
    pow(2, _SECONDS) - 1
)  # pow, because mypyc evaluates a shift itself, and cannot write such a number
_MOST_FRACTIONS: Final = 16  # an interval with more fractions of a second than this is counted by arithmetic

MOST_CUTS: Final = 1500
"""The number of cuts that one count may have. A count that needs more is given up."""


class TooLong(Exception):
    """It cannot be counted in bounded time."""


class Node:
    """A combination, or a part of one, as a set of seconds for each day of a piece."""

    __slots__ = ()

    @abstractmethod
    def days(self) -> int:
        """Return the number of days after which the sets repeat within a piece; 0 if they do not repeat."""

    @abstractmethod
    def key(self, day: int, piece: "Piece") -> Any:
        """Return a key for a day: days with equal keys have equal sets. ``None`` means that the set is empty."""

    @abstractmethod
    def bits(self, key: Any, fraction: int, only: "Leaf | None") -> int:
        """Return the set of a day with this key, for a fraction of a second: bit n is second n.

        With ``only``, return the set for a case that differs in this: that leaf has each second, and other leaves have
        none.
        """

    @abstractmethod
    def leaves(self) -> "Iterator[Leaf]":
        """Yield the leaves that have occurrences, not those that only exclude days."""


@final
class Piece:
    """A stretch of time between two cuts: instants in ``[start, end)``."""

    __slots__ = ("end", "offset", "start")

    def __init__(self, start: int, end: int, offset: int) -> None:
        """Make a piece; its days are those of a clock with this offset from UTC."""
        self.start: int = start
        self.end: int = end
        self.offset: int = offset


@final
class Leaf(Node):
    """The days and times of one schedule on the wall clock of its zone, or of an interval on that of UTC.

    Args:
        zone: The zone; ``None`` for UTC.
        turn: The number of days after which the sets repeat; 0 if they do not repeat.
        day_key: Returns a key for a day of the zone, counted from 1970-01-01: days with equal keys have equal sets.
            ``None`` means that the set is empty.
        times: Returns the set of a day with that key, for a fraction of a second.
        fractions: The fractions of a second that it has, in microseconds; ``None`` if there are too many.
        interval: The length and the anchor of an interval.
        every_pass: Whether it has an occurrence in each pass of an overlap, or in the first one only.
    """

    __slots__ = (
        "_late", "_piece", "_second_pass", "_whole",
        "day_key", "every_pass", "fractions", "interval", "second_passes", "times", "turn", "zone",
    )  # fmt: skip

    def __init__(
        self,
        zone: Zone | None,
        turn: int,
        day_key: Callable[[int], Hashable],
        times: Callable[[Hashable, int], int],
        fractions: frozenset[int] | None = frozenset((0,)),
        *,
        interval: tuple[int, int] = (0, 0),
        every_pass: bool = True,
    ) -> None:
        self.zone: Zone | None = zone
        self.turn: int = turn
        self.day_key: Callable[[int], Hashable] = day_key
        self.times: Callable[[Hashable, int], int] = times
        self.fractions: frozenset[int] | None = fractions
        self.interval: tuple[int, int] = interval
        self.every_pass: bool = every_pass
        self.second_passes: list[tuple[int, int]] = []
        self._piece: Piece | None = None  # the last one that `key` was called for; what depends on it is kept

    def days(self) -> int:
        return self.turn

    def key(self, day: int, piece: Piece) -> Any:
        if piece is not self._piece:
            own = 0 if self.zone is None else self.zone.offset(piece.start)
            self._piece, self._second_pass = piece, within(self.second_passes, piece.start)
            self._whole, self._late = divmod(own - piece.offset, DAY)
        if self._second_pass:
            return None
        first = self.day_key(day + self._whole)
        if not self._late:
            return None if first is None else (0, first, None)
        second = self.day_key(day + self._whole + 1)
        return None if first is None and second is None else (self._late // MICROSECONDS, first, second)

    def bits(self, key: Any, fraction: int, only: "Leaf | None") -> int:
        if key is None or (only is not None and only is not self):
            return 0
        if only is self:
            return _WHOLE_DAY
        late, first, second = key
        return shifted(
            late,
            0 if first is None else self.times(first, fraction),
            0 if second is None else self.times(second, fraction),
        )

    def leaves(self) -> "Iterator[Leaf]":
        yield self

    def may_have(self, fraction: int) -> bool:
        """Return whether an occurrence may have this fraction of a second."""
        assert self.fractions is None  # it is only asked of an interval that has too many to name
        every, anchor = self.interval
        return (fraction - anchor) % gcd(every, MICROSECONDS) == 0


def shifted(late: int, first: int, second: int) -> int:
    """Return the set of a day that begins ``late`` seconds into the first of two days, from the sets of the two."""
    return (first >> late | second << _SECONDS - late) & _WHOLE_DAY if late else first


def within(spans: Sequence[tuple[int, int]], at: int) -> bool:
    """Return whether an instant is in one of several spans ``[start, end)``, which are in order and do not overlap."""
    index = bisect_right(spans, (at, MAX_INSTANT + DAY)) - 1
    return index >= 0 and at < spans[index][1]


@final
class Union(Node):
    """The union of several nodes."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[Node]) -> None:
        self._parts = parts

    def days(self) -> int:
        return lcm(*(part.days() for part in self._parts)) if self._parts else 1

    def key(self, day: int, piece: Piece) -> Any:
        keys = tuple([part.key(day, piece) for part in self._parts])
        return None if keys.count(None) == len(keys) else keys

    def bits(self, key: Any, fraction: int, only: Leaf | None) -> int:
        found = 0
        if key is not None:
            for part, each in zip(self._parts, key, strict=True):
                found |= part.bits(each, fraction, only)
        return found

    def leaves(self) -> Iterator[Leaf]:
        for part in self._parts:
            yield from part.leaves()


@final
class Window(Node):
    """A node within some spans of time or, with ``outside``, outside of them."""

    __slots__ = ("_outside", "_part", "_spans")

    def __init__(self, part: Node, spans: Sequence[tuple[int, int]], *, outside: bool = False) -> None:
        """Make a window from spans ``[start, end)``, in order, at whose ends the plan is cut."""
        self._part, self._spans, self._outside = part, spans, outside

    def days(self) -> int:
        return self._part.days()

    def key(self, day: int, piece: Piece) -> Any:
        return None if within(self._spans, piece.start) is self._outside else self._part.key(day, piece)

    def bits(self, key: Any, fraction: int, only: Leaf | None) -> int:
        return self._part.bits(key, fraction, only)

    def leaves(self) -> Iterator[Leaf]:
        return self._part.leaves()


@final
class WithoutDays(Node):
    """A node without the days on which a schedule has an occurrence; the days are those of the schedule's zone."""

    __slots__ = ("_by_span", "_days", "_part", "_spans")

    def __init__(self, part: Node, days: Leaf, known: Sequence[tuple[int, int, bool]]) -> None:
        """Make the node.

        Args:
            part: The node.
            days: The excluded schedule.
            known: The days near each clock change, where ``days`` does not hold: spans ``[start, end)``, and whether
                each is excluded.
        """
        self._part, self._days = part, days
        self._spans = [(start, end) for start, end, _ in known]
        self._by_span = [excluded for *_, excluded in known]

    def days(self) -> int:
        return lcm(self._part.days(), self._days.days())

    def key(self, day: int, piece: Piece) -> Any:
        part = self._part.key(day, piece)
        if part is None or not within(self._spans, piece.start):
            return None if part is None else (part, self._days.key(day, piece))
        excluded = self._by_span[bisect_right(self._spans, (piece.start, MAX_INSTANT + DAY)) - 1]
        return None if excluded else (part, None)

    def bits(self, key: Any, fraction: int, only: Leaf | None) -> int:
        if key is None:
            return 0
        part, excluded = key
        if excluded is None:
            return self._part.bits(part, fraction, only)
        late, first, second = excluded
        whole = shifted(late, 0 if first is None else _WHOLE_DAY, 0 if second is None else _WHOLE_DAY)
        return self._part.bits(part, fraction, only) & ~whole

    def leaves(self) -> Iterator[Leaf]:
        return self._part.leaves()


@final
class Plan:
    """The span of time in which a combination is counted: where it is cut, and the single instants of listed parts."""

    __slots__ = ("after", "cuts", "limit", "singles", "until")

    def __init__(self, after: int, until: int, limit: int) -> None:
        """Make a plan for ``(after, until]``; at most ``limit`` occurrences of each part may be listed."""
        self.after: int = after
        self.until: int = until
        self.limit: int = limit
        self.cuts: set[int] = set()
        self.singles: set[int] = set()

    def cut(self, *instants: int) -> None:
        """Cut the time at each of these instants that is in the span.

        Raises:
            TooLong: There are too many cuts.
        """
        self.cuts.update(at for at in instants if self.after < at <= self.until)
        if len(self.cuts) > MOST_CUTS:
            raise TooLong

    def listed(self, next_after: Callable[[int], int | None]) -> Node:
        """Add the occurrences of a part as single instants, and return an empty node.

        Raises:
            TooLong: There are more than the limit.
        """
        at = next_after(self.after)
        for _ in range(self.limit + 1):
            if at is None or at > self.until:
                return Union(())
            self.singles.add(at)
            at = next_after(at)
        raise TooLong

    def cut_at_changes(self, leaf: Leaf) -> Leaf:
        """Cut the time at the clock changes of a leaf's zone and, if they matter, at the ends of overlaps.

        Return the leaf.

        Raises:
            TooLong: There are too many cuts.
        """
        assert leaf.zone is not None
        offset = None
        for start, _, new in leaf.zone.segments(self.after - 2 * SHIFT, self.until + 1):
            if offset is not None:
                self.cut(start)
                if new < offset and not leaf.every_pass:
                    leaf.second_passes.append((start, start + offset - new))
                    self.cut(start + offset - new)
            offset = new
        return leaf

    def changes(self, zone: Zone) -> list[int]:
        """Return the clock changes of a zone within the span and near it, as instants."""
        return [start for start, *_ in zone.segments(self.after - 2 * SHIFT, self.until + 2 * SHIFT)][1:]


def interval_leaf(every: int, anchor: int) -> Leaf:
    """Return the leaf of an interval; both arguments are in microseconds."""
    turn = every // gcd(every, DAY)
    unit = gcd(every, MICROSECONDS)
    number = MICROSECONDS // unit
    fractions = None
    if number <= _MOST_FRACTIONS:
        fractions = frozenset((anchor + step * every) % MICROSECONDS for step in range(number))

    def times(key: Hashable, fraction: int) -> int:
        assert isinstance(key, int)
        if (fraction - anchor) % unit:
            return 0
        period, first = at_fraction(every, anchor, fraction)
        return _repeated((first - key * DAY - fraction) % period // MICROSECONDS, period // MICROSECONDS)

    return Leaf(None, turn, lambda day: day % turn, times, fractions, interval=(every, anchor))


def at_fraction(every: int, anchor: int, fraction: int) -> tuple[int, int]:
    """Return the length and the anchor of the interval that has only the occurrences with this fraction of a second.

    There must be such occurrences.
    """
    unit = gcd(every, MICROSECONDS)
    period = every // unit * MICROSECONDS
    steps = (fraction - anchor) // unit * pow(every // unit, -1, MICROSECONDS // unit) % (MICROSECONDS // unit)
    return period, anchor + steps * every


def _repeated(first: int, step: int) -> int:
    """Return the set of a day that has one second in every ``step``, from ``first`` on."""
    if first >= _SECONDS:
        return 0
    found, width = 1 << first, step
    while first + width < _SECONDS:
        found |= found << width
        width *= 2
    return found & _WHOLE_DAY
