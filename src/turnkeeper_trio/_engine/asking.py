"""What users ask about: jobs, runs, history, numbers. Nothing is changed, but that ids are made when first read."""

from collections.abc import Collection, Iterable
from itertools import islice
from operator import itemgetter
from typing import Any
from uuid import UUID

from turnkeeper_trio._engine.control import find_job, find_run
from turnkeeper_trio._engine.now import Now
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._engine.tables import Job, Occurrence, Run
from turnkeeper_trio._engine.waiting import IDLE, IDLE_DUE, Wait
from turnkeeper_trio._model.ids import RecurringJobId
from turnkeeper_trio._model.instants import seconds, utc_pendulum
from turnkeeper_trio._model.job import JobState
from turnkeeper_trio._model.run import ActiveRun, Outcome, RunRecord
from turnkeeper_trio._model.snapshot import Books, DurationStatistics, MetricsSnapshot
from turnkeeper_trio.errors import RunNotFound
from turnkeeper_trio.jobs import JobDetails, JobSummary


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
        active_runs=tuple(state.active_run(run, now) for run in job.runs),
        waiting_runs=len(job.waiting),
        last_run=_record(state, last["last_run"]),
        last_success=_record(state, last["last_success"]),
        last_failure=_record(state, last["last_failure"]),
        consecutive_failures=0 if history is None else history.consecutive_failures,
    )


def _next(job: Job, now: Now) -> tuple[int, Occurrence | Run] | None:
    """Return when something of a job begins next, if that is known, and what: its next occurrence, or a retry."""
    retries = ((run.next_attempt(now), run) for run in job.runs)
    found: list[tuple[int, Occurrence | Run]] = [(at, run) for at, run in retries if at is not None]
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
    """Return the jobs in the order of submission: those of certain states, with any of certain tags, after another."""
    start = -1 if after is None else find_job(state, after).seq
    wanted = (
        job
        for job in state.jobs.values()
        if job.seq > start
        and (states is None or job.state in states)
        and (tags is None or any(tag in job.request.tags for tag in tags))
    )
    return [_summary(job, now) for job in islice(wanted, limit)]


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


def list_active(state: State, now: Now, *, job_id: UUID | str | None) -> list[ActiveRun]:
    """Return the active runs of a job, or of all, in the order in which they became due."""
    runs: Iterable[Run] = state.active if job_id is None else find_job(state, job_id).runs
    return [state.active_run(run, now) for run in runs]


def run_history(
    state: State,
    now: Now,
    *,
    job_id: UUID | str | None,
    since: int | None,
    outcomes: Collection[Outcome] | None,
    limit: int,
) -> list[RunRecord]:
    """Return records of what has ended, the newest first."""
    state.archive.trim(now.wall)
    job = None if job_id is None else find_job(state, job_id)
    wanted = (
        item
        for item in state.archive.newest_first(job)
        if (outcomes is None or item.outcome in outcomes) and (since is None or item.finished_at >= since)
    )
    return [state.record(item) for item in islice(wanted, limit)]


def wait_run(state: State, now: Now, run_id: UUID) -> "Wait | RunRecord":
    """Answer with the record of a run once it has ended."""
    del now
    item = find_run(state, run_id)
    if not isinstance(item, Occurrence) and item.outcome is not None:
        return state.record(item)
    occurrence = item if isinstance(item, Occurrence) else item.occurrence
    return state.waits.on([occurrence], lambda came: state.record(came[0]))


def wait_job(state: State, now: Now, job_id: UUID | str) -> "Wait | RunRecord | RunNotFound":
    """Answer with the last record of a job once no further run of it is to come; with an error if none ever began."""
    del now
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


def wait_idle(state: State, now: Now, *, due_only: bool) -> "Wait | None":
    """Answer once nothing is active and nothing is planned (or due)."""
    del now
    return state.waits.on([IDLE_DUE if due_only else IDLE], lambda _: None)


def metrics(state: State, *, staged: int, staged_total: int, rejected_total: int) -> MetricsSnapshot:
    """Return the counters and gauges; what staging counts, the runtime tells."""
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
    """Return what became of every planned occurrence; pending and active are read off the tables."""
    outcomes = state.counters.outcomes
    return Books(
        planned=state.counters.planned,
        pending=state.pending,
        active=len(state.active),
        **{outcome.value: count for outcome, count in outcomes.items()},
    )
