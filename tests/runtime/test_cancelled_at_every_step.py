"""Cancellation at every step of a rich scenario, on many schedules: nothing is left alive, nothing is unaccounted for.

A few schedules are visited each time; ``TURNKEEPER_INJECTIONS=200`` asks for as many seeds of trio's.
"""

import asyncio
import gc
import os
import random
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest
from back_ends import EACH_CANCELLATION

from turnkeeper_trio import (
    After,
    FixedRetryDelay,
    Interval,
    Outcome,
    PriorityQueueType,
    RecurringJobRequest,
    RunRecord,
    Scheduler,
    SchedulerClosed,
    SubmitError,
    current_scheduler,
    open_scheduler,
)
from turnkeeper_trio.testing._backends import Backend
from turnkeeper_trio.testing._cancel_sweep import cancel_sweep
from turnkeeper_trio.testing._cancel_sweep_run import How
from turnkeeper_trio.testing._run import run

pytestmark = pytest.mark.slow

SEEDS = int(os.environ.get("TURNKEEPER_INJECTIONS", "2"))


class World:
    """What a run of a scenario leaves behind, for the checks."""

    def __init__(self) -> None:
        self.schedulers: list[Scheduler] = []
        self.begun = 0
        self.ended = 0
        self.taken = 0
        self.events: list[Any] = []
        self.records: list[RunRecord] = []

    def on_run_started(self, event: Any) -> None:
        self.events.append(event)

    def on_run_finished(self, event: Any) -> None:
        self.events.append(event)
        self.records.append(event.record)

    def on_scheduler_stopped(self, event: Any) -> None:
        self.events.append(event)

    # The jobs.

    async def steady(self) -> str:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0.5)
            await self.counted(1)
        return "steady"

    async def failing(self) -> None:
        await self.counted(0.3)
        raise ValueError("as always")

    async def cleaning(self) -> None:
        try:
            await self.counted(50)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.7)

    async def submitting(self) -> None:
        await self.counted(0.1)
        await current_scheduler().add_job(RecurringJobRequest("child", After(0.2)), self.steady)
        self.taken += 1

    async def counted(self, seconds: float) -> None:
        self.begun += 1
        try:
            await anyio.sleep(seconds)
        finally:
            self.ended += 1

    # What must be true whenever and however it was cancelled.

    def check(self) -> None:
        assert self.begun == self.ended
        for scheduler in self.schedulers:
            metrics = scheduler.get_metrics_snapshot()
            assert metrics.books.balanced, metrics.books
            assert metrics.books.active == 0
            assert metrics.workers_active_current == 0
            assert metrics.job_staging_buffer_current == 0
            assert metrics.jobs_submitted == metrics.staging_submitted_total
            assert metrics.jobs_submitted >= self.taken
            report = scheduler.shutdown_report
            assert report is not None
            assert report.still_running == ()
            assert report.unrun == metrics.books.pending
            assert len(report.interrupted) == metrics.books.interrupted
            assert sum(record.count for record in report.never_started) == metrics.books.never_started
            state = scheduler._parts.engine.state
            assert not state.assigned
            assert not state.active
        ran = [record for record in self.records if record.attempts]
        assert len({record.run_id for record in ran}) == len(ran)
        if self.schedulers and self.events:
            assert [type(event).__name__ for event in self.events].count("SchedulerStopped") <= 1


async def rich(world: World) -> None:
    """Several jobs, retries, timeouts, a cancel, a trigger, a job that submits, full staging, a graceful shutdown."""
    async with open_scheduler(
        max_workers=2, staging_buffer_size=2, command_buffer_size=1, shutdown_grace=3, observers=[world]
    ) as scheduler:
        world.schedulers.append(scheduler)

        async def add(request: RecurringJobRequest, fn: Callable[..., Any]) -> Any:
            job_id = await scheduler.add_job(request, fn)
            world.taken += 1
            return job_id

        steady = await add(RecurringJobRequest("steady", Interval(seconds=2), jitter=0.5), world.steady)
        request = RecurringJobRequest("failing", After(0.5), 2, retry=FixedRetryDelay(1))
        failing = await add(request, world.failing)
        timed = await add(
            RecurringJobRequest("timed", After(1), 1, retry=FixedRetryDelay(1), timeout=1), world.cleaning
        )
        cut = await add(RecurringJobRequest("cut", After(0)), world.cleaning)
        by_hand = await add(RecurringJobRequest("by hand"), world.steady)
        await add(RecurringJobRequest("submitting", After(1)), world.submitting)
        await anyio.sleep(1)
        async with anyio.create_task_group() as group:
            group.start_soon(scheduler.wait_job, failing)
            group.start_soon(scheduler.cancel_job, cut)
            for _ in range(3):
                group.start_soon(scheduler.add_job, RecurringJobRequest("extra", After(4)), world.steady)
            run_id = await scheduler.trigger_job_now(by_hand)
            with suppress(SubmitError):
                scheduler.try_add_job(RecurringJobRequest("tried", After(0)), world.steady)
            await scheduler.cancel_job(cut, cancel_running=True)
        await scheduler.wait_run(run_id)
        await scheduler.skip_next_run(steady)
        with anyio.move_on_after(1.2):
            await scheduler.wait_job(timed)
        await scheduler.delete_job(failing)
        await scheduler.list_active_runs()
        await scheduler.shutdown_graceful()


async def leaving(world: World) -> None:
    """Leave a busy block: a grace, then force; runs that clean up; staged jobs; a command on its way."""
    async with open_scheduler(max_workers=3, shutdown_grace=1, job_dispatch_buffer_size=2) as scheduler:
        world.schedulers.append(scheduler)
        for number in range(3):
            await scheduler.add_job(RecurringJobRequest("cleaning", After(0)), world.cleaning)
            await scheduler.add_job(RecurringJobRequest("steady", After(0.2 * number)), world.steady)
        await anyio.sleep(0.5)
        scheduler.try_add_job(RecurringJobRequest("staged", After(0)), world.steady)


async def forced(world: World) -> None:
    """Two callers shut down at once, one gracefully, one by force, while others wait for runs that will not come."""
    async with open_scheduler(max_workers=2, priority_queue=PriorityQueueType.BINARY_HEAP) as scheduler:
        world.schedulers.append(scheduler)
        later = await scheduler.add_job(RecurringJobRequest("later", After(100)), world.steady)
        await scheduler.add_job(RecurringJobRequest("cleaning", After(0)), world.cleaning)
        async with anyio.create_task_group() as group:
            group.start_soon(wait_in_vain, scheduler, later)
            await anyio.sleep(0.5)
            group.start_soon(scheduler.shutdown_graceful)
            await scheduler.shutdown_force()


async def wait_in_vain(scheduler: Scheduler, job_id: Any) -> None:
    with suppress(SchedulerClosed):
        await scheduler.wait_job(job_id)


async def failing_body(world: World) -> None:
    """The body raises while runs are busy: its exception leaves, or the cancellation does."""
    async with open_scheduler(max_workers=2) as scheduler:
        world.schedulers.append(scheduler)
        await scheduler.add_job(RecurringJobRequest("cleaning", After(0)), world.cleaning)
        await anyio.sleep(0.5)
        raise LookupError("the body's own")


SCENARIOS = [rich, leaving, forced, failing_body]


def sweep(scenario: Callable[[World], Any], **options: Any) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        steps = cancel_sweep(scenario, World.check, state=World, allow=LookupError, **options)
        gc.collect()  # a stream that nobody closed would say so here
    return steps


@EACH_CANCELLATION
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_cancelled_at_any_step_nothing_is_left_and_the_books_balance(
    scenario: Callable[[World], Any], backend: Backend, how: How
) -> None:
    assert sweep(scenario, backend=backend, how=how) > 20


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_on_other_schedules_of_trio_too(scenario: Callable[[World], Any]) -> None:
    for seed in range(1, SEEDS + 1):
        assert sweep(scenario, backend="trio", seed=seed) > 20


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_undisturbed_it_is_the_same_on_every_schedule(scenario: Callable[[World], Any], backend: Backend) -> None:
    """Without a cancellation, the scenario does what it says."""
    for seed in range(20 if backend == "trio" else 1):
        world = World()
        if scenario is failing_body:
            with pytest.raises(LookupError):
                run(scenario, world, backend=backend, seed=seed)
        else:
            run(scenario, world, backend=backend, seed=seed)
        world.check()
        outcomes = {record.outcome for record in world.records}
        if scenario is rich:
            assert {Outcome.SUCCEEDED, Outcome.FAILED, Outcome.CANCELLED} <= outcomes
            assert type(world.events[-1]).__name__ == "SchedulerStopped"


@pytest.mark.parametrize("seed", range(SEEDS * 2))
def test_native_cancellation_may_come_again_and_again(seed: int) -> None:
    """Several cancellations, as by an impatient supervisor: each may come at any step, also during the last one."""
    rng = random.Random(seed)
    world = World()

    async def main() -> None:
        before = asyncio.all_tasks()
        task = asyncio.ensure_future(rich(world))
        await anyio.sleep(rng.random() * 6)
        for _ in range(5):
            for _ in range(rng.randrange(12)):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.wait({task})
        assert task.cancelled() or task.exception() is None
        assert asyncio.all_tasks() == before

    for _ in range(10):
        world = World()
        run(main, backend="asyncio")
        world.check()


@pytest.mark.parametrize("seed", range(SEEDS * 2))
def test_every_task_may_be_cancelled_at_any_moment(seed: int) -> None:
    rng = random.Random(seed)
    world = World()

    async def main() -> None:
        before = asyncio.all_tasks()
        task = asyncio.ensure_future(rich(world))
        await anyio.sleep(rng.random() * 6)
        for _ in range(rng.randrange(12)):
            await asyncio.sleep(0)
        for each in asyncio.all_tasks() - before:
            each.cancel()
        await asyncio.wait({task})
        assert task.cancelled() or task.exception() is None
        assert asyncio.all_tasks() == before

    for _ in range(10):
        world = World()
        run(main, backend="asyncio")
        world.check()
