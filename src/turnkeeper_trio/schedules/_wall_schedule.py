"""The base class of the calendar schedules: a set of wall labels in a zone, under one of the two rules."""

from abc import abstractmethod

from turnkeeper_trio._model.times import MAX_INSTANT, MIN_INSTANT
from turnkeeper_trio.schedules._base import BuiltinSchedule
from turnkeeper_trio.schedules._count_nodes import Leaf, Node, Plan
from turnkeeper_trio.schedules._wall_clock import Labels, count_every_pass, count_once, next_every_pass, next_once
from turnkeeper_trio.schedules._zones import Zone


class WallSchedule(BuiltinSchedule):
    """A schedule that is a set of wall labels in a zone, under one of the two rules."""

    __slots__ = ("_zone",)
    _zone: Zone

    @property
    @abstractmethod
    def labels(self) -> Labels:
        """The set of wall labels, without a zone."""

    @property
    def every_pass(self) -> bool:
        """Whether the rule is "every pass" and not "once"."""
        return False

    @property
    def timezone(self) -> str:
        """The IANA name of the zone."""
        return self._zone.key

    @property
    def zones(self) -> frozenset[str]:
        """The IANA name of the one zone."""
        return frozenset((self._zone.key,))

    def next_after_us(self, after: int) -> int | None:
        """Return the first occurrence strictly later than ``after``, or ``None``."""
        after = max(after, MIN_INSTANT - 1)
        if after >= MAX_INSTANT:
            return None
        return (next_every_pass if self.every_pass else next_once)(self._zone, self.labels, after)

    def node(self, plan: Plan) -> Node:
        """Return the labels as a leaf."""
        labels = self.labels
        leaf = Leaf(
            self._zone, labels.turn, labels.day_key, labels.seconds, labels.fractions, every_pass=self.every_pass
        )
        return plan.cut_at_changes(leaf)

    def count_between_us(self, after: int, until: int) -> int:
        """Return the number of occurrences t with ``after < t <= until``."""
        after, until = max(after, MIN_INSTANT - 1), min(until, MAX_INSTANT)
        if until <= after:
            return 0
        return (count_every_pass if self.every_pass else count_once)(self._zone, self.labels, after, until)
