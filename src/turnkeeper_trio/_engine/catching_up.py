"""Catch-up: which of several occurrences run whose instants passed before the scheduler could look."""

from turnkeeper_trio._engine.lifecycle import draw_due, end_occurrence, plan
from turnkeeper_trio._engine.now import Now
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.tables import Occurrence
from turnkeeper_trio._model.run import Origin, Outcome
from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.policies import CatchUp
from turnkeeper_trio.schedules._asking import count_between_us, latest_us, next_after_us

PASSED = "its instant passed before the scheduler could look"
LATE = 1_000_000
"""Microseconds: an occurrence that is looked at later than this is one that `CatchUp.NONE` does not run."""


def too_late(occurrence: Occurrence, now: Now, policy: CatchUp) -> bool:
    """Return whether catch-up does not run an occurrence that is the only one to have passed."""
    return policy is CatchUp.NONE and now.wall - occurrence.due_at >= LATE


def catch_up(state: State, occurrence: Occurrence, now: Now, policy: CatchUp) -> tuple[list[Occurrence], int]:
    """An occurrence is due, and later ones of its job have passed, too: return those to run, and the latest passed.

    The others are counted as missed in one step, by the arithmetic of the schedule, not one by one.
    """
    job = occurrence.job
    horizon = now.wall if job.request.until_us is None else min(now.wall, job.request.until_us)
    latest = latest_us(job.schedule, occurrence.scheduled_at, horizon)
    assert latest is not None
    if policy is CatchUp.ALL:
        return _all(state, occurrence, latest, now), latest
    if policy is CatchUp.NONE and now.wall - latest >= LATE:
        _miss(state, occurrence, latest, now)
        return [], latest
    return _one(state, occurrence, latest, now), latest


def miss(state: State, occurrence: Occurrence, now: Now) -> None:
    """Count one occurrence as missed."""
    end_occurrence(state, occurrence, Outcome.MISSED, now, PASSED)


def _miss(state: State, occurrence: Occurrence, last: int, now: Now) -> None:
    """Count an occurrence, and those after it up to ``last``, as missed."""
    further, exact = count_between_us(occurrence.job.schedule, occurrence.scheduled_at, last)
    state.counters.planned += further
    count = further + 1
    reason = PASSED if exact else f"{PASSED} (at least {count}: the schedule cannot count them)"
    end_occurrence(state, occurrence, Outcome.MISSED, now, reason, count=count, last=last)


def _from(state: State, occurrence: Occurrence, at: int, due_at: int, now: Now) -> Occurrence:
    """Count an occurrence, and those before the one at ``at``, as missed; return that one."""
    if at == occurrence.scheduled_at:
        return occurrence
    _miss(state, occurrence, _before(occurrence, at), now)
    state.counters.planned += 1
    return Occurrence(occurrence.job, at, due_at, Origin.SCHEDULE)


def _before(occurrence: Occurrence, at: int) -> int:
    """Return the instant before the one at ``at``, which lies after that of an occurrence."""
    latest = latest_us(occurrence.job.schedule, occurrence.scheduled_at, at - 1)
    return occurrence.scheduled_at if latest is None else latest


def _one(state: State, occurrence: Occurrence, latest: int, now: Now) -> list[Occurrence]:
    job = occurrence.job
    due_at = draw_due(state, job, latest)
    if due_at <= now.wall:
        return [_from(state, occurrence, latest, due_at, now)]
    # Its jitter keeps the latest one for later, so the one before it is the one to run.
    plan(state, job, latest, due_at, Origin.SCHEDULE)
    previous = _before(occurrence, latest)
    return [_from(state, occurrence, previous, previous, now)]


def _all(state: State, occurrence: Occurrence, latest: int, now: Now) -> list[Occurrence]:
    job = occurrence.job
    keep = max(1, job.request.max_waiting)
    further, exact = count_between_us(job.schedule, occurrence.scheduled_at, latest)
    if not exact or further + 1 > keep:
        at = _with_behind(job.schedule, occurrence.scheduled_at, latest, keep - 1)
        occurrence = _from(state, occurrence, at, at, now)
    occurrences = [occurrence]
    at = occurrence.scheduled_at
    while at < latest:
        following = next_after_us(job.schedule, at)
        assert following is not None
        at = following
        state.counters.planned += 1
        occurrences.append(Occurrence(job, at, at, Origin.SCHEDULE))
    return occurrences


def _with_behind(schedule: Schedule, after: int, latest: int, behind: int) -> int:
    """Return the first occurrence that has at most so many others behind it, up to the latest: by bisection."""
    low, high = after, latest
    while high - low > 1:
        middle = (low + high) // 2
        if count_between_us(schedule, middle, latest, behind + 2)[0] > behind:
            low = middle
        else:
            high = middle
    return high
