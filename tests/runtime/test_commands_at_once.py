"""A command that comes alone is carried out in its caller's task: nothing else about it may be different."""

import logging
from typing import Any

import anyio
import pytest
from sample_jobs import NOW, nothing

from turnkeeper_trio import (
    After,
    InternalError,
    Interval,
    JobNotFound,
    JobState,
    RecurringJobRequest,
    RunPhase,
    SchedulerClosed,
    current_run,
    open_scheduler,
)
from turnkeeper_trio._engine.engine import Engine
from turnkeeper_trio._runtime.coordinator import Coordinator
from turnkeeper_trio._runtime.inbox import Inbox, Wakeup

pytestmark = pytest.mark.anyio

HOURLY = RecurringJobRequest("hourly", Interval(hours=1))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each command was carried out in its caller's task."""
    done: list[bool] = []
    run = Coordinator.run_at_once

    def noted(self: Coordinator, command: Any) -> bool:
        done.append(run(self, command))
        return done[-1]

    monkeypatch.setattr(Coordinator, "run_at_once", noted)
    return done


async def test_alone_it_is_carried_out_at_once(at_once: list[bool]) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(HOURLY, nothing)
        await anyio.sleep(1)
        await scheduler.pause_job(job_id)
        assert at_once == [True]
        assert (await scheduler.get_job_details(job_id)).state is JobState.PAUSED


async def test_what_was_submitted_before_it_goes_first() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await anyio.sleep(1)
        for number in range(1, 10):
            scheduler.try_add_job(HOURLY, nothing)
            assert len(await scheduler.list_all_jobs()) == number


async def test_so_does_what_takes_several_turns() -> None:
    async with open_scheduler(max_workers=1, staging_buffer_size=2000) as scheduler:
        for _ in range(2000):
            scheduler.try_add_job(HOURLY, nothing)
        assert len(await scheduler.list_all_jobs(limit=3000)) == 2000


@pytest.mark.parametrize("asleep", [True, False], ids=["the first at once", "all through the stream"])
async def test_several_that_come_together_share_a_turn(
    monkeypatch: pytest.MonkeyPatch, at_once: list[bool], asleep: bool
) -> None:
    turns: list[object] = []
    decide = Coordinator._decide

    def noted(self: Coordinator) -> object:
        turns.append(self)
        return decide(self)

    versions: list[int] = []
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(HOURLY, nothing)
        await anyio.sleep(1)
        if not asleep:
            monkeypatch.setattr(Wakeup, "asleep", False)
        monkeypatch.setattr(Coordinator, "_decide", noted)

        async def update(priority: int) -> None:
            versions.append(await scheduler.update_job(job_id, priority=priority))

        async with anyio.create_task_group() as tasks:
            for priority in range(1, 10):
                tasks.start_soon(update, priority)
        assert len(turns) <= 2
    assert at_once in ([], [False])
    assert sorted(versions) == [*range(2, 11)]


async def test_a_sooner_occurrence_is_not_slept_through(at_once: list[bool]) -> None:
    ran: list[float] = []

    async def note() -> None:
        ran.append(anyio.current_time())

    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(HOURLY, note)
        await anyio.sleep(10)
        began = anyio.current_time()
        await scheduler.update_job(job_id, schedule=After(5))
        assert at_once == [True]
        await anyio.sleep(6)
    assert ran == [pytest.approx(began + 5, abs=1e-5)]


async def test_a_run_that_it_triggers_begins_at_once(at_once: list[bool]) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(HOURLY, nothing)
        await anyio.sleep(1)
        before = anyio.current_time()
        record = await scheduler.wait_run(await scheduler.trigger_job_now(job_id))
        assert anyio.current_time() == before
        assert record.lateness == pytest.approx(0, abs=1e-5)
    assert at_once[0]


async def test_its_turn_is_not_part_of_the_callers_run(at_once: list[bool], caplog: pytest.LogCaptureFixture) -> None:
    """A run that cancels a job is not named in the log lines about that job, nor seen by observers."""
    seen: list[object] = []

    class Watcher:
        def on_job_cancelled(self, event: object) -> None:
            try:
                seen.append(current_run())
            except RuntimeError:
                seen.append(event)

    async def cancel(job_id: Any) -> None:
        await anyio.sleep(1)
        await scheduler.cancel_job(job_id)

    caplog.set_level(logging.INFO, logger="turnkeeper_trio")
    async with open_scheduler(max_workers=1, observers=[Watcher()]) as scheduler:
        job_id = await scheduler.add_job(HOURLY, nothing)
        await scheduler.wait_job(await scheduler.add_job(NOW, cancel, job_id))
        assert (await scheduler.get_job_details(job_id)).state is JobState.CANCELLED
    assert True in at_once
    assert [type(each).__name__ for each in seen] == ["JobCancelled"]


async def test_an_error_of_the_command_is_the_callers(at_once: list[bool]) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await anyio.sleep(1)
        with pytest.raises(JobNotFound):
            await scheduler.pause_job("unknown")
        assert at_once == [True]
        assert await scheduler.list_all_jobs() == []


async def test_cancelled_before_it_it_does_nothing(at_once: list[bool]) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(HOURLY, nothing)
        await anyio.sleep(1)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await scheduler.pause_job(job_id)
        assert scope.cancelled_caught
        assert at_once == []
        assert (await scheduler.get_job_details(job_id)).state is JobState.ACTIVE


async def test_at_one_instant_of_virtual_time_it_finds_what_has_begun_and_ended() -> None:
    """Cause: carried out at once, a question was answered before a worker began what was due at the same instant."""

    async def work() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep, 2)

    async with open_scheduler(max_workers=4) as scheduler:
        await scheduler.add_job(RecurringJobRequest("work", Interval(10)), work)
        await anyio.sleep(2)
        for _ in range(30):
            await anyio.sleep(8)
            assert [run.phase for run in await scheduler.list_active_runs()] == [RunPhase.EXECUTING]
            await anyio.sleep(2)
            assert await scheduler.list_active_runs() == []


async def test_a_wait_that_is_given_up_before_its_turn_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    put = Inbox.put_nowait
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(NOW, anyio.sleep, 100)
        await anyio.sleep(1)
        with anyio.CancelScope() as scope, monkeypatch.context() as patch:
            patch.setattr(Wakeup, "asleep", False)

            def put_and_cancel(self: Inbox[Any], item: Any, check: Any = None) -> None:
                put(self, item, check)
                scope.cancel()

            patch.setattr(Inbox, "put_nowait", put_and_cancel)
            await scheduler.wait_job(job_id)
        assert scope.cancelled_caught
        await anyio.sleep(1)
        assert not scheduler._parts.engine.state.waits


@pytest.mark.parametrize("place", ["take_due", "take_effects", "next_due"])
async def test_a_fault_in_its_turn_ends_the_scheduler_and_answers_the_caller(
    monkeypatch: pytest.MonkeyPatch, at_once: list[bool], place: str
) -> None:
    planted = LookupError("planted")
    ended: list[object] = []

    def fail(*_: object) -> None:
        raise planted

    async def job() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(current_run().name)

    with pytest.raises(InternalError) as caught:
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.add_job(NOW, job)
            job_id = await scheduler.add_job(HOURLY, nothing)
            await anyio.sleep(1)
            with monkeypatch.context() as patch:
                patch.setattr(Engine, place, fail)
                with pytest.raises(SchedulerClosed):
                    await scheduler.pause_job(job_id)
            assert at_once == [True]
            await anyio.sleep_forever()
    assert caught.value.__cause__ is planted
    assert ended == ["now"]
