"""The base of the schedules that read a wall clock in a zone."""

from abc import abstractmethod
from typing import TYPE_CHECKING

from turnkeeper_trio._model.instants import MAX_INSTANT, MIN_INSTANT
from turnkeeper_trio.schedules._base import BuiltinSchedule
from turnkeeper_trio.schedules._labels import count_every_pass, count_once, next_every_pass, next_once

if TYPE_CHECKING:
    from turnkeeper_trio.schedules._labels import Labels
    from turnkeeper_trio.schedules._zones import Zone


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

    def count_between_us(self, after: int, until: int) -> int:
        """Return the number of occurrences t with ``after < t <= until``."""
        after, until = max(after, MIN_INSTANT - 1), min(until, MAX_INSTANT)
        if until <= after:
            return 0
        return (count_every_pass if self.every_pass else count_once)(self._zone, self.labels, after, until)
