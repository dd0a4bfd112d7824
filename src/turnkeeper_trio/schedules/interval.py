"""Elapsed time: a grid from an anchor, and a delay from the end of each run."""

from datetime import datetime, timedelta
from math import gcd
from typing import Any, Final, Self, final

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.times import MAX_INSTANT, MIN_INSTANT, utc_datetime
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules._base import BuiltinSchedule, instant_in_range, set_slot
from turnkeeper_trio.schedules._count_nodes import Node, Plan, interval_leaf
from turnkeeper_trio.schedules._counting import MOST_KINDS
from turnkeeper_trio.schedules._literals import duration_code, instant_code, instant_from_text, instant_text, total_us
from turnkeeper_trio.schedules._zones import DAY

__all__ = ["FixedDelay", "Interval"]

SHORTEST: Final = 1000
"""The shortest interval: 1 ms, in microseconds."""


class _Elapsed(BuiltinSchedule):
    """A duration, counted from an instant that is given, or bound at acceptance."""

    __slots__ = ("_anchor", "_every")
    _every: int
    _anchor: int | None

    def _fill(self, every: int, anchor: datetime | None) -> None:
        set_slot(self, "_every", every)
        set_slot(self, "_anchor", None if anchor is None else instant_in_range("anchor", anchor))

    def _bound_at(self, at: int) -> Self:
        bound = type(self).__new__(type(self))
        set_slot(bound, "_every", self._every)
        set_slot(bound, "_anchor", at)
        return bound

    @property
    def anchor(self) -> datetime | None:
        """The instant it is counted from, in UTC; ``None`` until it is bound."""
        return None if self._anchor is None else utc_datetime(self._anchor)

    def _meaning(self) -> tuple[object, ...]:
        return self._every, self._anchor

    def _code(self) -> str:
        anchor = "" if self._anchor is None else f", anchor={instant_code(self._anchor)}"
        return duration_code(self._every) + anchor

    def _fields(self) -> dict[str, Any]:
        anchor = None if self._anchor is None else instant_text(self._anchor)
        return {"microseconds": self._every, "anchor": anchor}

    @classmethod
    def _from_fields(cls, data: dict[str, Any]) -> Self:
        anchor = None if data["anchor"] is None else instant_from_text(data["anchor"])
        return cls(timedelta(microseconds=data["microseconds"]), anchor=anchor)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def _refuse_calendar_units(units: dict[str, object]) -> None:
    """Refuse months and years, which have no fixed length."""
    for unit, value in units.items():
        if value is not None:
            raise ConfigurationError(
                f"{unit} have no fixed length, so there is no interval of {guard.shown(value)} {unit}: "
                f"write CalendarInterval({unit}={guard.shown(value)})",
                parameter=unit,
            )


@final
class Interval(_Elapsed):
    """Every so often in elapsed time: at ``anchor + k * every`` for every whole k, before the anchor too.

    Clock changes do not matter, and nothing drifts: the grid is computed, not summed up. Without ``anchor`` it is
    bound when a job is accepted, to that instant or to the job's first run: the first occurrence is then one interval
    later. For days by the calendar see `CalendarInterval`, for a pause after each run `FixedDelay`.

    Args:
        every: Seconds, or a ``timedelta``; at least 1 ms. Or else units, which add up:
        weeks: Weeks of 7 * 24 hours.
        days: Days of 24 hours.
        hours: Hours.
        minutes: Minutes.
        seconds: Seconds.
        anchor: Any aware datetime that is to be an occurrence.
        months: Refused: a month has no fixed length.
        years: Refused: a year has no fixed length.

    Raises:
        ConfigurationError: The interval is shorter than 1 ms, or has no fixed length, or the anchor is naive.
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
        """Make the interval."""
        _refuse_calendar_units({"months": months, "years": years})
        units: dict[str, object] = {
            "weeks": weeks, "days": days, "hours": hours, "minutes": minutes, "seconds": seconds,
        }  # fmt: skip
        self._fill(total_us("every", every, units, least=SHORTEST), anchor)

    @property
    def every(self) -> timedelta:
        """The length of the interval."""
        return timedelta(microseconds=self._every)

    def next_after_us(self, after: int) -> int | None:
        """Return the first occurrence strictly later than ``after``, or ``None`` at the end of the calendar."""
        anchor = self._bound_anchor()
        after = max(after, MIN_INSTANT - 1)
        at = after + self._every - (after - anchor) % self._every
        return at if at <= MAX_INSTANT else None

    def count_between_us(self, after: int, until: int) -> int:
        """Return the number of occurrences t with ``after < t <= until``, by arithmetic."""
        anchor = self._bound_anchor()
        after, until = max(after, MIN_INSTANT - 1), min(until, MAX_INSTANT)
        return max((until - anchor) // self._every - (after - anchor) // self._every, 0)

    def node(self, plan: Plan) -> Node:
        """Return the interval as days; one whose days hardly repeat, listed."""
        anchor = self._bound_anchor()
        if self._every // gcd(self._every, DAY) > MOST_KINDS:
            return plan.listed(self.next_after_us)
        return interval_leaf(self._every, anchor)

    def latest_us(self, after: int, until: int) -> int | None:
        """Return the last occurrence t with ``after < t <= until``, or ``None``, by arithmetic."""
        anchor = self._bound_anchor()
        after, until = max(after, MIN_INSTANT - 1), min(until, MAX_INSTANT)
        at = until - (until - anchor) % self._every
        return at if at > after else None

    def anchored_us(self, at: int) -> Self:
        """Return the interval bound to ``at``, or itself if it has an anchor."""
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
class FixedDelay(_Elapsed):
    """A fixed time after the end of each run, so that a long run never meets the next one.

    It is counted from the end of the run, which only the scheduler knows: it is bound anew each time. Bound at an
    instant it has one occurrence, ``delay`` later. It cannot be part of a combination.

    Args:
        delay: Seconds, or a ``timedelta``; at least 1 ms. Or else units, which add up:
        weeks: Weeks of 7 * 24 hours.
        days: Days of 24 hours.
        hours: Hours.
        minutes: Minutes.
        seconds: Seconds.
        anchor: The instant it is counted from, where it is bound already.
        months: Refused: a month has no fixed length.
        years: Refused: a year has no fixed length.

    Raises:
        ConfigurationError: The delay is shorter than 1 ms, or has no fixed length.
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
        """Make the delay."""
        _refuse_calendar_units({"months": months, "years": years})
        units: dict[str, object] = {
            "weeks": weeks, "days": days, "hours": hours, "minutes": minutes, "seconds": seconds,
        }  # fmt: skip
        self._fill(total_us("delay", delay, units, least=SHORTEST), anchor)

    @property
    def delay(self) -> timedelta:
        """The time between the end of a run and the next one."""
        return timedelta(microseconds=self._every)

    @property
    def delay_us(self) -> int:
        """The delay in microseconds."""
        return self._every

    def next_after_us(self, after: int) -> int | None:
        """Return the one occurrence, if it is later than ``after``."""
        if self._anchor is None:
            raise ConfigurationError(
                f"{self!r} is counted from the end of each run, so nobody can tell yet when it is due; "
                f"bind it with anchored(end of the run)",
                parameter="anchor",
            )
        at = self._anchor + self._every
        return at if after < at <= MAX_INSTANT else None

    def count_between_us(self, after: int, until: int) -> int:
        """Return 1 if the one occurrence lies in ``(after, until]``, else 0."""
        at = self.next_after_us(after)
        return int(at is not None and at <= until)

    def anchored_us(self, at: int) -> Self:
        """Return the delay counted from ``at``; an earlier binding is replaced."""
        return self._bound_at(at)
