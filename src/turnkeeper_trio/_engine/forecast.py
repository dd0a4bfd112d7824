"""What comes next: the occurrences of all jobs, merged."""

from collections.abc import Iterator
from heapq import heappop, heappush, merge
from operator import itemgetter

from turnkeeper_trio._engine.now import Now
from turnkeeper_trio._engine.planning import following_us
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.tables import Job, Occurrence, Run
from turnkeeper_trio._model.ids import RecurringJobId
from turnkeeper_trio._model.instants import utc_pendulum
from turnkeeper_trio._model.run import UpcomingRun
from turnkeeper_trio.policies import Overlap
from turnkeeper_trio.schedules._asking import ScheduleFault

Next = tuple[int, int, int, Job]
"""An instant, the number of its job in the order of submission, the how manieth of it this is, and the job."""


def upcoming_runs(state: State, now: Now, *, until: int | None, limit: int) -> list[UpcomingRun]:
    """Return what begins next of all jobs, in order: what is planned, what follows by the schedules, and retries."""
    occurrences = ((at, seq, 1, job) for at, seq, _, job in _all_in_order(state, now))
    found: list[UpcomingRun] = []
    for at, _, attempt, job in merge(_retries(state, now), occurrences, key=itemgetter(0, 1)):
        if len(found) == limit or (until is not None and at > until):
            break
        found.append(UpcomingRun(RecurringJobId(job.job_id), job.request.name, utc_pendulum(at), attempt))
    return found


def _retries(state: State, now: Now) -> Iterator[tuple[int, int, int, Job]]:
    """Iterate over the attempts that runs wait for, but for those that the next occurrence will have ended by then."""
    for entry in state.retries.in_order():
        run: Run = entry[-1]
        job, at = run.job, run.next_attempt(now)
        request, pending = job.request, job.pending
        goes_beside = request.retry_past_next or request.overlap is Overlap.ALLOW_ALL
        if at is not None and (goes_beside or pending is None or at <= pending.due_at):
            yield at, job.seq, run.begun + 1, job


def _all_in_order(state: State, now: Now) -> Iterator[Next]:
    """Merge what is planned with what follows it; only jobs that have come up are asked for what follows."""
    following: list[Next] = []
    planned = _planned(state, now)
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


def _planned(state: State, now: Now) -> Iterator[Next]:
    """Iterate over what is planned in the order of the instants: the queues have it in that of the jittered ones."""
    early: list[Next] = []
    for due_at, _, at, job in merge(_on_the_grid(state), _delayed(state, now), key=itemgetter(0, 1)):
        while early and early[0][0] + state.longest_jitter <= due_at:
            yield heappop(early)
        heappush(early, (at, job.seq, 1, job))
    while early:
        yield heappop(early)


def _on_the_grid(state: State) -> Iterator[Next]:
    """Iterate over what is planned by the wall clock: when it is due, its job's number, its instant, and its job."""
    for entry in state.queue.in_order():
        occurrence: Occurrence = entry[-1]
        yield occurrence.due_at, occurrence.job.seq, occurrence.scheduled_at, occurrence.job


def _delayed(state: State, now: Now) -> Iterator[Next]:
    """Iterate over fixed delays likewise. They go by the loop's clock: the wall clock may have stepped since."""
    for entry in state.delays.in_order():
        occurrence: Occurrence = entry[-1]
        due_at = now.wall + entry[0] - now.loop
        yield due_at, occurrence.job.seq, occurrence.scheduled_at + due_at - occurrence.due_at, occurrence.job


def _following(job: Job, at: int, number: int) -> int | None:
    if job.request.max_runs is not None and job.ran + number >= job.request.max_runs:
        return None
    try:
        return following_us(job, at)
    except ScheduleFault:
        return None  # The job will be halted when it comes to that.
