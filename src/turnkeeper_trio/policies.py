"""The choices a job or a scheduler makes between ways of doing things."""

from enum import StrEnum, unique


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


@unique
class CatchUp(StrEnum):
    """What happens to occurrences whose instant passed before the scheduler could look (asleep, blocked, down)."""

    ONE = "one"
    """The latest of them runs once, late; the others are counted as missed."""
