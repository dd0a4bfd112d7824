"""The choices a job or a scheduler makes between ways of doing things."""

from enum import StrEnum, unique

__all__ = ["CatchUp", "OnConflict", "Overlap", "PriorityQueueType"]


@unique
class PriorityQueueType(StrEnum):
    """Which queue holds the planned occurrences. Both support every operation and differ in cost only."""

    BINARY_HEAP = "binary_heap"
    """A binary heap: a removed entry is marked, and discarded when it surfaces or when the heap is compacted."""

    HANDLE_BASED = "handle_based"
    """A heap that knows where each entry stands: a removed entry leaves at once, in O(log n)."""


@unique
class Overlap(StrEnum):
    """What happens to an occurrence that falls due while a run of its job waits for a worker or executes."""

    SKIP = "skip"
    """The occurrence is skipped, and counted."""

    BUFFER_ONE = "buffer_one"
    """It waits until the run has ended. Only one waits: the first is kept, later ones are skipped."""

    BUFFER_ALL = "buffer_all"
    """It waits for its turn, behind those that wait already: up to ``max_waiting``, beyond which it is skipped."""

    CANCEL_OTHER = "cancel_other"
    """The run is cancelled, and this one starts when its cleanup is done. A newer one takes the place of one that
    waits for that."""

    ALLOW_ALL = "allow_all"
    """It starts beside the run: up to ``max_concurrent``, beyond which it waits as with `BUFFER_ALL`."""


@unique
class CatchUp(StrEnum):
    """What happens to occurrences whose instant passed before the scheduler could look.

    It could not look while the event loop was blocked, the machine slept, the process was down or the job was paused.
    """

    ONE = "one"
    """The latest of them runs once, late; the others are counted as missed."""

    EARLIEST = "earliest"
    """The earliest of them runs once, late; the others are counted as missed."""

    NONE = "none"
    """None of them runs: all are counted as missed. An occurrence less than a second late is not one of them."""

    ALL = "all"
    """Each of them runs, in order, one after the other where the job may not run beside itself: the latest
    ``max_waiting`` of them. Those before are counted as missed."""


@unique
class OnConflict(StrEnum):
    """What happens when a job is submitted whose ``key`` another job has."""

    UPDATE = "update"
    """The job that is there gets the new request and function. Where the schedule is the same, its grid, its pending
    occurrence and its history stay; if it is paused or cancelled, it stays so. If it is finished, it begins again."""

    KEEP = "keep"
    """The job that is there stays as it is."""

    REPLACE = "replace"
    """The job that is there is cancelled and forgotten, and the new one takes its id."""

    RAISE = "raise"
    """`JobExists` is raised. A job that has ended does not count: it begins again."""
