"""An asyncio event loop whose time is virtual.

The rule: **time passes only while the loop has nothing to do, and then it jumps to the next timer.** A callback takes
no time, however long it computes. To sleep for a year takes as long as the work that is done in that year.

* Before each jump, the loop asks the operating system once, without waiting, and jumps only if no I/O is ready.
* Inside ``hold()`` time stands still, and the loop waits in real time for I/O, or for a thread that calls
  ``call_soon_threadsafe``. A thread for which time is not held (``asyncio.to_thread``, ``anyio.to_thread.run_sync``)
  has no such protection: timers fire while it works.
* With no timer left, or only infinite ones, the loop waits in real time as any event loop does, because a thread, a
  signal or a peer may still wake it. If none does, it waits for ever, so a test needs a limit in real time
  (pytest-timeout).

Rejected: to override ``_run_once``, which would poll twice for each jump; and to advance time by the timeout that the
selector is given, because asyncio limits it to a day, and the sum need not be the exact instant of the timer.

A program takes the same steps in each process. For that, this module gives an order to what asyncio and anyio leave to
chance:

* Timers with the same instant fire in the order in which they were set, because a heap has no order among equals.
* A task's hash is its ordinal and not its address, because groups of tasks are sets.
* Tasks that one cancel scope of anyio cancels together are resumed in the order in which they were created, because
  anyio iterates over sets of scopes, whose hashes are addresses.
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


# The loop fires each timer that is due within this number of seconds. The resolution of the system clock, a nanosecond,
# is too little: from day 194 on, a nanosecond added to the time does not change it (it is a float), and a timer that is
# due would not be found. From year 34 on, the same is true of this number, and `jump` takes the distance of two floats.
_RESOLUTION: Final = 1e-7


_ANYIO_CANCELS: Final = "Cancelled via cancel scope"  # the beginning of the message of anyio's cancellations


class _Instant(float):
    """The instant of a timer. Among equal instants, the one of the timer that was set earlier is less."""

    __slots__ = ("order",)
    order: int

    def __lt__(self, other: float, /) -> bool:
        if isinstance(other, _Instant) and float(self) == float(other):
            return self.order < other.order
        return float(self) < other


class _Task(asyncio.Task[_T]):
    """A task whose hash is its ordinal among the tasks and timers of its loop."""

    def __init__(self, order: int, coro: Any, *, loop: "VirtualEventLoop", context: Context, **options: Any) -> None:
        self._order = order  # first, because the base class puts the task into a set
        self._own_loop = loop
        self.context = context
        super().__init__(coro, loop=loop, context=context, **options)

    def __hash__(self) -> int:
        return self._order

    def cancel(self, msg: Any | None = None) -> bool:
        ready = len(self._own_loop.ready)
        accepted = super().cancel(msg)
        if isinstance(msg, str) and msg.startswith(_ANYIO_CANCELS):
            self._own_loop.sort_resumed(self._order, len(self._own_loop.ready) - ready)
        return accepted


class _WatchedQueue(deque[asyncio.Handle]):
    """A loop's queue of callbacks that calls a watcher before the loop runs each of them."""

    def __init__(self, watcher: Callable[[asyncio.Handle], object], handles: Iterable[asyncio.Handle]) -> None:
        super().__init__(handles)
        self._watcher = watcher

    def popleft(self) -> asyncio.Handle:
        handle = super().popleft()
        self._watcher(handle)
        return handle


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that lets the loop's time jump to the next timer where the loop would sleep until then."""

    loop: "VirtualEventLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return the I/O that is ready. If there is none and the loop would wait, let time pass, or really wait."""
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0) or not self.loop.idle():
            return events
        wait = self.loop.pass_time()
        if wait is not None:
            return super().select(None if wait == math.inf else wait)
        return events


@final
class VirtualEventLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop in virtual time. Its time begins at 0, and passes only while the loop has nothing to do.

    Give it to ``asyncio.Runner(loop_factory=VirtualEventLoop)``, or to anyio as
    ``anyio.run(main, backend="asyncio", backend_options={"loop_factory": VirtualEventLoop})``.

    With no timer left, it waits in real time, because a thread, a signal or a peer may still wake it. Time also passes
    while a thread works, unless it is held (`hold`); a scheduler holds it for its jobs.
    """

    is_virtual: Final = True
    """Marks a loop in virtual time: ``open_scheduler`` chooses its clock by it."""

    _ready: deque[asyncio.Handle]  # asyncio's own queue and heap, unchanged since Python 3.4
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        self._now = 0.0
        self._holds = 0
        self._orders = itertools.count(1)
        self._resumed: WeakKeyDictionary[asyncio.Handle, int] = WeakKeyDictionary()
        self._before_wait: Callable[[], object] | None = None
        self.gate: TimeGate | None = None
        """Decides when time passes; without a gate, the loop decides by the rule at the top of its module."""
        super().__init__(selector)
        self._clock_resolution = _RESOLUTION

    def time(self) -> float:
        """Return the virtual time, in seconds since the loop was made."""
        return self._now

    @property
    def held(self) -> bool:
        """Whether time is held."""
        return self._holds > 0

    @contextmanager
    def hold(self) -> Generator[None]:
        """Hold time inside the ``with`` block. If several blocks overlap, time is held until the last one ends.

        Enter and leave the block on the loop's own thread.
        """
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    def pass_time(self) -> float | None:
        """Let time pass, because there is nothing to do, and return ``None``; or return how long to wait in real time.

        That is in seconds, and infinite if only something outside of the loop can wake it.
        """
        deadline = float(self._scheduled[0].when()) if self._scheduled else math.inf
        if self.gate is not None:
            wait = self.gate.at_rest(deadline, held=self.held)
            return MOMENT if wait and not self._ready else None
        if deadline == math.inf or self.held:
            return math.inf
        self.jump(deadline)
        return None

    def next_timer(self) -> float:
        """Return the loop time at which the next timer fires; infinity if there is none."""
        timers = self._scheduled
        if timers and timers[0].cancelled():
            return min((timer.when() for timer in timers if not timer.cancelled()), default=math.inf)
        return float(timers[0].when()) if timers else math.inf

    def jump(self, instant: float) -> None:
        """Set the time forward to ``instant``, which is that of the next timer or earlier."""
        self._now = max(self._now, instant)
        self._clock_resolution = max(_RESOLUTION, math.ulp(self._now))

    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call ``callback`` at the time ``when``, after the callbacks that were set for the same time before."""
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
        """Make a task. Without a ``name``, it is named after its ordinal in this loop."""
        if self.get_task_factory() is not None:
            return super().create_task(coro, name=name, context=context, **options)
        order = next(self._orders)
        context = copy_context() if context is None else context
        return _Task(order, coro, loop=self, name=name or f"Task-{order}", context=context, **options)

    @property
    def ready(self) -> deque[asyncio.Handle]:
        """The callbacks that run next, in order."""
        return self._ready

    def watch(self, before_call: Callable[[asyncio.Handle], object], before_wait: Callable[[], object]) -> None:
        """Have ``before_call`` called before each callback, and ``before_wait`` before time jumps or the loop waits.

        Call this before the loop runs. Both functions may add callbacks.
        """
        self._ready = _WatchedQueue(before_call, self._ready)
        self._before_wait = before_wait

    def idle(self) -> bool:
        """Return whether there is nothing to do, even after ``before_wait`` was called."""
        if self._before_wait is not None:
            self._before_wait()
        return not self._ready

    def sort_resumed(self, order: int, count: int) -> None:
        """Move the last ``count`` callbacks, which resume task number ``order``, before those of later tasks."""
        ready, resumed = self._ready, self._resumed
        new: list[asyncio.Handle] = []
        # If the task waits for a task, cancel() of that one was called first, and has moved its callbacks already.
        while len(new) < count and ready[-1] not in resumed:
            new.append(ready.pop())
        younger: list[asyncio.Handle] = []
        while ready and resumed.get(ready[-1], 0) > order:
            younger.append(ready.pop())
        ready.extend(reversed(new))
        ready.extend(reversed(younger))
        resumed.update(dict.fromkeys(new, order))

    async def shutdown_default_executor(self, *args: Any, **options: Any) -> None:
        """Wait for the default executor's threads with time held, because its timeout is meant in real time."""
        with self.hold():
            await super().shutdown_default_executor(*args, **options)
