"""A planted race, a planted lost run, a planted leaked task: the harness finds each."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import anyio.abc
import pytest
import trio
from sample_jobs import nothing

from turnkeeper_trio import Interval, RecurringJobRequest, Scheduler, open_scheduler
from turnkeeper_trio._engine.engine import Engine
from turnkeeper_trio._model.times import Now
from turnkeeper_trio.testing import SweepError, cancel_sweep, current_scheduler_time, run
from turnkeeper_trio.testing._backends import Backend
from turnkeeper_trio.testing._fixture_host import HostedScheduler
from turnkeeper_trio.testing._harness import current_session

HOURLY = RecurringJobRequest("hourly", Interval(hours=1))


@pytest.fixture(params=["trio", "asyncio"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return request.param


async def two_hours(fn: Callable[..., Any], *args: Any) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(HOURLY, fn, *args)
        await current_scheduler_time().advance(hours=2)


class Account:
    """One job pays in and another looks, at the same instant."""

    balance = 0

    async def pay_in(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.balance += 1

    async def look(self, seen: list[int]) -> None:
        await anyio.lowlevel.checkpoint()
        seen.append(self.balance)


async def in_order() -> bool:
    """Return whether the first of two jobs that are due at the same instant was done before the second: a race."""
    account, seen = Account(), list[int]()
    async with open_scheduler(max_workers=2) as scheduler:
        await scheduler.add_job(HOURLY, account.pay_in)
        await scheduler.add_job(HOURLY, account.look, seen)
        await current_scheduler_time().advance(hours=1)
    return seen == [1]


def test_a_race_is_lost_on_some_schedules_and_won_on_others() -> None:
    won = [run(in_order, seed=seed) for seed in range(20)]
    assert {True, False} == set(won)
    assert won == [run(in_order, seed=seed) for seed in range(20)]


@pytest.fixture
def lossy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant a fault: the engine forgets an occurrence whose instant has come."""
    take_due = Engine.take_due

    def forgetful(engine: Engine, now: Now) -> None:
        queue = engine.state.queue
        while (entry := queue.peek()) is not None and entry[0] <= now.wall:
            queue.pop()
        take_due(engine, now)

    monkeypatch.setattr(Engine, "take_due", forgetful)


@pytest.mark.usefixtures("lossy")
def test_a_lost_run_is_found(backend: Backend) -> None:
    with pytest.raises(AssertionError, match="the books do not balance, a run was lost or counted twice"):
        run(two_hours, nothing, backend=backend)


@pytest.mark.usefixtures("lossy")
def test_a_lost_run_is_found_by_a_sweep() -> None:
    with pytest.raises(SweepError, match=r"(?s)a scheduler has not ended as it must.*the books do not balance"):
        cancel_sweep(lambda: two_hours(nothing))


TASKS: set[asyncio.Task[None]] = set()


async def leak_a_task(outside: anyio.abc.TaskGroup) -> None:
    if trio.lowlevel.in_trio_run():
        outside.start_soon(anyio.sleep, 10_000, name="leaky")
    else:
        TASKS.add(asyncio.create_task(asyncio.sleep(10_000), name="leaky"))


async def leaking(*, in_job: bool) -> bool:
    """Leave a task behind, one that a job started or the test itself; return whether the harness had no complaint."""
    async with anyio.create_task_group() as outside:
        if not in_job:
            await leak_a_task(outside)
        await two_hours(leak_a_task if in_job else nothing, *[outside] * in_job)
        harness = current_session().harness
        try:
            harness.check_ended()
        finally:
            outside.cancel_scope.cancel()
            for task in TASKS:
                task.cancel()
            TASKS.clear()
    return True


def test_a_leaked_task_is_found(backend: Backend) -> None:
    with pytest.raises(BaseExceptionGroup) as found:
        run(lambda: leaking(in_job=True), backend=backend)
    assert found.group_contains(
        AssertionError, match="still alive: the task 'leaky', started by the job 'hourly', at\n"
    )


def test_a_leaked_task_of_asyncio_is_found_when_the_test_has_ended() -> None:
    async def main() -> None:
        async with anyio.create_task_group() as group:
            await two_hours(leak_a_task, group)

    with pytest.raises(AssertionError, match="still alive: the task 'leaky', started by the job 'hourly', at\n"):
        run(main, backend="asyncio")
    TASKS.clear()


def test_a_task_that_the_test_itself_started_is_no_leak(backend: Backend) -> None:
    assert run(lambda: leaking(in_job=False), backend=backend)


def test_a_run_that_is_neither_ended_nor_reported_is_found(backend: Backend) -> None:
    async def main() -> None:
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.add_job(HOURLY, nothing)
            await current_scheduler_time().advance(hours=1)
        state: Any = vars(scheduler)["_parts"].engine.state
        record = next(iter(state.history.newest_first(None)))
        state.active[record] = None

    with pytest.raises(AssertionError, match="1 runs have neither ended nor been reported"):
        run(main, backend=backend)


def test_a_sweep_without_state_visits_both_back_ends() -> None:
    names: list[str] = []

    async def scenario() -> None:
        names.append("trio" if trio.lowlevel.in_trio_run() else "asyncio")
        await two_hours(nothing)

    both = cancel_sweep(scenario, stride=5)
    assert both == cancel_sweep(scenario, stride=5, backend="trio") + cancel_sweep(
        scenario, stride=5, backend="asyncio"
    )
    assert set(names) == {"trio", "asyncio"}
    names.clear()
    assert cancel_sweep(scenario, stride=5, how="task") > 0
    assert set(names) == {"asyncio"}


def test_a_sweep_begins_at_its_instant() -> None:
    seen: list[str] = []

    async def scenario() -> None:
        async with open_scheduler(max_workers=1) as scheduler:
            seen.append(str(scheduler.now()))

    cancel_sweep(scenario, start="2026-03-28 00:00", timezone="Europe/Berlin", backend="trio")
    assert set(seen) == {"2026-03-27 23:00:00+00:00"}


def test_a_hosted_scheduler_ends_with_its_loop(backend: Backend) -> None:
    hosted: list[HostedScheduler] = []

    async def main() -> Scheduler:
        hosted.append(HostedScheduler({"max_workers": 1}))
        return await hosted[0].open()

    assert run(main, backend=backend).is_closed


@pytest.fixture
def cleanup() -> Iterator[list[Scheduler]]:
    schedulers: list[Scheduler] = []
    yield schedulers
    assert all(scheduler.is_closed for scheduler in schedulers)
    assert schedulers


@pytest.mark.anyio
@pytest.mark.schedule_seeds(2)
async def test_the_fixture_closes_its_scheduler_after_the_test(
    cleanup: list[Scheduler], scheduler: Scheduler, schedule_seed: int
) -> None:
    cleanup.append(scheduler)
    await scheduler.add_job(HOURLY, anyio.sleep_forever)
    await current_scheduler_time().advance(hours=1)
    assert current_scheduler_time().seed == schedule_seed
    assert not scheduler.is_closed
