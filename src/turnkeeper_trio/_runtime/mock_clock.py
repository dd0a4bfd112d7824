"""trio's mock clock: how it is kept from jumping while a thread works. Imported when one is first held."""

import math
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from trio.lowlevel import RunVar
from trio.testing import MockClock

_HOLDS: Final[RunVar[int]] = RunVar("turnkeeper_trio_holds", 0)

_THRESHOLD: Final[RunVar[float]] = RunVar("turnkeeper_trio_threshold", math.inf)


@contextmanager
def hold(clock: MockClock) -> Generator[None]:
    """Keep a mock clock from jumping. Holds may overlap: the first saves the threshold, and the last restores it."""
    held = _HOLDS.get()
    if held == 0:
        _THRESHOLD.set(clock.autojump_threshold)
        clock.autojump_threshold = math.inf
    _HOLDS.set(held + 1)
    try:
        yield
    finally:
        _HOLDS.set(_HOLDS.get() - 1)
        if _HOLDS.get() == 0:
            clock.autojump_threshold = _THRESHOLD.get()
