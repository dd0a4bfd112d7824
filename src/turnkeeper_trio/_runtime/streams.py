"""How tasks reach the coordinator: a bell, and bounded streams in front of it.

A sender waits for room on an event and then puts its item in synchronously; it never waits inside of a ``send``. So a
sender that is cancelled has put nothing in, on any event loop, and a receiver takes what is there without waiting. The
alternative, ``await stream.send(item)``, may be cancelled after the item was handed over.
"""

import math
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar, final

import anyio
from anyio.lowlevel import checkpoint, checkpoint_if_cancelled

T = TypeVar("T")


@final
class Bell:
    """What the coordinator sleeps by: rung, it wakes; it also wakes at a deadline."""

    def __init__(self) -> None:
        """Make a bell that nobody listens to yet."""
        self._event = anyio.Event()

    def ring(self) -> None:
        """Wake the coordinator, now or when it next goes to sleep."""
        self._event.set()

    async def sleep(self, until: float = math.inf) -> None:
        """Sleep until rung, or until the loop's time is ``until``; always a checkpoint."""
        with anyio.CancelScope(deadline=until):
            await self._event.wait()
        self._event = anyio.Event()


@final
class Inlet(Generic[T]):
    """The sender's end and the coordinator's end of one bounded stream."""

    def __init__(self, size: int, bell: Bell) -> None:
        """Make a stream of ``size`` places."""
        self.size = size
        self._bell = bell
        self._send, self._receive = anyio.create_memory_object_stream[T](size)
        self._waiting: deque[anyio.Event] = deque()
        self.closed = False
        self.sent = 0
        """How many items were ever put in."""
        self.taken = 0
        """How many items were ever taken out."""

    def __len__(self) -> int:
        """Return how many items are in the stream."""
        return self.sent - self.taken

    async def put(self, item: T, check: Callable[[], None] | None = None) -> None:
        """Wait for room, then put an item in: a checkpoint, then perhaps a wait, then nothing that can be cancelled.

        Those who wait are served in the order in which they came.

        Raises:
            anyio.ClosedResourceError: it has been closed, before or while the sender waited.
        """
        await checkpoint()
        first = True
        while not self.closed and (len(self) >= self.size or (first and self._waiting)):
            room = anyio.Event()
            # A sender that was woken and found its place taken goes back to the head of the line.
            if first:
                self._waiting.append(room)
            else:
                self._waiting.appendleft(room)
            first = False
            try:
                await room.wait()
            except BaseException:
                self._leave(room)
                raise
        if self.closed:
            # A cancellation that closed the scheduler has closed this, too, and goes first.
            await checkpoint_if_cancelled()
        self.put_nowait(item, check)

    def put_nowait(self, item: T, check: Callable[[], None] | None = None) -> None:
        """Put an item in, unless ``check``, called in the same step, raises.

        Raises:
            anyio.WouldBlock: there is no room.
            anyio.ClosedResourceError: it has been closed.
        """
        if self.closed:
            raise anyio.ClosedResourceError
        if len(self) >= self.size:
            raise anyio.WouldBlock
        if check is not None:
            check()
        self._send.send_nowait(item)
        self.sent += 1
        self._bell.ring()

    def take(self, limit: int) -> list[T]:
        """Take out what is there, at most ``limit`` items, and wake as many senders as there is room for."""
        items = [self._receive.receive_nowait() for _ in range(min(limit, len(self)))]
        self.taken += len(items)
        self._wake(self.size - len(self))
        return items

    def close(self) -> None:
        """Let nothing in any more; those who wait for room get the error. What is in it stays to be taken."""
        self.closed = True
        self._wake(len(self._waiting))

    def release(self) -> None:
        """Close the stream itself, empty or not."""
        self._send.close()
        self._receive.close()

    def _wake(self, room: int) -> None:
        for _ in range(min(room, len(self._waiting))):
            self._waiting.popleft().set()

    def _leave(self, room: anyio.Event) -> None:
        """A sender has given up: if it had been woken already, its turn goes to the next."""
        if room.is_set():
            self._wake(1)
        else:
            self._waiting.remove(room)
