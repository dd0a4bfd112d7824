"""Sessions and harnesses: a `Session` is one test; a `LoopHarness` is attached to each of its event loops.

The harness gives schedulers their clock, chance and faults, remembers the schedulers, guards the body of the test, and
raises `SchedulerTimeError` when the test waits for a time that cannot come.
"""

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
    """The time or the event that a test asks for, or waits for, cannot come. The message names what is due next."""

    def __init__(
        self, message: str, *, now: pendulum.DateTime, next_due: tuple[tuple[pendulum.DateTime, str], ...]
    ) -> None:
        super().__init__(message)
        self.now = now
        """The wall time at the error, in the test's timezone."""
        self.next_due = next_due
        """What is due next, up to five: when, in the test's timezone, and the name of the job."""


HORIZON: Final = timedelta(days=1096)
"""How long virtual time may pass by itself. A test that lasts longer fails, because it probably waits for ever."""


SHOWN: Final = 5
"""The number of jobs that a message names as due next."""


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
    """The settings of a test in virtual time. `run` documents them."""

    start: int = instant_us(VIRTUAL_START)
    local: Local = field(default_factory=lambda: Local("UTC"))
    mode: Mode = "auto"
    horizon: timedelta = HORIZON
    seed: int = 0
    faults: FaultPlan = field(default_factory=FaultPlan)


@final
class LoopHarness(TestHooks):
    """What a test attaches to an event loop in virtual time."""

    def __init__(self, loop: Loop, settings: Settings) -> None:
        self.settings: Final = settings
        self.backend: Final = backend_of(loop)
        self.gate: Final = TimeGate(self.backend, self._help)
        self.settable_clock: Final = SettableClock(settings.start, self.backend.time, self.gate)
        self.opened_here: Final[list[Opened]] = []
        """The schedulers that were opened on this loop, in order."""
        self.on_time: Final[list[Callable[[], object]]] = self.gate.on_jump
        """The functions to call after the wall time has changed."""
        self._rng = random.Random(settings.seed)  # noqa: S311  (for jitter)
        self._guard: anyio.CancelScope | None = None
        self._where: Callable[[], str] = str
        self._dead_end: SchedulerTimeError | None = None
        self.backend.follow(self.gate)
        attach(loop, self)

    def clock(self) -> SettableClock:
        """Return the clock for a scheduler that is opened without ``clock``."""
        return self.settable_clock

    def rng(self) -> random.Random:
        """Return the source of chance for a scheduler that is opened without ``rng``."""
        return self._rng

    def observers(self, observers: tuple[object, ...]) -> tuple[object, ...]:
        """Return the observers with their planned faults."""
        return self.settings.faults.on_observers(observers)

    def store(self, store: Store | None) -> Store | None:
        """Return the store with its planned faults."""
        return self.settings.faults.on_store(store)

    def function(self, name: str, function: Function) -> Function:
        """Return the function of a job with the fault that is planned for its next attempt."""
        return self.settings.faults.on_job(name, function)

    def opened(self, scheduler: object) -> None:
        """Remember a scheduler that is about to open on this loop."""
        assert isinstance(scheduler, Scheduler)
        self.opened_here.append(Opened(scheduler))

    def step(self, us: int) -> None:
        """Set the wall clock forward by ``us`` microseconds, back if negative, and have the schedulers look at it."""
        self.settable_clock.step(us)
        for opened in self.opened_here:
            opened.wake()
        for listener in self.on_time:
            listener()

    def planned(self) -> list[tuple[int, str]]:
        """Return what is planned in all schedulers, in order: when, and the name of the job."""
        return sorted(planned for opened in self.opened_here for planned in opened.planned())

    def error(self, problem: str, *more: str) -> SchedulerTimeError:
        """Return an error whose message has ``problem``, the time, what is due next, and the lines in ``more``."""
        local, now, planned = self.settings.local, self.settable_clock.wall(), self.planned()
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
        """At a dead end, cancel the body of the test if it is guarded, so that `guarded` raises."""
        if self._guard is None or self._dead_end is not None:
            return
        self._dead_end = self.error(_DEAD_ENDS[why], "the test stands at", self._where())
        self._thaw()
        self._guard.cancel()

    @contextmanager
    def guarded(self) -> Generator[None]:
        """Guard the body of a test.

        Raises:
            SchedulerTimeError: The body waits for something that cannot come.
            AssertionError: A scheduler that has ended is wrong (`check_ended`).
        """
        settings, task = self.settings, current_task()
        self._where = lambda: stack(task)
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
        """Move the horizon of a guarded test to its full distance from now."""
        if self._guard is not None:
            self.gate.horizon = self.backend.time() + self.settings.horizon.total_seconds()

    def _thaw(self) -> None:
        self.gate.frozen = False
        self.gate.horizon = math.inf

    def check_ended(self) -> None:
        """Check each scheduler that has ended: its books balance, and no task of its jobs is left alive.

        Raises:
            AssertionError: Something is wrong; the message says what.
        """
        for opened in self.opened_here:
            if opened.ended:
                faults = opened.faults() + leaks(opened.scheduler)
                if faults:
                    raise AssertionError("\n".join([f"{opened.scheduler!r} has not ended as it must:", *faults]))


def harness_of_loop() -> LoopHarness | None:
    """Return the harness of the running event loop, or ``None`` if it has no harness of a test."""
    harness = attached()
    return harness if isinstance(harness, LoopHarness) else None


@final
class Session:
    """One test: its settings, and the harness of each event loop that it starts."""

    def __init__(self, settings: Settings) -> None:
        self.settings: Final = settings
        self._harness: LoopHarness | None = None
        self._listeners: list[Callable[[], object]] = []

    def bind(self, loop: object) -> LoopHarness:
        """Attach a harness to a loop in virtual time, and return it.

        Raises:
            ConfigurationError: The loop's time is not virtual, or its mock clock has a rate.
        """
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
        """The harness of the running loop; outside of a loop, that of the last one.

        Raises:
            RuntimeError: No loop is running, and the test has started none.
            ConfigurationError: The running loop's time is not virtual.
        """
        try:
            loop = running_loop()
        except RuntimeError:
            if self._harness is None:
                raise
            return self._harness
        return harness_of_loop() or self.bind(loop)

    def listen(self, listener: Callable[[], object]) -> None:
        """Call ``listener`` whenever the wall time has changed, on the last loop of the test and on later ones."""
        self._listeners.append(listener)
        if self._harness is not None:
            self._harness.on_time.append(listener)


def current_session() -> Session:
    """Return a session for the running event loop, with the settings of its harness, or else with the defaults.

    Raises:
        ConfigurationError: The loop's time is not virtual.
    """
    harness = harness_of_loop()
    session = Session(Settings() if harness is None else harness.settings)
    _ = session.harness
    return session
