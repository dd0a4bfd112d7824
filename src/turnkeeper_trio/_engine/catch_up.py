"""Catch-up: which of several occurrences run whose instants passed before the scheduler could look.

The schedule is asked everything before anything is changed: it may be a user's, and fail at any question.
"""

from dataclasses import dataclass
from typing import Final, final

from turnkeeper_trio._engine.lifecycle import end_occurrence
from turnkeeper_trio._engine.planning import draw_due, plan
from turnkeeper_trio._engine.rows import Occurrence
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.run import Origin, Outcome
from turnkeeper_trio._model.times import Now
from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.policies import CatchUp
from turnkeeper_trio.schedules._adapter import ScheduleFault, count_between_us, latest_us, next_after_us

PASSED: Final = "its instant passed before the scheduler could look"


LATE: Final = 1_000_000
"""Microseconds: an occurrence that is looked at later than this is one that `CatchUp.NONE` does not run."""


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """What is to become of an occurrence that is due and of those after it that have passed."""

    run: list[int]
    """The instants to run now, in order."""

    latest: int
    """The instant of the last that has passed: the next is planned after it."""

    missed: int = 0
    """How many are missed, in a row, up to ``missed_last``: the first of all is one of them unless it is to run."""

    missed_last: int = 0
    exact: bool = True
    delayed_until: int | None = None
    """When the last that has passed is due, if its jitter keeps it for later."""


def too_late(occurrence: Occurrence, now: Now, policy: CatchUp) -> bool:
    """Return whether catch-up does not run an occurrence that is the only one to have passed."""
    return policy is CatchUp.NONE and now.wall - occurrence.due_at >= LATE


def miss(state: State, now: Now, occurrence: Occurrence) -> None:
    """Count one occurrence as missed."""
    end_occurrence(state, now, occurrence, Outcome.MISSED, PASSED)


def catch_up(state: State, now: Now, occurrence: Occurrence, policy: CatchUp) -> tuple[list[Occurrence], int]:
    """An occurrence is due, and later ones of its job have passed, too: return those to run, and the latest passed.

    The others are counted as missed in one step, by the arithmetic of the schedule, not one by one.
    """
    job = occurrence.job
    choice = _choose(state, now, occurrence, policy)
    if choice.delayed_until is not None:
        plan(state, job, choice.latest, choice.delayed_until, Origin.SCHEDULE)
    kept = [occurrence] if occurrence.scheduled_at in choice.run else []
    others = [at for at in choice.run if at != occurrence.scheduled_at]
    state.counters.planned += len(kept) + len(others) + choice.missed - 1
    if choice.missed:
        count, last = choice.missed, choice.missed_last
        reason = PASSED if choice.exact else f"{PASSED} (at least {count}: the schedule cannot count them)"
        missed = Occurrence(job, last, last, Origin.SCHEDULE) if kept else occurrence
        end_occurrence(state, now, missed, Outcome.MISSED, reason, count=count, last=last)
    return [*kept, *(Occurrence(job, at, at, Origin.SCHEDULE) for at in others)], choice.latest


def _choose(state: State, now: Now, occurrence: Occurrence, policy: CatchUp) -> Choice:
    """Decide, changing nothing but the source of chance."""
    job, first = occurrence.job, occurrence.scheduled_at
    horizon = now.wall if job.request.until_us is None else min(now.wall, job.request.until_us)
    latest = latest_us(job.schedule, first, horizon)
    if latest is None:
        raise _inconsistent(job.schedule)
    if policy is CatchUp.ALL:
        return _without_missed(job.schedule, first, _all(job.schedule, first, latest, job.request.max_waiting), latest)
    if policy is CatchUp.NONE and now.wall - latest >= LATE:
        return _without_missed(job.schedule, first, [], latest)
    due_at = draw_due(state, job, latest)
    if policy is CatchUp.EARLIEST:
        return _earliest(job.schedule, first, latest, due_at if due_at > now.wall else None)
    if due_at <= now.wall:
        return _without_missed(job.schedule, first, [latest], latest)
    # Its jitter keeps the latest one for later, so the one before it is the one to run.
    return _without_missed(job.schedule, first, [_before(job.schedule, first, latest)], latest, due_at)


def _without_missed(schedule: Schedule, first: int, run: list[int], latest: int, due_at: int | None = None) -> Choice:
    """Return the choice to run these, and to miss those before them."""
    if run and run[0] == first:
        return Choice(run, latest, delayed_until=due_at)
    last = _before(schedule, first, run[0]) if run else latest
    further, exact = count_between_us(schedule, first, last)
    return Choice(run, latest, missed=further + 1, missed_last=last, exact=exact, delayed_until=due_at)


def _earliest(schedule: Schedule, first: int, latest: int, due_at: int | None) -> Choice:
    """Return the choice to run the first, and to miss those after it: not the latest, if that is due later."""
    last = latest if due_at is None else _before(schedule, first, latest)
    missed, exact = count_between_us(schedule, first, last)
    return Choice([first], latest, missed=missed, missed_last=last, exact=exact, delayed_until=due_at)


def _before(schedule: Schedule, first: int, at: int) -> int:
    """Return the instant before the one at ``at``, which lies after the first."""
    before = latest_us(schedule, first, at - 1)
    return first if before is None else before


def _all(schedule: Schedule, first: int, latest: int, max_waiting: int) -> list[int]:
    """Return the last ``max_waiting`` instants, or the last one, up to the latest."""
    keep = max(1, max_waiting)
    further, exact = count_between_us(schedule, first, latest, keep)
    instants = [first if exact and further < keep else _with_behind(schedule, first, latest, keep - 1)]
    while instants[-1] < latest:
        following = next_after_us(schedule, instants[-1])
        if following is None or len(instants) == keep:
            raise _inconsistent(schedule)
        instants.append(following)
    return instants


def _inconsistent(schedule: Schedule) -> ScheduleFault:
    return ScheduleFault(f"{guard.type_name(schedule)} contradicts itself: it must always answer alike")


def _with_behind(schedule: Schedule, after: int, latest: int, behind: int) -> int:
    """Return the first instant that has at most so many others behind it, up to the latest: by bisection.

    Where they cannot be counted exactly, there are taken to be more.
    """

    def few(since: int) -> bool:
        count, exact = count_between_us(schedule, since, latest, behind + 1)
        return exact and count <= behind

    back = LATE
    while latest - back > after and few(latest - back):
        back *= 8  # Near ones first: a long time costs more to count.
    low, high = max(after, latest - back), latest
    while high - low > 1:
        middle = (low + high) // 2
        if few(middle):
            high = middle
        else:
            low = middle
    return high
