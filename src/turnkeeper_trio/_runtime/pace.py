"""The pace at which submissions are taken in: some together where they come in a stream, few while runs wait.

A task that submits without pause lets others run after each job, and so would have the coordinator take a turn for
each. Taken together, a job of such a stream costs a tenth to a fifth less. The first of a stream never waits, nor does
one that comes alone.
"""

import math
from typing import Final, final

from anyio.lowlevel import checkpoint

from turnkeeper_trio._engine.engine import BATCH
from turnkeeper_trio._engine.intake import Submission
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._runtime.clock import BoundClock
from turnkeeper_trio._runtime.streams import Bell, Inlet

STREAM: Final = 0.0005
"""Seconds: what is submitted sooner than this after the last was taken is part of a stream. Nor does it wait longer."""

TOGETHER: Final = 16
"""How many submissions of a stream come together at most."""

SHARE: Final = 2
"""How many submissions are taken in a turn at least, however few runs came back while others wait for workers."""


@final
class Pace:
    """Takes submissions out of staging."""

    def __init__(self, state: State, staging: Inlet[Submission], *, clock: BoundClock, bell: Bell) -> None:
        """Take from ``staging``."""
        self._state = state
        self._staging = staging
        self._clock = clock
        self._bell = bell
        self._stream_until = -math.inf

    async def let_gather(self) -> None:  # noqa: ASYNC910  (mostly there is nothing to wait for)
        """If submissions come in a stream, let as many come together as could be started now, while they come."""
        staging, time = self._staging, self._clock.loop_time
        if not staging or time() >= self._stream_until:
            return  # noqa: ASYNC910  (mostly there is nothing to wait for)
        enough, before = min(self._state.capacity, TOGETHER), 0
        while before < len(staging) < enough and time() < self._stream_until:
            before = len(staging)
            await checkpoint()
        self._bell.hush()

    def take(self, came_back: int) -> list[Submission]:
        """Take submissions for one turn, in which so many runs came back."""
        submissions = self._staging.take(self._share(came_back))
        if submissions:
            self._stream_until = self._clock.loop_time() + STREAM
        return submissions

    def _share(self, came_back: int) -> int:
        """Return how many submissions to take in this turn: while runs wait for workers, half as many as came back.

        A turn starts no more runs than workers are free: with all of staging taken in each turn, tasks that submit
        without pause would have a hundred jobs taken for a few executed. To take one costs about as much as to run it.
        """
        state = self._state
        if not len(state.ready) or state.closing is not None:
            return BATCH
        return min(BATCH, max(came_back // 2, SHARE))
