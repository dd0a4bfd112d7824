"""How much the stress suite does: as much as is quick, or ten times that where TURNKEEPER_STRESS is set."""

import os

from turnkeeper_trio import PriorityQueueType

LONG = bool(os.environ.get("TURNKEEPER_STRESS"))

QUEUES = list(PriorityQueueType)


def many(number: int) -> int:
    """Return the number, or ten times as many in the long variant."""
    return number * 10 if LONG else number
