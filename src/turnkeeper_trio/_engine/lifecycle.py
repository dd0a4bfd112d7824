"""How occurrences, runs and jobs end. All of them end through functions of this module, which balance the books."""

from typing import Any

from turnkeeper_trio._engine.history import has_remains, history_of, record_of
from turnkeeper_trio._engine.planning import draw_due, following_us, plan, plan_delay, remove_pending
from turnkeeper_trio._engine.queues import OUT
from turnkeeper_trio._engine.rows import NO_RUNS, CancelCause, Job, NonRun, Occurrence, Run
from turnkeeper_trio._engine.slots import promote_waiting, remove_waiting
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.watchdog import cleanup_grace_us
from turnkeeper_trio._model.job import ENDED_STATES, JobState
from turnkeeper_trio._model.run import Origin, Outcome
from turnkeeper_trio._model.times import Now, seconds
from turnkeeper_trio.events import (
    WARN_AFTER_SKIPPED,
    JobCancelled,
    JobFinished,
    JobHalted,
    OccurrenceMissed,
    OccurrenceSkipped,
    RunFinished,
)
from turnkeeper_trio.schedules import FixedDelay
from turnkeeper_trio.schedules._adapter import ScheduleFault

FAILURES = frozenset({Outcome.FAILED, Outcome.TIMED_OUT})
HALTED = "its job was halted"


def plan_after(state: State, now: Now, job: Job, after: int) -> None:
    """Plan the first occurrence after an instant, if there is one; halt the job if its schedule is faulty."""
    if type(job.schedule) is FixedDelay:
        plan_delay(state, now, job, job.schedule.delay_us)
        return
    try:
        at = following_us(job, after if job.latest is None else max(after, job.latest))
    except ScheduleFault as fault:
        halt(state, now, job, str(fault))
    else:
        plan_next(state, now, job, at)


def plan_next(state: State, now: Now, job: Job, at: int | None) -> None:
    """Plan the next occurrence at an instant that the schedule gave, if any; halt the job if its schedule is faulty."""
    if at is None:
        return
    try:
        plan(state, job, at, draw_due(state, job, at), Origin.SCHEDULE)
    except ScheduleFault as fault:
        halt(state, now, job, str(fault))


def end_occurrence(
    state: State,
    now: Now,
    occurrence: Occurrence,
    outcome: Outcome,
    reason: str,
    *,
    count: int = 1,
    last: int | None = None,
    by: Run | None = None,
) -> NonRun:
    """End an occurrence that does not run, or ``count`` in a row up to the instant ``last``.

    ``by`` is the run because of which it is skipped, if there is one. Return the item that the history keeps.
    """
    item = NonRun(occurrence, outcome, reason, now.wall, state.history.next_number())
    item.count = count
    if last is not None:
        item.scheduled_at = last
    job = occurrence.job
    state.counters.outcomes[outcome] += count
    kept = state.history.add_non_run(item)
    if state.closing is not None:
        state.closing.note(kept)
    if kept.entry != occurrence.entry:
        state.change_log.drop(job, occurrence.entry)
    state.change_log.end(job, kept)
    skipped = 0
    if by is not None:
        history = history_of(job)
        skipped = history.skipped = history.skipped + 1
    kind = OccurrenceMissed if outcome is Outcome.MISSED else OccurrenceSkipped
    if state.listening[kind] or skipped == WARN_AFTER_SKIPPED:
        fields: dict[str, Any] = {
            "name": job.request.name,
            "scheduled_at": item.scheduled_at,
            "reason": reason,
        }
        if outcome is Outcome.MISSED:
            late = seconds(now.wall - item.scheduled_at)
            state.emit(now, OccurrenceMissed, job=job, run_id=state.run_id(kept), count=count, lateness=late, **fields)
        else:
            blocking = None if by is None else state.active_run(now, by)
            run_id = state.run_id(kept)
            fields |= {"outcome": outcome, "blocked_by": blocking, "skipped": skipped}
            state.emit(now, OccurrenceSkipped, job=job, run_id=run_id, **fields)
    state.answer_waits(occurrence, kept)
    return kept


def end_run(
    state: State,
    now: Now,
    run: Run,
    outcome: Outcome,
    reason: str = "",
    *,
    value: Any = None,
    error: BaseException | None = None,
    by: Run | None = None,
) -> Run | NonRun:
    """End an active run, and return what the history keeps of it.

    A run that never began is kept as an occurrence that did not run. It does not count among the ``max_runs`` of its
    job, so that a later occurrence may run in its place. ``by`` is the run because of which it is skipped, if any.
    """
    job = run.holder
    item: Run | NonRun = run
    remove_run(state, run)
    if run.attempt is not None:
        run.attempt.revoked = True
        run.attempt = None
    given_back = run.begun == 0 and run.occurrence.origin is not Origin.TRIGGER
    if run.begun == 0:
        job.ran -= given_back
        item = end_occurrence(state, now, run.occurrence, outcome, reason, by=by)
    else:
        run.outcome, run.reason, run.value, run.error = outcome, reason, value, error
        run.finished_at = now.wall
        state.counters.outcomes[outcome] += 1
        _add_to_history(state, now, run)
        if outcome in FAILURES:
            _apply_failure_limits(state, now, run)
    if job.waiting is not NO_RUNS:
        promote_waiting(state, job)
    # A run is skipped while it is begun (`begin_run`), and then the caller of that plans the next occurrence.
    may_follow = not job.runs if job.delayed else given_back and outcome is not Outcome.SKIPPED
    if may_follow and job.pending is None and job.state is JobState.ACTIVE and not state.ending:
        plan_after(state, now, job, now.wall)
    settle_job(state, now, job)
    if run.job is not job:
        settle_job(state, now, run.job)
    return item


def _apply_failure_limits(state: State, now: Now, run: Run) -> None:
    """After a failed run, halt its job if that failed too often in a row; end the program if the job is critical."""
    job, request = run.job, run.job.request
    if request.critical and state.effects.critical is None:
        state.effects.critical = run
    failures = history_of(job).consecutive_failures
    if request.halt_after is not None and failures >= request.halt_after and job.state is JobState.ACTIVE:
        halt(state, now, job, f"{failures} runs in a row failed for good")
        for other in tuple(job.runs):
            if other.begun == 0 and not other.executing:
                end_run(state, now, other, Outcome.CANCELLED, HALTED)


def remove_run(state: State, run: Run) -> None:
    """Remove a run from the tables, in whatever phase it is."""
    job = run.job
    if job.waiting is not NO_RUNS and run.blocked:
        remove_waiting(job, run)
    del state.active[run]
    for each in (job,) if run.holder is job else (job, run.holder):
        if len(each.runs) == 1:
            assert run in each.runs
            each.runs = NO_RUNS
        else:
            del each.runs[run]
    if run.place != OUT:
        (state.retries if run.waiting_retry else state.ready).remove(run)


def _add_to_history(state: State, now: Now, run: Run) -> None:
    job = run.job
    state.history.add_run(run)
    if state.closing is not None:
        state.closing.note(run)
    if run.error is not None:
        state.effects.frames_to_clear.append(run)
    if not job.lost:
        state.change_log.end(job, run)
    if state.listening[RunFinished] or run.outcome in FAILURES:
        run_id = state.run_id(run)
        state.emit(now, RunFinished, job=job, run_id=run_id, record=record_of(run, run_id))
    if state.waits:
        state.answer_waits(run.occurrence, run)


def halt(state: State, now: Now, job: Job, reason: str) -> None:
    """Halt a job: no occurrence of it is planned until it is resumed."""
    job.state, job.reason = JobState.HALTED, reason
    job.held = job.pending
    cancel_pending(state, now, job, Outcome.CANCELLED, HALTED)
    state.emit(now, JobHalted, job=job, name=job.request.name, reason=reason)
    settle_job(state, now, job)


def reactivate(job: Job) -> Occurrence | None:
    """Make a paused or halted job active, and return the occurrence that it held. Its failures count from 0 again."""
    held, job.held = job.held, None
    job.state, job.reason = JobState.ACTIVE, ""
    if job.history is not None:
        job.history.consecutive_failures = 0
    return held


def cancel_pending(state: State, now: Now, job: Job, outcome: Outcome, reason: str) -> None:
    """End the pending occurrence of a job, if it has one."""
    if job.pending is not None:
        occurrence = job.pending
        remove_pending(state, occurrence, cancelled=outcome is Outcome.CANCELLED)
        end_occurrence(state, now, occurrence, outcome, reason)


def cancel_lineage(state: State, now: Now, job: Job, reason: str) -> None:
    """Cancel a job and its pending occurrence. The caller ends the active runs."""
    job.state, job.reason, job.held = JobState.CANCELLED, reason, None
    state.counters.lineage_cancelled += 1
    if state.listening[JobCancelled]:
        state.emit(now, JobCancelled, job=job, name=job.request.name, reason=reason)
    cancel_pending(state, now, job, Outcome.CANCELLED, reason)


def cancel_waiting(state: State, now: Now, job: Job, reason: str) -> list[Run | NonRun]:
    """Cancel the active runs of a job that do not execute: those that are due or wait for a retry."""
    waiting = [run for run in job.runs if not run.executing]
    state.counters.discarded_cancelled += len(waiting)
    return [end_run(state, now, run, Outcome.CANCELLED, reason, error=run.error) for run in waiting]


def request_cancel(state: State, now: Now, run: Run, cause: CancelCause, reason: str) -> None:
    """Have the scope of an executing run cancelled, unless it was asked to end before. The run ends when it reports."""
    attempt = run.attempt
    assert attempt is not None
    assert attempt.scope is not None
    if attempt.cause is not None:
        return
    if attempt.scope.cancel_called:
        # Its deadline has passed, and it is ending already. The timeout was first, so the record says timed out.
        if cause is not CancelCause.SHUTDOWN:
            said = "cancelled" if cause is CancelCause.CANCEL else ""
            attempt.no_retry_reason = attempt.no_retry_reason or f"it was {': '.join(filter(None, (said, reason)))}"
        return
    attempt.cause = cause
    run.reason, run.since = reason, now.loop
    state.effects.cancels.append(attempt)
    # At least 1, so that the run can react before it counts as stuck, however short the grace is.
    state.set_check(attempt, now.loop + max(1, cleanup_grace_us(state, attempt)))


def settle_job(state: State, now: Now, job: Job) -> None:
    """If no run of a job is to come, answer the callers that wait for that, and finish the job if it is active."""
    if job.pending is not None or job.runs or job.state is JobState.PAUSED:
        return
    if job.state is JobState.ACTIVE and job.had_occurrence and not state.ending:
        job.state = JobState.FINISHED
        if state.listening[JobFinished]:
            state.emit(now, JobFinished, job=job, name=job.request.name)
    if job.state in ENDED_STATES:
        job.args, job.kwargs, job.target = (), None, str(job.target)
        state.answer_waits(job)
        _remember_ended(state, now, job)
    else:
        state.answer_waits(job)


def _remember_ended(state: State, now: Now, job: Job) -> None:
    if state.jobs.get(job.job_id) is not job:
        return
    state.ended_jobs.setdefault(job, now.wall)
    if not state.durable:  # Otherwise the store keeps them, and they are released when it has been told how they ended.
        for oldest in surplus_ended(state, now):
            forget(state, oldest)


def surplus_ended(state: State, now: Now) -> list[Job]:
    """Remove and return the jobs that have ended and are not remembered any longer, the oldest first."""
    ended, limit, ttl = state.ended_jobs, state.options.history_limit, state.options.history_ttl
    surplus: list[Job] = []
    while len(ended) > limit or (ttl is not None and ended and now.wall - next(iter(ended.values())) > ttl):
        surplus.append(ended.popitem(last=False)[0])
    return surplus


def forget(state: State, job: Job) -> None:
    """Remove a job from the table. If runs or records of it are left, a new job with its id takes them over."""
    state.ended_jobs.pop(job, None)
    del state.jobs[job.job_id]
    if job.history is not None:
        job.history.forget_runs()
    if has_remains(job):
        state.remains[job.job_id] = job
