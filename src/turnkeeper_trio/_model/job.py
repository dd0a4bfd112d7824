"""What a job is, to those who read about it."""

from enum import StrEnum, unique


@unique
class JobState(StrEnum):
    """Where a job (a lineage of runs) stands."""

    ACTIVE = "active"
    """Its occurrences run when they fall due."""

    PAUSED = "paused"
    """It was paused: nothing of it is planned until it is resumed. It can be triggered by hand."""

    HALTED = "halted"
    """Its schedule is faulty, or it failed too often: nothing of it is planned or begun until it is resumed."""

    CANCELLED = "cancelled"
    """It was cancelled: nothing of it starts any more."""

    FINISHED = "finished"
    """Its schedule has no further occurrence, and its last run has ended."""


ENDED_STATES = frozenset({JobState.CANCELLED, JobState.FINISHED})
"""The states that no job leaves."""
