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

Next = tuple[int, int, int, Job]
"""An instant, the number of its job in the order of submission, the how manieth of it this is, and the job."""


def upcoming_runs(state: State, now: Now, *, until: int | None, limit: int) -> list[UpcomingRun]:
    """Return the next occurrences of all jobs in their order: those planned, and those that follow by the schedules."""
    del now
    found: list[UpcomingRun] = []
    for at, _, _, job in _all_in_order(state):
        if len(found) == limit or (until is not None and at > until):
            break
        found.append(UpcomingRun(RecurringJobId(job.job_id), job.request.name, utc_pendulum(at)))
    return found


def _all_in_order(state: State) -> Iterator[Next]:
    """Merge what is planned with what follows it; only jobs that have come up are asked for what follows."""
    following: list[Next] = []
    planned = _planned(state)
    head = next(planned, None)
    while head is not None or following:
        if head is not None and (not following or head < following[0]):
            one = head
            head = next(planned, None)
        else:
            one = heappop(following)
        yield one
        at, seq, number, job = one
        later = _following(job, at, number)
        if later is not None:
            heappush(following, (later, seq, number + 1, job))


def _planned(state: State) -> Iterator[Next]:
    """Iterate over what is planned in the order of the instants: the queues have it in that of the jittered ones."""
    early: list[Next] = []
    for due_at, _, occurrence in merge(_by_due(state.queue.in_order()), _by_due(state.delays.in_order())):
        while early and early[0][0] + state.longest_jitter <= due_at:
            yield heappop(early)
        heappush(early, (occurrence.scheduled_at, occurrence.job.seq, 1, occurrence.job))
    while early:
        yield heappop(early)


def _by_due(entries: Iterator[tuple[Any, ...]]) -> Iterator[tuple[int, int, Any]]:
    return ((entry[-1].due_at, entry[-1].job.seq, entry[-1]) for entry in entries)


def _following(job: Job, at: int, number: int) -> int | None:
    if job.request.max_runs is not None and job.ran + number >= job.request.max_runs:
        return None
    try:
        return following_us(job, at)
    except ScheduleFault:
        return None  # The job will be halted when it comes to that.
