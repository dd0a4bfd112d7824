"""How a job enters the tables: its schedule is bound to an instant, and its first occurrence planned."""

from datetime import datetime, timedelta

from turnkeeper_trio._engine.history import history_of
from turnkeeper_trio._engine.lifecycle import halt, settle_job
from turnkeeper_trio._engine.planning import draw_due, plan, plan_delay
from turnkeeper_trio._engine.rows import NO_RUNS, Job
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._model.job import ENDED_STATES
from turnkeeper_trio._model.run import Origin
from turnkeeper_trio._model.times import MAX_INSTANT, Now, duration_us, instant_us
from turnkeeper_trio.schedules import FixedDelay
from turnkeeper_trio.schedules._adapter import ScheduleFault, anchored_us, first_us


def insert_job(state: State, now: Now, job: Job, before: Job | None) -> None:
    """Put a job in the table, as the last. What had its id before has ended, and leaves it its history and its runs.

    One id is one job: what still executes of the one before counts among the runs of the new one, by whose rules others
    wait for it or end it. How it goes on itself is decided by the job that it is a run of, which is cancelled.
    """
    if before is not None:
        del state.jobs[before.job_id]
        state.ended_jobs.pop(before, None)
    else:
        before = state.remains.pop(job.job_id, None)
    if before is not None:
        assert before.state in ENDED_STATES
        job.history = history_of(before)  # Shared: what executes will be recorded there.
        job.runs = dict(before.runs) or NO_RUNS
        before.runs = {run: None for run in before.runs if run.job is before} or NO_RUNS
        for run in job.runs:
            run.holder = job
        settle_job(state, now, before)  # It may have had no other runs than those that it took over itself.
    state.jobs[job.job_id] = job
    state.top_priority = max(state.top_priority, job.request.priority)


def anchor_and_plan(state: State, now: Now, job: Job, *, initial: bool, since: Now) -> None:
    """Bind the schedule of a job anew, to an instant or to its initial run, and plan the first occurrence after it."""
    at = initial_us(job.request.initial_run_time, since) if initial else None
    first, fault = bind_schedule(state, now, job, at, since)
    plan_first(state, job, first, fault, since)
    halt_or_settle(state, now, job, fault)


def plan_first(state: State, job: Job, first: tuple[int, int, Origin] | None, fault: str, since: Now) -> None:
    if first is not None:
        plan(state, job, *first)
    elif type(job.schedule) is not FixedDelay or fault:
        return
    elif not job.runs:
        plan_delay(state, since, job, job.schedule.delay_us)
    # A job whose bounds allow not even its first occurrence is finished: it is not one that runs by hand.
    job.had_occurrence = True


def halt_or_settle(state: State, now: Now, job: Job, fault: str) -> None:
    if fault:
        halt(state, now, job, fault)
    else:
        settle_job(state, now, job)


def bind_schedule(
    state: State, now: Now, job: Job, initial: int | None, since: Now
) -> tuple[tuple[int, int, Origin] | None, str]:
    """Bind the schedule of a job, and return its first occurrence (its instant, when it is due, why), and its fault.

    The grid begins when it was submitted, which may be a while ago: what has had its turn since then, by the grid that
    was, does not come again.
    """
    request = job.request
    after = since.wall if job.latest is None else max(since.wall, min(job.latest, now.wall))
    job.latest = None
    try:
        job.schedule = anchored_us(request.schedule, since.wall if initial is None else min(initial, MAX_INSTANT))
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
