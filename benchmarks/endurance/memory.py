"""How much memory the process has, and how much is alive in it."""

import gc
import sys
import threading
from collections import Counter

import anyio
import psutil

_PROCESS = psutil.Process()


def rss_mib() -> float:
    """Return the resident memory of the process. It falls late or never: the allocator keeps what it once had."""
    return _PROCESS.memory_info().rss / 2**20


def live_blocks() -> int:
    """Return how many blocks of memory Python objects hold, after a collection: what RSS blurs, this shows."""
    gc.collect()
    return sys.getallocatedblocks()


def live_kinds() -> Counter[str]:
    """Return how many objects of the library's engine and tasks are alive, by kind."""
    kinds = Counter(map(type, gc.get_objects()))
    inside = ("turnkeeper_trio._engine.", "turnkeeper_trio._runtime.")
    return Counter({kind.__name__: count for kind, count in kinds.items() if kind.__module__.startswith(inside)})


def join_threads() -> None:
    """Wait for anyio's threads: they end a moment after the event loop, and until then each knows its last job."""
    for thread in threading.enumerate():
        if thread.name.startswith("AnyIO"):
            thread.join(timeout=5)


def task_count() -> int:
    """Return how many tasks there are: on trio all below its root task, on asyncio all of the loop."""
    return len(anyio.get_running_tasks())
