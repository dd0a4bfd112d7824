"""The queries: jobs, runs, history and numbers. They decide nothing; ids are made when they are first read."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from heapq import heappop, heappush, merge
from itertools import islice
from operator import itemgetter
from typing import Any
from uuid import UUID

from turnkeeper_trio._engine.control import find_job, find_run, job_id_of
from turnkeeper_trio._engine.planning import following_us
from turnkeeper_trio._engine.rows import Job, Occurrence, Run
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.store_sync import LoadedJob, unadmitted
from turnkeeper_trio._engine.updates import Call
from turnkeeper_trio._engine.waits import IDLE, IDLE_DUE, Wait
from turnkeeper_trio._model.ids import RecurringJobId
from turnkeeper_trio._model.job import ENDED_STATES, JobState
from turnkeeper_trio._model.metrics import Books, DurationStatistics, MetricsSnapshot
from turnkeeper_trio._model.run import ActiveRun, Outcome, RunRecord, UpcomingRun
from turnkeeper_trio._model.times import Now, seconds, utc_pendulum
from turnkeeper_trio.errors import RunNotFound
from turnkeeper_trio.jobs import JobDetails, JobSummary
from turnkeeper_trio.policies import Overlap
from turnkeeper_trio.schedules._adapter import ScheduleFault


def job_details(state: State, now: Now, job_id: UUID | str) -> JobDetails:
    """Return all there is to know about a job."""
    job = find_job(state, job_id)
    request, history, following = job.request, job.history, _next(job, now)
    last = {name: getattr(history, name, None) for name in ("last_run", "last_success", "last_failure")}
    return JobDetails(
        job_id=RecurringJobId(job.job_id),
        key=request.key,
        name=request.name,
        tags=request.tags,
        schedule=job.schedule,
        target=str(job.target),
        priority=request.priority,
        max_retries=request.max_retries,
        retry=None if request.max_retries == 0 else request.retry_policy,
        retry_count=max((run.failures for run in job.runs), default=0),
        state=job.state,
        state_reason=job.reason,
        version=job.version,
        next_run_time=None if following is None else utc_pendulum(following[0]),
        next_run_instance=None if following is None else state.run_id(following[1]),
        active_runs=tuple(state.active_run(now, run) for run in job.runs),
        waiting_runs=len(job.waiting),
        last_run=_record(state, last["last_run"]),
        last_success=_record(state, last["last_success"]),
        last_failure=_record(state, last["last_failure"]),
        consecutive_failures=0 if history is None else history.consecutive_failures,
    )


def _next(job: Job, now: Now) -> tuple[int, Occurrence | Run] | None:
    """Return when the next attempt of a job is due, and its occurrence or run; ``None`` if that is not known."""
    found: list[tuple[int, Occurrence | Run]] = []
    for run in job.runs:
        at = run.next_attempt(now)
        if at is not None:
            found.append((at, run))
    if job.pending is not None:
        found.append((job.pending.due_at, job.pending))
    return min(found, key=itemgetter(0), default=None)


def _record(state: State, run: Run | None) -> RunRecord | None:
    return None if run is None else state.record(run)


def list_jobs(
    state: State,
    now: Now,
    *,
    states: Collection[JobState] | None,
    tags: Collection[str] | None,
    after: UUID | str | None,
    limit: int,
) -> list[JobSummary]:
    """Return up to ``limit`` jobs in the order of submission: in ``states``, with any of ``tags``, behind ``after``."""
    start = -1 if after is None else find_job(state, after).seq
    found: list[JobSummary] = []
    for job in state.jobs.values():
        if len(found) == limit:
            break
        if (
            job.seq > start
            and (states is None or job.state in states)
            and (tags is None or any(tag in job.request.tags for tag in tags))
        ):
            found.append(_summary(job, now))
    return found


def _summary(job: Job, now: Now) -> JobSummary:
    following = _next(job, now)
    return JobSummary(
        job_id=RecurringJobId(job.job_id),
        key=job.request.key,
        name=job.request.name,
        tags=job.request.tags,
        state=job.state,
        next_run_time=None if following is None else utc_pendulum(following[0]),
        active=len(job.runs),
    )


def position(state: State, name: UUID | str | None) -> int:
    """Return the position of a job in the order of submission; 0 for ``None``."""
    return 0 if name is None else find_job(state, name).seq


def found_id(state: State, name: UUID | str | None) -> UUID | None:
    """Return the id of a job; ``None`` for ``None``."""
    return None if name is None else find_job(state, name).job_id


def list_active(state: State, now: Now, *, job_id: UUID | str | None) -> list[ActiveRun]:
    """Return the active runs of a job, or of all jobs, in the order in which they became due."""
    runs: Iterable[Run] = state.active if job_id is None else find_job(state, job_id).runs
    return [state.active_run(now, run) for run in runs]


def run_history(
    state: State,
    now: Now,
    *,
    job_id: UUID | str | None,
    since: int | None,
    outcomes: Collection[Outcome] | None,
    limit: int,
) -> list[RunRecord]:
    """Return the records of runs that have ended and of occurrences that did not run, the newest first."""
    state.history.trim(now.wall)
    job = None if job_id is None else find_job(state, job_id)
    found: list[RunRecord] = []
    for item in state.history.newest_first(job):
        if len(found) == limit:
            break
        if (outcomes is None or item.outcome in outcomes) and (since is None or item.finished_at >= since):
            found.append(state.record(item))
    return found


def wait_run(state: State, run_id: UUID) -> "Wait | RunRecord":
    """Return the record of a run if it has ended, otherwise a wait for it."""
    item = find_run(state, run_id)
    if not isinstance(item, Occurrence) and item.outcome is not None:
        return state.record(item)
    occurrence = item if isinstance(item, Occurrence) else item.occurrence
    return state.waits.on([occurrence], lambda came: state.record(came[0]))


def wait_job(state: State, job_id: UUID | str) -> "Wait | RunRecord | RunNotFound":
    """Return the record of the last run of a job if no further run is to come, otherwise a wait for that.

    If no run of the job ever began, the answer is an error.
    """
    job = find_job(state, job_id)

    def last(came: list[Any]) -> RunRecord | RunNotFound:
        del came
        run = None if job.history is None else job.history.last_run
        return _never_ran(job) if run is None else state.record(run)

    over = job.pending is None and not job.runs and job.state is not JobState.PAUSED
    return last([]) if over else state.waits.on([job], last)


def _never_ran(job: Job) -> RunNotFound:
    message = f"no run of {job.request.name!r} has begun, and none is planned: it is {job.state}"
    message += f", {job.reason}" if job.reason else ""
    if job.history is not None and job.history.non_runs:
        last = job.history.non_runs[-1]
        message += f"; its last occurrence is {last.outcome}: {last.reason}"
    return RunNotFound(message, job_id=job.job_id)


def wait_idle(state: State, *, due_only: bool) -> "Wait | None":
    """Return a wait until no run is active and none is planned; with ``due_only``, until none is active or due."""
    return state.waits.on([IDLE_DUE if due_only else IDLE], lambda _: None)


def metrics(state: State, *, staged: int, staged_total: int, rejected_total: int) -> MetricsSnapshot:
    """Return the counters and gauges. The arguments are the numbers that the runtime counts in staging."""
    counters = state.counters
    outcomes = counters.outcomes
    return MetricsSnapshot(
        jobs_submitted=counters.submitted,
        jobs_executed_success=counters.succeeded,
        jobs_executed_fail=counters.returned_false,
        jobs_panicked=counters.raised,
        jobs_timed_out=counters.timed_out,
        jobs_retried=counters.retried,
        jobs_snoozed=counters.snoozed,
        jobs_permanently_failed=outcomes[Outcome.FAILED] + outcomes[Outcome.TIMED_OUT],
        jobs_lineage_cancelled=counters.lineage_cancelled,
        jobs_instance_discarded_cancelled=(
            counters.discarded_cancelled + state.queue.discarded + state.delays.discarded
        ),
        staging_submitted_total=staged_total,
        staging_rejected_full=rejected_total,
        job_queue_scheduled_current=state.pending,
        job_staging_buffer_current=staged,
        workers_active_current=sum(attempt.scope is not None for attempt in state.assigned),
        job_execution_duration=DurationStatistics(counters.execution_count, seconds(counters.execution_sum)),
        job_queue_wait_duration=DurationStatistics(counters.queue_wait_count, seconds(counters.queue_wait_sum)),
        books=books(state),
    )


def books(state: State) -> Books:
    """Return the books; the numbers of pending and active occurrences are read from the tables."""
    outcomes = state.counters.outcomes
    return Books(
        planned=state.counters.planned,
        pending=state.pending,
        active=len(state.active),
        admitted=state.counters.admitted,
        released=state.counters.released,
        **{outcome.value: count for outcome, count in outcomes.items()},
    )


Next = tuple[int, int, int, Job]
"""An instant, the sequence number of its job, its position among the coming instants of the job (from 1), the job."""


def upcoming_runs(
    state: State, now: Now, *, until: int | None, limit: int, others: Sequence[LoadedJob] = ()
) -> Iterator[UpcomingRun]:
    """Return what begins next, in order: planned occurrences, those that follow by the schedules, and retries.

    What is planned is read at once. What follows is asked of the schedules during the iteration, which may take long.
    ``others`` are jobs that are in the store only; one that was loaded meanwhile is left out.
    """
    heads = list(islice(_planned(state, now), min(limit, len(state.jobs))))
    retries = list(_retries(state, now))
    for loaded in others:
        if loaded.stored.job_id not in state.jobs:
            job = unadmitted(loaded)
            pending = loaded.stored.image.pending
            if pending is not None:
                heads.append((pending.scheduled_at, job.seq, job.ran + 1, job))
            due_at = None if pending is None else pending.due_at
            waiting = [(run.wake_at, run.attempts) for run in loaded.stored.runs]
            retries += [(at, job.seq, begun + 1, job) for at, begun in waiting if at and _will_come(job, at, due_at)]
    if others:
        heads.sort(key=itemgetter(0, 1))
        retries.sort(key=itemgetter(0, 1))
    return _upcoming(heads, retries, until, limit)


def _upcoming(planned: list[Next], retries: list[Next], until: int | None, limit: int) -> Iterator[UpcomingRun]:
    occurrences = _first_attempts(_all_in_order(iter(planned)))
    for found, (at, _, attempt, job) in enumerate(merge(retries, occurrences, key=itemgetter(0, 1))):
        if found == limit or (until is not None and at > until):
            return
        yield UpcomingRun(RecurringJobId(job.job_id), job.request.name, utc_pendulum(at), attempt)


def _first_attempts(occurrences: Iterator[Next]) -> Iterator[Next]:
    """Iterate over occurrences, each with the number of its first attempt in place of its position.

    It is a generator, because there may be no end of occurrences, and mypyc compiles a generator expression as a list.
    """
    for at, seq, _, job in occurrences:
        yield at, seq, 1, job


def _retries(state: State, now: Now) -> Iterator[Next]:
    """Iterate over the retries to come, except those whose run ends before, when the next occurrence is due."""
    for entry in state.retries.in_order():
        run: Run = entry[-1]
        job, at = run.job, run.next_attempt(now)
        if at is not None and _will_come(job, at, None if job.pending is None else job.pending.due_at):
            yield at, job.seq, run.begun + 1, job


def _will_come(job: Job, at: int, due_at: int | None) -> bool:
    """Return whether a retry at an instant comes, although the next occurrence of its job is due at ``due_at``."""
    goes_beside = job.request.retry_past_next or job.request.overlap is Overlap.ALLOW_ALL
    return job.state is not JobState.PAUSED and (goes_beside or due_at is None or at <= due_at)


def _all_in_order(planned: Iterator[Next]) -> Iterator[Next]:
    """Iterate over what is planned and what follows it, in order. A schedule is asked only after its job came up."""
    following: list[Next] = []
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
    """Iterate over what is planned in the order of the instants; the queues are in the order of the due instants."""
    early: list[Next] = []
    for due_at, _, at, job in merge(_on_the_grid(state), _delayed(state, now), key=itemgetter(0, 1)):
        while early and early[0][0] + state.longest_jitter <= due_at:
            yield heappop(early)
        heappush(early, (at, job.seq, job.ran + 1, job))
    while early:
        yield heappop(early)


def _on_the_grid(state: State) -> Iterator[tuple[int, int, int, Job]]:
    """Iterate over what is planned by the wall clock: due instant, sequence number of the job, instant, job."""
    for entry in state.queue.in_order():
        occurrence: Occurrence = entry[-1]
        yield occurrence.due_at, occurrence.job.seq, occurrence.scheduled_at, occurrence.job


def _delayed(state: State, now: Now) -> Iterator[tuple[int, int, int, Job]]:
    """Iterate over what is planned by the clock of the event loop, as `_on_the_grid` does.

    The wall time is calculated now, because the wall clock may have stepped since the occurrence was planned.
    """
    for entry in state.delays.in_order():
        occurrence: Occurrence = entry[-1]
        due_at = now.wall + entry[0] - now.loop
        yield due_at, occurrence.job.seq, occurrence.scheduled_at + due_at - occurrence.due_at, occurrence.job


def _following(job: Job, at: int, number: int) -> int | None:
    if job.request.max_runs is not None and number >= job.request.max_runs:
        return None
    try:
        return following_us(job, at)
    except ScheduleFault:
        return None  # The job will be halted when this occurrence would be planned.


def current_call(state: State, name: UUID | str) -> Call:
    """Return what a job calls; an empty `Call` if there is no such job or if it has ended."""
    job = state.jobs.get(job_id_of(state, name))
    if job is None or job.state in ENDED_STATES:
        return Call()
    return Call(target=job.target, args=job.args, kwargs=job.kwargs)


def call_of(state: State, name: UUID | str) -> Call:
    """Return what a job calls; an empty `Call` if it has ended.

    Raises:
        JobNotFound: there is no such job.
    """
    return current_call(state, find_job(state, name).job_id)


def sizes(state: State) -> tuple[int, int]:
    """Return how many jobs there are, and how many runs are active."""
    return len(state.jobs), len(state.active)


def planned(state: State, now: Now) -> list[tuple[int, str]]:
    """Return when each pending occurrence is due, and the first retry, with the names of the jobs, in order."""
    found = [(job.pending.due_at, job.request.name) for job in state.jobs.values() if job.pending is not None]
    retry = state.retries.peek()
    if retry is not None:
        found.append((now.wall + retry[0] - now.loop, f"{retry[-1].job.request.name} (retry)"))
    return sorted(found)


def all_records(state: State) -> tuple[list[RunRecord], int]:
    """Return all records of the history, the oldest first, and how many occurrences are not in it any more."""
    records = [state.record(item) for item in state.history.newest_first(None)][::-1]
    return records, sum(state.counters.outcomes.values()) - sum(record.count for record in records)


def job_names(state: State) -> list[str]:
    """Return the names of the jobs, in the order of submission."""
    return list(dict.fromkeys(job.request.name for job in state.jobs.values()))


def ended_runs(state: State, which: UUID | str, after: int) -> list[tuple[int, Run]]:
    """Return the runs that ended after a mark, in order, each with its own mark.

    ``which`` is the id of a job, or a name that several jobs may have.
    """
    found: list[tuple[int, Run]] = []
    for job in _jobs_by(state, which):
        for run in reversed(job.history.runs if job.history is not None else ()):
            if run.number <= after:
                break
            found.append((run.number, run))
    return sorted(found, key=lambda pair: pair[0])


def newest_mark(state: State) -> int:
    """Return the mark of the newest record; what ends later has a later mark."""
    newest = next(state.history.newest_first(None), None)
    return 0 if newest is None else newest.number


def outlook(state: State, which: UUID | str) -> list[tuple[str, bool]]:
    """Return the state of each job, and whether a run of it is active or planned.

    ``which`` is the id of a job, or a name that several jobs may have.
    """
    return [(job.state.value, bool(job.pending or job.runs)) for job in _jobs_by(state, which)]


def _jobs_by(state: State, which: UUID | str) -> list[Job]:
    if isinstance(which, str):
        return [job for job in state.jobs.values() if job.request.name == which]
    job = state.jobs.get(which)
    return [] if job is None else [job]
