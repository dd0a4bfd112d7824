"""CPU time of schedules, side by side with cronsim in the same run: ``python benchmarks/schedules.py``.

The figures are the best of several rounds, in microseconds of CPU time an operation. "construct" parses an expression
that has not been seen before; "next" asks a schedule that exists; cronsim's figure is what its users pay, since its
objects are iterators: make one at an instant, and take the next.
"""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from datetime import time as clock
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim
from suite.expressions import USUAL

from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.schedules import (
    EVERY_DAY,
    WORKDAYS,
    AnyOf,
    CalendarInterval,
    Cron,
    Except,
    Interval,
    WeekdayTimes,
)
from turnkeeper_trio.schedules._base import BuiltinSchedule
from turnkeeper_trio.schedules.cron import _parser, _schedule

ZONE: Final = "Europe/Berlin"
NOW: Final = datetime(2026, 6, 17, 13, 37, 42, tzinfo=ZoneInfo(ZONE))
AFTER: Final = int(NOW.timestamp()) * 1_000_000

LEAP: Final = ["0 0 29 2 *", "0 0 */28 2 MON", "0 0 29 2 */7"]
HARD: Final = ["0 0 LW 2 *", "0 0 31W 12 *", "0 0 */30 * 1#5", "* 2 * 3 0L", "0 0 0 29 2 ? 2000-9999/100"]
IMPOSSIBLE: Final = ["0 0 31 2 *", "0 0 0 29 2 * 2100", "0 0 */29 2 1#5", "0 0 0 29 2 ? 1971-9999/2", "0 0 31W 4 *"]

LIMITS: Final = {"usual next": 6.0, "construct": 40.0, "leap next": 150.0, "anything": 1000.0}
FASTER: Final = 2.5
ROUNDS: Final = 7


def cpu(act: Callable[[], object], number: int) -> float:
    """Return the CPU time of one call, in microseconds: the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time_ns()
        for _ in range(number):
            act()
        best = min(best, time.process_time_ns() - start)
    return best / number / 1000


def construct(expression: str) -> None:
    _parser.parse.cache_clear()
    _schedule._labels_of.cache_clear()  # noqa: SLF001
    with suppress(ConfigurationError):
        Cron(expression, timezone=ZONE)


def row(name: str, *figures: float) -> None:
    print(f"{name:<42}" + "".join(f"{figure:>12.2f}" for figure in figures))


def cron_table(title: str, expressions: list[str], next_limit: str, *, with_cronsim: bool) -> list[str]:
    """Print one table, and return what misses its target."""
    print(f"\n{title:<42}{'construct':>12}{'next':>12}" + (f"{'cronsim':>12}{'times':>12}" if with_cronsim else ""))
    missed: list[str] = []
    for expression in expressions:
        made = cpu(lambda expression=expression: construct(expression), 300)
        schedule = Cron(expression, timezone=ZONE)
        found = cpu(lambda schedule=schedule: schedule.next_after_us(AFTER), 2000 if with_cronsim else 100)
        figures = [made, found]
        if with_cronsim:
            theirs = cpu(lambda expression=expression: next(CronSim(expression, NOW)), 300)
            figures += [theirs, theirs / found]
            if next_limit == "usual next" and theirs / found < FASTER:
                missed.append(f"{expression}: only {theirs / found:.1f} times faster than cronsim")
        row(expression, *figures)
        if found > LIMITS[next_limit]:
            missed.append(f"{expression}: next {found:.1f} µs")
        if made > LIMITS["construct"] and next_limit == "usual next":
            missed.append(f"{expression}: construct {made:.1f} µs")
        if max(made, found) > LIMITS["anything"]:
            missed.append(f"{expression}: over 1 ms")
    return missed


def other_kinds() -> None:
    daily = WeekdayTimes.on(EVERY_DAY, clock(9), timezone=ZONE)
    kinds: dict[str, BuiltinSchedule] = {
        "WeekdayTimes.on(WORKDAYS, 9:00, 17:00)": WeekdayTimes.on(WORKDAYS, clock(9), clock(17), timezone=ZONE),
        "Interval(minutes=5)": Interval(minutes=5).anchored(NOW),
        "CalendarInterval(months=3) from 2001": CalendarInterval(months=3, start=date(2001, 1, 31), timezone=ZONE),
        "AnyOf(daily, Interval)": AnyOf(daily, Interval(hours=7, anchor=NOW)),
        "Except(daily, 10 dates)": Except(daily, *(date(2026, month, 1) for month in range(1, 11))),
        "Except(daily, weekends)": Except(daily, WeekdayTimes.on(["sat", "sun"], clock(0), timezone=ZONE)),
        "Except(each second, 500 years)": Except(Cron("* * * * * *"), (date(2026, 1, 1), date(2525, 12, 31))),
    }
    year, ten = AFTER + 365 * 86_400_000_000, AFTER + 3652 * 86_400_000_000
    print(f"\n{'other kinds':<42}{'next':>12}{'1 year':>12}{'10 years':>12}   (count_between)")
    for name, schedule in kinds.items():
        counts = [cpu(lambda s=schedule, end=end: s.count_between_us(AFTER, end), 20) for end in (year, ten)]
        row(name, cpu(lambda s=schedule: s.next_after_us(AFTER), 1000), *counts)


def main() -> int:
    print(
        f"Python {sys.version.split()[0]}, {ZONE}, asked at {NOW.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC; µs of CPU time"
    )
    missed = cron_table("usual expressions", USUAL, "usual next", with_cronsim=True)
    missed += cron_table("29 February", LEAP, "leap next", with_cronsim=True)
    missed += cron_table("hard ones", HARD, "anything", with_cronsim=False)
    print(f"\n{'impossible (found when constructed)':<42}{'construct':>12}")
    for expression in IMPOSSIBLE:
        made = cpu(lambda expression=expression: construct(expression), 100)
        row(expression, made)
        if made > LIMITS["anything"]:
            missed.append(f"{expression}: over 1 ms")
    other_kinds()
    print("\nall targets are met" if not missed else "\nmissed:\n  " + "\n  ".join(missed))
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
