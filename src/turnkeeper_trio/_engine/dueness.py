"""What happens when an instant comes: catch-up, arrival, the ready queue, and who is bound to a worker next."""

from turnkeeper_trio._engine.arrival import begin
from turnkeeper_trio._engine.attempt import Attempt
from turnkeeper_trio._engine.attempts import TOO_LATE
from turnkeeper_trio._engine.catching_up import catch_up, miss, too_late
from turnkeeper_trio._engine.ledger import Proposal
from turnkeeper_trio._engine.lifecycle import end_occurrence, end_run, halt, plan_after, plan_next, settle_job
from turnkeeper_trio._engine.now import Now
from turnkeeper_trio._engine.planning import following_us, may_plan
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.tables import Occurrence, Run
from turnkeeper_trio._engine.turns import call_next, wait_turn
from turnkeeper_trio._engine.waiting import IDLE, IDLE_DUE
from turnkeeper_trio._model.change import ChangeKind
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.run import Outcome
from turnkeeper_trio.policies import CatchUp, Overlap
from turnkeeper_trio.schedules._asking import ScheduleFault

ALL_RUN = "its job has had all its runs"


def take_due(state: State, now: Now, limit: int) -> bool:
    """Move what has become due to the ready queue, at most ``limit`` of it; return whether all of it was moved."""
    if state.pauses:
        return True
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
    """The instant of an occurrence has come, and it has left its queue: begin, and plan the following one."""
    occurrence.job.pending = None
    take_up(state, occurrence, now, occurrence.job.request.catch_up)
    settle_job(state, occurrence.job, now)


def take_up(state: State, occurrence: Occurrence, now: Now, policy: CatchUp) -> None:
    """Begin what is to run of an occurrence that is due and those after it that have passed, and plan the next."""
    job = occurrence.job
    occurrences, latest, fault, following = [occurrence], occurrence.scheduled_at, None, None
    try:
        following = following_us(job, occurrence.scheduled_at)
        if following is not None and following <= now.wall:
            occurrences, latest = catch_up(state, occurrence, now, policy)
        elif too_late(occurrence, now, policy):
            miss(state, occurrence, now)
            occurrences = []
    except ScheduleFault as exc:
        fault = exc
    job.latest = latest
    # Several at once come from `CatchUp.ALL`: they wait for one another, or its choice would be undone by the overlap.
    in_order = len(occurrences) > 1 and job.request.overlap is not Overlap.ALLOW_ALL
    for each in occurrences:
        if may_plan(job, each.scheduled_at):
            begin(state, each, now, Overlap.BUFFER_ALL if in_order else None)
        else:
            end_occurrence(state, each, Outcome.SKIPPED, now, ALL_RUN)
    if fault is not None:
        halt(state, job, str(fault), now)
    elif job.pending is None and job.state is JobState.ACTIVE and not (job.runs and job.delayed):
        if latest == occurrence.scheduled_at and not job.delayed:
            plan_next(state, job, following, now)
        else:
            plan_after(state, job, latest, now)


def _retry(state: State, run: Run, now: Now) -> None:
    """The time of a retry has come: it takes its turn among the runs of its job."""
    run.waiting_retry = False
    run.since, run.ready_at = now.loop, now.wall
    wait_turn(run.job, run)
    call_next(state, run.job)


def assign(state: State, now: Now, *, backlog: bool) -> None:
    """Bind as many ready runs as there is capacity for, in their order.

    With a backlog, of what is due and has not been moved, only those that nothing in it can go before: a run of low
    priority must not overtake one of high priority that fell due at the same instant.
    """
    capacity = state.capacity
    while capacity > 0 and not state.pauses and (entry := state.ready.peek()) is not None:
        if backlog and not _goes_first(state, entry[-1]):
            return
        run = state.ready.pop()
        start_by = _start_by(run)
        if start_by is not None and now.wall > start_by:
            end_run(state, run, Outcome.MISSED, now, TOO_LATE)
            continue
        _bind(state, run, start_by, now)
        capacity -= 1


def _goes_first(state: State, run: Run) -> bool:
    """Return whether a ready run goes before all that is planned: by its priority, its instant, and its submission."""
    if run.job.request.priority < state.top_priority:
        return False
    planned, delayed = state.queue.peek(), state.delays.peek()
    own = (run.ready_at, run.job.seq)
    return (planned is None or own <= planned[:2]) and (delayed is None or own <= (delayed[-1].due_at, delayed[1]))


def _start_by(run: Run) -> int | None:
    """Return the wall time by which the first attempt of a run has to begin, if its job says so."""
    limit = run.job.request.start_deadline_us
    return None if limit is None or run.begun else run.occurrence.due_at + limit


def _bind(state: State, run: Run, start_by: int | None, now: Now) -> None:
    attempt = Attempt(run, run.begun + 1, now)
    attempt.start_by = start_by
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
