"""The policies that a request, a submission or a scheduler chooses: enumerations of ways to do something."""

from enum import StrEnum, unique

from turnkeeper_trio._model.public_path import set_public_path

__all__ = ["CatchUp", "OnConflict", "OnCrash", "Overlap", "PriorityQueueType"]


@unique
class PriorityQueueType(StrEnum):
    """Which queue holds the planned occurrences.

    Both support every operation. They differ in cost, and in when cancelled occurrences are counted
    (`MetricsSnapshot.jobs_instance_discarded_cancelled`).
    """

    BINARY_HEAP = "binary_heap"
    """A binary heap: a removed entry is marked, and leaves when it is the least one or when the heap is compacted."""

    HANDLE_BASED = "handle_based"
    """A heap that knows the place of each entry: a removed entry leaves at once, in O(log n)."""


@unique
class Overlap(StrEnum):
    """What happens to an occurrence that falls due while a run of its job waits for a worker or executes."""

    SKIP = "skip"
    """The occurrence is skipped, and counted."""

    BUFFER_ONE = "buffer_one"
    """It waits until the run has ended. Only one occurrence waits: while it does, later ones are skipped."""

    BUFFER_ALL = "buffer_all"
    """It waits behind those that wait already. If ``max_waiting`` wait already, it is skipped."""

    CANCEL_OTHER = "cancel_other"
    """The run is cancelled, and this one starts when the cleanup of the run is done. If an occurrence waits for that
    already, this one takes its place."""

    ALLOW_ALL = "allow_all"
    """It starts beside the run. If ``max_concurrent`` runs are active already, it waits as with `BUFFER_ALL`."""


@unique
class CatchUp(StrEnum):
    """What happens to occurrences whose instant passed before the scheduler could look.

    It cannot look while the event loop is blocked, the machine sleeps, the process is down or the job is paused.
    """

    ONE = "one"
    """The latest of them runs once, late; the others are counted as missed."""

    EARLIEST = "earliest"
    """The earliest of them runs once, late; the others are counted as missed."""

    NONE = "none"
    """None of them runs: all are counted as missed. An occurrence that is less than a second late runs as usual."""

    ALL = "all"
    """The latest ``max_waiting`` of them run, in order, and one after the other unless the job has `Overlap.ALLOW_ALL`.
    Earlier ones are counted as missed."""


@unique
class OnConflict(StrEnum):
    """What happens when a job is submitted with a ``key`` that a job has already."""

    UPDATE = "update"
    """The existing job gets the new request and function; its history stays. If the schedule is the same, its grid and
    its pending occurrence stay too. A paused job stays paused, and a cancelled job stays as it is. A finished job
    begins again."""

    KEEP = "keep"
    """The existing job stays as it is."""

    REPLACE = "replace"
    """The existing job is cancelled and forgotten, and the new job takes its id."""

    RAISE = "raise"
    """`JobExists` is raised, unless the existing job has ended: then it begins again."""


@unique
class OnCrash(StrEnum):
    """What happens to a run whose process died while it executed.

    Only a durable store knows of such a run: without one, a job does not outlive its process.
    """

    RERUN = "rerun"
    """A new attempt of the same run begins, which uses up no retry: the function is called at least once."""

    FAIL = "fail"
    """The attempt counts as failed: the run is tried again if it has a retry left, and else ends as failed."""

    MARK = "mark"
    """The run ends as interrupted: the function is called at most once."""


set_public_path(PriorityQueueType, Overlap, CatchUp, OnConflict, OnCrash)
