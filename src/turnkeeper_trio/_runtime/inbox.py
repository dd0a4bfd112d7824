"""How tasks reach the coordinator: a wakeup, and bounded streams in front of it.

A sender waits for room on an event and then puts its item in synchronously; it never waits inside of a ``send``. So a
sender that is cancelled has put nothing in, on any event loop, and a receiver takes what is there without waiting. The
alternative, ``await stream.send(item)``, may be cancelled after the item was handed over.

Those who wait are served in the order in which they came, whatever the event loop makes of it (trio shuffles the tasks
that are woken together): whoever makes room puts their items in for them. The alternative, to wake them and let them
put their items in themselves, lets newcomers and each other overtake them.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar, cast, final

import anyio
from anyio.lowlevel import checkpoint

from turnkeeper_trio._engine.engine import BATCH, Engine, Submission
from turnkeeper_trio._runtime.clock import BoundClock
from turnkeeper_trio._runtime.primitives import Event, primitives, set_event
from turnkeeper_trio.errors import TurnKeeperError

T = TypeVar("T")


@final
class Wakeup:
    """What the coordinator sleeps by: rung, it wakes; it also wakes at a deadline.

    One cancel scope is around many sleeps, for to enter one costs more than to sleep. Nor is its deadline moved to a
    later one, which the next almost always is: the coordinator wakes once for nothing, and moves it then.
    """

    def __init__(self) -> None:
        """Make one that nobody sleeps by yet."""
        self._checkpoint, self._event = primitives()
        self._rung = False
        self._sleeper: Event | None = None
        self._until = math.inf
        self._alarm: anyio.CancelScope | None = None

    def wake(self) -> None:
        """Wake the coordinator, now or when it next goes to sleep."""
        if not self._rung:
            self._rung = True
            if self._sleeper is not None:
                self._sleeper.set()

    def alarm(self) -> anyio.CancelScope:
        """Return a new scope to `sleep` in: when the deadline of a sleep strikes, it ends, and another is needed."""
        self._until = math.inf
        self._alarm = anyio.CancelScope()
        return self._alarm

    async def sleep(self, until: float = math.inf) -> None:
        """Sleep until rung, or until the alarm strikes, no later than at the loop time ``until``. A checkpoint."""
        if self._rung:
            await self._checkpoint()
        else:
            if self._alarm is not None and (until < self._until or until == math.inf != self._until):
                self._until = self._alarm.deadline = until
            self._sleeper = self._event()
            await self._sleeper.wait()
        self._rung = False

    def clear(self) -> None:
        """Take what was rung for until now as heard."""
        self._rung = False


@final
class _Sender(Generic[T]):
    """A sender that waits for room, and its item."""

    __slots__ = ("came", "check", "item", "placed", "refused", "taken", "withdrawn")

    def __init__(self, item: T, check: Callable[[T], None] | None) -> None:
        self.item = item
        self.check = check
        self.came = anyio.Event()
        self.refused: Exception | None = None
        """What the check raised when there was room."""
        self.placed = False
        """Whether the item has been put in for it."""
        self.withdrawn = False
        """Whether it was cancelled after that, and before it could know."""
        self.taken = False
        """Whether the item has been taken out, so that it cannot be withdrawn any more."""


@final
class Inbox(Generic[T]):
    """The sender's end and the coordinator's end of one bounded stream."""

    def __init__(self, size: int, wakeup: Wakeup) -> None:
        """Make a stream of ``size`` places."""
        self.size = size
        self._wakeup = wakeup
        self._checkpoint = primitives().checkpoint
        self._send, self._receive = anyio.create_memory_object_stream[T | _Sender[T]](size)
        self._waiting: deque[_Sender[T]] = deque()
        """Not empty only while the stream is full."""
        self.closed: bool = False
        self.sent: int = 0
        """How many items were ever put in, withdrawn ones included."""
        self.taken: int = 0
        """How many items were ever taken out, withdrawn ones included."""
        self.withdrawn: int = 0
        """How many items were put in for a sender that was cancelled just then."""

    def __len__(self) -> int:
        """Return how many items are in the stream."""
        return self.sent - self.taken

    async def put(self, item: T, check: Callable[[T], None] | None = None) -> None:
        """Wait for room, then put an item in, unless ``check``, called in the same step, raises.

        A checkpoint, then perhaps a wait, then nothing that can be cancelled. Those who wait are served in the order in
        which they came.

        Raises:
            anyio.ClosedResourceError: it has been closed, before or while the sender waited.
        """
        # Once it is closed, callers may come from any event loop, to be refused.
        await (checkpoint if self.closed else self._checkpoint)()
        if not self.closed and self.sent - self.taken >= self.size:
            sender = _Sender(item, check)
            self._waiting.append(sender)
            try:
                await sender.came.wait()
            except BaseException:
                if sender.taken:
                    # On trio, one that is cancelled may be told so only after this has happened. Then it has happened,
                    # and the cancellation comes again at the next checkpoint. (On asyncio senders resume before that.)
                    return  # noqa: ASYNC104  (it is not swallowed: see above)
                self._leave(sender)
                raise
            if sender.refused is not None:
                raise sender.refused
            if sender.placed:
                return
        if self.closed:
            # A cancellation that closed the scheduler has closed this, too, and goes first.
            await checkpoint()
        self.put_nowait(item, check)

    async def put_all(self, items: Sequence[T], check: Callable[[T], None] | None = None) -> None:
        """Put items in, in their order: the first of them as by `put`, and with it as many as there is room for; again.

        Each burst is a checkpoint. Cancelled, or refused by ``check``, the items of the bursts before, and of this one
        those before the refused one, are in.

        Raises:
            anyio.ClosedResourceError: it has been closed, before or between the bursts.
        """
        done = 0
        while done < len(items):
            await self.put(items[done], check)
            done += 1
            while done < len(items) and not self.closed and self.sent - self.taken < self.size:
                self.put_nowait(items[done], check)
                done += 1

    def put_nowait(self, item: T, check: Callable[[T], None] | None = None) -> None:
        """Put an item in, unless ``check``, called in the same step, raises.

        Raises:
            anyio.WouldBlock: there is no room.
            anyio.ClosedResourceError: it has been closed.
        """
        if self.closed:
            raise anyio.ClosedResourceError
        if self.sent - self.taken >= self.size:
            raise anyio.WouldBlock
        if check is not None:
            check(item)
        self._put(item)

    def take(self, limit: int) -> list[T]:
        """Take out what is there, at most ``limit`` items. See to them, and then `admit_senders` those who wait."""
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
        """Put in what those who wait have, as far as there is room.

        Not before what was taken is in the books: a check that asks whether something is known would miss it.
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
            set_event(sender.came)

    def close(self) -> None:
        """Let nothing in any more; those who wait for room get the error. What is in it stays to be taken."""
        self.closed = True
        while self._waiting:
            set_event(self._waiting.popleft().came)

    def release(self) -> None:
        """Close the stream itself, empty or not."""
        self._send.close()
        self._receive.close()

    def _put(self, item: T | _Sender[T]) -> None:
        self._send.send_nowait(item)
        self.sent += 1
        self._wakeup.wake()

    def _leave(self, sender: _Sender[T]) -> None:
        """A sender has given up, and nobody has taken its item."""
        if sender.placed:
            sender.withdrawn = True
            self.withdrawn += 1
        elif sender in self._waiting:
            self._waiting.remove(sender)


STREAM: Final = 0.0005
"""Seconds: what is submitted sooner than this after the last was taken is part of a stream. Nor does it wait longer."""


TOGETHER: Final = 16
"""How many submissions of a stream come together at most."""


SHARE: Final = 2
"""How many submissions are taken in a turn at least, however few runs came back while others wait for workers."""


@final
class SubmissionBatcher:
    """Takes submissions out of staging."""

    def __init__(self, engine: Engine, staging: Inbox[Submission], *, clock: BoundClock, wakeup: Wakeup) -> None:
        """Take from ``staging``."""
        self._engine = engine
        self._staging = staging
        self._clock = clock
        self._wakeup = wakeup
        self._stream_until = -math.inf

    async def gather(self) -> None:  # noqa: ASYNC910  (mostly there is nothing to wait for)
        """If submissions come in a stream, let as many come together as could be started now, while they come."""
        staging, time = self._staging, self._clock.loop_time
        if not staging or time() >= self._stream_until:
            return  # noqa: ASYNC910  (mostly there is nothing to wait for)
        enough, before = min(self._engine.capacity, TOGETHER), 0
        while before < len(staging) < enough and time() < self._stream_until:
            before = len(staging)
            await checkpoint()
        self._wakeup.clear()

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
        if not self._engine.backed_up:
            return BATCH
        return min(BATCH, max(came_back // 2, SHARE))
