"""How a job enters the tables: its schedule is bound to an instant, and its first occurrence is planned."""

from datetime import datetime, timedelta

from turnkeeper_trio._engine.history import history_of
from turnkeeper_trio._engine.lifecycle import halt, settle_job
from turnkeeper_trio._engine.planning import draw_due, plan, plan_delay
from turnkeeper_trio._engine.rows import NO_RUNS, Job
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._model import guard
from turnkeeper_trio._model.job import ENDED_STATES
from turnkeeper_trio._model.run import Origin
from turnkeeper_trio._model.times import MAX_INSTANT, Now, duration_us, instant_us
from turnkeeper_trio.abc import Schedule
from turnkeeper_trio.jobs._stored_definition import DefinitionCodec
from turnkeeper_trio.schedules import FixedDelay
from turnkeeper_trio.schedules._adapter import ScheduleFault, anchored_us, first_us


def insert_job(state: State, now: Now, job: Job, before: Job | None) -> None:
    """Put a job in the table, as the last. It takes over the history and the active runs of the job that had its id.

    That job has ended, but runs of it may still execute. For users one id is one job, so these runs count among the
    runs of the new job: by its rules for overlap new runs wait for them or cancel them. What follows when such a run
    ends (a retry, say) is decided by its own job, which is cancelled.
    """
    if before is not None:
        del state.jobs[before.job_id]
        state.ended_jobs.pop(before, None)
    elif state.remains:
        before = state.remains.pop(job.job_id, None)
    if before is not None:
        assert before.state in ENDED_STATES
        job.history = history_of(before)  # Shared, because the runs that execute will be recorded there.
        job.entries = before.entries
        job.told = None if before.lost else before.told  # Of one id, the store has one row.
        job.runs = dict(before.runs) or NO_RUNS
        before.runs = {run: None for run in before.runs if run.job is before} or NO_RUNS
        for run in job.runs:
            run.holder = job
        settle_job(state, now, before)  # All its runs may be runs that it had taken over itself: then none is left.
    state.jobs[job.job_id] = job
    state.top_priority = max(state.top_priority, job.request.priority)


def anchor_and_plan(state: State, now: Now, job: Job, *, initial: bool, since: Now) -> None:
    """Bind the new schedule of a job, and plan its first occurrence.

    ``since`` is when the grid begins; ``initial`` says whether the job begins with its ``initial_run_time``.
    """
    at = initial_us(job.request.initial_run_time, since) if initial else None
    first, fault = bind_schedule(state, now, job, at, since)
    plan_first(state, job, first, fault, since)
    halt_or_settle(state, now, job, fault)


def plan_first(state: State, job: Job, first: tuple[int, int, Origin] | None, fault: str, since: Now) -> None:
    """Plan the first occurrence, as `bind_schedule` returned it; that of a fixed delay, if no run is active."""
    if first is not None:
        plan(state, job, *first)
    elif type(job.schedule) is not FixedDelay or fault:
        return
    elif not job.runs:
        plan_delay(state, since, job, job.schedule.delay_us)
    # It counts even if the bounds of the job exclude it: then the job is finished, and does not wait to be triggered.
    job.had_occurrence = True


def halt_or_settle(state: State, now: Now, job: Job, fault: str) -> None:
    if fault:
        halt(state, now, job, fault)
    elif job.pending is None:
        settle_job(state, now, job)


def bind_schedule(
    state: State, now: Now, job: Job, initial: int | None, since: Now
) -> tuple[tuple[int, int, Origin] | None, str]:
    """Bind the schedule of a job; return its first occurrence (instant, due instant, origin), and its fault or ``""``.

    The grid begins when the job was submitted, which may be a while ago. Instants that have passed since then were
    handled under the schedule before, up to ``job.latest``: they do not come again.
    """
    request = job.request
    after = since.wall if job.latest is None else max(since.wall, min(job.latest, now.wall))
    job.latest = None
    try:
        at = since.wall if initial is None else min(initial, MAX_INSTANT)
        job.set_schedule(anchored_us(request.schedule, at))
        if state.change_log.definitions is not None:
            job.bound = _written(state.change_log.definitions, request.schedule, job.schedule, at)
        if initial is not None:
            return (initial, draw_due(state, job, initial), Origin.INITIAL), ""
        if job.delayed or (first := first_us(job.schedule, after)) is None:
            return None, ""
        return (first, draw_due(state, job, first), Origin.SCHEDULE), ""
    except ScheduleFault as fault:
        return None, str(fault)


def initial_us(at: datetime | timedelta | None, since: Now) -> int | None:
    if at is None:
        return None
    return since.wall + duration_us(at) if isinstance(at, timedelta) else instant_us(at)


def _written(definitions: DefinitionCodec, asked: Schedule, bound: Schedule, at: int) -> str | None:
    """Return the schedule in force, bound to ``at``, as a store keeps it. It may be a user's, and be faulty.

    Raises:
        ScheduleFault: it cannot be kept.
    """
    text, fault = guard.call(definitions.bound, asked, bound, at)
    if fault is not None:
        raise ScheduleFault(f"the store cannot keep its schedule: {guard.text(fault)}")
    return text
