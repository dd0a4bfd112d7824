"""Parses a cron expression into a `Spec`: for each field the numbers, as a bit mask, and the special days."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from turnkeeper_trio._model import guard
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules.cron._field import (
    DAY,
    HOUR,
    LAYOUTS,
    MINUTE,
    SECOND,
    WEEKDAY,
    YEAR,
    Parsed,
    Refused,
    parse_field,
)


@dataclass(frozen=True, slots=True)
class MonthDays:
    """What the day-of-month field means. A weekday is here a day from Monday to Friday."""

    plain: int
    """The mask of days: bit n is day n."""
    before_last: frozenset[int] = frozenset()
    """``L`` is 0 and ``L-n`` is n: the day n days before the last."""
    nearest: frozenset[int] = frozenset()
    """``nW`` is n: the weekday nearest to day n."""
    near_last: frozenset[int] = frozenset()
    """``LW`` is 0 and ``L-nW`` is n: the weekday nearest to the day n days before the last."""
    before_last_weekday: frozenset[int] = frozenset()
    """``LW-n`` is n: the day n days before the last weekday."""


@dataclass(frozen=True, slots=True)
class WeekDays:
    """What the weekday field means. Sunday is 0."""

    plain: int
    """The mask of weekdays: bit n is weekday n."""
    nth: frozenset[tuple[int, int]] = frozenset()
    """``d#n`` is (d, n): the n-th weekday d of the month."""
    last: frozenset[int] = frozenset()
    """``dL`` is d: the last weekday d of the month."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What an expression means. The numbers of a field are a mask: bit n is number n.

    Expressions with the same numbers in each field have equal specs, however they are written.
    """

    seconds: int
    minutes: int
    hours: int
    days: MonthDays
    months: int
    weekdays: WeekDays
    years: int | None
    """``None`` means every year."""
    both_days: bool
    """Whether a day must match both fields of days, because one of them starts with ``*``, and not only one of them."""
    every_pass: bool
    """Whether the rule at a clock change is "every pass", because the minute or hour field starts with ``*``."""
    stars: frozenset[str] = field(default=frozenset(), compare=False)
    """The titles of the fields that start with ``*``; only the explanation depends on it."""


def bits(mask: int) -> list[int]:
    """Return the numbers in a mask, ascending."""
    return [number for number in range(mask.bit_length()) if mask >> number & 1]


ALIASES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
"""The expression that each alias stands for."""


LONGEST: Final = 1000
"""The number of characters that an expression may have, so that none takes long to read."""


_PRINTABLE = re.compile(r"[ -~\t]*")


def normal(expression: object) -> str:
    """Return an expression with single spaces between its fields.

    Raises:
        ConfigurationError: It is no string, is too long, or has characters other than printable ASCII, spaces and tabs.
    """
    if not isinstance(expression, str):
        raise ConfigurationError(
            f"expression must be a string such as '0 9 * * MON-FRI', not {guard.shown(expression)}",
            parameter="expression",
        )
    text = expression.strip(" \t\r\n")
    if len(text) > LONGEST:
        raise _error(f"{text[:40]}…", f"it is longer than {LONGEST} characters; write ranges instead of lists")
    if not _PRINTABLE.fullmatch(text):
        raise _error(expression, "only ASCII characters, on one line, are understood; write 0-9, A-Z and * , - / ? #")
    return " ".join(text.split())


@lru_cache(maxsize=1024)
def parse(text: str) -> Spec:
    """Return what an expression means; it must come from `normal`.

    Raises:
        ConfigurationError: It is not understood; the message says what to write instead.
    """
    fields = _fields(text).split()
    layout = LAYOUTS.get(len(fields))
    if layout is None:
        raise _error(
            text,
            f"it has {len(fields)} field{'s' * (len(fields) != 1)}; write 5 (minute hour day month weekday), "
            f"6 (with the second first) or 7 (with the second first and the year last)",
        )
    parsed: dict[str, Parsed] = {}
    for kind, item in zip(layout, fields, strict=True):
        try:
            parsed[kind.title] = parse_field(kind, item)
        except Refused as exc:
            where = f"{kind.title} {item!r}" if len(fields) > 1 else f"{item!r}"
            raise guard.caused(_error(text, f"{where}: {exc}"), None) from None
    if parsed[DAY.title].text == parsed[WEEKDAY.title].text == "?":
        raise _error(text, "? in both fields of days names no day; write * in one of them")
    return _spec(parsed)


def _fields(text: str) -> str:
    """Return the expression that an alias stands for, or the expression itself."""
    lower = text.lower()
    if lower.startswith(("tz=", "cron_tz=")):
        zone = text.split("=", 1)[1].split(" ", 1)[0]
        raise _error(text, f"a zone is not part of it; write Cron(…, timezone={zone!r})")
    if not text.startswith("@"):
        return text
    if lower in ALIASES:
        return ALIASES[lower]
    if lower == "@reboot":
        raise _error(text, "a schedule knows of no reboot; write After(0) for once, when the job is added")
    if lower.startswith("@every"):
        raise _error(text, "elapsed time is no cron expression; write Interval(minutes=5)")
    raise _error(text, f"it is no alias; write one of {', '.join(ALIASES)}")


def _spec(parsed: dict[str, Parsed]) -> Spec:
    days, weekdays = parsed[DAY.title], parsed[WEEKDAY.title]
    second, year = parsed.get(SECOND.title), parsed.get(YEAR.title)
    return Spec(
        seconds=1 if second is None else second.plain,
        minutes=parsed[MINUTE.title].plain,
        hours=parsed[HOUR.title].plain,
        days=MonthDays(
            days.plain,
            frozenset(days.before_last),
            frozenset(days.nearest),
            frozenset(days.near_last),
            frozenset(days.before_last_weekday),
        ),
        months=parsed["month"].plain,
        weekdays=WeekDays(weekdays.plain, frozenset(weekdays.nth), frozenset(weekdays.last)),
        years=None if year is None or year.whole else year.plain,
        both_days=days.starred or weekdays.starred,
        every_pass=parsed[MINUTE.title].text.startswith("*") or parsed[HOUR.title].text.startswith("*"),
        stars=frozenset(title for title, field in parsed.items() if field.starred),
    )


def _error(text: str, problem: str) -> ConfigurationError:
    return ConfigurationError(f"expression {text!r}: {problem}", parameter="expression")


def never_fires(text: str) -> ConfigurationError:
    """Return the error for an expression that has no occurrence."""
    return _error(
        text,
        "it can never fire: no such day exists (or only where the clock leaves it out); write days that months have, "
        "such as L for the last day of a month, or Never()",
    )
