"""What comes next: the occurrences of all jobs, merged."""

from collections.abc import Iterator
from heapq import heappop, heappush, merge
from typing import Any

from turnkeeper_trio._engine.now import Now
from turnkeeper_trio._engine.planning import following_us
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.tables import Job
from turnkeeper_trio._model.ids import RecurringJobId
from turnkeeper_trio._model.instants import utc_pendulum
from turnkeeper_trio._model.run import UpcomingRun
from turnkeeper_trio.schedules._asking import ScheduleFault


def upcoming_runs(state: State, now: Now, *, until: int | None, limit: int) -> list[UpcomingRun]:
    """Return the next occurrences of all jobs in their order: those planned, and those that follow by the schedules."""
    del now
    found: list[UpcomingRun] = []
    for at, job in _all_in_order(state):
        if len(found) == limit or (until is not None and at > until):
            break
        found.append(UpcomingRun(RecurringJobId(job.job_id), job.request.name, utc_pendulum(at)))
    return found


def _all_in_order(state: State) -> Iterator[tuple[int, Job]]:
    """Merge what is planned with what follows it; only jobs that have come up are asked for what follows."""
    following: list[tuple[int, int, Job]] = []
    planned = ((entry[-1].due_at, entry[-1].job.seq, entry[-1].job) for entry in _planned(state))
    head = next(planned, None)
    while head is not None or following:
        if head is not None and (not following or head < following[0]):
            at, seq, job = head
            head = next(planned, None)
        else:
            at, seq, job = heappop(following)
        yield at, job
        later = _following(job, at)
        if later is not None:
            heappush(following, (later, seq, job))


def _planned(state: State) -> Iterator[tuple[Any, ...]]:
    queues = (state.queue.in_order(), state.delays.in_order())
    return merge(*queues, key=lambda entry: (entry[-1].due_at, entry[-1].job.seq))


def _following(job: Job, at: int) -> int | None:
    try:
        return following_us(job, at)
    except ScheduleFault:
        return None  # The job will be halted when it comes to that.
