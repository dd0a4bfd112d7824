"""What happens when an instant comes: the occurrence is due and becomes a run, by the rules for overlap."""

from turnkeeper_trio._engine.catch_up import catch_up, miss, too_late
from turnkeeper_trio._engine.completion import begin_again
from turnkeeper_trio._engine.lifecycle import (
    end_occurrence,
    halt,
    plan_after,
    plan_next,
    settle_job,
)
from turnkeeper_trio._engine.overlap import apply_overlap
from turnkeeper_trio._engine.planning import following_us, may_plan
from turnkeeper_trio._engine.rows import NO_RUNS, Occurrence, Run
from turnkeeper_trio._engine.slots import make_ready
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.waits import IDLE, IDLE_DUE
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.run import Origin, Outcome
from turnkeeper_trio._model.times import Now
from turnkeeper_trio.policies import CatchUp, Overlap
from turnkeeper_trio.schedules._adapter import ScheduleFault


def begin_run(state: State, now: Now, occurrence: Occurrence, overlap: Overlap | None = None) -> Run:
    """Make a run of an occurrence that is due. It is ready, waits for other runs of its job, or is skipped."""
    job = occurrence.job
    alone = job.runs is NO_RUNS and job.resolved and job.state is not JobState.PAUSED and state.closing is None
    # The run is added before anything else is decided, so that its job is not taken for finished meanwhile.
    run = Run(occurrence, state.next_run(), now.loop)
    if job.runs is NO_RUNS:
        job.runs = {run: None}
    else:
        job.runs[run] = None
    state.active[run] = None
    job.ran += occurrence.origin is not Origin.TRIGGER
    if occurrence.run_id is not None:
        state.by_id[occurrence.run_id] = run
    run.overlap = overlap
    if alone:
        make_ready(state, run)
    else:
        apply_overlap(state, now, run)
    return run


ALL_RUN = "its job has had all its runs"


def take_due(state: State, now: Now, limit: int) -> bool:
    """Make what has become due ready, at most ``limit`` occurrences and retries; return whether that was all."""
    if state.pauses:
        return True
    left = limit
    while left and (run := state.retries.pop_until(now.loop)) is not None:
        _retry_due(state, now, run)
        left -= 1
    while left and (occurrence := state.queue.pop_until(now.wall)) is not None:
        fire(state, now, occurrence)
        left -= 1
    while left and (occurrence := state.delays.pop_until(now.loop)) is not None:
        fire(state, now, occurrence)
        left -= 1
    return left > 0


def fire(state: State, now: Now, occurrence: Occurrence) -> None:
    """Handle an occurrence that is due and has left its queue: begin its run, and plan the next occurrence."""
    job = occurrence.job
    state.change_log.touch(job)
    job.pending = None
    handle_due(state, now, occurrence, job.request.catch_up)
    if not job.runs:
        settle_job(state, now, job)


def handle_due(state: State, now: Now, occurrence: Occurrence, policy: CatchUp) -> None:
    """Begin the runs of an occurrence that is due and of later ones that have passed too, and plan the next one."""
    job = occurrence.job
    occurrences, latest, fault, following = [occurrence], occurrence.scheduled_at, None, None
    try:
        following = following_us(job, occurrence.scheduled_at)
        if following is not None and following <= now.wall:
            occurrences, latest = catch_up(state, now, occurrence, policy)
        elif too_late(occurrence, now, policy):
            miss(state, now, occurrence)
            occurrences = []
    except ScheduleFault as exc:
        fault = exc
    job.latest = latest
    # Several come at once only with `CatchUp.ALL`. They wait for each other, because otherwise the policy for overlap
    # would skip the runs that catch-up has just chosen.
    in_order = len(occurrences) > 1 and job.request.overlap is not Overlap.ALLOW_ALL
    for each in occurrences:
        if may_plan(job, each.scheduled_at):
            begin_run(state, now, each, Overlap.BUFFER_ALL if in_order else None)
        else:
            end_occurrence(state, now, each, Outcome.SKIPPED, ALL_RUN)
    if fault is not None:
        halt(state, now, job, str(fault))
    elif job.pending is None and job.state is JobState.ACTIVE and not (job.runs and job.delayed):
        if latest == occurrence.scheduled_at and not job.delayed:
            plan_next(state, now, job, following)
        else:
            plan_after(state, now, job, latest)


def _retry_due(state: State, now: Now, run: Run) -> None:
    """Handle a retry that is due: its run starts or waits among the runs of its job."""
    state.change_log.touch(run.job)
    begin_again(state, now, run)


def answer_idle(state: State) -> None:
    """Answer the callers that wait for idleness, if the scheduler is idle. All that is due must have been moved."""
    if state.active:
        return
    state.answer_waits(IDLE_DUE)
    if not state.pending and not state.change_log.elsewhere:
        state.answer_waits(IDLE)
