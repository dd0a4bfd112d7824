"""When virtual time may pass: the one place that decides it, for trio and asyncio alike.

The loop asks each time it has nothing left to do before its next timer. The rule, in this order:

1. While somebody holds time, it stands still, and the loop really waits: for the thread that it is held for.
2. Whoever waits for the present instant to be over (`rest`) goes on, before time does.
3. While time is frozen it passes for travellers only.
4. Else it jumps to the next timer.

Where that comes to a dead end (nothing is planned, time is frozen, or what comes lies beyond the horizon), the loop
really waits for a moment, since a socket or a thread may yet wake it, and then calls for help.
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
"""Why time does not pass: it is held, it is frozen, there is no timer, or the next one lies beyond the horizon."""


MOMENT: Final = 0.05
"""Real seconds that a loop waits before it asks again; whatever wakes it ends the wait."""


PATIENCE: Final = 1.0
"""Real seconds to wait for a thread or a socket that nobody holds time for, where nothing else can happen."""


LONG_PATIENCE: Final = 30.0
"""Real seconds for which time may be held."""


class LoopBackend(Protocol):
    """What a pace needs of an event loop."""

    @property
    def time(self) -> Callable[[], float]:
        """What returns the loop's time."""
        ...

    def jump_to(self, instant: float) -> None:
        """Make it ``instant``."""
        ...

    def hurry(self) -> None:
        """Ask again soon: what made the loop really wait may be over."""
        ...


@final
class TimeGate:
    """Decides for one event loop."""

    def __init__(self, backend: LoopBackend, help_wanted: Callable[[DeadEnd], None]) -> None:
        """Let time pass whenever everything waits; ``help_wanted`` is called at a dead end."""
        self._backend = backend
        self._help_wanted = help_wanted
        self._holds = 0
        self._travellers = 0
        self._resting: list[anyio.Event] = []
        self._waiting: tuple[DeadEnd, float] | None = None
        self.frozen: bool = False
        """Whether time passes for travellers only."""
        self.horizon: float = math.inf
        """The loop time up to which time may pass by itself."""
        self.on_jump: list[Callable[[], object]] = []
        """What is called after each jump."""

    def at_rest(self, deadline: float, *, held: bool = False) -> bool:
        """The loop has nothing to do before ``deadline``: decide, and return whether it should really wait a moment."""
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
        for tell in self.on_jump:
            tell()
        return False

    def _wait(self, why: DeadEnd, patience: float) -> bool:
        now = time.monotonic()
        if self._waiting is None or self._waiting[0] != why:
            self._waiting = (why, now)
        if now - self._waiting[1] >= patience:
            self._waiting = None
            self._help_wanted(why)
        return True

    @contextmanager
    def hold(self) -> Generator[None]:
        """Let time stand still inside; where holds overlap, until the last has been left."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            self._backend.hurry()

    async def rest(self) -> None:
        """Wait until all has happened that can happen before time passes, threads that time is held for included."""
        event = anyio.Event()
        self._resting.append(event)
        await event.wait()

    async def travel(self, instant: float) -> None:
        """Wait until it is ``instant``, frozen or not, then rest."""
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
    """A `Clock` for the schedulers of one event loop."""

    def __init__(self, start: int, time: Callable[[], float], gate: TimeGate) -> None:
        """Show ``start`` now; ``time`` is the loop's."""
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
        """Return the loop time at which the wall time is ``wall``."""
        return (wall - self._zero) / MICROSECONDS

    def hold(self) -> AbstractContextManager[None]:
        """Let time stand still inside."""
        return self._gate.hold()

    def step(self, us: int) -> None:
        """Set the clock forward, or back."""
        self._zero += us
