"""What leaves the block in each case: one bare exception, by precedence; and that nothing is alive afterwards."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from back_ends import ASYNCIO
from sample_jobs import clean_up

from turnkeeper_trio import (
    After,
    CriticalJobFailed,
    InternalError,
    Interval,
    Outcome,
    RecurringJobRequest,
    Scheduler,
    open_scheduler,
)
from turnkeeper_trio._engine.engine import Engine
from turnkeeper_trio._runtime.publisher import EventPublisher
from turnkeeper_trio.events import JobAdded

pytestmark = pytest.mark.anyio

NOW = RecurringJobRequest("job", After(0))
Ends = pytest.mark.parametrize("ends", [KeyboardInterrupt, SystemExit])


async def forever() -> None:
    await anyio.sleep_forever()


async def raises(error: BaseException, after: float = 0) -> None:
    await anyio.sleep(after)
    raise error


def check_ended(scheduler: Scheduler, before: set[int]) -> None:
    books = scheduler.get_metrics_snapshot().books
    assert books.balanced
    assert books.active == 0
    assert scheduler.is_closed
    assert scheduler.shutdown_report is not None
    assert scheduler.shutdown_report.still_running == ()
    left = [task.name for task in anyio.get_running_tasks() if task.id not in before]
    assert left == []


def alive() -> set[int]:
    return {task.id for task in anyio.get_running_tasks()}


async def test_nothing_leaves_a_block_that_was_just_left() -> None:
    before = alive()
    async with open_scheduler(max_workers=2) as scheduler:
        await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=1)), raises, ValueError())
        await anyio.sleep(5.5)
    check_ended(scheduler, before)
    assert scheduler.get_metrics_snapshot().books.failed == 5


class Falsy(Exception):
    def __len__(self) -> int:
        return 0


class Own(BaseException):
    pass


@pytest.mark.parametrize("error", [ValueError, Own, Falsy, KeyboardInterrupt, SystemExit, GeneratorExit])
async def test_the_exception_of_the_body_leaves_as_it_is(error: type[BaseException]) -> None:
    """Regression: whether an exception left depended on its truth value."""
    before = alive()
    raised = error()
    with pytest.raises(error) as left:
        async with open_scheduler(max_workers=2) as scheduler:
            await scheduler.add_job(NOW, forever)
            await anyio.sleep(1)
            raise raised
    assert left.value is raised
    assert left.value.__context__ is None
    assert not hasattr(raised, "__notes__")
    assert anyio.current_time() == 1
    check_ended(scheduler, before)
    [record] = await scheduler.get_run_history()
    assert record.outcome is Outcome.INTERRUPTED


async def test_a_group_of_the_body_leaves_as_the_group_it_is() -> None:
    with pytest.raises(ExceptionGroup) as left:
        async with open_scheduler(max_workers=1), anyio.create_task_group() as group:
            group.start_soon(raises, ValueError())
            group.start_soon(raises, KeyError())
    assert len(left.value.exceptions) in {1, 2}


@Ends
@pytest.mark.parametrize("plain", [False, True])
async def test_what_ends_the_program_leaves_bare_and_the_body_is_cancelled(
    ends: type[BaseException], plain: bool
) -> None:
    before = alive()
    error = ends("stop")
    cancelled: list[float] = []

    def job() -> None:
        raise error

    with pytest.raises(ends) as left:
        async with open_scheduler(max_workers=2) as scheduler:
            await scheduler.add_job(NOW, forever)
            job_id = await scheduler.add_job(
                RecurringJobRequest("job", After(5)), *([job] if plain else [raises, error])
            )
            try:
                await anyio.sleep(100)
            finally:
                cancelled.append(anyio.current_time())
    assert left.value is error
    assert not hasattr(error, "__notes__")
    assert cancelled == [5]
    check_ended(scheduler, before)
    [record] = await scheduler.get_run_history(job_id)
    assert (record.outcome, record.reason) == (Outcome.FAILED, "it ended the program")
    assert scheduler.get_metrics_snapshot().books.interrupted == 1


@Ends
async def test_what_ends_the_program_is_found_in_groups(ends: type[BaseException]) -> None:
    async def job() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(raises, ValueError())
            group.start_soon(inner)

    async def inner() -> None:
        raise BaseExceptionGroup("inner", [ends("stop"), KeyError()])

    with pytest.raises(ends, match="stop"):
        async with open_scheduler(max_workers=2) as scheduler:
            await scheduler.add_job(NOW, job)
            await anyio.sleep(100)


@ASYNCIO
async def test_the_host_task_is_not_left_cancelled_by_the_end_of_the_program() -> None:
    task = asyncio.current_task()
    assert task is not None
    with pytest.raises(SystemExit):
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.add_job(NOW, raises, SystemExit())
            await anyio.sleep(100)
    assert task.cancelling() == 0
    await asyncio.sleep(1)


@Ends
async def test_what_ends_the_program_goes_before_the_exception_of_the_body(ends: type[BaseException]) -> None:
    with pytest.raises(ends) as left:
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.add_job(NOW, raises, ends())
            try:
                await anyio.sleep(100)
            finally:
                raise ValueError("the body's")
    assert isinstance(left.value.__context__, ValueError)
    assert left.value.__notes__ == ["besides, there was ValueError: the body's"]


async def test_what_ends_the_program_while_the_block_is_left_leaves_too() -> None:
    with pytest.raises(SystemExit) as left:
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.add_job(NOW, raises, SystemExit(), 5)
            await anyio.sleep(1)
    assert anyio.current_time() == 5
    assert not hasattr(left.value, "__notes__")


async def test_a_body_that_shields_itself_is_waited_for() -> None:
    with pytest.raises(SystemExit):
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.add_job(NOW, raises, SystemExit())
            with anyio.CancelScope(shield=True):
                await anyio.sleep(50)
                assert scheduler.is_closed
    assert anyio.current_time() == 50


async def test_the_second_of_two_that_end_the_program_is_only_a_failure() -> None:
    with pytest.raises((SystemExit, KeyboardInterrupt)):
        async with open_scheduler(max_workers=2) as scheduler:
            await scheduler.add_job(NOW, raises, SystemExit(), 1)
            await scheduler.add_job(NOW, raises, KeyboardInterrupt(), 1)
            await anyio.sleep(100)
    books = scheduler.get_metrics_snapshot().books
    assert books.failed + books.interrupted == 2


async def test_the_failure_of_a_critical_job_leaves_and_cancels_the_body() -> None:
    before = alive()
    error = ValueError("down")
    with pytest.raises(CriticalJobFailed) as left:
        async with open_scheduler(max_workers=2) as scheduler:
            await scheduler.add_job(NOW, forever)
            await scheduler.add_job(RecurringJobRequest("critical", After(3), critical=True), raises, error)
            await anyio.sleep(100)
    assert left.value.__cause__ is error
    assert left.value.record.name == "critical"
    assert anyio.current_time() == 3
    check_ended(scheduler, before)


async def test_the_exception_of_the_body_goes_before_the_failure_of_a_critical_job() -> None:
    with pytest.raises(ValueError, match="body") as left:
        async with open_scheduler(max_workers=2) as scheduler:
            await scheduler.add_job(RecurringJobRequest("critical", After(3), critical=True), raises, KeyError())
            try:
                await anyio.sleep(100)
            finally:
                raise ValueError("body")
    assert "the critical job 'critical' failed" in left.value.__notes__[0]


# Cancellation from outside.


async def test_a_cancellation_passes_as_cancellation() -> None:
    before = alive()
    with anyio.move_on_after(5) as scope:
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.add_job(NOW, forever)
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert anyio.current_time() == 5
    check_ended(scheduler, before)
    assert scheduler.get_metrics_snapshot().books.interrupted == 1


async def test_a_cancellation_while_the_block_is_left_forces() -> None:
    before = alive()
    with anyio.move_on_after(5) as scope:
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.add_job(NOW, forever)
            await anyio.sleep(1)
    assert scope.cancelled_caught
    check_ended(scheduler, before)


async def test_the_cleanup_of_the_runs_is_waited_for_under_a_cancellation_too() -> None:
    cleaned: list[float] = []

    with anyio.move_on_after(5):
        async with open_scheduler(max_workers=2) as scheduler:
            await scheduler.add_job(NOW, clean_up, 7, cleaned)
            await scheduler.add_job(NOW, clean_up, 7, cleaned)
            await anyio.sleep_forever()
    assert cleaned == [12, 12]
    assert anyio.current_time() == 12


async def test_a_cancellation_reaches_the_runs_even_while_the_body_is_shielded() -> None:
    interrupted: list[float] = []

    async def job() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            interrupted.append(anyio.current_time())

    with anyio.move_on_after(5) as scope:
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.add_job(NOW, job)
            with anyio.CancelScope(shield=True):
                await anyio.sleep(20)
                assert scheduler.is_closed
                assert scheduler.shutdown_report is not None
    assert scope.cancelled_caught
    assert interrupted == [5]
    assert anyio.current_time() == 20


async def test_an_exception_of_the_body_survives_a_cancellation_from_outside() -> None:
    """Regression: the watcher passed the cancellation on through the task group, and the exception was lost."""
    with pytest.raises(ValueError, match="body"):
        with anyio.move_on_after(5):
            async with open_scheduler(max_workers=1) as scheduler:
                await scheduler.add_job(NOW, forever)
                try:
                    await anyio.sleep_forever()
                finally:
                    raise ValueError("body")
    assert scheduler.get_metrics_snapshot().books.interrupted == 1


async def test_what_a_job_ends_the_program_with_goes_before_a_cancellation() -> None:
    with pytest.raises(SystemExit), anyio.move_on_after(5):
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.add_job(NOW, ends_when_cancelled)
            await anyio.sleep_forever()


async def ends_when_cancelled() -> None:
    try:
        await anyio.sleep_forever()
    finally:
        raise SystemExit


async def test_the_scheduler_may_be_closed_in_the_cleanup_of_a_cancelled_body() -> None:
    with anyio.move_on_after(5) as scope:
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.add_job(NOW, forever)
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    report = await scheduler.shutdown_graceful()
                    assert len(report.interrupted) == 1
    assert scope.cancelled_caught


# Native cancellation, on asyncio.


async def cancel_natively(main: Callable[[], Awaitable[object]], *instants: float) -> BaseException | None:
    """Run ``main`` in a task of its own and cancel it at these instants; return what it ended with."""
    before = alive()
    task = asyncio.ensure_future(main())
    for instant in instants:
        await anyio.sleep(instant - anyio.current_time())
        task.cancel()
    [result] = await asyncio.gather(task, return_exceptions=True)
    assert alive() <= before | {id(asyncio.current_task())}
    return result if isinstance(result, BaseException) else None


@ASYNCIO
@pytest.mark.parametrize("where", ["body", "leaving", "shielded"])
@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a_native_cancellation_of_the_host_forces_and_passes(where: str, times: int) -> None:
    schedulers: list[Scheduler] = []
    cleaned: list[float] = []

    async def main() -> None:
        async with open_scheduler(max_workers=1) as scheduler:
            schedulers.append(scheduler)
            await scheduler.add_job(NOW, clean_up, 10, cleaned)
            if where == "body":
                await anyio.sleep_forever()
            elif where == "shielded":
                with anyio.CancelScope(shield=True):
                    await anyio.sleep_forever()
            await anyio.sleep(1)
        pytest.fail("the cancellation was swallowed")

    result = await cancel_natively(main, *(5.0 + n for n in range(times)))
    assert isinstance(result, asyncio.CancelledError)
    assert cleaned == [15]
    check_ended(schedulers[0], alive())
    assert schedulers[0].get_metrics_snapshot().books.interrupted == 1


@ASYNCIO
async def test_an_exception_of_the_body_goes_before_a_native_cancellation() -> None:
    async def main() -> None:
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.add_job(NOW, clean_up, 10)
            await anyio.sleep(1)
            raise ValueError("body")

    result = await cancel_natively(main, 3)
    assert isinstance(result, ValueError)


@ASYNCIO
@pytest.mark.parametrize("turns", range(6))
async def test_every_task_of_the_loop_may_be_cancelled_at_once(turns: int) -> None:
    """As ``asyncio.run`` does at its end, and many a signal handler."""
    schedulers: list[Scheduler] = []

    async def main() -> None:
        async with open_scheduler(max_workers=2) as scheduler:
            schedulers.append(scheduler)
            await scheduler.add_job(NOW, forever)
            await scheduler.add_job(NOW, clean_up, 10)
            await scheduler.add_job(RecurringJobRequest("later", After(100)), forever)
            await anyio.sleep_forever()

    me = asyncio.current_task()
    before = asyncio.all_tasks()
    task = asyncio.ensure_future(main())
    await anyio.sleep(5)
    for _ in range(turns):
        await asyncio.sleep(0)
    for each in asyncio.all_tasks() - before:
        each.cancel()
    [result] = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(result, asyncio.CancelledError)
    assert asyncio.all_tasks() == before
    assert me in before
    check_ended(schedulers[0], alive())


@ASYNCIO
@pytest.mark.parametrize("name", ["coordinator", "watcher"])
async def test_to_cancel_a_task_of_the_scheduler_ends_the_block_with_an_internal_error(name: str) -> None:
    """Regression: the body was cancelled, and the block left without an error."""
    before = alive()
    with pytest.raises(InternalError, match="was cancelled") as left:
        async with open_scheduler(max_workers=2) as scheduler:
            await scheduler.add_job(RecurringJobRequest("later", After(100)), forever)
            await anyio.sleep(1)
            [task] = [task for task in asyncio.all_tasks() if task.get_name() == f"turnkeeper {name}"]
            task.cancel()
            await anyio.sleep(50)
    assert isinstance(left.value.__cause__, asyncio.CancelledError)
    assert anyio.current_time() == 1
    check_ended(scheduler, before)


@ASYNCIO
async def test_a_coordinator_that_is_cancelled_again_while_it_waits_for_the_runs_still_closes_the_books() -> None:
    before = alive()
    with pytest.raises(InternalError):
        async with open_scheduler(max_workers=2) as scheduler:
            await scheduler.add_job(NOW, clean_up, 10)
            await anyio.sleep(1)
            [task] = [task for task in asyncio.all_tasks() if task.get_name() == "turnkeeper coordinator"]
            task.cancel()
            asyncio.get_running_loop().call_later(2, task.cancel)
            with anyio.CancelScope(shield=True):
                await anyio.sleep(4)
                assert scheduler.shutdown_report is not None  # the task is dead, and nothing more can be reported
            await anyio.sleep(50)
    assert anyio.current_time() == 11
    check_ended(scheduler, before)


# Faults of the library.


@pytest.mark.parametrize("fault", [LookupError("planted"), KeyboardInterrupt(), SystemExit()])
async def test_a_fault_leaves_as_an_internal_error_after_every_cleanup(
    monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    before = alive()
    cleaned: list[float] = []

    async def job() -> None:
        try:
            await clean_up(10)
        finally:
            cleaned.append(anyio.current_time())

    def faulty(*_: object) -> None:
        raise fault

    expected = InternalError if isinstance(fault, Exception) else type(fault)
    with pytest.raises(expected) as left:
        async with open_scheduler(max_workers=1) as scheduler:
            running = await scheduler.add_job(RecurringJobRequest("running", After(0)), job)
            await anyio.sleep(1)
            with monkeypatch.context() as patch:
                patch.setattr(Engine, "take_due", faulty)
                staged = await scheduler.add_job(NOW, forever)
                await anyio.sleep(50)
    if isinstance(fault, Exception):
        assert left.value.__cause__ is fault
    assert cleaned == [11]
    check_ended(scheduler, before)
    books = scheduler.get_metrics_snapshot().books
    assert (books.interrupted, books.never_started + books.pending) == (1, 1)
    assert scheduler.shutdown_report is not None
    assert [record.job_id for record in scheduler.shutdown_report.interrupted] == [running]
    [record] = await scheduler.get_run_history(running)
    assert record.reason == "cut off by the shutdown"
    assert (await scheduler.get_job_details(staged)).last_run is None


async def test_a_run_that_a_fault_keeps_from_its_worker_was_never_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(*_: object) -> None:
        raise LookupError("planted")

    class Listens:
        def on_job_added(self, event: JobAdded) -> None: ...

    with pytest.raises(InternalError):
        async with open_scheduler(max_workers=1, job_dispatch_buffer_size=2, observers=[Listens()]) as scheduler:
            for _ in range(3):
                await scheduler.add_job(NOW, clean_up, 10)
            await anyio.sleep(1)
            assert [run.phase.value for run in await scheduler.list_active_runs()] == ["executing", "queued", "queued"]
            with monkeypatch.context() as patch:
                patch.setattr(EventPublisher, "publish", faulty)
                await scheduler.add_job(NOW, forever)
                await anyio.sleep(50)
    books = scheduler.get_metrics_snapshot().books
    assert books.balanced
    assert (books.interrupted, books.never_started + books.pending) == (1, 3)


async def test_an_internal_error_goes_before_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(*_: object) -> None:
        raise LookupError("planted")

    with pytest.raises(InternalError) as left:
        async with open_scheduler(max_workers=2) as scheduler:
            await scheduler.add_job(NOW, clean_up, 10)
            await scheduler.add_job(NOW, raises, SystemExit(), 5)
            try:
                await anyio.sleep(50)
            finally:
                # The program is about to end, and the cleanup is over in the next turn.
                monkeypatch.setattr(Engine, "take_due", faulty)
                raise ValueError("body")
    assert left.value.__notes__ == ["besides, there was SystemExit", "besides, there was ValueError: body"]
    planted = left.value.__cause__
    assert isinstance(planted, LookupError)
    assert isinstance(planted.__context__, SystemExit | ValueError)


async def test_after_a_fault_the_end_is_told_when_every_cleanup_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[float, int]] = []

    def faulty(*_: object) -> None:
        raise LookupError("planted")

    async def shut_down() -> None:
        report = await scheduler.shutdown_graceful()
        told.append((anyio.current_time(), len(report.interrupted)))

    async with anyio.create_task_group() as group:
        with pytest.raises(InternalError):
            async with open_scheduler(max_workers=1) as scheduler:
                await scheduler.add_job(NOW, clean_up, 10)
                await anyio.sleep(1)
                monkeypatch.setattr(Engine, "take_due", faulty)
                group.start_soon(shut_down)
                await anyio.sleep(50)
    assert told == [(11, 1)]


@pytest.mark.parametrize("observer_raises", [KeyboardInterrupt, SystemExit])
async def test_an_observer_may_end_the_program(observer_raises: type[BaseException]) -> None:
    """Regression: it left the coordinator's task, and the block in a group."""
    before = alive()

    class Impatient:
        def on_run_started(self, event: Any) -> None:
            raise observer_raises("enough")

    with pytest.raises(observer_raises, match="enough"):
        async with open_scheduler(max_workers=1, observers=[Impatient()]) as scheduler:
            await scheduler.add_job(NOW, clean_up, 10)
            await anyio.sleep(50)
    assert anyio.current_time() == 10
    check_ended(scheduler, before)
