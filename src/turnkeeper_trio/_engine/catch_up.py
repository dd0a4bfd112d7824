"""Catch-up: if the instants of several occurrences passed before the scheduler could look, which of them run.

The schedule answers all questions before anything is changed, because it may be a user's and may fail at any of them.
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
"""Microseconds: with `CatchUp.NONE` an occurrence that is looked at this late or later does not run."""


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """What happens to an occurrence that is due and to the later ones that have passed too."""

    run: list[int]
    """The instants to run now, in order."""

    latest: int
    """The instant of the last occurrence that has passed: the next is planned after it."""

    missed: int = 0
    """How many in a row are missed, up to ``missed_last``. The first of all is one of them, unless it runs."""

    missed_last: int = 0
    exact: bool = True
    """Whether ``missed`` is exact; otherwise it is a lower bound, because the schedule cannot count."""

    delayed_until: int | None = None
    """When the last occurrence that has passed is due, if its jitter moves it into the future."""


def too_late(occurrence: Occurrence, now: Now, policy: CatchUp) -> bool:
    """Return whether an occurrence is missed, if it is the only one that has passed."""
    return policy is CatchUp.NONE and now.wall - occurrence.due_at >= LATE


def miss(state: State, now: Now, occurrence: Occurrence) -> None:
    """Count one occurrence as missed."""
    end_occurrence(state, now, occurrence, Outcome.MISSED, PASSED)


def catch_up(state: State, now: Now, occurrence: Occurrence, policy: CatchUp) -> tuple[list[Occurrence], int]:
    """Decide about an occurrence that is due while later ones of its job have passed too.

    Return the occurrences to run, and the instant of the latest that has passed. The others are counted as missed in
    one step, by the arithmetic of the schedule, not one by one.

    Raises:
        ScheduleFault: the schedule is faulty; then nothing is changed.
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
        missed = Occurrence(job, last, last, Origin.SCHEDULE, job.next_entry()) if kept else occurrence
        end_occurrence(state, now, missed, Outcome.MISSED, reason, count=count, last=last)
    return [*kept, *(Occurrence(job, at, at, Origin.SCHEDULE, job.next_entry()) for at in others)], choice.latest


def _choose(state: State, now: Now, occurrence: Occurrence, policy: CatchUp) -> Choice:
    """Decide, without changing anything (but numbers are drawn from the source of chance)."""
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
    # The jitter of the latest one moves it into the future, so the one before it runs.
    return _without_missed(job.schedule, first, [_before(job.schedule, first, latest)], latest, due_at)


def _without_missed(schedule: Schedule, first: int, run: list[int], latest: int, due_at: int | None = None) -> Choice:
    """Return the choice that runs the instants in ``run``, and misses those before them."""
    if run and run[0] == first:
        return Choice(run, latest, delayed_until=due_at)
    last = _before(schedule, first, run[0]) if run else latest
    further, exact = count_between_us(schedule, first, last)
    return Choice(run, latest, missed=further + 1, missed_last=last, exact=exact, delayed_until=due_at)


def _earliest(schedule: Schedule, first: int, latest: int, due_at: int | None) -> Choice:
    """Return the choice that runs the first, and misses those after it, but not the latest if that is due later."""
    last = latest if due_at is None else _before(schedule, first, latest)
    missed, exact = count_between_us(schedule, first, last)
    return Choice([first], latest, missed=missed, missed_last=last, exact=exact, delayed_until=due_at)


def _before(schedule: Schedule, first: int, at: int) -> int:
    """Return the last instant before ``at``; ``at`` is an instant of the schedule after ``first``."""
    before = latest_us(schedule, first, at - 1)
    return first if before is None else before


def _all(schedule: Schedule, first: int, latest: int, max_waiting: int) -> list[int]:
    """Return the last ``max_waiting`` instants up to ``latest``, at least one."""
    keep = max(1, max_waiting)
    further, exact = count_between_us(schedule, first, latest, keep)
    instants = [first if exact and further < keep else _start_of_last(schedule, first, latest, keep - 1)]
    while instants[-1] < latest:
        following = next_after_us(schedule, instants[-1])
        if following is None or len(instants) == keep:
            raise _inconsistent(schedule)
        instants.append(following)
    return instants


def _inconsistent(schedule: Schedule) -> ScheduleFault:
    return ScheduleFault(f"{guard.type_name(schedule)} contradicts itself: it must always answer alike")


def _start_of_last(schedule: Schedule, after: int, latest: int, behind: int) -> int:
    """Return the first of the last ``behind + 1`` instants up to ``latest``, found by bisection.

    Where they cannot be counted exactly, there are taken to be more.
    """

    def are_few(since: int) -> bool:
        count, exact = count_between_us(schedule, since, latest, behind + 1)
        return exact and count <= behind

    back = LATE
    while latest - back > after and are_few(latest - back):
        back *= 8  # Begin near ``latest``, because counting over a long time costs more.
    low, high = max(after, latest - back), latest
    while high - low > 1:
        middle = (low + high) // 2
        if are_few(middle):
            high = middle
        else:
            low = middle
    return high
