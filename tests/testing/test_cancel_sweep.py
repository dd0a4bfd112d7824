"""`cancel_sweep` finds what it is meant to find: each planted fault, at a step that can be named again."""

import asyncio
from collections.abc import Callable
from typing import Any

import anyio
import pytest
import trio
from back_ends import EACH_CANCELLATION

from turnkeeper_trio.testing import run
from turnkeeper_trio.testing._backends import Backend
from turnkeeper_trio.testing._cancel_sweep import SweepError, cancel_sweep
from turnkeeper_trio.testing._cancel_sweep_run import How

BOTH = pytest.mark.parametrize("backend", ["trio", "asyncio"])


class BoundedLog:
    """Items wait on the left and belong on the right; none may be lost on the way."""

    def __init__(self) -> None:
        self.left = [1, 2, 3]
        self.right: list[int] = []

    def check(self) -> None:
        assert sorted(self.left + self.right) == [1, 2, 3]


async def careful(log: BoundedLog) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 1)
        while log.left:
            await anyio.sleep(0.25)
            log.right.append(log.left.pop())


async def careless(log: BoundedLog) -> None:
    while log.left:
        item = log.left.pop()
        await anyio.sleep(1)
        log.right.append(item)


def nothing(_: object) -> None: ...


def sweep(scenario: Callable[[Any], Any], **options: Any) -> int:
    return cancel_sweep(scenario, BoundedLog.check, state=BoundedLog, **options)


@EACH_CANCELLATION
def test_a_sound_scenario_passes_and_its_steps_are_counted(backend: Backend, how: How) -> None:
    shelves: list[BoundedLog] = []

    def log() -> BoundedLog:
        shelves.append(BoundedLog())
        return shelves[-1]

    steps = cancel_sweep(careful, BoundedLog.check, state=log, backend=backend, how=how)
    assert steps >= 5
    assert len(shelves) >= steps
    assert shelves[0].right == [3, 2, 1]
    assert {len(log.right) for log in shelves} == {0, 1, 2, 3}


@EACH_CANCELLATION
def test_a_lost_item_is_found_and_the_place_is_named(backend: Backend, how: How) -> None:
    with pytest.raises(SweepError, match="the invariant does not hold") as found:
        sweep(careless, backend=backend, how=how)
    error = found.value
    assert (error.backend, error.how, error.seed) == (backend, how, 0)
    assert error.step >= 1
    assert f"at step {error.step}" in str(error)
    assert "in careless" in str(error)
    assert isinstance(error.__cause__, AssertionError)


@EACH_CANCELLATION
def test_a_leaked_task_is_found(backend: Backend, how: How) -> None:
    async def scenario(_: BoundedLog) -> None:
        if backend == "trio":
            task = trio.lowlevel.spawn_system_task(anyio.sleep, 1000, name="leaky")
            await anyio.sleep(1)
            nursery = task.parent_nursery
            assert nursery is not None
            await anyio.sleep(1001)
            assert task not in nursery.child_tasks
        else:
            leak = asyncio.get_running_loop().create_task(asyncio.sleep(1000), name="leaky")
            await anyio.sleep(1)
            await asyncio.wait({leak})

    with pytest.raises(SweepError, match="still alive: leaky"):
        sweep(scenario, backend=backend, how=how)


@EACH_CANCELLATION
def test_a_hang_is_found_even_behind_a_shield(backend: Backend, how: How) -> None:
    async def scenario(_: BoundedLog) -> None:
        try:
            await anyio.sleep(1)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await anyio.Event().wait()
            raise

    with pytest.raises(SweepError, match="the run hangs") as found:
        sweep(scenario, backend=backend, how=how)
    assert "waits at" in str(found.value)
    assert ", in test_a_hang" in str(found.value)


@EACH_CANCELLATION
def test_an_error_is_found_unless_it_is_allowed(backend: Backend, how: How) -> None:
    async def scenario(_: BoundedLog) -> None:
        try:
            await anyio.sleep(1)
        finally:
            raise LookupError

    with pytest.raises(SweepError, match="an error left the scenario: LookupError") as found:
        sweep(scenario, backend=backend, how=how)
    assert found.value.step == 0
    assert "not cancelled at all" in str(found.value)
    sweep(scenario, backend=backend, how=how, allow=LookupError)


@BOTH
def test_an_async_invariant_is_awaited(backend: Backend) -> None:
    async def check(log: BoundedLog) -> None:
        await anyio.sleep(1)
        log.check()

    with pytest.raises(SweepError, match="the invariant does not hold"):
        cancel_sweep(careless, check, state=BoundedLog, backend=backend)
    assert cancel_sweep(careful, check, state=BoundedLog, backend=backend) > 0


@BOTH
def test_a_stride_visits_fewer_steps(backend: Backend) -> None:
    runs: list[BoundedLog] = []

    def log() -> BoundedLog:
        runs.append(BoundedLog())
        return runs[-1]

    steps = cancel_sweep(careful, BoundedLog.check, state=log, backend=backend, stride=4)
    assert len(runs) <= steps // 4 + 3


def test_trio_has_no_native_cancellation() -> None:
    with pytest.raises(ValueError, match="only asyncio"):
        sweep(careful, backend="trio", how="task")


def test_a_broken_run_is_a_finding() -> None:
    async def scenario(_: BoundedLog) -> None:
        asyncio.get_running_loop().stop()
        await anyio.sleep(1)

    with pytest.raises(SweepError, match="the run broke"):
        sweep(scenario, backend="asyncio")


@pytest.mark.parametrize("seed", range(5))
def test_the_same_seed_fails_at_the_same_step(seed: int) -> None:
    def find() -> tuple[int, str]:
        with pytest.raises(SweepError) as found:
            sweep(careless, seed=seed)
        return found.value.step, str(found.value)

    assert find() == find()


def test_seeds_give_schedules() -> None:
    async def order() -> tuple[int, ...]:
        seen: list[int] = []

        async def child(number: int) -> None:
            for _ in range(2):
                await anyio.sleep(1)
                seen.append(number)

        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(child, number)
        return tuple(seen)

    schedules = [run(order, seed=seed) for seed in range(20)]
    assert len(set(schedules)) > 10
    assert schedules == [run(order, seed=seed) for seed in range(20)]
    assert len({run(order, seed=seed, backend="asyncio") for seed in range(5)}) == 1
