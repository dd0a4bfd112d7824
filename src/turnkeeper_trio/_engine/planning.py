"""Planning: how an occurrence enters its queue, and leaves it."""

from turnkeeper_trio._engine.rows import Job, Occurrence
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.change import ChangeKind
from turnkeeper_trio._model.run import Origin
from turnkeeper_trio._model.times import MAX_INSTANT, Now
from turnkeeper_trio.schedules._adapter import ScheduleFault, next_after_us


def draw_due(state: State, job: Job, at: int) -> int:
    """Return when the occurrence at ``at`` is due: with jitter, never earlier, and before the occurrence after it."""
    jitter = job.request.jitter_us
    if not jitter:
        return at
    following = next_after_us(job.schedule, at)
    if following is not None:
        jitter = min(jitter, following - at - 1)
    return at + _draw(state, max(0, min(jitter, MAX_INSTANT - at)))


def _draw(state: State, most: int) -> int:
    """Draw a jitter of up to ``most``. The source of chance may be a user's: where it is faulty, there is none."""
    late, fault = guard.call(lambda: state.rng.randint(0, most))
    return late if fault is None and type(late) is int and 0 <= late <= most else 0


def following_us(job: Job, after: int) -> int | None:
    """Return the instant of the first occurrence of a job after another, if there is one: not past its end."""
    if job.delayed:
        return None
    at = next_after_us(job.schedule, after)
    until = job.request.until_us
    return None if at is None or (until is not None and at > until) else at


def is_last(job: Job, at: int) -> bool:
    """Return whether the schedule of a job has no instant after another. If it is faulty, nobody knows that."""
    try:
        return not job.delayed and next_after_us(job.schedule, at) is None
    except ScheduleFault:
        return False


def may_plan(job: Job, at: int) -> bool:
    """Return whether a job may have a further occurrence, at an instant; beyond the calendar there is none to name."""
    request = job.request
    return at <= (MAX_INSTANT if request.until_us is None else request.until_us) and (
        request.max_runs is None or job.ran < request.max_runs
    )


def plan(state: State, job: Job, at: int, due_at: int, origin: Origin) -> None:
    """Put an occurrence in the queue, unless the job has had all it may have."""
    if not may_plan(job, at):
        return
    occurrence = Occurrence(job, at, due_at, origin)
    state.queue.push((due_at, job.seq, job.next_entry(), occurrence))
    _note_planned(state, job, occurrence)


def plan_delay(state: State, now: Now, job: Job, delay: int) -> None:
    """Plan the occurrence that is due so long from now, by the loop's clock."""
    at = now.wall + delay
    if not may_plan(job, at):
        return
    jitter = min(job.request.jitter_us, MAX_INSTANT - at)
    late = _draw(state, jitter) if jitter else 0
    occurrence = Occurrence(job, at, at + late, Origin.SCHEDULE)
    state.delays.push((now.loop + delay + late, job.seq, job.next_entry(), occurrence))
    _note_planned(state, job, occurrence)


def _note_planned(state: State, job: Job, occurrence: Occurrence) -> None:
    job.pending = occurrence
    job.had_occurrence = True
    if occurrence.due_at != occurrence.scheduled_at:
        state.longest_jitter = max(state.longest_jitter, occurrence.due_at - occurrence.scheduled_at)
    state.counters.planned += 1
    if state.change_log.asked:
        state.change_log.note(ChangeKind.JOB_CHANGED, job, {"state": job.state, "next": occurrence.scheduled_at})


def remove_pending(state: State, occurrence: Occurrence, *, cancelled: bool = False) -> None:
    """Take a pending occurrence out of its queue; the caller says what becomes of it."""
    job = occurrence.job
    assert job.pending is occurrence
    job.pending = None
    if job.delayed and occurrence.origin is Origin.SCHEDULE:
        state.delays.remove(occurrence, cancelled=cancelled)
    else:
        state.queue.remove(occurrence, cancelled=cancelled)
