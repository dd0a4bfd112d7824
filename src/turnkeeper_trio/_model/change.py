"""What the engine gives a store to commit: changes, as flat versioned records of JSON values, and refusals of them."""

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
    """What a change is about."""

    JOB_ACCEPTED = "job_accepted"
    """A job was accepted; the data is its definition. A store may refuse it."""

    JOB_CHANGED = "job_changed"
    """The state, the definition or the next occurrence of a job changed."""

    JOB_DELETED = "job_deleted"
    """A job was deleted."""

    RUN_STARTED = "run_started"
    """An attempt is about to begin. A store may refuse it, because a different node owns the occurrence."""

    RUN_ENDED = "run_ended"
    """A run, or an occurrence that did not run, has its outcome."""


@final
@dataclass(frozen=True, slots=True)
class Change(Record):
    """One change; ``data`` holds JSON values only (instants are integers: microseconds since the epoch, UTC)."""

    change_id: int
    """The number of the change; each change of this scheduler has the next number."""

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
