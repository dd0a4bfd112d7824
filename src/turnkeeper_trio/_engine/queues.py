"""Two queues of entries ordered by a key, behind one protocol.

An entry is a tuple: first its key (integers that are unique together), last the item itself. The item holds its place
in the queue, so that it can be removed without a search: in the handle-based queue the place is an index, in the lazy
queue it only says whether the entry is alive.

The handle-based queue is not a binary heap with sifting in Python, as in textbooks, because that is slower. With eight
children to a node the tree is a third as high, and ``min`` over a slice of tuples runs in C. The least child knows its
own index, so it is not searched for.
"""

from collections.abc import Iterator
from heapq import heappop, heappush, merge
from typing import Any, Final, Generic, Protocol, TypeVar, final

OUT: Final = -1
"""The place of an item that is in no queue."""


class Placed(Protocol):
    """An item that a queue can hold."""

    place: int
    """Its place in the queue that it is in; `OUT` if it is in none. Only queues write it."""


T = TypeVar("T", bound=Placed)


class Queue(Protocol[T]):
    """Entries by key, the least first."""

    discarded: int
    """How many cancelled entries have left the queue without being popped."""

    def __len__(self) -> int:
        """Return the number of live items."""
        ...

    def __iter__(self) -> Iterator[T]:
        """Iterate over the live items, in no particular order."""
        ...

    def in_order(self) -> Iterator[tuple[Any, ...]]:
        """Iterate over the live entries in their order, lazily. The queue must not change meanwhile."""
        ...

    @property
    def entries(self) -> int:
        """The number of entries, dead ones included."""
        ...

    def push(self, entry: tuple[Any, ...], /) -> None:
        """Add an entry. Its item must be in no queue, and must not have been removed from this one before."""
        ...

    def peek(self) -> tuple[Any, ...] | None:
        """Return the least live entry without removing it; ``None`` if there is none."""
        ...

    def pop(self) -> T:
        """Remove the least live entry and return its item. The queue must not be empty."""
        ...

    def pop_until(self, last: int) -> T | None:
        """Remove the least live entry and return its item, if its key begins with ``last`` or less; else ``None``."""
        ...

    def remove(self, item: T, /, *, cancelled: bool = False) -> None:
        """Remove an item that is in this queue. If ``cancelled``, it counts in `discarded` when its entry leaves."""
        ...


def _heap_in_order(heap: list[tuple[Any, ...]], arity: int) -> Iterator[tuple[Any, ...]]:
    """Iterate over a heap in order. The frontier is a small heap of the entries that may come next."""
    frontier = [(heap[0], 0)] if heap else []
    while frontier:
        entry, place = heappop(frontier)
        yield entry
        first = place * arity + 1
        for below in range(first, min(first + arity, len(heap))):
            heappush(frontier, (heap[below], below))


_ARITY_SHIFT = 3
_ARITY = 1 << _ARITY_SHIFT


@final
class HandleQueue(Generic[T]):
    """A heap in which each item knows its index: a removed entry leaves at once, in O(log n)."""

    __slots__ = ("_entries", "discarded")

    def __init__(self) -> None:
        self._entries: list[tuple[Any, ...]] = []
        self.discarded = 0

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self._entries)

    def __iter__(self) -> Iterator[T]:
        """Iterate over the items, in no particular order."""
        for entry in self._entries:
            yield entry[-1]

    def in_order(self) -> Iterator[tuple[Any, ...]]:
        """Iterate over the entries in their order."""
        return _heap_in_order(self._entries, _ARITY)

    @property
    def entries(self) -> int:
        """The number of entries, all of them alive."""
        return len(self._entries)

    def push(self, entry: tuple[Any, ...], /) -> None:
        """Add an entry."""
        place = len(self._entries)
        self._entries.append(entry)
        if place:
            self._rise(place, entry)
        else:
            entry[-1].place = 0

    def peek(self) -> tuple[Any, ...] | None:
        """Return the least entry without removing it; ``None`` if there is none."""
        return self._entries[0] if self._entries else None

    def pop(self) -> T:
        """Remove the least entry and return its item."""
        item: T = self._entries[0][-1]
        last = self._entries.pop()
        if self._entries:
            self._sink(0, last)
        item.place = OUT
        return item

    def pop_until(self, last: int) -> T | None:
        """Remove the least entry and return its item, if its key begins with ``last`` or less."""
        return self.pop() if self._entries and self._entries[0][0] <= last else None

    def remove(self, item: T, /, *, cancelled: bool = False) -> None:
        """Remove an item that is in this queue."""
        assert self._entries[item.place][-1] is item
        self._take_out(item.place)
        item.place = OUT
        self.discarded += cancelled

    def _take_out(self, place: int) -> None:
        last = self._entries.pop()
        if place == len(self._entries):
            return
        if place and last < self._entries[(place - 1) >> _ARITY_SHIFT]:
            self._rise(place, last)
        else:
            self._sink(place, last)

    def _rise(self, place: int, entry: tuple[Any, ...]) -> None:
        entries = self._entries
        while place:
            above = (place - 1) >> _ARITY_SHIFT
            parent = entries[above]
            if parent < entry:
                break
            entries[place] = parent
            parent[-1].place = place
            place = above
        entries[place] = entry
        entry[-1].place = place

    def _sink(self, place: int, entry: tuple[Any, ...]) -> None:
        entries = self._entries
        size = len(entries)
        while (first := (place << _ARITY_SHIFT) + 1) < size:
            child = min(entries[first : first + _ARITY])
            if entry < child:
                break
            below: int = child[-1].place
            entries[place] = child
            child[-1].place = place
            place = below
        entries[place] = entry
        entry[-1].place = place


_IN: Final = 0
_CANCELLED: Final = -2
_STEP: Final = 32


@final
class LazyQueue(Generic[T]):
    """A binary heap: a removed entry stays in it, dead, until it is the least one or the heap is compacted.

    Compaction must not block the event loop, even with a million entries, so it is done in small steps. With each
    operation a few entries move from the end of the old heap (which is still a heap without its last entry) to a new
    one, and meanwhile both are used. It begins when a third of the entries are dead, so that it ends before half of
    them are.
    """

    __slots__ = ("_dead", "_heap", "_old", "discarded")

    def __init__(self) -> None:
        self._heap: list[tuple[Any, ...]] = []
        self._old: list[tuple[Any, ...]] = []
        self._dead = 0
        self.discarded = 0

    def __len__(self) -> int:
        """Return the number of live items."""
        return self.entries - self._dead

    def __iter__(self) -> Iterator[T]:
        """Iterate over the live items, in no particular order."""
        for heap in (self._heap, self._old):
            for entry in heap:
                if entry[-1].place == _IN:
                    yield entry[-1]

    def in_order(self) -> Iterator[tuple[Any, ...]]:
        """Iterate over the live entries in their order."""
        both = merge(_heap_in_order(self._heap, 2), _heap_in_order(self._old, 2))
        for entry in both:
            if entry[-1].place == _IN:
                yield entry

    @property
    def entries(self) -> int:
        """The number of entries, dead ones included."""
        return len(self._heap) + len(self._old)

    def push(self, entry: tuple[Any, ...], /) -> None:
        """Add an entry."""
        entry[-1].place = _IN
        heappush(self._heap, entry)
        if self._old:
            self._compact()

    def peek(self) -> tuple[Any, ...] | None:
        """Return the least live entry without removing it, or ``None``; dead entries before it are removed."""
        heap = self._least()
        return heap[0] if heap else None

    def pop(self) -> T:
        """Remove the least live entry and return its item."""
        item: T = heappop(self._least())[-1]
        item.place = OUT
        if self._old:
            self._compact()
        return item

    def pop_until(self, last: int) -> T | None:
        """Remove the least live entry and return its item, if its key begins with ``last`` or less."""
        least = self.peek()
        return self.pop() if least is not None and least[0] <= last else None

    def remove(self, item: T, /, *, cancelled: bool = False) -> None:
        """Mark the entry of an item in this queue as dead."""
        assert item.place == _IN
        item.place = _CANCELLED if cancelled else OUT
        self._dead += 1
        if self._old or self._dead * 3 > self.entries:
            self._compact()

    def _least(self) -> list[tuple[Any, ...]]:
        """Return the heap whose first entry is the least live one; an empty heap if there is none."""
        for heap in (self._heap, self._old):
            while heap and heap[0][-1].place != _IN:
                self._discard(heappop(heap))
        if self._old and (not self._heap or self._old[0] < self._heap[0]):
            return self._old
        return self._heap

    def _discard(self, entry: tuple[Any, ...]) -> None:
        item = entry[-1]
        self._dead -= 1
        self.discarded += item.place == _CANCELLED
        item.place = OUT

    def _compact(self) -> None:
        if not self._old:
            self._old, self._heap = self._heap, self._old
        for _ in range(min(_STEP, len(self._old))):
            entry = self._old.pop()
            if entry[-1].place == _IN:
                heappush(self._heap, entry)
            else:
                self._discard(entry)
