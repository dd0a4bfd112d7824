"""What a cron expression means, taken apart: sets of numbers as bit masks, and the special days."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MonthDays:
    """The day-of-month field."""

    plain: int
    """Bit n is day n."""
    before_last: frozenset[int] = frozenset()
    """``L`` is 0, ``L-n`` is n."""
    nearest: frozenset[int] = frozenset()
    """``nW``: the weekday nearest to day n."""
    last_weekday: bool = False
    """``LW``."""


@dataclass(frozen=True, slots=True)
class WeekDays:
    """The weekday field; Sunday is 0."""

    plain: int
    """Bit n is weekday n."""
    nth: frozenset[tuple[int, int]] = frozenset()
    """``d#n`` as (d, n)."""
    last: frozenset[int] = frozenset()
    """``dL``."""


@dataclass(frozen=True, slots=True)
class Spec:
    """The meaning of an expression. Two expressions that mean the same are equal here."""

    seconds: int
    minutes: int
    hours: int
    days: MonthDays
    months: int
    weekdays: WeekDays
    years: int | None
    """``None`` is every year."""
    both_days: bool
    """A day must match both fields of days (one of them starts with ``*``), rather than either."""
    every_pass: bool
    """The minute or hour field starts with ``*``: it follows the clock through gaps and overlaps."""
    stars: frozenset[str] = field(default=frozenset(), compare=False)
    """The titles of the fields that are ``*`` or start with it, for explanation."""


def bits(mask: int) -> list[int]:
    """Return the numbers in a mask, ascending."""
    return [number for number in range(mask.bit_length()) if mask >> number & 1]
