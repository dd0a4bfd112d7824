"""Schedules that repeat in elapsed time: `Interval`, on a grid, and `FixedDelay`, counted from the end of each run."""

from datetime import datetime, timedelta
from math import gcd
from typing import Final, Self, final

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.times import MAX_INSTANT, MIN_INSTANT
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules._count_nodes import Node, Plan, interval_leaf
from turnkeeper_trio.schedules._counting import MOST_KINDS
from turnkeeper_trio.schedules._elapsed import ElapsedSchedule
from turnkeeper_trio.schedules._zones import DAY

__all__ = ["FixedDelay", "Interval"]

SHORTEST: Final = 1000
"""The shortest interval: 1 ms, in microseconds."""


def _refuse_calendar_units(**units: object) -> None:
    """Raise `ConfigurationError` for months and years, because they have no fixed length."""
    for unit, value in units.items():
        if value is not None:
            raise ConfigurationError(
                f"{unit} have no fixed length, so there is no interval of {guard.shown(value)} {unit}: "
                f"write CalendarInterval({unit}={guard.shown(value)})",
                parameter=unit,
            )


@final
class Interval(ElapsedSchedule):
    """At regular distances in elapsed time: at ``anchor + k * every`` for each whole k, also before the anchor.

    Clock changes do not matter, and occurrences do not drift, because each is computed from the anchor. Without
    ``anchor`` it is bound when a job is accepted: to that instant, or to the job's initial run time if it has one. The
    first occurrence is then one interval later. For days of the calendar use `CalendarInterval`, for a fixed pause
    after each run `FixedDelay`.

    Args:
        every: Seconds, or a ``timedelta``; at least 1 ms. Instead of it, give units, which add up:
        weeks: Weeks of 7 * 24 hours.
        days: Days of 24 hours.
        hours: Hours.
        minutes: Minutes.
        seconds: Seconds.
        anchor: Any aware datetime; it is an occurrence.
        months: Not accepted, because a month has no fixed length.
        years: Not accepted, because a year has no fixed length.

    Raises:
        ConfigurationError: The interval is missing, is given in two ways, is shorter than 1 ms or has no fixed length;
            or ``anchor`` is naive.
    """

    __slots__ = ()
    kind = "interval"

    def __init__(
        self,
        every: float | timedelta | None = None,
        *,
        weeks: float | None = None,
        days: float | None = None,
        hours: float | None = None,
        minutes: float | None = None,
        seconds: float | None = None,
        anchor: datetime | None = None,
        months: None = None,
        years: None = None,
    ) -> None:
        _refuse_calendar_units(months=months, years=years)
        units = {"weeks": weeks, "days": days, "hours": hours, "minutes": minutes, "seconds": seconds}
        self._fill("every", every, anchor, least=SHORTEST, **units)

    @property
    def every(self) -> timedelta:
        """The time from one occurrence to the next."""
        return timedelta(microseconds=self._length)

    def next_after_us(self, after: int) -> int | None:
        """Return the first occurrence strictly later than ``after``, or ``None`` if it lies beyond the year 9999."""
        anchor = self._bound_anchor()
        after = max(after, MIN_INSTANT - 1)
        at = after + self._length - (after - anchor) % self._length
        return at if at <= MAX_INSTANT else None

    def count_between_us(self, after: int, until: int) -> int:
        """Return the number of occurrences t with ``after < t <= until``, by arithmetic."""
        anchor = self._bound_anchor()
        after, until = max(after, MIN_INSTANT - 1), min(until, MAX_INSTANT)
        return max((until - anchor) // self._length - (after - anchor) // self._length, 0)

    def node(self, plan: Plan) -> Node:
        """Return the interval as a leaf; if it repeats only after very many days, its occurrences are listed."""
        anchor = self._bound_anchor()
        if self._length // gcd(self._length, DAY) > MOST_KINDS:
            return plan.listed(self.next_after_us)
        return interval_leaf(self._length, anchor)

    def latest_us(self, after: int, until: int) -> int | None:
        """Return the last occurrence t with ``after < t <= until``, or ``None``, by arithmetic."""
        anchor = self._bound_anchor()
        after, until = max(after, MIN_INSTANT - 1), min(until, MAX_INSTANT)
        at = until - (until - anchor) % self._length
        return at if at > after else None

    def anchored_us(self, at: int) -> Self:
        """Return the interval with the anchor ``at``; itself if it has an anchor."""
        return self._bound_at(at) if self._anchor is None else self

    def _bound_anchor(self) -> int:
        if self._anchor is None:
            raise ConfigurationError(
                f"{self!r} has no anchor yet, so it has no occurrences: it is counted from the acceptance of the job; "
                f"give anchor=…, or bind it with anchored(at)",
                parameter="anchor",
            )
        return self._anchor


@final
class FixedDelay(ElapsedSchedule):
    """A fixed time after the end of each run, so that a run never overlaps the next one.

    Only the scheduler knows when a run ends, and it counts from there. On its own, when it is bound to an instant, it
    has one occurrence, ``delay`` later. It cannot be part of a combination.

    Args:
        delay: Seconds, or a ``timedelta``; at least 1 ms. Instead of it, give units, which add up:
        weeks: Weeks of 7 * 24 hours.
        days: Days of 24 hours.
        hours: Hours.
        minutes: Minutes.
        seconds: Seconds.
        anchor: The instant to which it is bound, any aware datetime. A scheduler counts from the end of a run instead.
        months: Not accepted, because a month has no fixed length.
        years: Not accepted, because a year has no fixed length.

    Raises:
        ConfigurationError: The delay is missing, is given in two ways, is shorter than 1 ms or has no fixed length; or
            ``anchor`` is naive.
    """

    __slots__ = ()
    kind = "fixed_delay"

    def __init__(
        self,
        delay: float | timedelta | None = None,
        *,
        weeks: float | None = None,
        days: float | None = None,
        hours: float | None = None,
        minutes: float | None = None,
        seconds: float | None = None,
        anchor: datetime | None = None,
        months: None = None,
        years: None = None,
    ) -> None:
        _refuse_calendar_units(months=months, years=years)
        units = {"weeks": weeks, "days": days, "hours": hours, "minutes": minutes, "seconds": seconds}
        self._fill("delay", delay, anchor, least=SHORTEST, **units)

    @property
    def delay(self) -> timedelta:
        """The time from the end of a run to the start of the next one."""
        return timedelta(microseconds=self._length)

    @property
    def delay_us(self) -> int:
        """The delay in microseconds."""
        return self._length

    def next_after_us(self, after: int) -> int | None:
        """Return the one occurrence, if it is later than ``after``."""
        if self._anchor is None:
            raise ConfigurationError(
                f"{self!r} is counted from the end of each run, so nobody can tell yet when it is due; "
                f"bind it with anchored(end of the run)",
                parameter="anchor",
            )
        at = self._anchor + self._length
        return at if after < at <= MAX_INSTANT else None

    def count_between_us(self, after: int, until: int) -> int:
        """Return 1 if the one occurrence lies in ``(after, until]``, else 0."""
        at = self.next_after_us(after)
        return int(at is not None and at <= until)

    def anchored_us(self, at: int) -> Self:
        """Return the delay counted from ``at``, even if it is bound to a different instant."""
        return self._bound_at(at)


set_public_path(Interval, FixedDelay)
