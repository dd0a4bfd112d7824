"""Which ready runs are bound to workers, as far as there is capacity."""

from turnkeeper_trio._engine.completion import TOO_LATE
from turnkeeper_trio._engine.lifecycle import end_run
from turnkeeper_trio._engine.rows import Attempt, Run
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._model.run import Outcome
from turnkeeper_trio._model.times import Now


def assign(state: State, now: Now, *, backlog: bool) -> None:
    """Bind as many ready runs as there is capacity for, in their order.

    ``backlog`` says that occurrences are due which have not become ready yet. Then only those runs are bound that none
    of these can precede: a run of low priority must not overtake one of high priority that is due at the same instant.
    """
    capacity = state.capacity
    while capacity > 0 and not state.pauses and (entry := state.ready.peek()) is not None:
        if backlog and not _goes_first(state, entry[-1]):
            return
        run = state.ready.pop()
        state.change_log.touch(run.job)
        start_by = _start_by(run)
        if start_by is not None and now.wall > start_by:
            end_run(state, now, run, Outcome.MISSED, TOO_LATE)
            continue
        _bind(state, now, run, start_by)
        capacity -= 1


def _goes_first(state: State, run: Run) -> bool:
    """Return whether a ready run precedes all that is planned, by priority, instant and order of submission."""
    if run.job.request.priority < state.top_priority:
        return False
    planned, delayed = state.queue.peek(), state.delays.peek()
    own = (run.ready_at, run.job.seq)
    return (planned is None or own <= planned[:2]) and (delayed is None or own <= (delayed[-1].due_at, delayed[1]))


def _start_by(run: Run) -> int | None:
    """Return the wall time after which the first attempt of a run may not begin, if its job has a start deadline."""
    limit = run.job.request.start_deadline_us
    return None if limit is None or run.begun else run.occurrence.due_at + limit


def _bind(state: State, now: Now, run: Run, start_by: int | None) -> None:
    attempt = Attempt(now, run, run.begun + 1)
    attempt.start_by = start_by
    run.attempt = attempt
    state.assigned[attempt] = None
    state.effects.assignments.append(attempt)
