"""An asyncio event loop whose time is virtual.

The rule: **time passes only while the loop has nothing else to do, and then it jumps to the next timer.**
A callback takes no time, however long it computes; a year of sleeping takes as long as the work in it.

* The loop asks the operating system once before each jump, without waiting, and jumps if no I/O is ready.
* Inside ``hold()`` time stands still, and the loop really waits to be woken: by I/O, or by a thread through
  ``call_soon_threadsafe``. Nothing else protects a thread: while one works that nobody holds time for
  (``asyncio.to_thread``, ``anyio.to_thread.run_sync``), timers fire as if it would take for ever.
* With no timer left but infinite ones the loop really waits, as any event loop does: a thread, a signal or a peer may
  yet wake it. If none does, that is for ever; a test needs a limit in real time beside it (pytest-timeout).

Rejected: overriding ``_run_once``, which would poll twice for each jump; and advancing by the timeout that
the selector is given, which asyncio caps at a day and which need not add up to the timer's exact instant.

One run is like another, in every process. For that, what asyncio and anyio leave to chance is ordered here:

* Timers of one instant fire in the order in which they were set; a heap alone keeps no order among equals.
* A task hashes by its ordinal, not by its address: groups of tasks are sets.
* Tasks that one cancel scope of anyio cancels in one go are resumed in the order of their creation; anyio
  walks sets of scopes, which hash by their addresses.
"""

import asyncio
import itertools
import math
import selectors
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextlib import contextmanager
from contextvars import Context, copy_context
from typing import Any, Final, TypeVar, TypeVarTuple, final
from weakref import WeakKeyDictionary

from turnkeeper_trio.testing._virtual_time import MOMENT, TimeGate

__all__ = ["VirtualEventLoop"]


_T = TypeVar("_T")


_Ts = TypeVarTuple("_Ts")


# The loop fires what is due within this many seconds. A nanosecond, the system clock's, is too little: where
# adding it to the time leaves the time as it was (from day 194 on), a timer that is due is never found so.
# From the year 34 on that is true of this as well, and the distance between two floats takes its place.
_RESOLUTION: Final = 1e-7


_ANYIO_CANCELS: Final = "Cancelled via cancel scope"  # how the message of anyio's cancellations begins


class _Instant(float):
    """A timer's instant, which remembers when it was set: among equals, the earlier one is the lesser."""

    __slots__ = ("order",)
    order: int

    def __lt__(self, other: float, /) -> bool:
        if isinstance(other, _Instant) and float(self) == float(other):
            return self.order < other.order
        return float(self) < other


class _Task(asyncio.Task[_T]):
    """A task that knows its place among all tasks of its loop."""

    def __init__(self, order: int, coro: Any, *, loop: "VirtualEventLoop", context: Context, **options: Any) -> None:
        self._order = order  # first, because the base class puts the task into a set
        self._home = loop
        self.context = context
        super().__init__(coro, loop=loop, context=context, **options)

    def __hash__(self) -> int:
        return self._order

    def cancel(self, msg: Any | None = None) -> bool:
        ready = len(self._home.ready)
        accepted = super().cancel(msg)
        if isinstance(msg, str) and msg.startswith(_ANYIO_CANCELS):
            self._home.sort_resumed(self._order, len(self._home.ready) - ready)
        return accepted


class _WatchedQueue(deque[asyncio.Handle]):
    """A loop's queue that says what it hands out, before the loop runs it."""

    def __init__(self, watcher: Callable[[asyncio.Handle], object], handles: Iterable[asyncio.Handle]) -> None:
        super().__init__(handles)
        self._watcher = watcher

    def popleft(self) -> asyncio.Handle:
        handle = super().popleft()
        self._watcher(handle)
        return handle


class _JumpingSelector(selectors.DefaultSelector):
    """Where the loop would sleep until its next timer, it jumps there instead."""

    loop: "VirtualEventLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready. If nothing is, and it would have to wait: jump, unless time is held."""
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0) or not self.loop.idle():
            return events
        wait = self.loop.pass_time()
        if wait is not None:
            return super().select(None if wait == math.inf else wait)
        return events


@final
class VirtualEventLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, which begins at 0. The rules are at the top of its module.

    Hand it to ``asyncio.Runner(loop_factory=VirtualEventLoop)``, or to anyio as
    ``anyio.run(main, backend="asyncio", backend_options={"loop_factory": VirtualEventLoop})``.
    """

    is_virtual: Final = True
    """Tells this loop from one in real time: ``open_scheduler`` chooses its clock by it."""

    _ready: deque[asyncio.Handle]  # asyncio's own queue and heap, unchanged since Python 3.4
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        """Make a loop at time 0."""
        selector = _JumpingSelector()
        selector.loop = self
        self._now = 0.0
        self._holds = 0
        self._orders = itertools.count(1)
        self._resumed: WeakKeyDictionary[asyncio.Handle, int] = WeakKeyDictionary()
        self._before_wait: Callable[[], object] | None = None
        self.gate: TimeGate | None = None
        """Who decides when time passes; without anybody it is this loop, by the rule at the top of its module."""
        super().__init__(selector)
        self._clock_resolution = _RESOLUTION

    def time(self) -> float:
        """Return the virtual time: seconds since the loop was made."""
        return self._now

    @property
    def held(self) -> bool:
        """Whether time stands still."""
        return self._holds > 0

    @contextmanager
    def hold(self) -> Generator[None]:
        """Let time stand still inside the block; where blocks overlap, until the last has been left.

        Enter and leave it on the loop's own thread.
        """
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    def pass_time(self) -> float | None:
        """There is nothing to do: let time pass, or return for how many seconds (or for ever) to really wait."""
        deadline = float(self._scheduled[0].when()) if self._scheduled else math.inf
        if self.gate is not None:
            wait = self.gate.at_rest(deadline, held=self.held)
            return MOMENT if wait and not self._ready else None
        if deadline == math.inf or self.held:
            return math.inf
        self.jump(deadline)
        return None

    def next_timer(self) -> float:
        """Return when the next timer fires; infinity if there is none."""
        timers = self._scheduled
        if timers and timers[0].cancelled():
            return min((timer.when() for timer in timers if not timer.cancelled()), default=math.inf)
        return float(timers[0].when()) if timers else math.inf

    def jump(self, instant: float) -> None:
        """Make it ``instant``, the instant of the next timer or earlier."""
        self._now = max(self._now, instant)
        self._clock_resolution = max(_RESOLUTION, math.ulp(self._now))

    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call ``callback`` at the time ``when``, after all that was asked for earlier for the same time."""
        instant = _Instant(when)
        instant.order = next(self._orders)
        return super().call_at(instant, callback, *args, context=context)

    def create_task(
        self,
        coro: Generator[Any, None, _T] | Coroutine[Any, Any, _T],
        *,
        name: object = None,
        context: Context | None = None,
        **options: Any,
    ) -> asyncio.Task[_T]:
        """Make a task, named after its ordinal in this loop where no name is given."""
        if self.get_task_factory() is not None:
            return super().create_task(coro, name=name, context=context, **options)
        order = next(self._orders)
        context = copy_context() if context is None else context
        return _Task(order, coro, loop=self, name=name or f"Task-{order}", context=context, **options)

    @property
    def ready(self) -> deque[asyncio.Handle]:
        """The callbacks that run next, in this order."""
        return self._ready

    def watch(self, before_call: Callable[[asyncio.Handle], object], before_wait: Callable[[], object]) -> None:
        """Be told before each callback, and before time jumps or the loop waits. Call this before it runs.

        Either watcher may add callbacks.
        """
        self._ready = _WatchedQueue(before_call, self._ready)
        self._before_wait = before_wait

    def idle(self) -> bool:
        """Whether there is nothing to do, even after a watcher was told."""
        if self._before_wait is not None:
            self._before_wait()
        return not self._ready

    def sort_resumed(self, order: int, count: int) -> None:
        """Move the ``count`` callbacks that were added last before those of tasks younger than ``order``."""
        ready, resumed = self._ready, self._resumed
        new: list[asyncio.Handle] = []
        while len(new) < count and ready[-1] not in resumed:  # one is: a task in between has sorted them
            new.append(ready.pop())
        younger: list[asyncio.Handle] = []
        while ready and resumed.get(ready[-1], 0) > order:
            younger.append(ready.pop())
        ready.extend(reversed(new))
        ready.extend(reversed(younger))
        resumed.update(dict.fromkeys(new, order))

    async def shutdown_default_executor(self, *args: Any, **options: Any) -> None:
        """Wait for the default executor's threads with time held: a limit of this is meant in real time."""
        with self.hold():
            await super().shutdown_default_executor(*args, **options)
