"""The columns of jobs and runs, and how images become rows and rows become images."""

import json
from collections.abc import Sequence
from typing import Any, Final, cast
from uuid import UUID

from turnkeeper_trio._model.job import ENDED_STATES, JobState
from turnkeeper_trio._model.run import Origin, Outcome
from turnkeeper_trio._model.stored import DefinitionImage, JobImage, OccurrenceImage, RunImage, RunState

_OCCURRENCE: Final = ("entry", "run_id", "scheduled_at", "due_at", "origin")
IMAGE: Final = (
    "state", "reason", "version", *(f"pending_{name}" for name in _OCCURRENCE),
    *(f"held_{name}" for name in _OCCURRENCE), "latest", "ran", "entries", "had_occurrence", "consecutive_failures",
    "skipped", "skipped_before", "last_run", "last_success", "last_failure", "deleted", "wake_at",
)  # fmt: skip
"""The columns of the state of a job."""

DEFINITION: Final = ("key", "name", "target", "tags", "priority", "job_set", "text", "bound")
"""The columns of the definition of a job."""

RUN: Final = RunImage._fields
"""The columns of a run."""

_STATES: Final = {each.value: each for each in JobState}
_RUN_STATES: Final = {each.value: each for each in RunState}
_ORIGINS: Final = {each.value: each for each in Origin}
_OUTCOMES: Final = {each.value: each for each in Outcome}

NOTHING: Final = (None, None, None, None, None)


def is_over(image: JobImage) -> bool:
    """Return whether a job has ended or was deleted."""
    return image.deleted or image.state in ENDED_STATES


def counted_as(image: JobImage) -> str:
    """Return as what a job is counted: its state, or that it was deleted."""
    return "deleted" if image.deleted else image.state.value


def image_values(image: JobImage) -> tuple[Any, ...]:
    """Return the values of the columns `IMAGE`."""
    (
        state, reason, version, pending, held, latest, ran, entries, had, failures, skipped, skipped_before, last_run,
        last_success, last_failure, deleted, wake_at,
    ) = image  # fmt: skip
    return (
        state.value, reason, version, *(_occurrence_values(pending) if pending else NOTHING),
        *(_occurrence_values(held) if held else NOTHING), latest, ran, entries, int(had), failures, skipped,
        skipped_before, last_run, last_success, last_failure, int(deleted), wake_at,
    )  # fmt: skip


def _occurrence_values(occurrence: OccurrenceImage) -> tuple[Any, ...]:
    entry, run_id, scheduled_at, due_at, origin = occurrence
    return entry, None if run_id is None else run_id.bytes, scheduled_at, due_at, origin.value


def job_image(values: Sequence[Any]) -> JobImage:
    """Return the image of a row whose columns are `IMAGE`."""
    state, reason, version, *rest = values
    (
        latest, ran, entries, had, failures, skipped, skipped_before, last_run, last_success, last_failure, deleted,
        wake_at,
    ) = rest[10:]  # fmt: skip
    return JobImage(
        _STATES[state], reason, version, _occurrence(rest[:5]), _occurrence(rest[5:10]), latest, ran, entries,
        bool(had), failures, skipped, skipped_before, last_run, last_success, last_failure, bool(deleted), wake_at,
    )  # fmt: skip


def _occurrence(values: Sequence[Any]) -> OccurrenceImage | None:
    entry, run_id, scheduled_at, due_at, origin = values
    if entry is None:
        return None
    made = None if run_id is None else UUID(bytes=run_id)
    return OccurrenceImage(entry, made, scheduled_at, due_at, _ORIGINS[origin])


def definition_values(definition: DefinitionImage) -> tuple[Any, ...]:
    """Return the values of the columns `DEFINITION`."""
    key, name, target, tags, priority, job_set, text, bound = definition
    return key, name, target, tags_text(tags), priority, job_set, text, bound


def tags_text(tags: tuple[str, ...]) -> str | None:
    """Return tags as JSON; ``None`` if there are none."""
    return json.dumps(tags) if tags else None


def tags_of(text: str | None) -> tuple[str, ...]:
    """Return the tags of a text that `tags_text` returned."""
    return tuple(json.loads(text)) if text else ()


def definition(values: Sequence[Any]) -> DefinitionImage:
    """Return the definition of a row whose columns are `DEFINITION`."""
    key, name, target, tags, priority, job_set, text, bound = values
    return DefinitionImage(key, name, target, tags_of(tags), priority, job_set, text, bound)


def run_values(image: RunImage) -> tuple[Any, ...]:
    """Return the values of the columns `RUN`."""
    (
        entry, run_id, origin, scheduled_at, due_at, state, attempts, failures, crashes, overlap, wake_at, started_at,
        executed, number, finished_at, outcome, reason, error, value, count, retired,
    ) = image  # fmt: skip
    return (
        entry, run_id.bytes, origin.value, scheduled_at, due_at, state.value, attempts, failures, crashes,
        overlap, wake_at, started_at, executed, number, finished_at,
        None if outcome is None else outcome.value, reason, error, value, count, int(retired),
    )  # fmt: skip


def run_image(values: Sequence[Any]) -> RunImage:
    """Return the image of a row whose columns are `RUN`."""
    (
        entry, run_id, origin, scheduled_at, due_at, state, attempts, failures, crashes, overlap, wake_at, started_at,
        executed, number, finished_at, outcome, reason, error, value, count, retired,
    ) = values  # fmt: skip
    return RunImage(
        entry, UUID(bytes=run_id), _ORIGINS[origin], scheduled_at, due_at, _RUN_STATES[state], attempts, failures,
        crashes, overlap, wake_at, started_at, executed, number, finished_at,
        None if outcome is None else _OUTCOMES[outcome], reason, error, value, count, bool(retired),
    )  # fmt: skip


def with_letters(value: Any) -> Any:
    """Return ``value``; in a text, or in texts, what UTF-8 has no letters for is written as an escape.

    That is half a surrogate pair, which Python makes of a file name that is no UTF-8, for example.
    """
    if type(value) is tuple:
        parts = cast("Any", value)
        return tuple(map(with_letters, parts))
    return value.encode("utf-8", "backslashreplace").decode("utf-8") if type(value) is str else value
