"""`CalendarInterval`: every few years, months, weeks or days of the calendar, at a time of day."""

from calendar import monthrange
from collections.abc import Hashable
from datetime import date, datetime, time, tzinfo
from typing import Any, Final, Self, final

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.times import MAX_INSTANT, MICROSECONDS, MIN_INSTANT
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules._base import instant_in_range, set_slot
from turnkeeper_trio.schedules._count_nodes import Node, Plan
from turnkeeper_trio.schedules._literals import date_code, time_code, time_from_text, time_us, us_time
from turnkeeper_trio.schedules._wall_schedule import WallSchedule
from turnkeeper_trio.schedules._zones import DAY, Zone, zone

__all__ = ["CalendarInterval"]

_EPOCH: Final = date(1970, 1, 1).toordinal()


_DAYS_A_MONTH: Final = 146_097 / 4_800  # the calendar repeats every 400 years, which are 4,800 months


_LAST_MONTH: Final = 9_999 * 12 + 11


_LAST_DAY: Final = date.max.toordinal()


@final
class CalendarInterval(WallSchedule):
    """Every few years, months, weeks or days of the calendar, at a time of day, by the wall clock of a zone.

    ``start`` is the first occurrence. Each later one is computed from ``start``: the k-th is k times the interval
    later. If a month does not have the day, its last day is taken, and the next month has the day again (31 January, 28
    February, 31 March). If the clock leaves the time out, the occurrence is at the end of the gap; if the clock shows
    it twice, the occurrence is at the first pass.

    Without ``start`` it is bound when a job is accepted: to the day of that instant and, without ``at``, to its time of
    day.

    Args:
        years: Years of the calendar.
        months: Months of the calendar; 12 of them are a year.
        weeks: Weeks; they are added after the months.
        days: Days; they are added to the weeks.
        start: The day of the first occurrence; or an aware datetime, which stands for its day and time in the zone.
        at: The time of day; midnight if there is a ``start`` and no ``at``.
        timezone: An IANA name, or a ``ZoneInfo``.

    Raises:
        ConfigurationError: The interval is empty, or not in whole numbers; or ``start``, ``at`` or ``timezone`` makes
            no sense.
    """

    __slots__ = ("_at", "_days", "_months", "_start")
    kind = "calendar_interval"
    _months: int
    _days: int
    _start: date | None
    _at: int | None

    def __init__(
        self,
        *,
        years: int = 0,
        months: int = 0,
        weeks: int = 0,
        days: int = 0,
        start: date | None = None,
        at: time | None = None,
        timezone: str | tzinfo = "UTC",
    ) -> None:
        where = zone(timezone)
        amounts = {"years": years, "months": months, "weeks": weeks, "days": days}
        for name, amount in amounts.items():
            _whole(name, amount)
        if not any(amounts.values()):
            raise ConfigurationError(
                "the interval is missing: give years=, months=, weeks= or days= as whole numbers", parameter="days"
            )
        day, clock = _start(start, at, where)
        set_slot(self, "_months", years * 12 + months)
        set_slot(self, "_days", weeks * 7 + days)
        set_slot(self, "_start", day)
        set_slot(self, "_at", clock)
        set_slot(self, "_zone", where)

    @property
    def start(self) -> date | None:
        """The day of the first occurrence; ``None`` until it is bound."""
        return self._start

    @property
    def at(self) -> time | None:
        """The time of day; ``None`` until it is bound."""
        return None if self._at is None else us_time(self._at)

    @property
    def labels(self) -> Self:
        """The set of wall labels: this object itself.

        Raises:
            ConfigurationError: It has no ``start`` yet.
        """
        if self._start is None:
            raise ConfigurationError(
                f"{self!r} has no start yet, so it has no occurrences: it is counted from the acceptance of the job; "
                f"give start=date(…), or bind it with anchored(at)",
                parameter="start",
            )
        return self

    def anchored_us(self, at: int) -> Self:
        """Return the interval bound to the day of an instant, and to its time if it has no ``at``; itself if bound."""
        if self._start is not None:
            return self
        day, clock = divmod(at + self._zone.offset(at), DAY)
        bound = type(self).__new__(type(self))
        set_slot(bound, "_months", self._months)
        set_slot(bound, "_days", self._days)
        set_slot(bound, "_start", date.fromordinal(min(max(day + _EPOCH, 1), _LAST_DAY)))
        set_slot(bound, "_at", clock if self._at is None else self._at)
        set_slot(bound, "_zone", self._zone)
        return bound

    def next_label(self, after: int) -> int | None:
        """Return the first label greater than ``after``, or ``None``."""
        label = self._label(self._index(after))
        return label if label <= MAX_INSTANT else None

    def count_labels(self, after: int, until: int) -> int:
        """Return the number of labels with ``after < label <= until``."""
        return self._index(until) - self._index(after)

    @property
    def turn(self) -> int:
        """The number of days after which the labels repeat, from the start on; not used if they repeat by months."""
        return self._days

    @property
    def fractions(self) -> frozenset[int]:
        """The one fraction of a second that labels have, in microseconds."""
        assert self._at is not None
        return frozenset((self._at % MICROSECONDS,))

    def day_key(self, day: int) -> bool | None:
        """Return ``True`` for a day with a label, and ``None`` for any other day."""
        assert self._start is not None
        since = day + _EPOCH - self._start.toordinal()
        return True if since >= 0 and since % self._days == 0 else None

    def seconds(self, key: Hashable, fraction: int) -> int:  # noqa: ARG002  (each day is the same)
        """Return the second of the time of day if that has this fraction, else none: bit n is second n."""
        assert self._at is not None
        second, own = divmod(self._at, MICROSECONDS)
        return 1 << second if own == fraction else 0

    def node(self, plan: Plan) -> Node:
        """Return the days and the time as a leaf; if the interval has months, its occurrences are listed."""
        if self._months:
            return plan.listed(self.next_after_us)
        first = self.next_after_us(MIN_INSTANT - 1)
        if first is not None:
            plan.cut(first)  # there is no occurrence before it
        return super().node(plan)

    def _index(self, after: int) -> int:
        """Return the smallest k whose label is greater than ``after``: an estimate, then a few steps to correct it."""
        first = self._label(0)
        if after < first:
            return 0
        step = (self._months * _DAYS_A_MONTH + self._days) * DAY
        index = int((after - first) / step) + 1
        while self._label(index) <= after:
            index += 1
        while self._label(index - 1) > after:
            index -= 1
        return index

    def _label(self, index: int) -> int:
        """Return the label of the k-th occurrence; if that is beyond the calendar, ``MAX_INSTANT + 1``."""
        start = self._start
        assert start is not None
        assert self._at is not None
        month = start.year * 12 + start.month - 1 + index * self._months
        if month > _LAST_MONTH:
            return MAX_INSTANT + 1
        year, month = divmod(month, 12)
        day = min(start.day, monthrange(year, month + 1)[1]) if self._months else start.day
        ordinal = date(year, month + 1, day).toordinal() + index * self._days
        return (ordinal - _EPOCH) * DAY + self._at if ordinal <= _LAST_DAY else MAX_INSTANT + 1

    def _meaning(self) -> tuple[object, ...]:
        return self._months, self._days, self._start, self._at, self._zone.key

    def _amounts(self) -> dict[str, int]:
        years, months = divmod(self._months, 12)
        weeks, days = divmod(self._days, 7)
        amounts = {"years": years, "months": months, "weeks": weeks, "days": days}
        return {name: amount for name, amount in amounts.items() if amount}

    def _code(self) -> str:
        parts = [f"{name}={amount}" for name, amount in self._amounts().items()]
        if self._start is not None:
            parts.append(f"start={date_code(self._start)}")
        if self._at is not None:
            parts.append(f"at={time_code(us_time(self._at))}")
        return ", ".join([*parts, f"timezone={self._zone.key!r}"])

    def _fields(self) -> dict[str, Any]:
        return {
            **self._amounts(),
            "start": None if self._start is None else self._start.isoformat(),
            "at": None if self._at is None else us_time(self._at).isoformat(),
            "timezone": self._zone.key,
        }

    @classmethod
    def _from_fields(cls, data: dict[str, Any]) -> Self:
        start = None if data["start"] is None else date.fromisoformat(data["start"])
        at = None if data["at"] is None else time_from_text(data["at"])
        given: dict[str, Any] = {**data, "start": start, "at": at}
        return cls(**given)


def _whole(name: str, amount: object) -> None:
    if not isinstance(amount, int) or isinstance(amount, bool) or amount < 0:
        raise ConfigurationError(
            f"{name} must be a whole number, not negative, and it is {guard.shown(amount)}; "
            f"for parts of a day write Interval(…)",
            parameter=name,
        )
    if amount > _LAST_DAY:
        raise ConfigurationError(f"{name} is longer than the calendar: {guard.shown(amount)}", parameter=name)


def _start(start: object, at: object, where: Zone) -> tuple[date | None, int | None]:
    """Return the day of the first occurrence, and its time of day in microseconds; ``None`` for what is not given.

    Raises:
        ConfigurationError: ``start`` or ``at`` makes no sense, or both have a time of day.
    """
    clock = None if at is None else time_us("at", at, "at must be")
    if start is None:
        return None, clock
    if isinstance(start, datetime):
        if start.tzinfo is None:
            raise ConfigurationError(
                f"start must be a date, not a datetime without a timezone; write start={date_code(start)}, "
                f"at={time_code(start.time())}, not {guard.shown(start)}",
                parameter="start",
            )
        if clock is not None:
            raise ConfigurationError(
                f"start has a time of day already, {guard.shown(start)}: give a date, or leave out at", parameter="at"
            )
        instant = instant_in_range("start", start)
        day, clock = divmod(instant + where.offset(instant), DAY)
        return date.fromordinal(min(max(day + _EPOCH, 1), _LAST_DAY)), clock
    if not isinstance(start, date):
        raise ConfigurationError(
            f"start must be a date, such as date(2026, 1, 31), not {guard.shown(start)}", parameter="start"
        )
    return date(start.year, start.month, start.day), clock or 0


set_public_path(CalendarInterval)
