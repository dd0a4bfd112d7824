"""Every operation of the handle, under what may befall it: cancellation at each step, jobs, tasks, shutdown, the end.

Each is described once, by what it needs and what it does. The books balance and nobody is left waiting, whatever comes.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from turnkeeper_trio import (
    InternalError,
    Interval,
    JobSet,
    Never,
    OnConflict,
    Overlap,
    RecurringJobRequest,
    RunPhase,
    Scheduler,
    SchedulerClosed,
    TurnKeeperError,
    WouldDeadlock,
    open_scheduler,
)
from turnkeeper_trio._engine.invariants import check
from turnkeeper_trio.testing._cancel_sweep import cancel_sweep
from turnkeeper_trio.testing._run import run


@dataclass
class World:
    """A scheduler with a run in each phase; what operations work on."""

    scheduler: Scheduler = field(init=False)
    began: list[str] = field(default_factory=list)
    alive: int = 0
    executing: Any = None
    retrying: Any = None
    waiting: Any = None
    planned: Any = None
    keyed: Any = None
    runs: dict[RunPhase, Any] = field(default_factory=dict)
    next_run: Any = None

    async def work(self, name: str, seconds: float) -> None:
        self.began.append(name)
        self.alive += 1
        try:
            await anyio.sleep(seconds)
            if name == "retrying":
                raise ValueError(name)
        finally:
            self.alive -= 1

    async def fill(self) -> None:
        """Have a run in each phase, and one planned."""
        add = self.scheduler.add_job
        executing = RecurringJobRequest("executing", Never(), overlap=Overlap.BUFFER_ALL)
        retrying = RecurringJobRequest("retrying", Never(), max_retries=3)
        self.executing = await add(executing, self.work, "executing", 50)
        self.retrying = await add(retrying, self.work, "retrying", 0)
        self.planned = await add(RecurringJobRequest("planned", Interval(30)), self.work, "planned", 1)
        self.keyed = await add(RecurringJobRequest("keyed", Interval(40), key="k"), self.work, "keyed", 1)
        trigger = self.scheduler.trigger_job_now
        self.runs[RunPhase.EXECUTING] = await trigger(self.executing)
        self.runs[RunPhase.QUEUED] = await trigger(self.executing)
        self.runs[RunPhase.WAITING_RETRY] = await trigger(self.retrying)
        self.next_run = (await self.scheduler.get_job_details(self.planned)).next_run_instance
        await anyio.sleep(1)

    def check(self) -> None:
        check(self.scheduler._parts.engine.state)

    def is_over(self) -> None:
        """Check that everything has ended, and that the books balance."""
        self.check()
        assert self.alive == 0
        books = self.scheduler.get_metrics_snapshot().books
        assert books.balanced
        assert books.active == 0
        report = self.scheduler.shutdown_report
        assert report is not None
        assert report.still_running == ()
        assert report.unrun == books.pending
        state = self.scheduler._parts.engine.state
        assert not state.assigned


_EXECUTING = RunPhase.EXECUTING
_REPLACE = Overlap.CANCEL_OTHER


async def add_many(world: World, *, atomic: bool) -> Any:
    request = RecurringJobRequest("one of many", Interval(5), key="k")
    return await world.scheduler.add_jobs([(request, world.work, "one of many", 1)], atomic=atomic)


async def apply(world: World) -> Any:
    jobs = JobSet()
    jobs.add(RecurringJobRequest("keyed", Interval(40), key="k"), world.work, "keyed", 1)
    jobs.add(RecurringJobRequest("from a set", Interval(5)), world.work, "from a set", 1)
    return await world.scheduler.apply(jobs)


async def scheduled(world: World) -> None:
    async with world.scheduler.scheduled(RecurringJobRequest("scoped", Interval(2)), world.work, "scoped", 1):
        await anyio.sleep(3)


async def paused(world: World, *, wait: bool = False) -> None:
    async with world.scheduler.paused(wait=wait):
        began = len(world.began)
        await anyio.sleep(100)
        assert len(world.began) == began, "something began while everything was paused"


async def events(world: World) -> None:
    async with world.scheduler.events() as told:
        await world.scheduler.skip_next_run(world.planned)
        await anext(told)


async def add(world: World, **options: Any) -> Any:
    request = RecurringJobRequest("keyed", Interval(7), key="k")
    return await world.scheduler.add_job(request, world.work, "again", 1, **options)


async def pause_and_resume(world: World) -> None:
    await world.scheduler.pause_job(world.planned, note="n")
    await world.scheduler.resume_job(world.planned)


async def pause_and_resume_all(world: World) -> None:
    await world.scheduler.pause_all()
    await world.scheduler.resume_all()


@dataclass
class Operation:
    name: str
    do: Callable[[World], Awaitable[Any]]
    asks: bool = False
    """Whether it only asks, so that it is answered after the end, too."""
    closes: bool = False
    """Whether it shuts the scheduler down."""
    refused_inside: tuple[int, ...] = ()
    """With how many workers it is refused from inside of a job."""


def operations() -> list[Operation]:
    def of(name: str, do: Callable[[World], Awaitable[Any]], **options: Any) -> Operation:
        return Operation(name, do, **options)

    phases = [
        of(f"cancel_run {phase}", lambda world, phase=phase: world.scheduler.cancel_run(world.runs[phase], reason="r"))
        for phase in (RunPhase.EXECUTING, RunPhase.QUEUED, RunPhase.WAITING_RETRY)
    ]
    return [
        *phases,
        of("cancel_run planned", lambda world: world.scheduler.cancel_run(world.next_run)),
        of("cancel_job", lambda world: world.scheduler.cancel_job(world.executing)),
        of("cancel_job running", lambda world: world.scheduler.cancel_job(world.executing, cancel_running=True)),
        of("delete_job", lambda world: world.scheduler.delete_job(world.executing)),
        of("skip_next_run", lambda world: world.scheduler.skip_next_run(world.planned)),
        of("trigger_job_now", lambda world: world.scheduler.trigger_job_now(world.planned, overlap=Overlap.ALLOW_ALL)),
        of("trigger replacing", lambda world: world.scheduler.trigger_job_now(world.executing, overlap=_REPLACE)),
        of("update_job", lambda world: world.scheduler.update_job(world.planned, schedule=Interval(3), priority=5)),
        of("update narrower", lambda world: world.scheduler.update_job(world.executing, overlap=Overlap.SKIP)),
        of("pause and resume", pause_and_resume),
        of("pause_job", lambda world: world.scheduler.pause_job(world.executing)),
        of("resume_job", lambda world: world.scheduler.resume_job(world.planned)),
        of("pause_all", lambda world: world.scheduler.pause_all(note="n")),
        of("resume_all", pause_and_resume_all),
        of("paused", paused),
        of("paused waiting", lambda world: paused(world, wait=True), refused_inside=(1, 3)),
        of("add_job", add),
        of("add_job replacing", lambda world: add(world, on_conflict=OnConflict.REPLACE)),
        of("add_jobs", lambda world: add_many(world, atomic=False)),
        of("add_jobs at once", lambda world: add_many(world, atomic=True)),
        of("apply", apply),
        of("scheduled", scheduled),
        of("events", events),
        of("wait_run", lambda world: world.scheduler.wait_run(world.runs[_EXECUTING]), asks=True, refused_inside=(1,)),
        of("wait_job", lambda world: world.scheduler.wait_job(world.executing), asks=True, refused_inside=(1,)),
        of("wait_idle", lambda world: world.scheduler.wait_idle(due_only=True), asks=True, refused_inside=(1, 3)),
        of("get_job_details", lambda world: world.scheduler.get_job_details(world.planned), asks=True),
        of("list_active_runs", lambda world: world.scheduler.list_active_runs(), asks=True),
        of("upcoming_runs", lambda world: world.scheduler.upcoming_runs(limit=9), asks=True),
        of("get_run_history", lambda world: world.scheduler.get_run_history(), asks=True),
        of("shutdown_graceful", lambda world: world.scheduler.shutdown_graceful(), closes=True, refused_inside=(1, 3)),
        of("shutdown_force", lambda world: world.scheduler.shutdown_force(), closes=True, refused_inside=(1, 3)),
    ]  # fmt: skip


OPERATIONS = operations()
each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
@each_operation
def test_cancelled_at_any_step(operation, backend):
    async def scenario(world: World) -> None:
        async with open_scheduler(max_workers=3) as scheduler:
            world.scheduler = scheduler
            await world.fill()
            await operation.do(world)
            world.check()

    async def over(world: World) -> None:
        if hasattr(world, "scheduler"):
            world.is_over()

    assert cancel_sweep(scenario, over, state=World, backend=backend, stride=3) > 10


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
@each_operation
def test_given_up_at_any_step_and_the_scheduler_goes_on(operation, backend):
    """Only the operation is cancelled: whichever it was, the scheduler goes on, and ends in order."""

    async def scenario(world: World) -> None:
        await operation.do(world)

    async def main() -> None:
        for step in range(100):
            world = World()
            async with open_scheduler(max_workers=3, shutdown_grace=0) as scheduler:
                world.scheduler = scheduler
                await world.fill()
                steps = await _cancel_at(step, lambda world=world: scenario(world))
                world.check()
                if not operation.closes:
                    state = scheduler._parts.engine.state
                    assert not state.pauses or operation.name in {"pause_all", "resume_all"}
                    await scheduler.resume_all()
                    job_id = await scheduler.add_job(RecurringJobRequest("after", Never()), world.work, "after", 1)
                    assert (await scheduler.wait_run(await scheduler.trigger_job_now(job_id))).outcome == "succeeded"
            world.is_over()
            if not steps:
                return
        raise AssertionError("it has too many steps")

    run(main, backend=backend)


async def _cancel_at(step: int, do: Callable[[], Awaitable[Any]]) -> bool:
    """Cancel a call after this number of turns of the event loop; return whether it was still going on."""
    async with anyio.create_task_group() as tasks:
        done = anyio.Event()

        async def call() -> None:
            await do()
            done.set()

        tasks.start_soon(call)
        for _ in range(step):
            await anyio.lowlevel.checkpoint()
            if done.is_set():
                return False
        if step > 20:  # It waits for something: let time pass.
            with anyio.move_on_after(math.inf if step > 25 else 1):
                await done.wait()
                return False
        tasks.cancel_scope.cancel()
    return not done.is_set()


@pytest.mark.anyio
@pytest.mark.parametrize("workers", [1, 3])
@each_operation
async def test_from_inside_a_job(operation, workers):
    world = World()
    outcomes = []

    async def job() -> None:
        try:
            await operation.do(world)
        except WouldDeadlock:
            outcomes.append("refused")
        else:
            outcomes.append("done")

    with anyio.fail_after(10_000):
        async with open_scheduler(max_workers=workers, shutdown_grace=0) as scheduler:
            world.scheduler = scheduler
            await world.fill()
            if workers == 1:
                for phase in (RunPhase.QUEUED, RunPhase.EXECUTING):
                    await scheduler.cancel_run(world.runs[phase])
            job_id = await scheduler.add_job(RecurringJobRequest("inside", Never(), priority=9), job)
            try:
                await scheduler.wait_run(await scheduler.trigger_job_now(job_id))
            except SchedulerClosed:
                assert operation.closes
            if operation.name == "pause_all":
                await scheduler.resume_all()
            world.check()
    world.is_over()
    assert outcomes == (["refused"] if workers in operation.refused_inside else ["done"])


@pytest.mark.anyio
@each_operation
async def test_from_two_tasks_at_once(operation):
    world = World()

    async def call() -> None:
        try:
            await operation.do(world)
        except InternalError:
            raise
        except TurnKeeperError as exc:
            refusals.append(type(exc).__name__)

    refusals: list[str] = []
    async with open_scheduler(max_workers=3, shutdown_grace=0) as scheduler:
        world.scheduler = scheduler
        await world.fill()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            tasks.start_soon(call)
        world.check()
    world.is_over()
    assert refusals == {"delete_job": ["JobNotFound"]}.get(operation.name, [])


@pytest.mark.anyio
@pytest.mark.parametrize("forced", [True, False], ids=["forced", "graceful"])
@each_operation
async def test_during_a_shutdown(operation, forced):
    """The operation is done or refused, no caller waits for ever, and the shutdown ends."""
    world = World()
    with anyio.fail_after(10_000):
        async with open_scheduler(max_workers=3) as scheduler:
            world.scheduler = scheduler
            await world.fill()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(scheduler.shutdown_force if forced else scheduler.shutdown_graceful)
                await anyio.lowlevel.checkpoint()
                try:
                    await operation.do(world)
                except SchedulerClosed:
                    assert not operation.closes
                world.check()
    world.is_over()


@pytest.mark.anyio
@each_operation
async def test_after_the_end(operation):
    world = World()
    async with open_scheduler(max_workers=3) as scheduler:
        world.scheduler = scheduler
        await world.fill()
        await scheduler.shutdown_force()
        before = scheduler.get_metrics_snapshot()
        for _ in range(2):
            await _after_the_end(operation, world)
    await _after_the_end(operation, world)
    assert scheduler.get_metrics_snapshot() == before
    world.is_over()


async def _after_the_end(operation: Operation, world: World) -> None:
    if operation.asks and operation.name != "wait_idle":
        await operation.do(world)
    elif operation.closes:
        assert await operation.do(world) == world.scheduler.shutdown_report
    else:
        with pytest.raises(SchedulerClosed):
            await operation.do(world)
