"""The states of a job."""

from enum import StrEnum, unique

from turnkeeper_trio._model.public_path import set_public_path


@unique
class JobState(StrEnum):
    """The state of a job (a lineage of runs)."""

    ACTIVE = "active"
    """Its occurrences run when they fall due."""

    PAUSED = "paused"
    """It was paused: no occurrence of it is planned until it is resumed. It can be triggered by hand."""

    HALTED = "halted"
    """Its schedule is faulty, or it failed too often: no run of it is planned or begun until it is resumed."""

    CANCELLED = "cancelled"
    """It was cancelled: no run of it starts any more."""

    FINISHED = "finished"
    """Its schedule has no further occurrence, and its last run has ended."""


ENDED_STATES = frozenset({JobState.CANCELLED, JobState.FINISHED})
"""The states in which a job has ended."""


set_public_path(JobState)
