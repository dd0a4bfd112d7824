"""Counts the occurrences of a combination by days: as bits, and days with the same occurrences only once.

The occurrences of a schedule on one day are a set of seconds, and this is stored as an integer of 86,400 bits. A union
is the "or" of two such sets, an exclusion is "and not", and the number of occurrences on a day is the number of bits
that are set. Days with equal sets are counted once. If all parts repeat after a number of days (a turn), one turn is
counted and multiplied.

This is right only while no clock changes. So the time is cut into pieces at each instant at which the rule changes: a
clock change, the end of an overlap, the ends of an excluded day, the ends of a `Between`. An occurrence that a part can
only list is a single instant. At each cut and each single instant, the combination itself is asked whether it has an
occurrence there.

Instants with different fractions of a second are never equal, so each fraction is counted by itself. An interval with
very many fractions (every millisecond, for example) is counted by arithmetic, except for the fractions that other parts
have as well.

Rejected: the principle of inclusion and exclusion, because its cost doubles with each part and it does not nest well;
and a table of counts that is kept between calls, because its size would need a limit.
"""

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator
from typing import Final

from turnkeeper_trio._model.times import MAX_INSTANT, MICROSECONDS, MIN_INSTANT
from turnkeeper_trio.schedules._count_nodes import Node, Piece, Plan, TooLong, at_fraction
from turnkeeper_trio.schedules._zones import DAY, Zone

_MARGIN: Final = 4 * DAY  # this close to the ends of the calendar, a piece would have days that do not exist
_MOST_RECENT: Final = 32

MOST_DAYS: Final = 4000
"""The number of days that one count may look at. A count that needs more is given up."""

MOST_KINDS: Final = 500
"""The number of days with different sets that one count may have. A count that needs as many is given up."""


def counted(plan: Plan, node: Node, happens: Callable[[int], bool], zone: Zone | None) -> int:
    """Return the number of occurrences of a combination.

    Args:
        plan: The span of time, with its cuts and single instants.
        node: The combination.
        happens: Returns whether the combination has an occurrence at an instant.
        zone: The zone whose days are counted; ``None`` for UTC. The number is the same for each zone, but a zone of the
            combination costs less.

    Raises:
        TooLong: It cannot be counted in bounded time.
    """
    return _Count(plan, node, zone).total(happens)


class _Count:
    """One count."""

    __slots__ = (
        "_count_of", "_cuts", "_days_left", "_fast", "_fractions", "_kinds_left", "_node", "_plan", "_recent", "_turn",
        "_zone",
    )  # fmt: skip

    def __init__(self, plan: Plan, node: Node, zone: Zone | None) -> None:
        if plan.after < MIN_INSTANT + _MARGIN or plan.until > MAX_INSTANT - _MARGIN:
            raise TooLong
        leaves = list(node.leaves())
        fast = [leaf for leaf in leaves if leaf.fractions is None]
        if len(fast) > 1:
            raise TooLong
        self._plan, self._node, self._zone = plan, node, zone
        self._fractions = sorted({each for leaf in leaves for each in leaf.fractions or ()})
        self._fast = fast[0] if fast else None  # the interval that has too many fractions for sets
        self._count_of: dict[Hashable, int] = {}  # the number of occurrences on a day, by its key
        self._recent: dict[tuple[Hashable, int], int] = {}  # sets, by key and fraction
        self._days_left = MOST_DAYS
        self._kinds_left = MOST_KINDS
        self._turn = node.days()
        self._cuts: list[int] = []

    def total(self, happens: Callable[[int], bool]) -> int:
        """Return the number of occurrences in the plan's span."""
        plan = self._plan
        # A single instant is compared with the set of its day, and a fast interval has no such set: it is cut there.
        cuts = sorted(plan.cuts if self._fast is None else plan.cuts | plan.singles)
        self._cuts = cuts
        count = sum(map(happens, cuts))
        start = plan.after + 1
        for cut in [*cuts, plan.until + 1]:
            if start < cut:
                count += self._piece(self._piece_of(start, cut))
            start = cut + 1
        for single in plan.singles.difference(cuts):
            count += happens(single) - self._in_days(single)
        return count

    def _piece_of(self, start: int, end: int) -> Piece:
        return Piece(start, end, 0 if self._zone is None else self._zone.offset(start))

    def _piece(self, piece: Piece) -> int:
        """Return the number of occurrences in a piece: on the parts of days at its ends, and on whole days."""
        first, begin = divmod(piece.start + piece.offset, DAY)
        last, end = divmod(piece.end + piece.offset, DAY)
        if first == last:
            return self._part(first, begin, end, piece)
        count = 0
        if begin:
            count = self._part(first, begin, DAY, piece)
            first += 1
        if end:
            count += self._part(last, 0, end, piece)
        turns = 0
        if self._turn and last - first > self._turn:
            turns, rest = divmod(last - first, self._turn)
            count += turns * self._days(first + rest, first + rest + self._turn, piece)
            last = first + rest
        return count + self._days(first, last, piece)

    def _days(self, first: int, end: int, piece: Piece) -> int:
        """Return the number of occurrences on the whole days in ``[first, end)``."""
        self._days_left -= end - first
        if self._days_left < 0:
            raise TooLong
        node, count_of = self._node, self._count_of
        count = 0
        for day in range(first, end):
            key = node.key(day, piece)
            if key is not None:
                number = count_of.get(key)
                if number is None:
                    self._kinds_left -= 1
                    if not self._kinds_left:
                        raise TooLong
                    number = count_of[key] = self._part(day, 0, DAY, piece)
                count += number
        return count

    def _part(self, day: int, begin: int, end: int, piece: Piece) -> int:
        """Return the number of occurrences on a part of a day: from ``begin`` to before ``end``, since its midnight."""
        key = self._node.key(day, piece)
        count = 0
        for fraction in self._fractions:
            bits = self._bits(key, fraction)
            low, high = (-((fraction - at) // MICROSECONDS) for at in (begin, end))
            count += (bits >> low & (1 << high - low) - 1).bit_count()
        if self._fast is not None:
            start = day * DAY - piece.offset
            for low, high in _runs(self._node.bits(key, 0, self._fast)):
                since, upto = max(low * MICROSECONDS, begin), min(high * MICROSECONDS, end)
                if since < upto:
                    count += self._fast_alone(start + since - 1, start + upto - 1)
        return count

    def _bits(self, key: Hashable, fraction: int) -> int:
        """Return the set of a day with this key. A few sets are kept, because most pieces begin with the same days."""
        found = self._recent.get((key, fraction))
        if found is None:
            if len(self._recent) >= _MOST_RECENT:
                self._recent.clear()
            found = self._recent[key, fraction] = self._node.bits(key, fraction, None)
        return found

    def _fast_alone(self, after: int, until: int) -> int:
        """Return the number of occurrences of the fast interval in ``(after, until]``, without fractions of others."""
        assert self._fast is not None
        every, anchor = self._fast.interval
        count = _on_grid(every, anchor, after, until)
        for fraction in self._fractions:
            if self._fast.may_have(fraction):
                count -= _on_grid(*at_fraction(every, anchor, fraction), after, until)
        return count

    def _in_days(self, at: int) -> bool:
        """Return whether the set of the day has an instant that is no cut, so that it has been counted already."""
        fraction = at % MICROSECONDS
        if fraction not in self._fractions:
            return False
        index = bisect_right(self._cuts, at)
        start = self._cuts[index - 1] + 1 if index else self._plan.after + 1
        piece = self._piece_of(start, start)
        day, since = divmod(at + piece.offset, DAY)
        bits = self._bits(self._node.key(day, piece), fraction)
        return bool(bits >> since // MICROSECONDS & 1)


def _on_grid(every: int, anchor: int, after: int, until: int) -> int:
    """Return the number of occurrences of an interval in ``(after, until]``."""
    return (until - anchor) // every - (after - anchor) // every


def _runs(bits: int) -> Iterator[tuple[int, int]]:
    """Yield the runs of bits that are set, as ``[low, high)``."""
    at = 0
    while bits:
        skip = (bits & -bits).bit_length() - 1
        bits >>= skip
        length = (~bits & bits + 1).bit_length() - 1
        yield at + skip, at + skip + length
        bits >>= length
        at += skip + length
