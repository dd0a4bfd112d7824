"""Which days of the calendar a cron expression means, as a bit mask for each month.

The matching days of a month depend only on the number of days in the month and on the weekday of its first day. So
there are at most 28 different masks, and each is made when it is first needed. Whether a year has a matching day
depends only on its kind: common or leap, and the weekday of 1 January. There are 14 kinds. So the years with a matching
day are a mask as well, and a 29 February that is a Monday is found without a look at each year before it.
"""

from datetime import date
from typing import Final, final

from turnkeeper_trio.schedules.cron._parser import MonthDays, Spec, WeekDays

ALL_DAYS: Final = (1 << 32) - 2
"""The mask of days 1 to 31."""


ALL_MONTHS: Final = (1 << 13) - 2
"""The mask of months 1 to 12."""


ALL_WEEKDAYS: Final = (1 << 7) - 1
"""The mask of weekdays 0 to 6."""


_LENGTHS: Final[tuple[tuple[int, ...], ...]] = (  # typed, or mypyc makes a new tuple at each use
    (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31),
    (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31),
)


_EACH_WEEK: Final = sum(1 << 7 * week for week in range(5))


_SATURDAY: Final = 6


_SHORTEST_MONTH: Final = 28


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _kinds_of_years() -> tuple[int, ...]:
    """Return the years 1 to 9999 of each kind, as masks. A kind is the weekday of 1 January, plus 7 in a leap year."""
    cycle = [0] * 14  # the calendar repeats every 400 years, weekdays included
    for year in range(1, 401):
        cycle[date(year, 1, 1).toordinal() % 7 + 7 * _leap(year)] |= 1 << year
    whole = (1 << 10_000) - 1
    return tuple(sum(mask << 400 * turn for turn in range(25)) & whole for mask in cycle)


_YEARS_OF_KIND: Final = _kinds_of_years()


_EVERY_YEAR: Final = sum(_YEARS_OF_KIND)


@final
class Days:
    """The days of the calendar that a `Spec` means."""

    __slots__ = ("_counts", "_days", "_masks", "_months", "_spec", "_weekdays", "_years", "every_day")

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._days = spec.days
        self._weekdays = spec.weekdays
        self._months = spec.months
        self._masks: list[int | None] = [None] * 28
        self._counts: dict[int, int] = {}
        whole_days, whole_week = spec.days.plain == ALL_DAYS, spec.weekdays.plain == ALL_WEEKDAYS
        any_day = (whole_days and whole_week) if spec.both_days else (whole_days or whole_week)
        self.every_day = any_day and spec.months == ALL_MONTHS and spec.years is None
        """Whether each day of the calendar matches."""
        self._years: int | None = None

    @property
    def exist(self) -> bool:
        """Whether any day of the calendar matches; this costs less than `years`."""
        allowed = _EVERY_YEAR if self._spec.years is None else self._spec.years
        if self._each_month():
            return bool(allowed)
        # Leap years first, because they have all days of common years and 29 February.
        return any(allowed & _YEARS_OF_KIND[kind] and self._in_kind(kind) for kind in reversed(range(14)))

    @property
    def turn(self) -> int:
        """The number of days after which the days repeat: 1 or 7; 0 if they do not repeat."""
        if self.every_day:
            return 1
        spec = self._spec
        plain = spec.days.plain == ALL_DAYS and spec.both_days and not spec.weekdays.nth and not spec.weekdays.last
        return 7 if plain and spec.months == ALL_MONTHS and spec.years is None else 0

    @property
    def years(self) -> int:
        """The mask of the years that have a matching day."""
        if self._years is None:
            self._years = self._all_years() if self._spec.years is None else self._all_years() & self._spec.years
        return self._years

    def next_day(self, day: int) -> int | None:
        """Return the first matching day that is not before a day, both as ordinals, or ``None``."""
        at = date.fromordinal(day)
        year, month = at.year, at.month
        years = self.years
        if years == _EVERY_YEAR or years >> year & 1:  # to compare costs less than to shift 10,000 bits
            if self._months >> month & 1:  # mostly it is in the same month, of which no further date has to be made
                mask = self._month_mask(_LENGTHS[_leap(year)][month], (day - at.day + 1) % 7) >> at.day
                if mask:
                    return day + (mask & -mask).bit_length() - 1
            found = self._in_year(year, month + 1, 1)
            if found is not None:
                return found
        later = years >> (year + 1)
        if not later:
            return None
        return self._in_year(year + (later & -later).bit_length(), 1, 1)

    def matches(self, day: int) -> bool:
        """Return whether a day, given as an ordinal, matches."""
        at = date.fromordinal(day)
        return bool(self.years >> at.year & 1 and self._mask(at.year, at.month) >> at.day & 1)

    def count(self, start: int, end: int) -> int:
        """Return the number of matching days in ``[start, end)``, given as ordinals."""
        return self._count_before(end) - self._count_before(start) if start < end else 0

    # -- months and years

    def _in_year(self, year: int, month: int, day: int) -> int | None:
        """Return the first matching day of a year that is not before a month and day, as an ordinal, or ``None``."""
        months = self._months >> month
        while months:
            skipped = (months & -months).bit_length() - 1
            if skipped:
                month, day = month + skipped, 1
            first = date(year, month, 1).toordinal()
            mask = self._month_mask(_LENGTHS[_leap(year)][month], first % 7) >> day
            if mask:
                return first + day - 1 + (mask & -mask).bit_length() - 1
            months >>= skipped + 1
            month, day = month + 1, 1
        return None

    def _mask(self, year: int, month: int) -> int:
        """Return the mask of the matching days of a month of a year; it is empty if the month does not match."""
        if not self._months >> month & 1:
            return 0
        return self._month_mask(_LENGTHS[_leap(year)][month], date(year, month, 1).toordinal() % 7)

    def _month_mask(self, length: int, first: int) -> int:
        """Return the mask of the matching days of a matching month; ``first`` is the weekday of day 1."""
        at = (length - _SHORTEST_MONTH) * 7 + first
        mask = self._masks[at]
        if mask is None:
            days, weekdays = _days_mask(self._days, length, first), _weekdays_mask(self._weekdays, length, first)
            mask = self._masks[at] = days & weekdays if self._spec.both_days else days | weekdays
        return mask

    def _all_years(self) -> int:
        """Return the mask of the years that would have a matching day without the field of the year."""
        if self._each_month():
            return _EVERY_YEAR
        return sum(of_kind for kind, of_kind in enumerate(_YEARS_OF_KIND) if self._in_kind(kind))

    def _in_kind(self, kind: int) -> bool:
        """Return whether a year of a kind has a matching day."""
        leap, first = divmod(kind, 7)
        for month, length in enumerate(_LENGTHS[leap]):
            if self._months >> month & 1 and self._month_mask(length, first):
                return True
            first = (first + length) % 7
        return False

    def _each_month(self) -> bool:
        """Return ``True`` if each month surely has a matching day, which spares the search; nearly always it has."""
        days, weekdays = self._days, self._weekdays
        low = (1 << _SHORTEST_MONTH + 1) - 1
        some_day = bool(
            days.plain & low
            or any(before < _SHORTEST_MONTH for before in (*days.before_last, *days.near_last))
            or any(before < _SHORTEST_MONTH - 2 for before in days.before_last_weekday)
            or any(near <= _SHORTEST_MONTH for near in days.nearest)
        )
        some_weekday = bool(weekdays.plain or weekdays.last or any(nth < 5 for _, nth in weekdays.nth))  # noqa: PLR2004  (each month has four)
        if self._spec.both_days:
            whole_days, whole_week = days.plain == ALL_DAYS, weekdays.plain == ALL_WEEKDAYS
            return (whole_week and some_day) or (whole_days and some_weekday)
        return some_day or some_weekday

    # -- counting

    def _count_before(self, day: int) -> int:
        """Return the number of matching days before a day."""
        at = date.fromordinal(min(day, date.max.toordinal()))
        count = sum(
            (years & self.years).bit_count() * self._count_of_kind(kind)
            for kind, of_kind in enumerate(_YEARS_OF_KIND)
            if (years := of_kind & (1 << at.year) - 1)
        )
        if self.years >> at.year & 1:
            count += sum(self._mask(at.year, month).bit_count() for month in range(1, at.month))
            upto = at.day if day == at.toordinal() else at.day + 1
            count += (self._mask(at.year, at.month) & (1 << upto) - 1).bit_count()
        return count

    def _count_of_kind(self, kind: int) -> int:
        """Return the number of matching days in a year of a kind."""
        count = self._counts.get(kind)
        if count is None:
            leap, first = divmod(kind, 7)
            count = 0
            for month, length in enumerate(_LENGTHS[leap]):
                if self._months >> month & 1:
                    count += self._month_mask(length, first).bit_count()
                first = (first + length) % 7
            self._counts[kind] = count
        return count


def _days_mask(days: MonthDays, length: int, first: int) -> int:
    """Return the mask of the days of a month that the day-of-month field means; ``first`` is the weekday of day 1."""
    mask = days.plain
    for before in days.before_last:
        if before < length:
            mask |= 1 << length - before
    for before in days.near_last:
        if before < length:
            mask |= 1 << _nearest_weekday(length - before, length, first)
    last_weekday = _nearest_weekday(length, length, first)
    for before in days.before_last_weekday:
        if before < last_weekday:
            mask |= 1 << last_weekday - before
    for day in days.nearest:
        if day <= length:
            mask |= 1 << _nearest_weekday(day, length, first)
    return mask & (1 << length + 1) - 2


def _nearest_weekday(day: int, length: int, first: int) -> int:
    """Return the day from Monday to Friday that is nearest to a day, within its month."""
    weekday = (first + day - 1) % 7
    if weekday == _SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == 0:
        return day + 1 if day < length else day - 2
    return day


def _weekdays_mask(weekdays: WeekDays, length: int, first: int) -> int:
    """Return the mask of the days of a month that the weekday field means; ``first`` is the weekday of day 1."""
    first_week = (weekdays.plain >> first | weekdays.plain << 7 - first) & ALL_WEEKDAYS
    mask = (first_week * _EACH_WEEK) << 1
    for weekday, nth in weekdays.nth:
        mask |= 1 << (weekday - first) % 7 + 1 + 7 * (nth - 1)
    for weekday in weekdays.last:
        earliest = (weekday - first) % 7 + 1
        mask |= 1 << earliest + (length - earliest) // 7 * 7
    return mask & (1 << length + 1) - 2
