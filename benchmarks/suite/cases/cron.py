"""What it costs to ask a cron schedule in a zone for its next occurrence: the mean over twelve usual expressions.

`next_after` is what users call, with a datetime and for a datetime; `next_after_us` is the same question as the
scheduler asks it, with whole microseconds. Of each, the best of some rounds. No event loop takes part.
"""

import statistics
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from suite.expressions import USUAL
from suite.subjects import Subject
from turnkeeper_trio.schedules import Cron

FIGURES = {"us": "µs of CPU, next_after_us", "datetimes_us": "µs of CPU, next_after"}

ZONE = "Europe/Berlin"
ROUNDS = 7


def settings(subject: Subject, scale: str) -> list[dict]:
    """So many questions a round."""
    if subject.family != "turnkeeper" or subject.variant != "handle" or subject.loop != "asyncio":
        return []
    return [{"questions": 100 if scale == "smoke" else 5_000}]


def measure(subject: Subject, *, questions: int) -> dict[str, float]:  # noqa: ARG001  (which code runs, its environment says)
    """Measure it once."""
    now = datetime(2026, 6, 17, 13, 37, 42, tzinfo=ZoneInfo(ZONE))
    after = int(now.timestamp()) * 1_000_000
    schedules = [Cron(expression, timezone=ZONE) for expression in USUAL]
    return {
        "us": statistics.mean(_best(partial(schedule.next_after_us, after), questions) for schedule in schedules),
        "datetimes_us": statistics.mean(_best(partial(schedule.next_after, now), questions) for schedule in schedules),
    }


def _best(ask: Callable[[], object], questions: int) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time_ns()
        for _ in range(questions):
            ask()
        best = min(best, time.process_time_ns() - began)
    return best / questions / 1000
