"""The store's seam: what changed, as flat versioned records of JSON values."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any, Final, final
from uuid import UUID

from turnkeeper_trio._model.record import Record

CHANGE_VERSION: Final = 1
"""The version of the layout of `Change.data`."""


@unique
class ChangeKind(StrEnum):
    """What happened, as far as a store must know."""

    JOB_ACCEPTED = "job_accepted"
    """A job has been taken: its definition. May be refused."""

    JOB_CHANGED = "job_changed"
    """The state of a job, or its next occurrence, is another."""

    JOB_DELETED = "job_deleted"
    """A job is forgotten."""

    RUN_STARTED = "run_started"
    """An attempt is about to begin. May be refused: somebody else owns the occurrence."""

    RUN_ENDED = "run_ended"
    """A run, or an occurrence that did not run, has its outcome."""


@final
@dataclass(frozen=True, slots=True)
class Change(Record):
    """One change; ``data`` holds JSON values only (instants are integers: microseconds since the epoch, UTC)."""

    change_id: int
    """Its number; it grows by one with each change of this scheduler."""

    kind: ChangeKind
    job_id: UUID
    data: Mapping[str, Any]
    version: int = CHANGE_VERSION


@final
@dataclass(frozen=True, slots=True)
class Refusal(Record):
    """A store's refusal of one change."""

    change_id: int
    reason: str
