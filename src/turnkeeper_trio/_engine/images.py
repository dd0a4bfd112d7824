"""The images of rows: what a store keeps of a job and of a run, taken from the tables at the end of a turn."""

from typing import Final
from uuid import UUID

from turnkeeper_trio._engine.rows import Job, JobHistory, NonRun, Occurrence, Run
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._model.job import ENDED_STATES
from turnkeeper_trio._model.kept import error_text, value_text
from turnkeeper_trio._model.stored import DefinitionImage, JobImage, OccurrenceImage, RunImage, RunState


def job_image(state: State, job: Job) -> JobImage:
    """Return the image of a job."""
    history = job.history or _NO_HISTORY
    return JobImage(
        job.state,
        job.reason,
        job.version,
        None if job.pending is None else _occurrence_image(job.pending, state.run_id(job.pending)),
        None if job.held is None else _occurrence_image(job.held, None),
        job.latest,
        job.ran,
        job.entries,
        job.had_occurrence,
        history.consecutive_failures,
        history.skipped,
        history.skipped_before,
        _entry(history.last_run),
        _entry(history.last_success),
        _entry(history.last_failure),
        job.job_id not in state.jobs,
        _wake_at(job),
    )


_NO_HISTORY: Final = JobHistory()


def _entry(run: Run | None) -> int | None:
    return None if run is None else run.occurrence.entry


def _occurrence_image(occurrence: Occurrence, run_id: UUID | None) -> OccurrenceImage:
    return OccurrenceImage(occurrence.entry, run_id, occurrence.scheduled_at, occurrence.due_at, occurrence.origin)


def _wake_at(job: Job) -> int | None:
    """Return when there is something to do for a job: when it is due, or its next attempt; now for what is due."""
    if job.state in ENDED_STATES and not job.runs:
        return None
    times = [run.occurrence.due_at if run.wake_at is None else run.wake_at for run in job.runs]
    if job.pending is not None:
        times.append(job.pending.due_at)
    return min(times, default=None)


def run_image(state: State, run: Run) -> RunImage:
    """Return the image of a run."""
    occurrence, attempt = run.occurrence, run.attempt
    ended = run.outcome is not None
    if ended:
        phase = RunState.ENDED
    elif attempt is not None:
        phase = RunState.STARTED
    elif run.waiting_retry:
        phase = RunState.SNOOZED if run.snoozed else RunState.RETRY
    else:
        phase = RunState.DUE
    return RunImage(
        occurrence.entry,
        state.run_id(run),
        occurrence.origin,
        occurrence.scheduled_at,
        occurrence.due_at,
        phase,
        run.begun if attempt is None else attempt.number,
        run.failures,
        run.crashes,
        None if run.overlap is None else run.overlap.value,
        run.wake_at,
        run.started_at,
        run.executed,
        run.number,
        run.finished_at if ended else None,
        run.outcome,
        run.reason if ended else "",
        None if run.error is None else _error_text(run, run.error),
        value_text(run.value) if ended else None,
        1,
        run.holder is not run.job,
    )


def non_run_image(state: State, item: NonRun) -> RunImage:
    """Return the image of an occurrence that did not run, or of several in a row."""
    occurrence = item.occurrence
    return RunImage(
        item.entry,
        state.run_id(item),
        occurrence.origin,
        item.scheduled_at,
        occurrence.due_at,
        RunState.ENDED,
        0,
        0,
        0,
        None,
        None,
        None,
        0,
        item.number,
        item.finished_at,
        item.outcome,
        item.reason,
        None,
        None,
        item.count,
        False,
    )


def _error_text(run: Run, error: BaseException) -> str:
    """Return the text of the error of a run; it is made once, because a traceback takes long to format."""
    if run.error_text is None or run.error_text[0] is not error:
        run.error_text = (error, error_text(error))
    return run.error_text[1]


def definition_image(job: Job) -> DefinitionImage:
    """Return the image of the definition of a job."""
    request = job.request
    assert job.definition is not None  # Where there is a store, each submission brings it.
    return DefinitionImage(
        request.key,
        request.name,
        str(job.target),
        request.tags,
        request.priority,
        job.job_set,
        job.definition,
        job.bound,
    )
