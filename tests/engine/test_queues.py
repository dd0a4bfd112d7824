"""Both queues, by the same tests: order, stability, removal, and the number of entries that they hold."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from engine_driver import Driver
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from turnkeeper_trio import Interval, PriorityQueueType
from turnkeeper_trio._engine.queues import OUT, HandleQueue, LazyQueue, Queue

QUEUES = [HandleQueue, LazyQueue]
both = pytest.mark.parametrize("make", QUEUES)
Make = Callable[[], Queue[Any]]


class Item:
    """An item with a place. It cannot be compared, like all rows of the engine."""

    def __init__(self, key: Any = None) -> None:
        self.key = key
        self.place = OUT

    def __lt__(self, other: object) -> bool:
        raise AssertionError("items were compared: the keys tied")


def filled(make: Make, keys: list[Any]) -> tuple[Queue[Any], list[Item]]:
    queue, items = make(), [Item(key) for key in keys]
    for number, item in enumerate(items):
        queue.push((item.key, number, item))
    return queue, items


def drained(queue: Queue[Any]) -> list[Item]:
    return [queue.pop() for _ in range(len(queue))]


class Queues(RuleBasedStateMachine):
    """A queue against a sorted list."""

    @initialize(make=st.sampled_from(QUEUES))
    def make(self, make: Make) -> None:
        self.queue = make()
        self.model: list[tuple[int, int, Item]] = []
        self.number = 0
        self.cancelled = 0
        self.lazy = make is LazyQueue

    @rule(keys=st.lists(st.integers(0, 20), min_size=1, max_size=60))
    def push(self, keys: list[int]) -> None:
        for key in keys:
            self.number += 1
            entry = (key, self.number, Item(key))
            self.queue.push(entry)
            self.model.append(entry)
        self.model.sort(key=lambda entry: entry[:2])

    @precondition(lambda self: self.model)
    @rule(many=st.integers(1, 30))
    def pop(self, many: int) -> None:
        for _ in range(min(many, len(self.model))):
            assert self.queue.peek() == self.model[0]
            item = self.queue.pop()
            assert item is self.model.pop(0)[-1]
            assert item.place == OUT

    @precondition(lambda self: self.model)
    @rule(data=st.data(), many=st.integers(1, 40), cancelled=st.booleans())
    def remove(self, data: st.DataObject, many: int, cancelled: bool) -> None:
        for _ in range(min(many, len(self.model))):
            item = self.model.pop(data.draw(st.integers(0, len(self.model) - 1)))[-1]
            self.queue.remove(item, cancelled=cancelled)
            self.cancelled += cancelled

    @rule()
    def look(self) -> None:
        assert self.queue.peek() == (self.model[0] if self.model else None)

    @invariant()
    def they_agree(self) -> None:
        if not hasattr(self, "queue"):
            return
        queue = self.queue
        assert len(queue) == len(self.model)
        assert set(queue) == {entry[-1] for entry in self.model}
        assert list(queue.in_order()) == self.model
        assert all(entry[-1].place != OUT for entry in self.model)
        dead = queue.entries - len(queue)
        assert 0 <= dead <= (len(queue) + 1 if self.lazy else 0)
        assert self.cancelled - dead <= queue.discarded <= self.cancelled
        if self.lazy and dead == 0:
            assert queue.discarded == self.cancelled

    def teardown(self) -> None:
        if hasattr(self, "queue"):
            assert drained(self.queue) == [entry[-1] for entry in self.model]
            assert self.queue.peek() is None


TestQueues = Queues.TestCase
TestQueues.settings = settings(settings.default, stateful_step_count=25)


@both
def test_an_empty_queue_has_nothing(make: Make):
    queue = make()
    assert queue.peek() is None
    assert len(queue) == queue.entries == queue.discarded == 0
    assert list(queue) == list(queue.in_order()) == []


@both
@given(keys=st.lists(st.integers(0, 3), max_size=200))
def test_equal_keys_leave_in_the_order_in_which_they_came(make: Make, keys: list[int]):
    queue, items = filled(make, keys)
    assert drained(queue) == sorted(items, key=lambda item: item.key)


@both
@given(keys=st.lists(st.integers(), min_size=1, max_size=300), seed=st.integers(0, 1000))
def test_what_is_removed_does_not_come_back(make: Make, keys: list[int], seed: int):
    queue, items = filled(make, keys)
    chance = random.Random(seed)
    removed = {item for item in items if chance.random() < 0.5}
    for item in sorted(removed, key=items.index):
        queue.remove(item)
    assert drained(queue) == sorted((item for item in items if item not in removed), key=lambda item: item.key)
    assert queue.discarded == 0


@both
def test_only_what_is_in_the_queue_can_be_removed(make: Make):
    queue, (first, second) = filled(make, [1, 2])
    queue.remove(first)
    with pytest.raises((AssertionError, IndexError)):
        queue.remove(first)
    assert queue.pop() is second
    with pytest.raises((AssertionError, IndexError)):
        queue.remove(second)


def test_the_handle_based_queue_counts_a_cancelled_entry_at_once():
    queue, items = filled(HandleQueue, list(range(100)))
    for item in items[::2]:
        queue.remove(item, cancelled=True)
    assert queue.discarded == 50
    assert queue.entries == len(queue) == 50


def test_the_binary_heap_counts_a_cancelled_entry_when_it_leaves():
    queue, items = filled(LazyQueue, list(range(12)))
    queue.remove(items[3], cancelled=True)
    queue.remove(items[0], cancelled=True)
    queue.remove(items[1])
    assert (queue.discarded, len(queue), queue.entries) == (0, 9, 12)
    assert queue.peek() == (2, 2, items[2])
    assert (queue.discarded, queue.entries) == (1, 10)
    assert queue.pop() is items[2]
    assert queue.pop() is items[4]
    assert (queue.discarded, queue.entries) == (2, 7)


def test_the_binary_heap_is_compacted_in_small_steps_and_goes_on_in_order_meanwhile():
    queue, items = filled(LazyQueue, list(range(3000)))
    removed = items[999::2]
    assert len(removed) == 1001
    for item in removed[:-1]:
        queue.remove(item, cancelled=True)
    assert queue.entries == 3000
    queue.remove(removed[-1], cancelled=True)
    assert 3000 - 32 <= queue.entries < 3000, "compaction takes more than a step"
    assert queue.pop() is items[0]
    late = Item(1)
    queue.push((1, -1, late))
    assert queue.pop() is late
    rest = drained(queue)
    assert rest == [item for item in items[1:] if item not in set(removed)]
    assert queue.entries == 0
    assert queue.discarded == len(removed)


@both
def test_the_queue_is_no_longer_than_two_entries_for_each_live_item(make: Make):
    queue, items = filled(make, list(range(500)))
    chance = random.Random(0)
    for number in range(20_000):
        place = chance.randrange(len(items))
        queue.remove(items[place], cancelled=True)
        items[place] = Item(chance.randrange(1000))
        queue.push((items[place].key, number + 1000, items[place]))
        assert queue.entries <= 2 * len(queue)
    assert [item.key for item in drained(queue)] == sorted(item.key for item in items)


@pytest.mark.slow
@pytest.mark.parametrize("kind", PriorityQueueType)
def test_a_recurring_job_cancelled_and_added_many_times_leaves_the_queue_short(kind: PriorityQueueType):
    driver = Driver(queue=kind, history_limit=100, listening=False)
    queue = driver.state.queue
    driver.check = lambda: None  # with it, the whole state would be repeated 20,000 times
    for _ in range(50):
        driver.add(schedule=Interval(hours=1))
    for _ in range(20_000):
        driver.cancel(driver.add(schedule=Interval(hours=1)))
        assert queue.entries <= 2 * (len(queue) + 1)
    assert len(queue) == 50
    driver.cancel(driver.add(schedule=Interval(hours=1)))
    assert driver.metrics().jobs_lineage_cancelled == 20_001
    del driver.check
    driver.check()
