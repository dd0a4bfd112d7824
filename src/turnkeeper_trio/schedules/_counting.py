"""How combinations are counted: day by day as bits, each kind of day once.

The rule: in a stretch of time in which no clock of a schedule involved changes, a schedule repeats its days: what it
does on a day is a set of seconds of the day, which is an integer of 86,400 bits. A union is an "or" of two of these, an
exclusion an "and not", and how many occurrences a day has is the number of its bits. Days that look alike are counted
once, and where all parts repeat after a number of days, one turn is counted and multiplied. Instants at which the rule
changes (a clock change, the end of an overlap, an excluded day's ends, the ends of `Between`, what happens once) cut
the time into pieces, and each is asked for by itself: does the combination happen at it?

Instants with different fractions of a second never meet, so each fraction in use is counted by itself. An interval with
very many fractions (each millisecond) is counted by arithmetic, but for those fractions that another part uses, too.

Rejected: inclusion and exclusion over the parts, which doubles with each part and nests badly; and a table of counts
kept between calls, which would have to be bounded.
"""

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Final

from turnkeeper_trio._model.times import MAX_INSTANT, MICROSECONDS, MIN_INSTANT
from turnkeeper_trio.schedules._count_nodes import Node, Piece, Plan, TooLong, at_fraction
from turnkeeper_trio.schedules._zones import DAY, Zone

_MARGIN: Final = 4 * DAY
_RECENT: Final = 32

MOST_DAYS: Final = 4000
"""Up to how many days are looked at in one count; beyond it, and without a shorter turn, it is given up."""

MOST_KINDS: Final = 500
"""Up to how many days that differ are counted in one count."""


def counted(plan: Plan, node: Node, happens: Callable[[int], bool], zones: Iterable[Zone]) -> int:
    """Return how often a combination happens.

    Args:
        plan: The time, with its cuts.
        node: The combination.
        happens: Returns whether it happens at an instant; asked at cuts and single instants.
        zones: The zones whose days are likely to matter.

    Raises:
        TooLong: It would take too long.
    """
    return _Count(plan, node, next(iter(zones), None)).total(happens)


class _Count:
    """One count under way."""

    __slots__ = (
        "_budget",
        "_classes",
        "_ends",
        "_fast",
        "_kinds",
        "_known",
        "_node",
        "_plan",
        "_recent",
        "_turn",
        "_zone",
    )

    def __init__(self, plan: Plan, node: Node, zone: Zone | None) -> None:
        """Find the fractions of a second that are in use."""
        if plan.after < MIN_INSTANT + _MARGIN or plan.until > MAX_INSTANT - _MARGIN:
            raise TooLong
        leaves = list(node.leaves())
        fast = [leaf for leaf in leaves if leaf.fractions is None]
        if len(fast) > 1:
            raise TooLong
        self._plan, self._node, self._zone = plan, node, zone
        self._classes = sorted({each for leaf in leaves for each in leaf.fractions or ()})
        self._fast = fast[0] if fast else None
        self._known: dict[Hashable, int] = {}
        self._recent: dict[tuple[Hashable, int], int] = {}
        self._budget = MOST_DAYS
        self._kinds = MOST_KINDS
        self._turn = node.days()
        self._ends: list[int] = []

    def total(self, happens: Callable[[int], bool]) -> int:
        plan = self._plan
        # Single instants are compared with the days around them, which a fast interval does not have.
        cuts = sorted(plan.cuts if self._fast is None else plan.cuts | plan.singles)
        self._ends = cuts
        count = sum(map(happens, cuts))
        start = plan.after + 1
        for cut in [*cuts, plan.until + 1]:
            if start < cut:
                count += self._piece(self._at(start, cut))
            start = cut + 1
        for single in plan.singles.difference(cuts):
            count += happens(single) - self._regular(single)
        return count

    def _at(self, start: int, end: int) -> Piece:
        return Piece(start, end, 0 if self._zone is None else self._zone.offset(start))

    def _piece(self, piece: Piece) -> int:
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

    def _days(self, first: int, last: int, piece: Piece) -> int:
        self._budget -= last - first
        if self._budget < 0:
            raise TooLong
        node, known = self._node, self._known
        count = 0
        for day in range(first, last):
            key = node.key(day, piece)
            if key is not None:
                number = known.get(key)
                if number is None:
                    self._kinds -= 1
                    if not self._kinds:
                        raise TooLong
                    number = known[key] = self._part(day, 0, DAY, piece)
                count += number
        return count

    def _part(self, day: int, begin: int, end: int, piece: Piece) -> int:
        """Return the number of occurrences on a day, by the microseconds since its midnight, in ``[begin, end)``."""
        key = self._node.key(day, piece)
        count = 0
        for fraction in self._classes:
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
        """Return the seconds of a day; those of a few kinds of days are kept, because most pieces begin alike."""
        found = self._recent.get((key, fraction))
        if found is None:
            if len(self._recent) >= _RECENT:
                self._recent.clear()
            found = self._recent[key, fraction] = self._node.bits(key, fraction, None)
        return found

    def _fast_alone(self, after: int, until: int) -> int:
        """Return how often the fast interval happens at fractions of a second that no other part uses."""
        assert self._fast is not None
        every, anchor = self._fast.every
        count = _on_grid(every, anchor, after, until)
        for fraction in self._classes:
            if self._fast.uses(fraction):
                count -= _on_grid(*at_fraction(every, anchor, fraction), after, until)
        return count

    def _regular(self, at: int) -> bool:
        """Return whether the days have an occurrence at an instant that is no cut."""
        fraction = at % MICROSECONDS
        if fraction not in self._classes:
            return False
        index = bisect_right(self._ends, at)
        start = self._ends[index - 1] + 1 if index else self._plan.after + 1
        piece = self._at(start, start)
        day, since = divmod(at + piece.offset, DAY)
        bits = self._bits(self._node.key(day, piece), fraction)
        return bool(bits >> since // MICROSECONDS & 1)


def _on_grid(every: int, anchor: int, after: int, until: int) -> int:
    return (until - anchor) // every - (after - anchor) // every


def _runs(bits: int) -> Iterator[tuple[int, int]]:
    """Yield the runs of ones, as ``[low, high)``."""
    at = 0
    while bits:
        skip = (bits & -bits).bit_length() - 1
        bits >>= skip
        length = (~bits & bits + 1).bit_length() - 1
        yield at + skip, at + skip + length
        bits >>= length
        at += skip + length
