"""Planning: when an occurrence is due, and how it enters its queue and leaves it."""

from turnkeeper_trio._engine.rows import Job, Occurrence
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.run import Origin
from turnkeeper_trio._model.times import MAX_INSTANT, Now
from turnkeeper_trio.schedules import FixedDelay
from turnkeeper_trio.schedules._adapter import ScheduleFault, next_after_us


def draw_due(state: State, job: Job, at: int) -> int:
    """Return when the occurrence at ``at`` is due: with jitter, not before ``at``, and before the next occurrence."""
    jitter = job.request.jitter_us
    if not jitter:
        return at
    following = next_after_us(job.schedule, at)
    if following is not None:
        jitter = min(jitter, following - at - 1)
    return at + _draw(state, max(0, min(jitter, MAX_INSTANT - at)))


def _draw(state: State, most: int) -> int:
    """Draw a jitter of up to ``most`` microseconds; 0 if the source of chance is faulty, because it may be a user's."""
    late, fault = guard.call(lambda: state.rng.randint(0, most))
    return late if fault is None and type(late) is int and 0 <= late <= most else 0


def following_us(job: Job, after: int) -> int | None:
    """Return the first instant of the schedule of a job after ``after``; ``None`` if there is none up to ``until``."""
    if job.delayed:
        return None
    at = next_after_us(job.schedule, after)
    until = job.request.until_us
    return None if at is None or (until is not None and at > until) else at


def rest_of_delay(job: Job, now: Now, due_at: int) -> int:
    """Return what is left of a fixed delay; no more than all of it, although the clock may have been set back."""
    rest = max(0, due_at - now.wall)
    if type(job.schedule) is FixedDelay and job.latest is not None:
        rest = min(rest, job.schedule.delay_us + job.request.jitter_us)
    return rest


def is_last(job: Job, at: int) -> bool:
    """Return whether the schedule of a job has no instant after ``at``; ``False`` if it is faulty."""
    try:
        return not job.delayed and next_after_us(job.schedule, at) is None
    except ScheduleFault:
        return False


def may_plan(job: Job, at: int) -> bool:
    """Return whether the bounds of a job and the end of the calendar allow a further occurrence at an instant."""
    request = job.request
    return at <= (MAX_INSTANT if request.until_us is None else request.until_us) and (
        request.max_runs is None or job.ran < request.max_runs
    )


def plan(state: State, job: Job, at: int, due_at: int, origin: Origin) -> None:
    """Put an occurrence in the queue, unless the bounds of the job exclude it."""
    if not may_plan(job, at):
        return
    occurrence = Occurrence(job, at, due_at, origin, job.next_entry())
    state.queue.push((due_at, job.seq, occurrence.entry, occurrence))
    _note_planned(state, job, occurrence)


def plan_delay(state: State, now: Now, job: Job, delay: int) -> None:
    """Plan an occurrence that is due ``delay`` microseconds from ``now``, by the clock of the event loop."""
    at = now.wall + delay
    if not may_plan(job, at):
        return
    jitter = min(job.request.jitter_us, MAX_INSTANT - at)
    late = _draw(state, jitter) if jitter else 0
    occurrence = Occurrence(job, at, at + late, Origin.SCHEDULE, job.next_entry())
    state.delays.push((now.loop + delay + late, job.seq, occurrence.entry, occurrence))
    _note_planned(state, job, occurrence)


def _note_planned(state: State, job: Job, occurrence: Occurrence) -> None:
    job.pending = occurrence
    job.had_occurrence = True
    if occurrence.due_at != occurrence.scheduled_at:
        state.longest_jitter = max(state.longest_jitter, occurrence.due_at - occurrence.scheduled_at)
    state.counters.planned += 1


def remove_pending(state: State, occurrence: Occurrence, *, cancelled: bool = False) -> None:
    """Remove a pending occurrence from its queue. The caller ends or discards it."""
    job = occurrence.job
    assert job.pending is occurrence
    job.pending = None
    if job.delayed and occurrence.origin is Origin.SCHEDULE:
        state.delays.remove(occurrence, cancelled=cancelled)
    else:
        state.queue.remove(occurrence, cancelled=cancelled)
