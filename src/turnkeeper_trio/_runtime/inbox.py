"""The inbox: how tasks reach the coordinator, by bounded streams and a wakeup.

A sender never waits inside of a ``send``: it waits for room on an event, and the item is put in synchronously. So a
sender that is cancelled has put nothing in, on any event loop, and the coordinator takes what is there without waiting.
The alternative, ``await stream.send(item)``, may be cancelled after the receiver has got the item.

Senders that wait are served in the order in which they came, though the event loop may resume them in any order (trio
shuffles tasks that are woken together): the coordinator makes room, and puts their items in for them. The alternative,
to wake them and let each put its item in, lets later senders overtake earlier ones.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import Final, Generic, TypeVar, cast, final

import anyio
from anyio.lowlevel import checkpoint

from turnkeeper_trio._engine.engine import BATCH, Engine, Submission
from turnkeeper_trio._runtime.clock import BoundClock, time_is_virtual
from turnkeeper_trio._runtime.loops import asyncio, in_trio
from turnkeeper_trio._runtime.primitives import Event, primitives, set_event
from turnkeeper_trio.errors import TurnKeeperError

T = TypeVar("T")


@final
class Wakeup:
    """The sleep of the coordinator, which ends when it is woken, or when the alarm rings.

    On trio the alarm is the deadline of a cancel scope. One scope is around many sleeps, because to enter a scope costs
    more than to sleep. On asyncio it is a timer, because a scope that is cancelled costs several turns of the event
    loop there; but not in virtual time, where much happens at one instant, and a timer would change its order.

    An alarm is not moved when the next one is later, which is almost always so: the coordinator takes a turn once too
    early, and sets the later alarm then.
    """

    def __init__(self) -> None:
        self._checkpoint, self._event = primitives()
        self._woken = False
        """Whether `wake` was called since the last sleep."""
        self._sleeper: Event | None = None
        """What the coordinator sleeps by, while it does and has not been woken."""
        self._until: float = math.inf
        """When the alarm rings."""
        self._alarm: anyio.CancelScope | None = None
        """The scope whose deadline the alarm is, if it is no timer."""
        self._loop = None if in_trio() or time_is_virtual() else asyncio.get_running_loop()
        """The event loop, if the alarm is a timer of it."""
        self._timer: asyncio.TimerHandle | None = None
        self._context = copy_context()
        """The context of the timer: it must not keep that of a caller alive."""

    def wake(self) -> None:
        """Wake the coordinator; if it does not sleep, its next sleep ends at once."""
        if not self._woken:
            self._woken = True
            if self._sleeper is not None:
                self._sleeper.set()
                self._sleeper = None

    @property
    def asleep(self) -> bool:
        """Whether the coordinator sleeps, and nothing has woken it: then nothing waits for its next turn."""
        return self._sleeper is not None

    def alarm(self) -> anyio.CancelScope:
        """Return a new scope to `sleep` in. If it ends, the alarm has rung; then a new one is needed."""
        self._until = math.inf
        self._alarm = anyio.CancelScope()
        return self._alarm

    def set_alarm(self, until: float) -> None:
        """Have the alarm ring at the loop time ``until`` at the latest; never, if that is infinite."""
        if until < self._until or until == math.inf != self._until:
            self._until = until
            if self._loop is not None:
                self.cancel_timer()
                if until != math.inf:
                    self._timer = self._loop.call_at(until, self._ring, context=self._context)
            else:
                assert self._alarm is not None  # Without one, nothing is ever due.
                self._alarm.deadline = until

    def _ring(self) -> None:
        self._until, self._timer = math.inf, None
        self.wake()

    def cancel_timer(self) -> None:
        """Cancel the timer, if there is one."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def sleep(self, until: float = math.inf) -> None:
        """Sleep until woken, or until the alarm rings, at the latest at the loop time ``until``.

        Always a checkpoint.
        """
        if self._woken:
            await self._checkpoint()
        else:
            self.set_alarm(until)
            sleeper = self._sleeper = self._event()
            try:
                await sleeper.wait()
            finally:
                self._sleeper = None
        self._woken = False

    def clear(self) -> None:
        """Forget the calls of `wake` until now: the coordinator is about to take a turn."""
        self._woken = False


@final
class _Sender(Generic[T]):
    """A sender that waits for room, and its item."""

    __slots__ = ("check", "item", "placed", "refused", "served", "taken", "withdrawn")

    def __init__(self, item: T, check: Callable[[T], None] | None) -> None:
        self.item = item
        self.check = check
        self.served = anyio.Event()
        """Set when the item was put in or refused, or the stream was closed."""
        self.refused: Exception | None = None
        """What the check raised when there was room."""
        self.placed = False
        """Whether the item was put in."""
        self.withdrawn = False
        """Whether the sender was cancelled after the item was put in, but before the sender was resumed."""
        self.taken = False
        """Whether the item has been taken out. From then on it cannot be withdrawn."""


@final
class Inbox(Generic[T]):
    """One bounded stream to the coordinator, with the senders that wait for room in it."""

    def __init__(self, size: int, wakeup: Wakeup) -> None:
        """Make a stream with room for ``size`` items."""
        self.size = size
        self._wakeup = wakeup
        self._checkpoint = primitives().checkpoint
        self._is_virtual = time_is_virtual()
        self._send, self._receive = anyio.create_memory_object_stream[T | _Sender[T]](size)
        self._waiting: deque[_Sender[T]] = deque()
        """The senders that wait for room, in the order in which they came; empty unless the stream is full."""
        self.closed: bool = False
        self.sent: int = 0
        """How many items were ever put in, withdrawn ones included."""
        self.taken: int = 0
        """How many items were ever taken out, withdrawn ones included."""
        self.withdrawn: int = 0
        """How many items were withdrawn: put in for a sender that was cancelled before it was resumed."""
        self.approaching: int = 0
        """How many senders are in `approach`."""

    def __len__(self) -> int:
        """Return how many items are in the stream."""
        return self.sent - self.taken

    @property
    def full(self) -> bool:
        """Whether an item has to wait for room."""
        return not self.closed and self.sent - self.taken >= self.size

    async def approach(self) -> None:
        """Count as a sender that is about to put its item in, for the time of a checkpoint.

        In virtual time many things happen at one instant. There it is two checkpoints, so that a command that is
        carried out in its caller's task finds as much done as one that goes through the stream: a run that begins or
        ends at that instant has begun or ended, whatever the order of the tasks.
        """
        self.approaching += 1
        # Once the stream is closed, callers may come from any event loop, to be refused.
        try:
            await (checkpoint if self.closed else self._checkpoint)()
            if self._is_virtual:
                await (checkpoint if self.closed else self._checkpoint)()
        finally:
            self.approaching -= 1

    async def put(self, item: T, check: Callable[[T], None] | None = None) -> None:
        """Wait for room, then put an item in, unless ``check`` raises, which is called in the same step.

        Always a checkpoint. Cancelled, it has put nothing in. Senders that wait are served in the order in which they
        came.

        Raises:
            anyio.ClosedResourceError: the stream was closed, before the call or while the sender waited.
        """
        await (checkpoint if self.closed else self._checkpoint)()
        if not self.closed and self.sent - self.taken < self.size:
            if check is not None:
                check(item)
            self._put(item)
            return
        if not self.closed:
            sender = _Sender(item, check)
            self._waiting.append(sender)
            try:
                await sender.served.wait()
            except BaseException:
                if sender.taken:
                    # On trio the coordinator may take the item before a cancelled sender is resumed. Then the item
                    # stays in, and the cancellation comes again at the next checkpoint. (On asyncio senders resume
                    # before that.)
                    return  # noqa: ASYNC104  (it is not swallowed: see above)
                self._withdraw(sender)
                raise
            if sender.refused is not None:
                raise sender.refused
            if sender.placed:
                return
        # It is closed. The cancellation that made it close may concern this task, too: it goes before the error.
        await checkpoint()
        raise anyio.ClosedResourceError

    async def put_all(self, items: Sequence[T], check: Callable[[T], None] | None = None) -> None:  # noqa: ASYNC910  (there may be no item)
        """Put items in, in their order, in bursts: wait for room as `put` does, then put in as many as the room allows.

        Each burst is a checkpoint. If it is cancelled, or ``check`` raises, the items of the earlier bursts are in, and
        those of this burst that come before the refused one.

        Raises:
            anyio.ClosedResourceError: the stream was closed, before the call or between two bursts.
        """
        done = 0
        while done < len(items):
            await self.put(items[done], check)
            done += 1
            while done < len(items) and not self.closed and self.sent - self.taken < self.size:
                self.put_nowait(items[done], check)
                done += 1

    def put_nowait(self, item: T, check: Callable[[T], None] | None = None) -> None:
        """Put an item in, unless ``check`` raises, which is called in the same step.

        Raises:
            anyio.WouldBlock: there is no room.
            anyio.ClosedResourceError: the stream is closed.
        """
        if self.closed:
            raise anyio.ClosedResourceError
        if self.sent - self.taken >= self.size:
            raise anyio.WouldBlock
        if check is not None:
            check(item)
        self._put(item)

    def take(self, limit: int) -> list[T]:
        """Take out at most ``limit`` items. The caller deals with them, and then calls `admit_senders`."""
        items: list[T] = []
        receive = self._receive.receive_nowait
        for _ in range(min(limit, self.sent - self.taken)):
            item = receive()
            self.taken += 1
            if not isinstance(item, _Sender):
                items.append(item)
            elif not (sender := cast("_Sender[T]", item)).withdrawn:
                sender.taken = True
                items.append(sender.item)
        return items

    def admit_senders(self) -> None:
        """Put in the items of the senders that wait, as far as there is room.

        To be called when the items that were taken have entered the books. A check that runs earlier, and asks whether
        a key is known, would not find a job that was taken and has not entered yet.
        """
        while self._waiting and len(self) < self.size:
            sender = self._waiting.popleft()
            try:
                if sender.check is not None:
                    sender.check(sender.item)
            except TurnKeeperError as exc:
                sender.refused = exc
            else:
                self._put(sender)
                sender.placed = True
            set_event(sender.served)

    def close(self) -> None:
        """Accept no further item: senders that wait get the error. The items in the stream can still be taken."""
        self.closed = True
        while self._waiting:
            set_event(self._waiting.popleft().served)

    def release(self) -> None:
        """Close the stream itself, empty or not."""
        self._send.close()
        self._receive.close()

    def _put(self, item: T | _Sender[T]) -> None:
        self._send.send_nowait(item)
        self.sent += 1
        self._wakeup.wake()

    def _withdraw(self, sender: _Sender[T]) -> None:
        """Withdraw the item of a sender that was cancelled, and whose item has not been taken."""
        if sender.placed:
            sender.withdrawn = True
            self.withdrawn += 1
        elif sender in self._waiting:
            self._waiting.remove(sender)


STREAM_GAP: Final = 0.0005
"""Seconds: a submission that comes sooner than this after the last were taken continues a stream; the longest wait."""


MAX_GATHERED: Final = 16
"""How many submissions of a stream are gathered at most."""


MIN_SHARE: Final = 2
"""How many submissions a turn may always take, also if it has no outcome while runs wait for workers."""


@final
class SubmissionBatcher:
    """Decides how many submissions each turn takes out of staging."""

    def __init__(
        self,
        engine: Engine,
        staging: Inbox[Submission],
        *,
        clock: BoundClock,
        wakeup: Wakeup,
        reported: Callable[[], int],
    ) -> None:
        """Make a batcher. ``reported`` returns how many workers have reported since the last turn, and so are free."""
        self._engine = engine
        self._reported = reported
        self._staging = staging
        self._clock = clock
        self._wakeup = wakeup
        self._checkpoint = primitives().checkpoint
        self._stream_until = -math.inf
        """The loop time until which a submission continues the stream."""

    async def gather(self) -> None:  # noqa: ASYNC910  (mostly there is nothing to wait for)
        """While submissions come in a stream, wait for more of them: as many as could be started now.

        Taken together they cost fewer turns.
        """
        staging, time = self._staging, self._clock.loop_time
        if not staging or time() >= self._stream_until:
            return  # noqa: ASYNC910  (mostly there is nothing to wait for)
        capacity, before, there = self._engine.capacity, 0, len(staging)
        while before < there < min(capacity + self._reported(), MAX_GATHERED) and time() < self._stream_until:
            await self._checkpoint()
            before, there = there, len(staging)
        self._wakeup.clear()

    def take(self, outcomes: int) -> list[Submission]:
        """Take submissions for one turn, which has taken ``outcomes`` outcomes."""
        submissions = self._staging.take(self._share(outcomes))
        if submissions:
            self._stream_until = self._clock.loop_time() + STREAM_GAP
        return submissions

    def _share(self, outcomes: int) -> int:
        """Return how many submissions to take in this turn: while runs wait for workers, half as many as outcomes.

        A turn can start only as many runs as workers are free, and to take a submission costs about as much as to
        execute a run. If each turn emptied staging, tasks that submit without pause would have the scheduler take a
        hundred jobs for a few runs that it executes.
        """
        if not self._engine.backed_up:
            return BATCH
        return min(BATCH, max(outcomes // 2, MIN_SHARE))
