"""Who executes an attempt, and who takes the coordinator's turn: what saves switches of tasks changes nothing else."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from back_ends import ASYNCIO
from event_recorder import EventRecorder
from sample_jobs import NOW, nothing

from turnkeeper_trio import (
    After,
    InternalError,
    Interval,
    Outcome,
    Overlap,
    RecurringJobRequest,
    Scheduler,
    current_run,
    open_scheduler,
)
from turnkeeper_trio._engine.engine import Engine
from turnkeeper_trio._runtime.dispatcher import Dispatcher

pytestmark = pytest.mark.anyio

WORKERS = 4
SOON, EACH_SECOND = RecurringJobRequest("soon", After(1)), RecurringJobRequest("tick", Interval(1))


def dispatcher_of(scheduler: Scheduler) -> Dispatcher:
    return scheduler._parts.coordinator._dispatcher  # the part that is tested


class Calls:
    """A function that waits as long as it is told to, and remembers in which tasks it was called, and when."""

    def __init__(self) -> None:
        self.waits: float | None = None
        self.tasks: list[int] = []
        self.times: list[float] = []

    async def __call__(self) -> None:
        self.tasks.append(anyio.get_current_task().id)
        self.times.append(anyio.current_time())
        if self.waits is not None:
            await anyio.sleep(self.waits)

    async def together(self, scheduler: Scheduler) -> None:
        """Have it called by as many jobs as there are workers, all due at one instant, and wait until all have run."""
        self.tasks, self.times = [], []
        for _ in range(WORKERS):
            await scheduler.add_job(SOON, "calls")
        await scheduler.wait_idle()


async def test_what_does_not_wait_is_executed_by_one_worker() -> None:
    calls = Calls()
    async with open_scheduler(max_workers=WORKERS) as scheduler:
        scheduler.register("calls", calls)  # What is known of a function is kept with its name.
        await calls.together(scheduler)
        await calls.together(scheduler)
        assert len(calls.tasks) == WORKERS
        assert len(set(calls.tasks)) == 1


async def test_what_begins_to_wait_does_not_hold_up_the_others() -> None:
    """It did not wait the last time, so that one worker was woken for all; each of the others wakes the next."""
    calls = Calls()
    async with open_scheduler(max_workers=WORKERS) as scheduler:
        scheduler.register("calls", calls)  # What is known of a function is kept with its name.
        await calls.together(scheduler)
        calls.waits = 60
        await calls.together(scheduler)
        assert len(set(calls.tasks)) == WORKERS
        assert len(set(calls.times)) == 1


async def test_what_waits_is_known_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker is woken for each, in the turn in which all are due."""
    calls, woken = Calls(), [0]
    calls.waits = 60
    wake_worker = Dispatcher.wake_worker

    def noted(dispatcher: Dispatcher) -> None:
        before = dispatcher._woken
        wake_worker(dispatcher)
        woken[0] += dispatcher._woken - before

    monkeypatch.setattr(Dispatcher, "wake_worker", noted)
    async with open_scheduler(max_workers=WORKERS) as scheduler:
        scheduler.register("calls", calls)  # What is known of a function is kept with its name.
        await calls.together(scheduler)
        await calls.together(scheduler)
        assert len(set(calls.tasks)) == WORKERS
    assert woken == [0]


async def test_a_worker_that_has_to_clean_up_does_not_keep_the_next_attempt() -> None:
    """The job leaves a task group open, without waiting for anything, and its worker waits for the child."""
    began: list[tuple[str, float]] = []
    left: list[Any] = []

    async def shielded() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(60)

    async def job() -> None:
        began.append((current_run().name, anyio.current_time()))
        if len(began) == WORKERS + 1:
            left.append(anyio.create_task_group())
            await left[0].__aenter__()
            left[0].start_soon(shielded)

    async with open_scheduler(max_workers=WORKERS) as scheduler:
        scheduler.register("job", job)
        for _ in range(2):
            for number in range(WORKERS):
                await scheduler.add_job(RecurringJobRequest(str(number), After(1)), "job")
            await scheduler.wait_idle()
    assert [name for name, _ in began] == [str(number) for number in range(WORKERS)] * 2
    assert len({at for _, at in began}) == 2


@ASYNCIO
@pytest.mark.parametrize("victim", range(2))
async def test_another_worker_comes_for_one_that_is_cancelled_when_it_was_woken(victim: int) -> None:
    tasks: list[asyncio.Task[Any] | None] = []

    async def job() -> None:
        tasks.append(asyncio.current_task())

    async with open_scheduler(max_workers=2) as scheduler:
        dispatcher = dispatcher_of(scheduler)
        scheduler.register("job", job)
        await scheduler.add_job(NOW, "job")
        await scheduler.wait_idle()
        tasks.clear()
        for _ in range(2):
            scheduler.try_add_job(NOW, "job")
        while not dispatcher._woken:
            await checkpoint()
        assert dispatcher._woken == 1
        (task,) = [each for each in asyncio.all_tasks() if each.get_name() == f"turnkeeper worker {victim}"]
        task.cancel()
        await scheduler.wait_idle()
        assert len(tasks) == 2
        assert set(tasks) != {task}
        assert dispatcher._woken == 0


async def test_other_tasks_run_between_the_attempts_of_one_worker() -> None:
    """A turn in the task of the worker may assign the next attempt to it: not again and again."""
    ticks, seen, may_end = 0, list[int](), anyio.Event()

    async def job() -> None:
        if not may_end.is_set():
            await may_end.wait()
        seen.append(ticks)

    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("serial", initial_run_time=timedelta(0), overlap=Overlap.BUFFER_ALL)
        job_id = await scheduler.add_job(request, job)
        for _ in range(20):  # Each becomes ready when the one before has ended.
            await scheduler.trigger_job_now(job_id)
        may_end.set()
        while len(seen) < 21:
            ticks += 1
            await checkpoint()
    assert len(set(seen)) >= 10


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each turn of the coordinator was taken in a task; on asyncio only."""
    in_task: list[bool] = []
    take_due = Engine.take_due

    def noted(engine: Engine, now: Any) -> None:
        in_task.append(asyncio.current_task() is not None)
        take_due(engine, now)

    monkeypatch.setattr(Engine, "take_due", noted)
    return in_task


class AsksTheLoop:
    """A schedule of a user's that needs a task to run in: anyio finds the event loop by it."""

    def next_after(self, after: datetime) -> datetime:
        assert anyio.current_time() >= 0
        return after + timedelta(milliseconds=10)


@ASYNCIO
@pytest.mark.real_time
async def test_every_turn_is_taken_in_a_task(turns: list[bool]) -> None:
    """A turn in the callback of a timer would end the scheduler if a schedule, a clock or an observer needs one."""
    async with open_scheduler(max_workers=1, observers=[EventRecorder()]) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("soon", AsksTheLoop(), max_runs=3), nothing)
        turns.clear()
        assert (await scheduler.wait_job(job_id)).outcome is Outcome.SUCCEEDED
    assert turns
    assert all(turns)


@pytest.mark.parametrize("method", ["take_due", "report"])
async def test_a_fault_in_such_a_turn_ends_the_scheduler(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    original: Callable[..., None] = getattr(Engine, method)

    def failing(engine: Engine, now: Any, *args: Any) -> None:
        if now.loop - began > 1_500_000:
            raise LookupError("planted")
        original(engine, now, *args)

    began = round(anyio.current_time() * 1_000_000)
    monkeypatch.setattr(Engine, method, failing)
    with pytest.raises(InternalError) as caught:
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.add_job(EACH_SECOND, nothing)
            await anyio.sleep(60)
    assert isinstance(caught.value.__cause__, LookupError)
    assert anyio.current_time() - began / 1_000_000 == pytest.approx(2)


@ASYNCIO
@pytest.mark.real_time
async def test_no_timer_is_left_behind() -> None:
    """Even if the task of the coordinator is cancelled, which nobody may do."""
    wakeup: Any = None
    with pytest.raises(InternalError):
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.add_job(RecurringJobRequest("later", After(hours=1)), nothing)
            await scheduler.wait_idle(due_only=True)
            wakeup = scheduler._parts.coordinator._wakeup
            assert wakeup._timer is not None
            for task in asyncio.all_tasks():
                if task.get_name() == "turnkeeper coordinator":
                    task.cancel()
            await anyio.sleep_forever()  # until the block is cut off
    assert wakeup._timer is None


async def test_a_job_may_be_submitted_from_within_a_turn_outside_of_the_coordinators_task() -> None:
    """An observer submits a job in the turn in which the outcome of the only run is decided about."""
    ran: list[str] = []

    class Follows:
        def on_run_finished(self, event: Any) -> None:
            if event.record.name == "first":
                scheduler.try_add_job(NOW, job)

    async def job() -> None:
        ran.append(current_run().name)

    async with open_scheduler(max_workers=1, observers=[Follows()]) as scheduler:
        await scheduler.add_job(RecurringJobRequest("first", After(1)), job)
        await anyio.sleep(2)
    assert ran == ["first", NOW.name]


class Racing:
    """A clock that goes on by a third of a second each time it is read, as a slow machine does by microseconds."""

    def __init__(self) -> None:
        self.reads = 0

    def wall(self) -> int:
        self.reads += 1
        return self._now()

    def loop(self) -> int:
        return self._now()

    def _now(self) -> int:
        return round(anyio.current_time() * 1_000_000) + self.reads * 333_333

    def deadline(self, wall: int, /) -> float:
        return anyio.current_time() + max(0, wall - self._now()) / 1_000_000

    def hold(self) -> AbstractContextManager[None]:
        return nullcontext()


async def test_no_run_begins_before_its_instant_when_its_worker_has_taken_the_turn() -> None:
    async with open_scheduler(max_workers=1, clock=Racing()) as scheduler:
        for seconds in range(1, 60):
            await scheduler.add_job(RecurringJobRequest("job", After(seconds)), nothing)
        await scheduler.wait_idle()
        records = await scheduler.get_run_history()
    assert len(records) == 59
    for record in records:
        assert record.started_at is not None
        assert record.started_at >= record.due_at
