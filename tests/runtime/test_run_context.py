"""Contexts: nothing a job sets is seen by another run, and each run knows which it is."""

from contextvars import ContextVar
from datetime import timedelta
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from turnkeeper_trio import (
    After,
    FixedRetryDelay,
    Interval,
    Outcome,
    RecurringJobRequest,
    RunContext,
    current_run,
    current_scheduler,
    open_scheduler,
)

pytestmark = pytest.mark.anyio

WORD: ContextVar[str] = ContextVar("WORD", default="nobody's")


async def test_nothing_a_job_sets_is_seen_by_another_run() -> None:
    seen: list[str] = []

    async def job(word: str) -> None:
        seen.append(WORD.get())
        WORD.set(word)
        await anyio.sleep(1)
        seen.append(WORD.get())

    def plain(word: str) -> None:
        seen.append(WORD.get())
        WORD.set(word)

    async with open_scheduler(max_workers=1) as scheduler:
        for number in range(3):
            await scheduler.add_job(RecurringJobRequest("async", After(1)), job, f"word {number}")
            await scheduler.add_job(RecurringJobRequest("plain", After(1)), plain, "plain")
        await scheduler.wait_idle()
    expected: list[str] = []
    for number in range(3):
        expected += ["nobody's", f"word {number}", "nobody's"]
    assert seen == expected
    assert WORD.get() == "nobody's"


async def test_runs_that_overlap_in_time_do_not_mix_their_contexts() -> None:
    mixed: list[bool] = []

    async def job(word: str) -> None:
        WORD.set(word)
        for _ in range(20):
            await anyio.sleep(0.1)
            mixed.append(WORD.get() != word)

    async with open_scheduler(max_workers=5) as scheduler:
        for number in range(5):
            await scheduler.add_job(RecurringJobRequest("job", After(0)), job, str(number))
        await scheduler.wait_idle()
    assert mixed == [False] * 100


async def test_each_attempt_has_a_context_of_its_own() -> None:
    seen: list[str] = []

    async def job() -> bool:
        seen.append(WORD.get())
        WORD.set("set by an attempt")
        return False

    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("job", After(0), 2, retry=FixedRetryDelay(1))
        await scheduler.wait_job(await scheduler.add_job(request, job))
    assert seen == ["nobody's"] * 3


async def test_jobs_see_the_context_in_which_the_scheduler_was_opened_not_the_submitters() -> None:
    seen: list[str] = []

    async def job() -> None:
        seen.append(WORD.get())

    async def submit() -> None:
        WORD.set("the submitter's")
        await scheduler.add_job(RecurringJobRequest("job", After(1)), job)
        await scheduler.add_job(RecurringJobRequest("job", After(1)), lambda: seen.append(WORD.get()))

    token = WORD.set("the opener's")
    async with open_scheduler(max_workers=1) as scheduler:
        WORD.reset(token)
        await submit()
        async with anyio.create_task_group() as group:
            group.start_soon(submit)
        await scheduler.wait_idle()
    assert seen == ["the opener's"] * 4


async def test_current_run_tells_all_about_the_run() -> None:
    seen: list[tuple[Any, ...]] = []

    async def job() -> bool:
        run = current_run()
        assert isinstance(run, RunContext)
        seen.append((run.job_id, run.run_id, run.name, run.scheduled_at, run.attempt, run.cancel_requested))
        assert current_scheduler() is scheduler
        assert repr(run) == f"<RunContext 'job' run={run.run_id} attempt={run.attempt}>"
        assert run.run_key == str(run.run_id)
        return run.attempt == 2

    async with open_scheduler(max_workers=1) as scheduler:
        at = scheduler.now() + timedelta(seconds=5)
        request = RecurringJobRequest("job", max_retries=1, retry=FixedRetryDelay(3), initial_run_time=at)
        job_id = await scheduler.add_job(request, job)
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert seen == [(job_id, record.run_id, "job", at, attempt, False) for attempt in (1, 2)]


async def test_threads_and_child_tasks_of_a_job_know_its_run() -> None:
    names: list[str] = []

    async def child() -> None:
        names.append(current_run().name)
        assert current_scheduler() is scheduler

    def in_thread() -> None:
        names.append(current_run().name)
        anyio.from_thread.run(child)

    async def job() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(child)
            group.start_soon(anyio.to_thread.run_sync, in_thread)

    async with open_scheduler(max_workers=1) as scheduler:
        for fn in (job, in_thread):
            job_id = await scheduler.add_job(RecurringJobRequest(fn.__name__, After(0)), fn)
            record = await scheduler.wait_job(job_id)
            assert record is not None
            assert record.outcome is Outcome.SUCCEEDED, record.error
    assert sorted(names) == ["in_thread"] * 2 + ["job"] * 3


async def test_outside_of_a_job_there_is_no_current_run() -> None:
    with pytest.raises(RuntimeError, match=r"current_run\(\)"):
        current_run()
    with pytest.raises(RuntimeError, match=r"current_scheduler\(\)"):
        current_scheduler()
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.wait_job(await scheduler.add_job(RecurringJobRequest("job", After(0)), anyio.sleep, 1))
        with pytest.raises(RuntimeError):
            current_run()
        with pytest.raises(RuntimeError):
            current_scheduler()


async def test_a_plain_job_can_ask_whether_it_is_to_end() -> None:
    answers: list[bool] = []

    def job() -> str:
        run = current_run()
        answers.append(run.cancel_requested)
        while not run.cancel_requested:
            anyio.from_thread.run_sync(lambda: None)  # let the loop go on
        answers.append(run.cancel_requested)
        return "ended in good order"

    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", After(0)), job)
        while not answers:
            await anyio.lowlevel.checkpoint()
        [record] = await scheduler.cancel_job(job_id, cancel_running=True)
        assert answers == [False, True]
        assert record.outcome is Outcome.SUCCEEDED
        assert record.unwrap() == "ended in good order"


async def test_a_job_that_is_timed_out_sees_that_it_is_to_end() -> None:
    seen: list[bool] = []

    async def job() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            seen.append(current_run().cancel_requested)

    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("job", After(0), timeout=5)
        await scheduler.wait_job(await scheduler.add_job(request, job))
    assert seen == [True]


async def test_a_task_that_outlives_its_run_is_no_part_of_it_any_more() -> None:
    """Such a task may do what a job may not, because no wait would be for itself."""
    records: list[Any] = []

    async def survivor() -> None:
        await anyio.sleep(10)
        assert current_run().name == "parent"
        records.append(await scheduler.wait_job(current_run().job_id))

    async def parent() -> None:
        group.start_soon(survivor)

    async with anyio.create_task_group() as group, open_scheduler(max_workers=1) as scheduler:
        # On asyncio a task group starts its tasks in the context of who calls, on trio too.
        await scheduler.add_job(RecurringJobRequest("parent", After(0)), parent)
        await anyio.sleep(20)
    assert [record.outcome for record in records] == [Outcome.SUCCEEDED]


async def test_a_recurring_job_sees_a_fresh_context_each_time() -> None:
    seen: list[str] = []

    async def job() -> None:
        seen.append(WORD.get())
        WORD.set("left over")

    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=1)), job)
        await anyio.sleep(5.5)
    assert seen == ["nobody's"] * 5
