"""What the harness keeps of an event loop in virtual time, and tells a test when the time it asks for cannot come."""

import math
import random
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, final

import anyio
import pendulum
import trio.testing

from turnkeeper_trio._model.times import instant_us
from turnkeeper_trio._runtime.clock import VIRTUAL_START
from turnkeeper_trio._runtime.functions import Function
from turnkeeper_trio._runtime.hooks import TestHooks, attach, attached, running_loop
from turnkeeper_trio._runtime.scheduler import Scheduler
from turnkeeper_trio.abc import Store
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.testing._backends import Loop, backend_of, virtual_loop
from turnkeeper_trio.testing._faults import FaultPlan
from turnkeeper_trio.testing._inspect import Opened
from turnkeeper_trio.testing._log_lines import Local
from turnkeeper_trio.testing._task_inspection import current_task, leaks, stack
from turnkeeper_trio.testing._virtual_time import DeadEnd, Mode, SettableClock, TimeGate

__all__ = ["SchedulerTimeError"]


@final
class SchedulerTimeError(AssertionError):
    """The time or the event that a test asked for, or waits for, cannot come. The message names what is due next."""

    def __init__(
        self, message: str, *, now: pendulum.DateTime, next_due: tuple[tuple[pendulum.DateTime, str], ...]
    ) -> None:
        """Describe what cannot come."""
        super().__init__(message)
        self.now = now
        """What time it was."""
        self.next_due = next_due
        """The next planned occurrences, the first ones: when, and the name of the job."""


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
class LoopHarness(TestHooks):
    """What is attached to an event loop."""

    def __init__(self, loop: Loop, settings: Settings) -> None:
        """Attach to a loop in virtual time."""
        self.settings: Final = settings
        self.backend: Final = backend_of(loop)
        self.gate: Final = TimeGate(self.backend, self._help)
        self.wall: Final = SettableClock(settings.start, self.backend.time, self.gate)
        self.opened_here: Final[list[Opened]] = []
        """The schedulers that were opened on this loop."""
        self.on_time: Final[list[Callable[[], object]]] = self.gate.on_jump
        """What is called after the wall time has changed."""
        self._rng = random.Random(settings.seed)  # noqa: S311  (for jitter)
        self._guard: anyio.CancelScope | None = None
        self._guarded: Callable[[], str] = str
        self._dead_end: SchedulerTimeError | None = None
        self.backend.follow(self.gate)
        attach(loop, self)

    def clock(self) -> SettableClock:
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
        self.gate.frozen = settings.mode == "explicit"
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
            self.gate.horizon = self.backend.time() + self.settings.horizon.total_seconds()

    def _thaw(self) -> None:
        self.gate.frozen = False
        self.gate.horizon = math.inf

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


@final
class Session:
    """One test."""

    def __init__(self, settings: Settings) -> None:
        """Have the settings of a test; loops come later."""
        self.settings: Final = settings
        self._harness: LoopHarness | None = None
        self._listeners: list[Callable[[], object]] = []

    def bind(self, loop: object) -> LoopHarness:
        """Take over a loop in virtual time."""
        virtual = virtual_loop(loop)
        if virtual is None:
            raise ConfigurationError(
                f"the time of this event loop is not virtual: {loop!r}. Its kind was chosen before the test, or by "
                f"hand: leave out use_uvloop, a loop factory or a clock of your own, or a loop shared by a module",
                parameter="scheduler_time",
            )
        settings = self.settings
        if isinstance(virtual, trio.testing.MockClock):
            if virtual.rate:
                raise ConfigurationError(
                    f"the mock clock has rate={virtual.rate}: it goes on by itself, and nothing can be repeated; leave "
                    f"the rate out",
                    parameter="scheduler_time",
                )
            if virtual.autojump_threshold == math.inf:
                settings = replace(settings, mode="explicit")  # pytest-trio's mock_clock: only the test moves it
        self._harness = LoopHarness(virtual, settings)
        self._harness.on_time.extend(self._listeners)
        return self._harness

    @property
    def harness(self) -> LoopHarness:
        """The harness of the running loop; outside of any, of the last one."""
        try:
            loop = running_loop()
        except RuntimeError:
            if self._harness is None:
                raise
            return self._harness
        return harness_of_loop() or self.bind(loop)

    def listen(self, listener: Callable[[], object]) -> None:
        """Have ``listener`` called whenever the wall time has changed, in the loops of now and of later."""
        self._listeners.append(listener)
        if self._harness is not None:
            self._harness.on_time.append(listener)


def current_session() -> Session:
    """Return a session on the running event loop: with the settings of the harness that it has, or with the usual ones.

    Raises:
        ConfigurationError: its time is not virtual.
    """
    harness = harness_of_loop()
    session = Session(Settings() if harness is None else harness.settings)
    _ = session.harness
    return session
