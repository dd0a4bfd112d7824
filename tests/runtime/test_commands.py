"""Callers in rare situations: cancelled in the step in which they would be answered, or waiting at a crash."""

import asyncio
import logging
from typing import Any

import anyio
import pytest
from back_ends import ASYNCIO
from sample_jobs import nothing

from turnkeeper_trio import (
    After,
    InternalError,
    RecurringJobRequest,
    RunNotFound,
    SchedulerClosed,
    StagingFull,
    open_scheduler,
)
from turnkeeper_trio._engine import control, queries
from turnkeeper_trio._engine.state import State
from turnkeeper_trio.errors import StoreError

pytestmark = pytest.mark.anyio

LATER = RecurringJobRequest("later", After(100))


def fail(*_: object, **__: object) -> None:
    raise LookupError("planted")


def fail_half_way(state: State, *_: object, **__: object) -> None:
    state.counters.planned += 1
    raise LookupError("planted")


async def test_a_command_that_fails_half_way_ends_the_scheduler_and_nobody_waits_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: list[str] = []

    async def ask(question: Any) -> None:
        with pytest.raises(SchedulerClosed):
            await question()
        answers.append("closed")

    async with anyio.create_task_group() as group:
        with pytest.raises(InternalError) as left:
            async with open_scheduler(max_workers=1) as scheduler:
                job_id = await scheduler.add_job(LATER, nothing)
                monkeypatch.setattr(control, "delete_job", fail_half_way)
                group.start_soon(ask, lambda: scheduler.wait_job(job_id))
                group.start_soon(ask, scheduler.wait_idle)
                await anyio.sleep(1)
                group.start_soon(ask, lambda: scheduler.delete_job(job_id))
                await anyio.sleep(50)
        assert isinstance(left.value.__cause__, LookupError)
    assert answers == ["closed"] * 3
    assert anyio.current_time() == 1


@pytest.mark.parametrize(
    ("where", "what", "name"), [(control, "delete_job", "delete_job"), (queries, "job_details", "get_job_details")]
)
async def test_a_command_that_fails_and_leaves_the_tables_whole_is_its_callers_affair_alone(
    monkeypatch: pytest.MonkeyPatch, where: Any, what: str, name: str
) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(LATER, nothing)
        with monkeypatch.context() as patch:
            patch.setattr(where, what, fail)
            with pytest.raises(InternalError, match="the scheduler goes on") as failed:
                await getattr(scheduler, name)(job_id)
        assert isinstance(failed.value.__cause__, LookupError)
        assert (await scheduler.get_job_details(job_id)).name == LATER.name
        await scheduler.delete_job(job_id)
    with monkeypatch.context() as patch:
        patch.setattr(queries, "list_jobs", fail)
        with pytest.raises(InternalError, match="the scheduler goes on"):
            await scheduler.list_all_jobs()


@ASYNCIO
@pytest.mark.parametrize("turns", range(8))
async def test_a_caller_may_give_up_in_the_step_in_which_it_is_answered(turns: int) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(LATER, nothing)
        for question in (
            lambda: scheduler.get_job_details(job_id),
            lambda: scheduler.cancel_job(job_id, cancel_running=True),
            lambda: scheduler.wait_job(job_id),
            scheduler.shutdown_graceful,
        ):
            task = asyncio.ensure_future(question())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            [result] = await asyncio.gather(task, return_exceptions=True)
            # The job was cancelled before its first run.
            assert isinstance(result, asyncio.CancelledError | RunNotFound) or not isinstance(result, BaseException)
        assert len(scheduler._parts.engine.state.waits) == 0


@ASYNCIO
async def test_callers_may_give_up_in_the_step_in_which_the_scheduler_ends(store: Any) -> None:
    """Questions in the stream, a wait, a submitter that waits for room: all cancelled while the coordinator closes."""
    store.delay = 10  # the coordinator waits, and takes nothing
    tasks: list[asyncio.Task[Any]] = []
    async with open_scheduler(max_workers=1, staging_buffer_size=1, store=store) as scheduler:
        scheduler.register("nothing", nothing)
        tasks.append(asyncio.ensure_future(scheduler.add_job(LATER, "nothing")))
        await anyio.sleep(1)
        scheduler.try_add_job(LATER, "nothing")
        with pytest.raises(StagingFull):
            scheduler.try_add_job(LATER, "nothing")
        tasks += [asyncio.ensure_future(scheduler.add_job(LATER, "nothing")) for _ in range(2)]
        tasks += [asyncio.ensure_future(scheduler.list_all_jobs()) for _ in range(2)]
        tasks += [asyncio.ensure_future(scheduler.wait_idle()) for _ in range(2)]
        await anyio.sleep(1)
        scheduler._parts.coordinator.close(forced=False)
        for task in tasks[1::2]:
            task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(result, asyncio.CancelledError) for result in results] == [False, *[True, False] * 3]
    assert isinstance(results[2], SchedulerClosed)
    assert scheduler.get_metrics_snapshot().jobs_submitted == 2


async def test_questions_that_were_not_taken_before_a_crash_are_answered_as_far_as_possible(store: Any) -> None:
    async def broken(changes: Any) -> Any:
        await anyio.sleep(10)
        raise LookupError("no such table")

    answers: list[Any] = []

    async def ask(patience: float) -> None:
        with anyio.move_on_after(patience):
            answers.append([run.name for run in await scheduler.list_active_runs()])
            with pytest.raises(SchedulerClosed):
                await scheduler.list_all_jobs()
            answers.append("closed")

    async with anyio.create_task_group() as group:
        with pytest.raises(StoreError):
            async with open_scheduler(max_workers=1, store=store) as scheduler:
                scheduler.register("nothing", nothing)
                await scheduler.add_job(LATER, "nothing")
                store.apply = broken
                scheduler.try_add_job(LATER, "nothing")
                await anyio.sleep(1)
                for patience in (2, 100, 2):
                    group.start_soon(ask, patience)
                await anyio.sleep_forever()
    assert anyio.current_time() == 10
    assert answers == [[], "closed"]


async def test_a_log_that_fails_may_be_silenced(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Faulty(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            raise ValueError("a faulty filter")

    async def fail() -> None:
        raise LookupError

    logger, faulty = logging.getLogger("turnkeeper_trio"), Faulty()
    logger.addFilter(faulty)
    monkeypatch.setattr(logging, "raiseExceptions", False)
    try:
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.wait_job(await scheduler.add_job(RecurringJobRequest("job", After(0)), fail))
    finally:
        logger.removeFilter(faulty)
    assert capsys.readouterr().err == ""


async def test_functions_of_one_name_are_told_apart() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        functions = [lambda number=number: number for number in range(2)]
        same = scheduler._parts.functions.target(functions[0])
        other = scheduler._parts.functions.target(functions[1])
        again = scheduler._parts.functions.target(functions[0])
        assert str(same) == str(other)
        assert same != other
        assert same == again
        assert same is not again
