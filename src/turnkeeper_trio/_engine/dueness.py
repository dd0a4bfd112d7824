"""What happens when an instant comes: catch-up, overlap, the ready queue, and who is bound to a worker next."""

from turnkeeper_trio._engine.ledger import Proposal
from turnkeeper_trio._engine.lifecycle import draw_due, end_occurrence, end_run, halt, plan
from turnkeeper_trio._engine.now import Now
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.tables import NO_RUNS, Attempt, Job, Occurrence, Run
from turnkeeper_trio._engine.waiting import IDLE, IDLE_DUE
from turnkeeper_trio._model.change import ChangeKind
from turnkeeper_trio._model.run import Origin, Outcome
from turnkeeper_trio.schedules import FixedDelay
from turnkeeper_trio.schedules._asking import ScheduleFault, count_between_us, latest_us, next_after_us

SUPERSEDED_BY_NEXT = "superseded by the next occurrence"
OVERLAP = "the run before it had not ended"
PASSED = "its instant passed before the scheduler could look"


def take_due(state: State, now: Now, limit: int) -> bool:
    """Move what has become due to the ready queue, at most ``limit`` of it; return whether all of it was moved."""
    left = limit
    while left and (entry := state.retries.peek()) is not None and entry[0] <= now.loop:
        _retry(state, state.retries.pop(), now)
        left -= 1
    while left and (entry := state.queue.peek()) is not None and entry[0] <= now.wall:
        fire(state, state.queue.pop(), now)
        left -= 1
    while left and (entry := state.delays.peek()) is not None and entry[0] <= now.loop:
        fire(state, state.delays.pop(), now)
        left -= 1
    return left > 0


def fire(state: State, occurrence: Occurrence, now: Now) -> None:
    """The instant of an occurrence has come, and it has left its queue: plan the following one, and begin.

    A job is halted only after its run has begun: halted without one it would be over, to whoever waits for that.
    """
    job = occurrence.job
    job.pending = None
    fault: ScheduleFault | None = None
    if not isinstance(job.schedule, FixedDelay):
        try:
            following = next_after_us(job.schedule, occurrence.scheduled_at)
            if following is not None and following <= now.wall:
                occurrence, planned = _catch_up(state, job, occurrence, now)
                following = None if planned else next_after_us(job.schedule, occurrence.scheduled_at)
            if following is not None:
                plan(state, job, following, draw_due(state, job, following), Origin.SCHEDULE)
        except ScheduleFault as exc:
            fault = exc
    begin(state, occurrence, now)
    if fault is not None:
        halt(state, job, str(fault), now)


def _catch_up(state: State, job: Job, occurrence: Occurrence, now: Now) -> tuple[Occurrence, bool]:
    """Return the occurrence to run now, the latest whose instant has passed, and whether the next one is planned.

    Those before it are missed. They are counted in one step: by the arithmetic of the schedule, not one by one. The
    schedule is asked everything before anything is decided, for it may be a user's, and fail at any question.
    """
    schedule, after = job.schedule, occurrence.scheduled_at
    latest = latest_us(schedule, after, now.wall)
    assert latest is not None
    due_at = draw_due(state, job, latest)
    delayed: tuple[int, int] | None = None
    if due_at > now.wall:
        # Its jitter keeps the latest one for later, so the one before it is the one to run.
        delayed = latest, due_at
        previous = latest_us(schedule, after, latest - 1)
        latest = due_at = after if previous is None else previous
    missed, exact = count_between_us(schedule, after, latest)
    if delayed is not None:
        plan(state, job, *delayed, Origin.SCHEDULE)
    if latest == after:
        return occurrence, True
    state.counters.planned += missed
    reason = PASSED if exact else f"{PASSED} (at least {missed}: the schedule cannot count them)"
    end_occurrence(state, occurrence, Outcome.MISSED, now, reason, count=missed)
    return Occurrence(job, latest, due_at, Origin.SCHEDULE), delayed is not None


def begin(state: State, occurrence: Occurrence, now: Now) -> Run | None:
    """Make a run of an occurrence that is due, unless one of its job is in the way (`Overlap.SKIP`).

    The new run is in its job's table before those it supersedes leave it: a job without a run and without a pending
    occurrence is over, and would let go of its function and its arguments.
    """
    job = occurrence.job
    superseded = tuple(job.runs)
    if any(not run.waiting_retry or job.request.retry_past_next for run in superseded):
        end_occurrence(state, occurrence, Outcome.SKIPPED, now, OVERLAP)
        return None
    begun = Run(occurrence, state.next_run(), now.loop)
    if job.runs is NO_RUNS:
        job.runs = {}
    job.runs[begun] = None
    state.active[begun] = None
    if occurrence.run_id is not None:
        state.by_id[occurrence.run_id] = begun
    for run in superseded:
        end_run(state, run, Outcome.FAILED, now, SUPERSEDED_BY_NEXT, error=run.error)
    _make_ready(state, begun, occurrence.due_at)
    return begun


def _make_ready(state: State, run: Run, due_at: int) -> None:
    state.ready.push((-run.job.request.priority, due_at, run.job.seq, run.number, run))


def _retry(state: State, run: Run, now: Now) -> None:
    run.waiting_retry = False
    run.since = now.loop
    _make_ready(state, run, now.wall)


def assign(state: State, now: Now) -> None:
    """Bind as many ready runs as there is capacity for, in their order."""
    capacity = state.capacity
    while capacity > 0 and len(state.ready):
        _bind(state, state.ready.pop(), now)
        capacity -= 1


def _bind(state: State, run: Run, now: Now) -> None:
    attempt = Attempt(run, run.begun + 1, now)
    run.attempt = attempt
    state.assigned[attempt] = None
    state.effects.assignments.append(attempt)
    if state.ledger.asked:
        data = {"scheduled_at": run.occurrence.scheduled_at, "origin": run.occurrence.origin, "attempt": attempt.number}
        state.ledger.propose(ChangeKind.RUN_STARTED, run.job, data, Proposal(attempt))


def answer_idle(state: State) -> None:
    """Answer whoever waits for idleness, now that all that was due has been moved."""
    if state.active:
        return
    state.over(IDLE_DUE)
    if not state.pending:
        state.over(IDLE)
