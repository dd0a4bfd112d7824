"""What is counted, as sets of seconds for each day: leaves, unions, windows, and what is left without some days."""

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator, Sequence
from math import gcd, lcm
from typing import Any, Final, final

from turnkeeper_trio._model.times import MAX_INSTANT, MICROSECONDS
from turnkeeper_trio.schedules._zones import DAY, SHIFT, Zone

_SECONDS: Final = 86_400
_WHOLE_DAY: Final = (1 << _SECONDS) - 1
_MOST_FRACTIONS: Final = 16

MOST_CUTS: Final = 1500
"""Up to how many instants the time is cut at in one count."""


class TooLong(Exception):
    """It cannot be counted in bounded time."""


class Node:
    """A part of what is counted, as a set of seconds for each day of a piece."""

    __slots__ = ()

    @abstractmethod
    def days(self) -> int:
        """Return after how many days it repeats within a piece; 0: it does not."""

    @abstractmethod
    def key(self, day: int, piece: "Piece") -> Any:
        """Return what the day depends on: equal keys, equal bits. ``None``: it is empty."""

    @abstractmethod
    def bits(self, key: Any, fraction: int, only: "Leaf | None") -> int:
        """Return the seconds of a day of this key; with ``only``, as if that leaf happened at each and no other did."""

    @abstractmethod
    def leaves(self) -> "Iterator[Leaf]":
        """Yield the leaves that happen, not those that only exclude."""


@final
class Piece:
    """A stretch of time between two cuts: instants in ``[start, end)``."""

    __slots__ = ("end", "offset", "start")

    def __init__(self, start: int, end: int, offset: int) -> None:
        """Take a stretch; days are those of the clock with this offset."""
        self.start: int = start
        self.end: int = end
        self.offset: int = offset


@final
class Leaf(Node):
    """The days and times of one schedule on a wall clock, or of an interval on that of UTC.

    Args:
        zone: The zone of the clock; ``None`` for UTC.
        turn: After how many days it repeats; 0: it does not.
        day_key: What a day of the clock depends on, counted from 1970-01-01; ``None``: nothing happens on it.
        times: Returns the seconds of a day of that key, for a fraction of a second.
        fractions: The fractions of a second that it uses, in microseconds; ``None``: too many.
        every: For an interval, its length and its anchor.
    """

    __slots__ = (
        "_late", "_piece", "_second_pass", "_whole",
        "day_key", "every", "every_pass", "fractions", "second_passes", "times", "turn", "zone",
    )  # fmt: skip

    def __init__(
        self,
        zone: Zone | None,
        turn: int,
        day_key: Callable[[int], Hashable],
        times: Callable[[Hashable, int], int],
        fractions: frozenset[int] | None = frozenset((0,)),
        *,
        every: tuple[int, int] = (0, 0),
        every_pass: bool = True,
    ) -> None:
        """Take the rule."""
        self.zone: Zone | None = zone
        self.turn: int = turn
        self.day_key: Callable[[int], Hashable] = day_key
        self.times: Callable[[Hashable, int], int] = times
        self.fractions: frozenset[int] | None = fractions
        self.every: tuple[int, int] = every
        self.every_pass: bool = every_pass
        self.second_passes: list[tuple[int, int]] = []
        self._piece: Piece | None = None  # the last one asked for, and what is known about it

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

    def uses(self, fraction: int) -> bool:
        """Return whether it can happen at this fraction of a second."""
        assert self.fractions is None  # only asked of an interval that uses very many
        every, anchor = self.every
        return (fraction - anchor) % gcd(every, MICROSECONDS) == 0


def shifted(late: int, first: int, second: int) -> int:
    """Return a day of bits that begins so many seconds into the first of two days."""
    return (first >> late | second << _SECONDS - late) & _WHOLE_DAY if late else first


def within(spans: Sequence[tuple[int, int]], at: int) -> bool:
    """Return whether an instant lies in one of some spans ``[start, end)``, which are in order and apart."""
    index = bisect_right(spans, (at, MAX_INSTANT + DAY)) - 1
    return index >= 0 and at < spans[index][1]


@final
class Union(Node):
    """Whenever any of some nodes happens."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[Node]) -> None:
        """Take the parts."""
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
    """A node within a span of time, or, with ``outside``, without some spans."""

    __slots__ = ("_outside", "_part", "_spans")

    def __init__(self, part: Node, spans: Sequence[tuple[int, int]], *, outside: bool = False) -> None:
        """Take spans ``[start, end)``, in order and apart; the time is cut at each end."""
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
    """A node without the days of a zone on which a schedule of that zone happens."""

    __slots__ = ("_by_span", "_days", "_part", "_spans")

    def __init__(self, part: Node, days: Leaf, known: Sequence[tuple[int, int, bool]]) -> None:
        """Take the days, and those near a change of the clock: spans ``[start, end)``, and whether each is excluded."""
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
    """What is known about the time in which is counted: where it is cut, and what happens at single instants."""

    __slots__ = ("after", "cuts", "limit", "singles", "until")

    def __init__(self, after: int, until: int, limit: int) -> None:
        """Begin a count of ``(after, until]``; up to ``limit`` occurrences of a part may be listed."""
        self.after: int = after
        self.until: int = until
        self.limit: int = limit
        self.cuts: set[int] = set()
        self.singles: set[int] = set()

    def cut(self, *instants: int) -> None:
        """Cut the time at some instants."""
        self.cuts.update(at for at in instants if self.after < at <= self.until)
        if len(self.cuts) > MOST_CUTS:
            raise TooLong

    def listed(self, next_after: Callable[[int], int | None]) -> Node:
        """Take the occurrences of a part as single instants."""
        at = next_after(self.after)
        for _ in range(self.limit + 1):
            if at is None or at > self.until:
                return Union(())
            self.singles.add(at)
            at = next_after(at)
        raise TooLong

    def wall(self, leaf: Leaf) -> Leaf:
        """Take a schedule of a zone: cut the time at its changes of the clock."""
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
        """Return the instants near the time at which the clock of a zone changes."""
        return [start for start, *_ in zone.segments(self.after - 2 * SHIFT, self.until + 2 * SHIFT)][1:]


def interval_leaf(every: int, anchor: int) -> Leaf:
    """Return an interval as a leaf."""
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

    return Leaf(None, turn, lambda day: day % turn, times, fractions, every=(every, anchor))


def at_fraction(every: int, anchor: int, fraction: int) -> tuple[int, int]:
    """Return period and anchor of those occurrences of an interval that have this fraction of a second; there are."""
    unit = gcd(every, MICROSECONDS)
    period = every // unit * MICROSECONDS
    steps = (fraction - anchor) // unit * pow(every // unit, -1, MICROSECONDS // unit) % (MICROSECONDS // unit)
    return period, anchor + steps * every


def _repeated(first: int, step: int) -> int:
    """Return a day with one bit each ``step`` seconds, from ``first`` on."""
    if first >= _SECONDS:
        return 0
    found, width = 1 << first, step
    while first + width < _SECONDS:
        found |= found << width
        width *= 2
    return found & _WHOLE_DAY
