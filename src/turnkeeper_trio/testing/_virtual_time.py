"""When virtual time may pass. This module decides it for both trio and asyncio.

An event loop asks the `TimeGate` each time that it has nothing to do before its next timer. The rules, in this order:

1. While time is held, it stands still, and the loop waits in real time for the thread that time is held for.
2. The tasks that wait in `TimeGate.rest` go on. Time stands still for them.
3. While time is frozen, it passes only as far as a task has asked for in `TimeGate.travel`.
4. Otherwise time jumps to the next timer.

At a dead end (time is held or frozen, there is no timer, or the next one is beyond the horizon), the loop waits in real
time, because a socket or a thread may still wake it. If that takes too long, the gate calls ``help_wanted``.
"""

import math
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Literal, Protocol, final

import anyio

from turnkeeper_trio._model.times import MICROSECONDS

Mode = Literal["auto", "explicit"]
"""Whether time passes whenever everything waits, or only where the test says so."""


DeadEnd = Literal["held", "frozen", "nothing", "horizon"]
"""Why time does not pass: it is held, it is frozen, there is no timer, or the next one is beyond the horizon."""


MOMENT: Final = 0.05
"""The real seconds that a loop waits before it asks again, unless something wakes it earlier."""


PATIENCE: Final = 1.0
"""The real seconds to wait, when time is not held, for a thread or a socket that may still wake the loop."""


LONG_PATIENCE: Final = 30.0
"""The real seconds for which time may be held."""


class LoopBackend(Protocol):
    """What a `TimeGate` needs of an event loop."""

    @property
    def time(self) -> Callable[[], float]:
        """The function that returns the loop's time, in seconds."""
        ...

    def jump_to(self, instant: float) -> None:
        """Set the loop's time forward to ``instant``."""
        ...

    def hurry(self) -> None:
        """Have the loop ask the gate again soon, because the reason to wait in real time may be gone."""
        ...


@final
class TimeGate:
    """Decides when time passes on one event loop. ``help_wanted`` is called at a dead end."""

    def __init__(self, backend: LoopBackend, help_wanted: Callable[[DeadEnd], None]) -> None:
        self._backend = backend
        self._help_wanted = help_wanted
        self._holds = 0
        self._travellers = 0
        self._resting: list[anyio.Event] = []
        self._waiting: tuple[DeadEnd, float] | None = None  # why, and since when in real time
        self.frozen: bool = False
        """Whether time passes only in `travel`."""
        self.horizon: float = math.inf
        """The loop time up to which time may pass without `travel`."""
        self.on_jump: list[Callable[[], object]] = []
        """The functions to call after each jump."""

    def at_rest(self, deadline: float, *, held: bool = False) -> bool:
        """Decide what a loop does that has nothing to do before ``deadline``, its next timer.

        Return whether it must wait in real time, for a `MOMENT`. Otherwise tasks have been woken, or time has jumped.
        """
        if held or self._holds:
            return self._wait("held", LONG_PATIENCE)
        if self._resting:
            self._waiting = None
            for event in self._resting:
                event.set()
            self._resting.clear()
            return False
        if not self._travellers:
            if self.frozen:
                return self._wait("frozen", PATIENCE)
            if deadline > self.horizon and deadline != math.inf:
                return self._wait("horizon", 0.0)
        if deadline == math.inf:
            return self._wait("nothing", PATIENCE)
        self._waiting = None
        self._backend.jump_to(deadline)
        for listener in self.on_jump:
            listener()
        return False

    def _wait(self, why: DeadEnd, patience: float) -> bool:
        """Have the loop wait; call for help if it has waited for this reason for ``patience`` real seconds."""
        now = time.monotonic()
        if self._waiting is None or self._waiting[0] != why:
            self._waiting = (why, now)
        if now - self._waiting[1] >= patience:
            self._waiting = None
            self._help_wanted(why)
        return True

    @contextmanager
    def hold(self) -> Generator[None]:
        """Hold time inside the ``with`` block. If several blocks overlap, time is held until the last one ends."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            self._backend.hurry()

    async def rest(self) -> None:
        """Wait until everything has happened that can happen before time passes, threads that hold time included."""
        event = anyio.Event()
        self._resting.append(event)
        await event.wait()

    async def travel(self, instant: float) -> None:
        """Wait until the loop's time is ``instant``, even if time is frozen; then `rest`."""
        if instant > self._backend.time():
            self._travellers += 1
            try:
                with anyio.CancelScope(deadline=instant):
                    await anyio.sleep_forever()
            finally:
                self._travellers -= 1
        await self.rest()


@final
class SettableClock:
    """A `Clock` for the schedulers of one event loop. Its wall time can be set."""

    def __init__(self, start: int, time: Callable[[], float], gate: TimeGate) -> None:
        """Make a clock whose wall time is ``start`` now; ``time`` returns the loop's time in seconds."""
        self._time = time
        self._gate = gate
        self._zero = start - round(time() * MICROSECONDS)

    def wall(self) -> int:
        """Return the wall time in microseconds since 1970-01-01 00:00 UTC."""
        return self._zero + round(self._time() * MICROSECONDS)

    def loop(self) -> int:
        """Return the event loop's time in microseconds."""
        return round(self._time() * MICROSECONDS)

    def deadline(self, wall: int, /) -> float:
        """Return the loop time, in seconds, at which the wall time is ``wall``."""
        return (wall - self._zero) / MICROSECONDS

    def hold(self) -> AbstractContextManager[None]:
        """Hold time inside the ``with`` block."""
        return self._gate.hold()

    def step(self, us: int) -> None:
        """Set the wall time forward by ``us`` microseconds; back if it is negative."""
        self._zero += us
