"""Submitting: who waits, who is refused, and that nothing is lost on the way."""

import asyncio
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from back_ends import ASYNCIO
from sample_jobs import nothing

from turnkeeper_trio import (
    After,
    ConfigurationError,
    Never,
    Once,
    Outcome,
    RecurringJobRequest,
    Scheduler,
    SchedulerClosed,
    StagingFull,
    SubmitError,
    current_scheduler,
    open_scheduler,
)

pytestmark = pytest.mark.anyio

NOTHING = RecurringJobRequest("nothing")


def request(name: str) -> RecurringJobRequest:
    return RecurringJobRequest(name)


async def names(scheduler: Scheduler) -> list[str]:
    return [job.name for job in await scheduler.list_all_jobs()]


async def test_a_job_is_known_as_soon_as_add_job_has_returned() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("late", Once(scheduler.now().add(days=1))), nothing, 1)
        details = await scheduler.get_job_details(job_id)
        assert (details.name, details.job_id) == ("late", job_id)
        assert details.next_run_time == scheduler.now().add(days=1)


async def test_a_job_is_known_at_once_even_behind_more_staged_jobs_than_one_turn_takes() -> None:
    async with open_scheduler(max_workers=1, staging_buffer_size=5_000) as scheduler:
        for number in range(4_000):
            scheduler.try_add_job(request(str(number)), nothing)
        job_id = await scheduler.add_job(request("last"), nothing)
        assert scheduler.get_metrics_snapshot().job_staging_buffer_current > 500
        assert (await scheduler.get_job_details(job_id)).name == "last"


async def test_a_question_asked_before_a_submission_does_not_wait_for_it() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        async with anyio.create_task_group() as group:
            group.start_soon(scheduler.list_all_jobs)
            await scheduler.add_job(NOTHING, nothing)
        assert await names(scheduler) == ["nothing"]


async def test_add_job_waits_for_room_and_try_add_job_does_not() -> None:
    async with open_scheduler(max_workers=1, staging_buffer_size=2) as scheduler:
        scheduler.try_add_job(request("first"), nothing)
        scheduler.try_add_job(request("second"), nothing)
        with pytest.raises(StagingFull, match="2 jobs") as refused:
            scheduler.try_add_job(NOTHING, nothing, 1, "two", kwargs={"three": 3})
        error = refused.value
        assert (error.request, error.fn, error.args, error.kwargs) == (NOTHING, nothing, (1, "two"), {"three": 3})
        assert isinstance(error, SubmitError)
        await scheduler.add_job(request("third"), nothing)
        assert await names(scheduler) == ["first", "second", "third"]
        metrics = scheduler.get_metrics_snapshot()
        assert metrics.staging_rejected_full == 1
        assert metrics.staging_submitted_total == metrics.jobs_submitted == 3


@pytest.mark.parametrize("size", [1, 3, 16])
async def test_those_who_wait_for_room_are_served_in_the_order_in_which_they_came(size: int) -> None:
    """Regression: trio shuffles tasks that are woken together, and a later submitter overtook one that was woken."""
    came: list[str] = []

    async def submit(number: int, scheduler: Scheduler) -> None:
        for turn in range(4):
            name = f"{number} {turn}"
            # The first step of add_job is a checkpoint: the order is that in which submitters come out of it.
            await scheduler.add_job(request(name), nothing)
            came.append(name)

    async with open_scheduler(max_workers=1, staging_buffer_size=size) as scheduler:
        staging = scheduler._parts.staging
        stream: Any = staging._send
        arrived: list[str] = []

        def note(item: Any) -> None:
            arrived.append(getattr(item, "item", item).request.name)
            stream.send_nowait(item)

        staging._send = SimpleNamespace(send_nowait=note, close=stream.close)  # type: ignore[assignment]
        waiting = staging._waiting
        waited: list[str] = []

        class Waiting(type(waiting)):  # type: ignore[misc]
            def append(self, sender: Any) -> None:
                waited.append(sender.item.request.name)
                super().append(sender)

        staging._waiting = Waiting()
        async with anyio.create_task_group() as group:
            for number in range(40):
                group.start_soon(submit, number, scheduler)
        assert len(waited) > 40
        # No submitter that waited was overtaken, neither by one that waited nor by a later one.
        assert [name for name in arrived if name in set(waited)] == waited
        assert await names(scheduler) == arrived


@pytest.mark.parametrize("size", [1, 2, 5])
async def test_a_submitter_that_gives_up_waiting_has_submitted_nothing(size: int) -> None:
    taken: list[str] = []

    async def submit(name: str, scope: anyio.CancelScope) -> None:
        with scope:
            await scheduler.add_job(request(name), nothing)
            taken.append(name)

    async with open_scheduler(max_workers=1, staging_buffer_size=size) as scheduler:
        async with anyio.create_task_group() as group:
            scopes = [anyio.CancelScope() for _ in range(60)]
            for number, scope in enumerate(scopes):
                group.start_soon(submit, str(number), scope)
            for scope in scopes[::2]:
                await anyio.lowlevel.checkpoint()
                scope.cancel()
        assert sorted(taken) == sorted(await names(scheduler))
        assert 30 <= len(taken) < 60
        metrics = scheduler.get_metrics_snapshot()
        assert metrics.staging_submitted_total == metrics.jobs_submitted == len(taken)
        assert metrics.job_staging_buffer_current == 0


@ASYNCIO
@pytest.mark.parametrize("waited", [1, 2, 3, 4, 5, 6, 7])
async def test_a_native_cancellation_between_room_and_return_submits_nothing(waited: int) -> None:
    """The coordinator puts its item in; cancelled before it resumes, the submitter must have submitted nothing."""
    async with open_scheduler(max_workers=1, staging_buffer_size=1) as scheduler:
        scheduler.try_add_job(request("first"), nothing)
        task = asyncio.ensure_future(scheduler.add_job(request("maybe"), nothing))
        for _ in range(waited):
            await asyncio.sleep(0)
        task.cancel()
        [result] = await asyncio.gather(task, return_exceptions=True)
        found = await names(scheduler)
        assert ("maybe" in found) == (not isinstance(result, asyncio.CancelledError))
        assert scheduler.get_metrics_snapshot().staging_submitted_total == len(found)
        await scheduler.add_job(request("last"), nothing)
        assert (await names(scheduler))[-1] == "last"


@pytest.mark.parametrize("ended", [False, True])
async def test_a_closed_scheduler_takes_nothing_and_hands_the_submission_back(ended: bool) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(RecurringJobRequest("busy", After(0)), anyio.sleep, 10)
        await anyio.sleep(1)
        async with anyio.create_task_group() as group:
            group.start_soon(scheduler.shutdown_graceful)
            await anyio.sleep(100 if ended else 1)
            assert scheduler.is_closed
            with pytest.raises(SchedulerClosed) as refused:
                await scheduler.add_job(NOTHING, nothing, 1, kwargs={"two": 2})
            error = refused.value
            assert (error.request, error.fn, error.args, error.kwargs) == (NOTHING, nothing, (1,), {"two": 2})
            with pytest.raises(SchedulerClosed) as refused:
                scheduler.try_add_job(NOTHING, nothing, 1, kwargs={"two": 2})
            error = refused.value
            assert (error.request, error.fn, error.args, error.kwargs) == (NOTHING, nothing, (1,), {"two": 2})
    with pytest.raises(SchedulerClosed):
        await scheduler.add_job(NOTHING, nothing)
    assert scheduler.get_metrics_snapshot().jobs_submitted == 1


@pytest.mark.parametrize("leave", [False, True])
async def test_waiting_submitters_are_released_when_the_scheduler_closes(store: Any, leave: bool) -> None:
    refused: list[int] = []
    released_at: list[float] = []
    store.delay = 10  # while the coordinator waits for it, nobody makes room

    async def submit(number: int) -> None:
        with pytest.raises(SchedulerClosed) as error:
            await scheduler.add_job(request(str(number)), "nothing", number)
        refused.extend(error.value.args)
        released_at.append(anyio.current_time())

    async with anyio.create_task_group() as group:  # noqa: SIM117  (it outlives the scheduler)
        async with open_scheduler(max_workers=1, staging_buffer_size=1, store=store) as scheduler:
            scheduler.register("nothing", nothing)
            group.start_soon(scheduler.add_job, request("committed"), "nothing")
            await anyio.sleep(1)
            scheduler.try_add_job(request("staged"), "nothing")
            for number in range(10):
                group.start_soon(submit, number)
            await anyio.sleep(1)
            if not leave:
                await scheduler.shutdown_graceful()
    assert sorted(refused) == list(range(10))
    assert set(released_at) == {2.0}
    assert scheduler.get_metrics_snapshot().jobs_submitted == 2


async def test_staged_jobs_enter_the_books_of_a_shutdown() -> None:
    async with open_scheduler(max_workers=1, staging_buffer_size=2_000) as scheduler:
        for number in range(1_500):
            scheduler.try_add_job(RecurringJobRequest(str(number), After(0)), nothing)
        report = await scheduler.shutdown_graceful()
    books = scheduler.get_metrics_snapshot().books
    assert books.balanced
    assert books.planned == books.never_started + books.succeeded == 1_500
    assert len(report.never_started) == books.never_started
    assert scheduler.get_metrics_snapshot().job_staging_buffer_current == 0


async def test_jobs_submit_jobs_even_where_staging_is_full() -> None:
    done: list[int] = []

    async def child(number: int) -> None:
        done.append(number)

    async def parent(number: int) -> None:
        scheduler = current_scheduler()
        for each in range(10):
            await scheduler.add_job(RecurringJobRequest("child", After(0)), child, number * 10 + each)

    async with open_scheduler(max_workers=4, staging_buffer_size=1) as scheduler:
        for number in range(10):
            await scheduler.add_job(RecurringJobRequest("parent", After(0)), parent, number)
        await scheduler.wait_idle()
    assert sorted(done) == list(range(100))


async def test_threads_submit_through_from_thread() -> None:
    def thread() -> str:
        job_id = anyio.from_thread.run(scheduler.add_job, request("one"), nothing)
        other = anyio.from_thread.run_sync(scheduler.try_add_job, request("two"), nothing)
        assert job_id != other
        return anyio.from_thread.run(scheduler.get_job_details, job_id).name

    async with open_scheduler(max_workers=1) as scheduler:
        assert await anyio.to_thread.run_sync(thread) == "one"
        assert await names(scheduler) == ["one", "two"]


async def test_a_plain_job_submits_from_its_thread() -> None:
    def job() -> None:
        anyio.from_thread.run(current_scheduler().add_job, RecurringJobRequest("child", After(0)), nothing)

    async with open_scheduler(max_workers=1, staging_buffer_size=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("parent", After(0)), job)
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert record.outcome is Outcome.SUCCEEDED
        assert await names(scheduler) == ["parent", "child"]


async def test_what_is_no_request_is_refused_at_the_call() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        for wrong in ("name", Never(), None, RecurringJobRequest):
            with pytest.raises(ConfigurationError, match="request") as refused:
                await scheduler.add_job(wrong, nothing)  # type: ignore[arg-type]
            assert refused.value.parameter == "request"
            with pytest.raises(ConfigurationError, match="request"):
                scheduler.try_add_job(wrong, nothing)  # type: ignore[arg-type]
        assert scheduler.get_metrics_snapshot().staging_submitted_total == 0


async def test_one_request_serves_many_jobs() -> None:
    async with open_scheduler(max_workers=2) as scheduler:
        ids = [await scheduler.add_job(RecurringJobRequest("same", After(1)), nothing) for _ in range(3)]
        assert len(set(ids)) == 3
        await scheduler.wait_idle()
        assert scheduler.get_metrics_snapshot().books.succeeded == 3


async def test_the_arguments_of_a_job_are_its_own() -> None:
    got: list[Any] = []
    kwargs = {"b": 2}

    async def job(a: int, *, b: int) -> None:
        got.append((a, b))

    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", After(1)), job, 1, kwargs=kwargs)
        kwargs["b"] = 3
        await scheduler.wait_idle()
    assert got == [(1, 2)]


async def test_commands_wait_for_room_too() -> None:
    async with open_scheduler(max_workers=1, command_buffer_size=1) as scheduler:
        job_id = await scheduler.add_job(NOTHING, nothing)
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(scheduler.get_job_details, job_id)
                group.start_soon(scheduler.cancel_job, job_id)
        assert (await scheduler.get_job_details(job_id)).is_cancelled
