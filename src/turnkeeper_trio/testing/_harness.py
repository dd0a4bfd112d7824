"""The harness of one event loop: its pace, its wall clock, and the schedulers that were opened on it."""

import math
import random
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, final

import anyio

from turnkeeper_trio._model.instants import instant_us
from turnkeeper_trio._runtime.clock import VIRTUAL_START
from turnkeeper_trio._runtime.functions import Function
from turnkeeper_trio._runtime.handle.scheduler import Scheduler
from turnkeeper_trio._runtime.harness import Harness, attach, attached
from turnkeeper_trio.abc import Store
from turnkeeper_trio.testing._errors import SchedulerTimeError
from turnkeeper_trio.testing._faults import FaultPlan
from turnkeeper_trio.testing._grounds import Loop, ground_of
from turnkeeper_trio.testing._leaks import leaks
from turnkeeper_trio.testing._local import Local
from turnkeeper_trio.testing._opened import Opened
from turnkeeper_trio.testing._pace import DeadEnd, Mode, Pace
from turnkeeper_trio.testing._tasks import current_task, stack
from turnkeeper_trio.testing._wall import Wall

HORIZON: Final = timedelta(days=1096)
"""How long virtual time may pass by itself before a test is taken to wait for what never comes."""

SHOWN: Final = 5
"""How many of the next due jobs a message names."""

_DEAD_ENDS: Final[dict[DeadEnd, str]] = {
    "held": "time has been held too long, by hold() or by a job's thread: a thread that waits for virtual time waits "
    "for ever",
    "frozen": "everything waits, and time stands still (mode='explicit'): only travel_to(), advance() and their like "
    "move it",
    "nothing": "everything waits, and nothing is planned: what the test waits for never comes. (Does it wait for a "
    "thread, a socket or a process? Then hold time for it: with scheduler_time.hold(): ...)",
    "horizon": "time has passed by itself up to the horizon (horizon=), and what the test waits for has not come",
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a test asks of its virtual time."""

    start: int = instant_us(VIRTUAL_START)
    local: Local = field(default_factory=lambda: Local("UTC"))
    mode: Mode = "auto"
    horizon: timedelta = HORIZON
    seed: int = 0
    faults: FaultPlan = field(default_factory=FaultPlan)


@final
class LoopHarness(Harness):
    """What is attached to an event loop."""

    def __init__(self, loop: Loop, settings: Settings) -> None:
        """Attach to a loop in virtual time."""
        self.settings: Final = settings
        self.ground: Final = ground_of(loop)
        self.pace: Final = Pace(self.ground, self._help)
        self.wall: Final = Wall(settings.start, self.ground.time, self.pace)
        self.opened_here: Final[list[Opened]] = []
        """The schedulers that were opened on this loop."""
        self.on_time: Final[list[Callable[[], object]]] = self.pace.on_jump
        """What is called after the wall time has changed."""
        self._rng = random.Random(settings.seed)  # noqa: S311  (for jitter)
        self._guard: anyio.CancelScope | None = None
        self._guarded: Callable[[], str] = str
        self._dead_end: SchedulerTimeError | None = None
        self.ground.follow(self.pace)
        attach(loop, self)

    def clock(self) -> Wall:
        """Return the clock of a scheduler that was told none."""
        return self.wall

    def rng(self) -> random.Random:
        """Return the source of chance of a scheduler that was told none."""
        return self._rng

    def observers(self, observers: tuple[object, ...]) -> tuple[object, ...]:
        """Return the observers, with the faults that are planned for them."""
        return self.settings.faults.on_observers(observers)

    def store(self, store: Store | None) -> Store | None:
        """Return the store, with the faults that are planned for it."""
        return self.settings.faults.on_store(store)

    def function(self, name: str, function: Function) -> Function:
        """Return the function of a job, with the faults that are planned for it."""
        return self.settings.faults.on_job(name, function)

    def opened(self, scheduler: object) -> None:
        """Remember a scheduler."""
        assert isinstance(scheduler, Scheduler)
        self.opened_here.append(Opened(scheduler))

    def step(self, us: int) -> None:
        """Set the wall clock, and have the schedulers look at it."""
        self.wall.step(us)
        for opened in self.opened_here:
            opened.wake()
        for tell in self.on_time:
            tell()

    def planned(self) -> list[tuple[int, str]]:
        """Return what is planned next: when, and the name of the job."""
        return sorted(planned for opened in self.opened_here for planned in opened.planned())

    def error(self, problem: str, *more: str) -> SchedulerTimeError:
        """Return the error of a time that cannot come: it tells what time it is and names the next due jobs."""
        local, now, planned = self.settings.local, self.wall.wall(), self.planned()
        lines = [problem, f"it is {local.show(now)} ({local.timezone})"]
        if planned:
            lines.append("next due:")
            lines += [f"  {local.show(at)} {name}" for at, name in planned[:SHOWN]]
            if len(planned) > SHOWN:
                lines.append(f"  and {len(planned) - SHOWN} more")
        else:
            names = [name for opened in self.opened_here for name in opened.names()]
            lines.append(f"nothing is planned; jobs: {', '.join(names) or 'none'}")
        next_due = tuple((local.read(at), name) for at, name in planned[:SHOWN])
        return SchedulerTimeError("\n".join([*lines, *more]), now=local.read(now), next_due=next_due)

    def _help(self, why: DeadEnd) -> None:
        """Time has come to a dead end: end the test, if one is being guarded."""
        if self._guard is None or self._dead_end is not None:
            return
        self._dead_end = self.error(_DEAD_ENDS[why], "the test stands at", self._guarded())
        self._thaw()
        self._guard.cancel()

    @contextmanager
    def guarded(self) -> Generator[None]:
        """Guard the body of a test: it fails where it waits for what never comes, or if a scheduler ended wrong."""
        settings, task = self.settings, current_task()
        self._guarded = lambda: stack(task)
        self.pace.frozen = settings.mode == "explicit"
        try:
            with anyio.CancelScope() as self._guard:
                self.extend_horizon()
                yield
        finally:
            self._guard = None
            self._thaw()
            dead_end, self._dead_end = self._dead_end, None
            if dead_end is not None:
                raise dead_end
        self.check_ended()

    def extend_horizon(self) -> None:
        """Let time pass by itself for as long again."""
        if self._guard is not None:
            self.pace.horizon = self.ground.time() + self.settings.horizon.total_seconds()

    def _thaw(self) -> None:
        self.pace.frozen = False
        self.pace.horizon = math.inf

    def check_ended(self) -> None:
        """Check the schedulers that have ended: that their books balance, and that nothing of them is left alive.

        Raises:
            AssertionError: something is wrong, and what.
        """
        for opened in self.opened_here:
            if opened.ended:
                faults = opened.faults() + leaks(opened.scheduler)
                if faults:
                    raise AssertionError("\n".join([f"{opened.scheduler!r} has not ended as it must:", *faults]))


def harness_of_loop() -> LoopHarness | None:
    """Return the harness of the running event loop, if one of this kind is attached."""
    harness = attached()
    return harness if isinstance(harness, LoopHarness) else None
