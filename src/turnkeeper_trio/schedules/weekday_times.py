"""`WeekdayTimes`: given times of day on given days of the week; and `Weekday`, how a day is given."""

from bisect import bisect_right
from collections.abc import Hashable, Iterable
from datetime import time, tzinfo
from enum import IntEnum, StrEnum
from typing import Any, Final, Self, cast, final

from turnkeeper_trio._model import guard
from turnkeeper_trio._model.public_path import set_public_path
from turnkeeper_trio._model.times import MICROSECONDS
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules._base import set_slot
from turnkeeper_trio.schedules._literals import time_code, time_from_text, time_us, us_time
from turnkeeper_trio.schedules._wall_schedule import WallSchedule
from turnkeeper_trio.schedules._zones import DAY, zone

__all__ = ["EVERY_DAY", "WEEKEND", "WORKDAYS", "Weekday", "WeekdayTimes"]

_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday


@final
class Weekday(StrEnum):
    """A day of the week. A number is not accepted as a day, because cron, Python and Quartz count days differently."""

    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"
    MON = MONDAY
    TUE = TUESDAY
    WED = WEDNESDAY
    THU = THURSDAY
    FRI = FRIDAY
    SAT = SATURDAY
    SUN = SUNDAY

    def __repr__(self) -> str:
        return f"Weekday.{self.name}"

    @classmethod
    def _missing_(cls, value: object) -> "Weekday | None":
        """Return the member with this full or three-letter name, in any case."""
        if isinstance(value, str) and value.isascii():
            return cls.__members__.get(value.upper())
        return None


EVERY_DAY: Final = tuple(Weekday)
"""Monday to Sunday."""


WORKDAYS: Final = EVERY_DAY[:5]
"""Monday to Friday."""


WEEKEND: Final = EVERY_DAY[5:]
"""Saturday and Sunday."""


_INDEX: Final = {day: index for index, day in enumerate(EVERY_DAY)}


_GROUPS: Final = {"WORKDAYS": WORKDAYS, "WEEKEND": WEEKEND, "EVERY_DAY": EVERY_DAY}
"""The tuples of days that have a name, by that name."""


_WORDS: Final = {
    "workdays": "WORKDAYS", "workday": "WORKDAYS", "weekdays": "WORKDAYS", "weekday": "WORKDAYS",
    "weekend": "WEEKEND", "weekends": "WEEKEND",
    "daily": "EVERY_DAY", "everyday": "EVERY_DAY", "*": "EVERY_DAY",
}  # fmt: skip
"""Texts that users write for such a tuple, and its name."""


def _days_meant(text: str) -> str:
    """Return the code of the days that a text such as ``mon-fri`` probably means; empty if it cannot be read."""
    group = _WORDS.get(text.lower().replace(" ", "").replace("_", ""), "")
    return group or guard.call(_listed_days, text)[0] or ""


def _listed_days(text: str) -> str:
    """Return the code of the days in a text such as ``mon, wed-fri``; raise if there is anything else in it."""
    days: list[Weekday] = []
    for each in text.split(","):
        first, *last = (Weekday(end.strip()) for end in each.split("-"))
        days.append(first)
        for end in last:
            while days[-1] is not end:
                days.append(EVERY_DAY[(_INDEX[days[-1]] + 1) % 7])
    return next((name for name, group in _GROUPS.items() if set(group) == set(days)), repr([day.value for day in days]))


def _weekday(name: str, value: object, must: str) -> Weekday:
    """Return the day that is given as a member, by its name, or as a member of a different library's ``IntEnum``.

    Args:
        name: The name of the parameter.
        value: What was given.
        must: How the message of an error begins: ``"days must be"``.
    """
    day: object = value.name if isinstance(value, IntEnum) else value
    hint = ""
    if isinstance(day, str):
        try:
            return Weekday(day)
        except ValueError:
            meant = _days_meant(day)
            hint = f"; write {meant}" if meant and name == "days" else hint
            hint = f"; write WeekdayTimes.on({meant}, …)" if meant and name == "pairs" else hint
    if isinstance(value, int):
        hint = "; a number could be counted from Sunday or from Monday, from 0 or from 1"
    raise ConfigurationError(
        f"{must} Weekday.MONDAY … Weekday.SUNDAY, or a name such as 'mon' or 'Monday', not {guard.shown(value)}{hint}",
        parameter=name,
    )


@final
class WeekdayTimes(WallSchedule):
    """Given times of day on given days of the week, by the wall clock of a zone.

    Each day and time is one occurrence. If the clock leaves the time out (02:30 in the night in which it goes forward),
    the occurrence is at the end of the gap. If the clock shows the time twice, the occurrence is at the first pass.
    Times are exact to the microsecond.

    Args:
        pairs: Pairs of a day (a `Weekday`, or its full or three-letter name in any case) and a ``datetime.time``. Equal
            pairs count once. Without any pair, there is no occurrence.
        timezone: An IANA name, or a ``ZoneInfo``.

    Raises:
        ConfigurationError: A day or the zone is unknown, or a time has a timezone or ``fold=1``.
    """

    __slots__ = ("_times",)
    kind = "weekday_times"
    _times: tuple[tuple[int, ...], ...]

    def __init__(self, pairs: Iterable[tuple[Weekday | str, time]], *, timezone: str | tzinfo = "UTC") -> None:
        self._fill(_pairs(pairs), timezone)

    def _fill(self, pairs: Iterable[tuple[Weekday, int]], timezone: str | tzinfo) -> None:
        days: list[set[int]] = [set() for _ in EVERY_DAY]
        for day, at in pairs:
            days[_INDEX[day]].add(at)
        set_slot(self, "_times", tuple(tuple(sorted(times)) for times in days))
        set_slot(self, "_zone", zone(timezone))

    @classmethod
    def on(cls, days: Iterable[Weekday | str] | Weekday | str, *times: time, timezone: str | tzinfo = "UTC") -> Self:
        """Return a schedule with each of ``times`` on each of ``days``.

        Args:
            days: Days, as in ``pairs``: `WORKDAYS`, `WEEKEND`, `EVERY_DAY`, any iterable of days, or one day.
            *times: At least one ``datetime.time``.
            timezone: An IANA name, or a ``ZoneInfo``.

        Raises:
            ConfigurationError: As the constructor; or no time is given.
        """
        if not times:
            raise ConfigurationError(
                "times are missing: write WeekdayTimes.on(WORKDAYS, time(9), time(17))", parameter="times"
            )
        named = cast("object", [days] if isinstance(days, str) else days)
        if not isinstance(named, Iterable):
            raise ConfigurationError(
                f"days must be weekdays, such as WORKDAYS, not {guard.shown(days)}", parameter="days"
            )
        listed: Iterable[Any] = named  # pyright: ignore[reportUnknownVariableType]  (the user's)
        hours = [_time(at) for at in times]
        made = cls.__new__(cls)
        made._fill([(_weekday("days", day, "days must be"), at) for day in listed for at in hours], timezone)  # noqa: SLF001  (its own)
        return made

    @property
    def pairs(self) -> tuple[tuple[Weekday, time], ...]:
        """The days and times, in the order of the week."""
        return tuple((day, us_time(at)) for day, times in zip(EVERY_DAY, self._times, strict=True) for at in times)

    @property
    def labels(self) -> Self:
        """The set of wall labels: this object itself."""
        return self

    def next_label(self, after: int) -> int | None:
        """Return the first label greater than ``after``, or ``None``."""
        day, at = divmod(after, DAY)
        weekday = (day + _EPOCH_WEEKDAY) % 7
        times = self._times[weekday]
        if times and times[-1] > at:
            return day * DAY + times[bisect_right(times, at)]
        for ahead in range(1, 8):
            times = self._times[(weekday + ahead) % 7]
            if times:
                return (day + ahead) * DAY + times[0]
        return None

    def count_labels(self, after: int, until: int) -> int:
        """Return the number of labels with ``after < label <= until``."""
        return self._count_until(until) - self._count_until(after)

    @property
    def turn(self) -> int:
        """The number of days after which the labels repeat: a week."""
        return 7

    @property
    def fractions(self) -> frozenset[int]:
        """The fractions of a second that labels have, in microseconds."""
        return frozenset(at % MICROSECONDS for times in self._times for at in times)

    def day_key(self, day: int) -> int | None:
        """Return the weekday, or ``None`` if it has no times."""
        weekday = (day + _EPOCH_WEEKDAY) % 7
        return weekday if self._times[weekday] else None

    def seconds(self, key: Hashable, fraction: int) -> int:
        """Return the seconds of a weekday that have a label with this fraction: bit n is second n."""
        assert isinstance(key, int)
        return sum(1 << at // MICROSECONDS for at in self._times[key] if at % MICROSECONDS == fraction)

    def _count_until(self, until: int) -> int:
        """Return the number of labels from the Monday before the epoch up to ``until``; negative for one before it."""
        day, at = divmod(until, DAY)
        weeks, weekday = divmod(day + _EPOCH_WEEKDAY, 7)
        sizes = [len(times) for times in self._times]
        return weeks * sum(sizes) + sum(sizes[:weekday]) + bisect_right(self._times[weekday], at)

    def _meaning(self) -> tuple[object, ...]:
        return self._times, self._zone.key

    def _code(self) -> str:
        pairs = ", ".join(f"({day!r}, {time_code(at)})" for day, at in self.pairs)
        return f"[{pairs}], timezone={self._zone.key!r}"

    def _fields(self) -> dict[str, Any]:
        return {"pairs": [[day.value, at.isoformat()] for day, at in self.pairs], "timezone": self._zone.key}

    @classmethod
    def _from_fields(cls, data: dict[str, Any]) -> Self:
        pairs = [(day, time_from_text(at)) for day, at in data["pairs"]]
        return cls(pairs, timezone=data["timezone"])


def _pairs(pairs: object) -> Iterable[tuple[Weekday, int]]:
    """Yield each pair as a day and a time in microseconds since midnight."""
    if guard.is_a(pairs, (str, bytes, dict)) or not guard.is_a(pairs, Iterable):
        raise ConfigurationError(
            f"pairs must be pairs of a weekday and a time, such as [(Weekday.MONDAY, time(9))], not "
            f"{guard.shown(pairs)}; for the same times on several days write WeekdayTimes.on(WORKDAYS, time(9))",
            parameter="pairs",
        )
    for each in cast("Iterable[Any]", pairs):
        if not guard.is_a(each, (tuple, list)) or len(each) != 2:  # noqa: PLR2004  (a pair)
            raise ConfigurationError(
                f"each of pairs must be (weekday, time), such as (Weekday.MONDAY, time(9)), not {guard.shown(each)}",
                parameter="pairs",
            )
        day, at = cast("tuple[object, object]", each)
        yield (
            _weekday("pairs", day, "each of pairs must begin with"),
            time_us("pairs", at, "each of pairs must end with"),
        )


def _time(at: object) -> int:
    """Return one of the times of `WeekdayTimes.on` in microseconds since midnight."""
    if guard.is_a(at, (list, tuple, set, frozenset)):
        raise ConfigurationError(
            f"each of times must be a datetime.time, not {guard.shown(at)}; put a * before it, "
            f"or write time(9), time(17)",
            parameter="times",
        )
    return time_us("times", at, "each of times must be")


set_public_path(WeekdayTimes)
