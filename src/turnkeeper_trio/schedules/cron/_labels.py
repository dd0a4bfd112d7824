"""The wall labels that a cron expression means: its days combined with its times of day, to the second."""

from collections.abc import Hashable
from datetime import date
from typing import Final, final

from turnkeeper_trio._model.times import MICROSECONDS
from turnkeeper_trio.schedules.cron._calendar import Days
from turnkeeper_trio.schedules.cron._parser import Spec

_DAY: Final = 86_400


_EPOCH: Final = date(1970, 1, 1).toordinal()


_LAST_DAY: Final = date.max.toordinal()


@final
class CronLabels:
    """The set of wall labels that a `Spec` means: a `Labels` of `_wall_clock`."""

    __slots__ = ("_bits", "_days", "_first", "_hours", "_last", "_minutes", "_seconds")

    def __init__(self, spec: Spec) -> None:
        self._days = Days(spec)
        self._bits: int | None = None  # the times of day as a set of seconds, made when first needed
        self._seconds, self._minutes, self._hours = spec.seconds, spec.minutes, spec.hours
        self._first = (_lowest(self._hours) * 60 + _lowest(self._minutes)) * 60 + _lowest(self._seconds)
        self._last = (_highest(self._hours) * 60 + _highest(self._minutes)) * 60 + _highest(self._seconds)

    @property
    def exist(self) -> bool:
        """Whether there is any label."""
        return self._days.exist

    def next_label(self, after: int) -> int | None:
        """Return the first label greater than ``after``, or ``None``."""
        second = after // MICROSECONDS + 1
        day, at = second // _DAY, second % _DAY  # costs less than divmod, compiled or not
        if at > self._last:
            day, at = day + 1, 0
        if not self._days.every_day:
            wanted = day + _EPOCH
            if wanted > _LAST_DAY:
                return None
            found = self._days.next_day(wanted)
            if found is None:
                return None
            if found != wanted:
                return ((found - _EPOCH) * _DAY + self._first) * MICROSECONDS
        return (day * _DAY + self._time_from(at)) * MICROSECONDS

    def count_labels(self, after: int, until: int) -> int:
        """Return the number of labels with ``after < label <= until``."""
        first_day, first = divmod(after // MICROSECONDS + 1, _DAY)
        last_day, last = divmod(until // MICROSECONDS + 1, _DAY)
        days = self._days.count(first_day + _EPOCH, last_day + _EPOCH)
        a_day = self._hours.bit_count() * self._minutes.bit_count() * self._seconds.bit_count()
        return days * a_day + self._before(last_day, last) - self._before(first_day, first)

    @property
    def turn(self) -> int:
        """The number of days after which the labels repeat: 1 or 7; 0 if they do not repeat."""
        return self._days.turn

    @property
    def fractions(self) -> frozenset[int]:
        """The fractions of a second that labels have: only 0."""
        return frozenset((0,))

    def day_key(self, day: int) -> bool | None:
        """Return ``True`` for a day that matches, and ``None`` for one that does not."""
        return True if self._days.every_day or self._days.matches(day + _EPOCH) else None

    def seconds(self, key: Hashable, fraction: int) -> int:  # noqa: ARG002  (each day that matches is the same)
        """Return the seconds of a matching day that have a label: bit n is second n."""
        if fraction:
            return 0
        if self._bits is None:
            hour = sum(self._seconds << 60 * minute for minute in range(60) if self._minutes >> minute & 1)
            self._bits = sum(hour << 3600 * number for number in range(24) if self._hours >> number & 1)
        return self._bits

    def _time_from(self, at: int) -> int:
        """Return the first time of day that is not before ``at``, in seconds; there must be one."""
        hour, minute, second = at // 3600, at // 60 % 60, at % 60
        if self._hours >> hour & 1:
            minutes = self._minutes >> minute
            if minutes & 1:
                seconds = self._seconds >> second
                if seconds:
                    return at + _lowest(seconds)
            minutes >>= 1
            if minutes:
                return (hour * 60 + minute + 1 + _lowest(minutes)) * 60 + _lowest(self._seconds)
        hour += 1 + _lowest(self._hours >> (hour + 1))
        return hour * 3600 + self._first % 3600

    def _before(self, day: int, at: int) -> int:
        """Return the number of labels on a day that are before a time of day."""
        if at == 0 or not self._days.matches(day + _EPOCH):
            return 0
        minute_of_day, second = divmod(at, 60)
        hour, minute = divmod(minute_of_day, 60)
        a_minute = self._seconds.bit_count()
        count = _below(self._hours, hour) * self._minutes.bit_count() * a_minute
        if self._hours >> hour & 1:
            count += _below(self._minutes, minute) * a_minute
            if self._minutes >> minute & 1:
                count += _below(self._seconds, second)
        return count


def _lowest(mask: int) -> int:
    """Return the lowest number in a mask, which must not be empty."""
    return (mask & -mask).bit_length() - 1


def _highest(mask: int) -> int:
    """Return the highest number in a mask, which must not be empty."""
    return mask.bit_length() - 1


def _below(mask: int, number: int) -> int:
    """Return how many numbers in a mask are less than ``number``."""
    return (mask & (1 << number) - 1).bit_count()
