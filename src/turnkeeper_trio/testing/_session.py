"""What a test, or a call of `run`, has in virtual time: its settings, and the loops that it has taken over."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final, final

import trio.testing

from turnkeeper_trio._runtime.harness import running_loop
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.testing._grounds import virtual_loop
from turnkeeper_trio.testing._harness import LoopHarness, Settings, harness_of_loop


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
