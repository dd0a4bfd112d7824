"""Cancel, delete, skip and trigger: what they do to a run in each phase, and that their answers are right."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import anyio
import anyio.lowlevel
import pytest
from sample_jobs import NOW, clean_up, nothing

from turnkeeper_trio import (
    After,
    FixedRetryDelay,
    Interval,
    JobActive,
    JobEnded,
    JobHalted,
    JobNotFound,
    JobState,
    Never,
    Origin,
    Outcome,
    PriorityQueueType,
    RecurringJobRequest,
    RunNotFound,
    RunPhase,
    SchedulerClosed,
    current_scheduler,
    open_scheduler,
)

pytestmark = pytest.mark.anyio

BOTH_QUEUES = pytest.mark.parametrize("queue", PriorityQueueType)


@BOTH_QUEUES
async def test_nothing_of_a_cancelled_job_starts_any_more(queue: PriorityQueueType) -> None:
    ran: list[float] = []

    async def job() -> None:
        ran.append(anyio.current_time())

    async with open_scheduler(max_workers=1, priority_queue=queue) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=10)), job)
        await anyio.sleep(25)
        assert await scheduler.cancel_job(job_id, reason="enough") == ()
        details = await scheduler.get_job_details(job_id)
        assert (details.is_cancelled, details.state, details.state_reason) == (True, JobState.CANCELLED, "enough")
        assert details.next_run_time is None
        [record, *_] = await scheduler.get_run_history(job_id)
        assert (record.outcome, record.reason, record.started_at) == (Outcome.CANCELLED, "enough", None)
        await anyio.sleep(100)
        assert ran == [10, 20]
        metrics = scheduler.get_metrics_snapshot()
        assert (metrics.jobs_lineage_cancelled, metrics.job_queue_scheduled_current) == (1, 0)
        assert metrics.books.cancelled == 1
        assert metrics.books.balanced


@BOTH_QUEUES
async def test_the_removed_occurrence_is_counted_when_its_entry_goes(queue: PriorityQueueType) -> None:
    async with open_scheduler(max_workers=1, priority_queue=queue) as scheduler:
        ids = [await scheduler.add_job(RecurringJobRequest("job", After(10)), nothing) for _ in range(3)]
        await scheduler.cancel_job(ids[0])
        lazy = queue is PriorityQueueType.BINARY_HEAP
        assert scheduler.get_metrics_snapshot().jobs_instance_discarded_cancelled in ({0, 1} if lazy else {1})
        await anyio.sleep(11)
        assert scheduler.get_metrics_snapshot().jobs_instance_discarded_cancelled == 1
        assert scheduler.get_metrics_snapshot().books.succeeded == 2


async def test_cancelling_twice_is_fine() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", After(10)), nothing)
        await scheduler.cancel_job(job_id, reason="first")
        await scheduler.cancel_job(job_id, reason="second")
        assert (await scheduler.get_job_details(job_id)).state_reason == "first"
        assert scheduler.get_metrics_snapshot().jobs_lineage_cancelled == 1


async def test_a_stranger_is_not_found() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        stranger = uuid4()
        for operation in (
            scheduler.cancel_job,
            scheduler.delete_job,
            scheduler.skip_next_run,
            scheduler.trigger_job_now,
            scheduler.get_job_details,
            scheduler.wait_job,
            scheduler.list_active_runs,
            scheduler.get_run_history,
        ):
            with pytest.raises(JobNotFound) as refused:
                await operation(stranger)
            assert refused.value.job_id == stranger
            assert isinstance(refused.value, LookupError)
        for operation in (scheduler.wait_run, scheduler.cancel_run):
            with pytest.raises(RunNotFound) as not_found:
                await operation(stranger)  # type: ignore[arg-type]
            assert not_found.value.run_id == stranger


async def test_a_job_that_is_bound_to_a_worker_but_has_not_begun_does_not_start() -> None:
    ran: list[str] = []

    async def job(name: str) -> None:
        ran.append(name)
        await anyio.sleep(10)

    async with open_scheduler(max_workers=1, job_dispatch_buffer_size=3) as scheduler:
        ids = [await scheduler.add_job(NOW, job, name) for name in "abcd"]
        await anyio.sleep(1)
        assert len(scheduler._parts.engine.state.assigned) == 4
        [record] = await scheduler.cancel_job(ids[1])
        assert (record.outcome, record.attempts, record.started_at) == (Outcome.CANCELLED, 0, None)
        await scheduler.wait_idle()
        assert ran == ["a", "c", "d"]
        assert scheduler.get_metrics_snapshot().jobs_instance_discarded_cancelled == 1


async def test_a_ready_run_of_a_cancelled_job_does_not_start() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(NOW, anyio.sleep, 10)
        bound = await scheduler.add_job(NOW, anyio.sleep, 0)
        job_id = await scheduler.add_job(NOW, nothing)
        await anyio.sleep(1)
        [record] = await scheduler.cancel_job(job_id)
        assert record.outcome is Outcome.CANCELLED
        executing, waiting = await scheduler.list_active_runs()
        assert executing.job_id != job_id
        assert waiting.job_id == bound


async def test_an_executing_run_goes_on_and_is_not_tried_again() -> None:
    async def job() -> None:
        await anyio.sleep(10)
        raise ValueError

    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=100), 5), job)
        await anyio.sleep(101)
        assert await scheduler.cancel_job(job_id) == ()
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert (record.outcome, record.attempts) == (Outcome.FAILED, 1)
        assert "its job was cancelled" in record.reason
        assert anyio.current_time() == 110


async def test_cancel_running_waits_for_the_cleanup_and_says_what_happened() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(NOW, clean_up, 7)
        await anyio.sleep(1)
        [record] = await scheduler.cancel_job(job_id, cancel_running=True, reason="enough")
        assert anyio.current_time() == 8
        assert (record.outcome, record.reason, record.duration) == (Outcome.CANCELLED, "enough", 8)
        assert (await scheduler.get_job_details(job_id)).last_run == record
        assert scheduler.get_metrics_snapshot().books.cancelled == 1


async def test_cancel_running_tells_the_truth_where_the_job_won_the_race() -> None:
    async def wins() -> str:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            return "won"

    async def fails() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ValueError("in cleanup")

    async def returns_false() -> bool:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            return False

    expected = {
        wins: (Outcome.SUCCEEDED, "won", type(None)),
        fails: (Outcome.FAILED, None, ValueError),
        returns_false: (Outcome.FAILED, None, type(None)),
    }
    for fn, (outcome, value, error) in expected.items():
        async with open_scheduler(max_workers=1) as scheduler:
            job_id = await scheduler.add_job(RecurringJobRequest("job", After(0), 5), fn)
            await anyio.sleep(1)
            [record] = await scheduler.cancel_job(job_id, cancel_running=True)
            assert (record.outcome, record.value, type(record.error)) == (outcome, value, error)
            assert record.attempts == 1


async def test_a_run_that_ends_in_the_step_of_its_cancellation_has_one_truth() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        for _ in range(20):
            job_id = await scheduler.add_job(NOW, anyio.sleep, 5)
            await anyio.sleep(5)
            records = await scheduler.cancel_job(job_id, cancel_running=True)
            details = await scheduler.get_job_details(job_id)
            assert details.last_run is not None
            if records:
                assert records == (details.last_run,)
            assert details.last_run.outcome in {Outcome.SUCCEEDED, Outcome.CANCELLED}
        books = scheduler.get_metrics_snapshot().books
        assert books.succeeded + books.cancelled == books.planned == 20


async def test_cancel_running_ends_a_waiting_retry_at_once() -> None:
    async def fail() -> None:
        raise ValueError("first")

    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("job", After(0), 5, retry=FixedRetryDelay(100))
        job_id = await scheduler.add_job(request, fail)
        await anyio.sleep(1)
        [record] = await scheduler.cancel_job(job_id, reason="enough")
        assert (record.outcome, record.attempts, record.reason) == (Outcome.CANCELLED, 1, "enough")
        assert isinstance(record.error, ValueError)


async def test_giving_up_waiting_for_a_cancellation_does_not_withdraw_it() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(NOW, clean_up, 20)
        await anyio.sleep(1)
        with anyio.move_on_after(2) as scope:
            await scheduler.cancel_job(job_id, cancel_running=True)
        assert scope.cancelled_caught
        [run] = await scheduler.list_active_runs()
        assert run.phase is RunPhase.CLEANING_UP
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert record.outcome is Outcome.CANCELLED
        assert scheduler._parts.engine.state.waits.__len__() == 0


async def test_two_callers_may_wait_for_one_cancellation() -> None:
    got: list[Any] = []

    async def cancel() -> None:
        got.append(await scheduler.cancel_job(job_id, cancel_running=True))

    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(NOW, clean_up, 5)
        await anyio.sleep(1)
        async with anyio.create_task_group() as group:
            group.start_soon(cancel)
            group.start_soon(cancel)
    assert len(got) == 2
    assert got[0] == got[1]


async def test_a_job_may_cancel_its_own_lineage_and_goes_on() -> None:
    async def job() -> str:
        from turnkeeper_trio import current_run  # noqa: PLC0415

        await current_scheduler().cancel_job(current_run().job_id, reason="my own")
        return "still here"

    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=1)), job)
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert record.unwrap() == "still here"
        assert scheduler.get_metrics_snapshot().books.succeeded == 1


async def test_jobs_may_cancel_each_other() -> None:
    async def job(other: Any) -> None:
        [record] = await current_scheduler().cancel_job(other, cancel_running=True)
        assert record.outcome is Outcome.CANCELLED

    async with open_scheduler(max_workers=2) as scheduler:
        victim = await scheduler.add_job(NOW, clean_up, 1)
        await anyio.sleep(1)
        record = await scheduler.wait_job(await scheduler.add_job(NOW, job, victim))
        assert record is not None
        assert record.outcome is Outcome.SUCCEEDED, record.error


async def test_cancel_run_ends_one_run_and_the_job_goes_on() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=10)), clean_up, 1)
        await anyio.sleep(11)
        [run] = await scheduler.list_active_runs(job_id)
        record = await scheduler.cancel_run(run.run_id, reason="this one")
        assert (record.outcome, record.reason, anyio.current_time()) == (Outcome.CANCELLED, "this one", 12)
        assert await scheduler.cancel_run(run.run_id) == record
        details = await scheduler.get_job_details(job_id)
        assert details.state is JobState.ACTIVE
        assert details.next_run_instance is not None
        pending = await scheduler.cancel_run(details.next_run_instance)
        assert (pending.outcome, pending.started_at) == (Outcome.CANCELLED, None)
        details = await scheduler.get_job_details(job_id)
        assert details.next_run_time == scheduler.now() + timedelta(seconds=18)


async def test_trigger_begins_an_extra_run_and_the_grid_stays() -> None:
    ran: list[float] = []

    async def job() -> None:
        ran.append(anyio.current_time())

    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=10)), job)
        await anyio.sleep(13)
        run_id = await scheduler.trigger_job_now(job_id)
        record = await scheduler.wait_run(run_id)
        assert (record.origin, record.outcome, record.run_id) == (Origin.TRIGGER, Outcome.SUCCEEDED, run_id)
        assert record.scheduled_at == scheduler.now()
        await anyio.sleep(10)
    assert ran == [10, 13, 20]


async def test_a_job_without_a_schedule_runs_by_hand_as_often_as_asked() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("by hand", Never()), nothing)
        assert (await scheduler.get_job_details(job_id)).state is JobState.ACTIVE
        for _ in range(3):
            await scheduler.wait_run(await scheduler.trigger_job_now(job_id))
        assert (await scheduler.get_job_details(job_id)).state is JobState.ACTIVE
        assert scheduler.get_metrics_snapshot().books.succeeded == 3


async def test_a_job_with_an_active_run_cannot_be_triggered() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("by hand"), clean_up, 1)
        run_id = await scheduler.trigger_job_now(job_id)
        with pytest.raises(JobActive) as refused:
            await scheduler.trigger_job_now(job_id)
        assert (refused.value.job_id, refused.value.run_id) == (job_id, run_id)
        await scheduler.shutdown_force()


async def test_a_waiting_retry_does_not_stand_in_the_way_of_a_trigger() -> None:
    async def fail() -> None:
        raise ValueError

    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("by hand", max_retries=3, retry=FixedRetryDelay(100))
        job_id = await scheduler.add_job(request, fail)
        first = await scheduler.trigger_job_now(job_id)
        await anyio.sleep(1)
        second = await scheduler.trigger_job_now(job_id)
        record = await scheduler.wait_run(first)
        assert (record.outcome, record.attempts) == (Outcome.FAILED, 1)
        assert second != first


async def test_what_has_ended_cannot_be_triggered_or_skipped() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        finished = await scheduler.add_job(NOW, nothing)
        cancelled = await scheduler.add_job(RecurringJobRequest("job", After(100)), nothing)
        await scheduler.wait_job(finished)
        await scheduler.cancel_job(cancelled)
        for job_id, state in ((finished, "finished"), (cancelled, "cancelled")):
            for operation in (scheduler.trigger_job_now, scheduler.skip_next_run):
                with pytest.raises(JobEnded, match=state) as refused:
                    await operation(job_id)
                assert refused.value.job_id == job_id


async def test_a_job_with_a_faulty_schedule_is_halted_alone() -> None:
    class Faulty:
        def next_after(self, after: Any) -> Any:
            raise ValueError("no such day")

    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("faulty", Faulty()), nothing)
        details = await scheduler.get_job_details(job_id)
        assert details.state is JobState.HALTED
        assert "no such day" in details.state_reason
        with pytest.raises(JobHalted, match="no such day"):
            await scheduler.trigger_job_now(job_id)
        with pytest.raises(RunNotFound, match="has begun, and none is planned"):
            await scheduler.wait_job(job_id)
        assert await scheduler.wait_job(await scheduler.add_job(NOW, nothing)) is not None


async def test_nothing_is_begun_while_it_shuts_down() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        by_hand = await scheduler.add_job(RecurringJobRequest("by hand"), nothing)
        await scheduler.add_job(NOW, anyio.sleep, 10)
        await anyio.sleep(1)
        async with anyio.create_task_group() as group:
            group.start_soon(scheduler.shutdown_graceful)
            await anyio.sleep(1)
            for operation in (scheduler.trigger_job_now, scheduler.skip_next_run):
                with pytest.raises(SchedulerClosed):
                    await operation(by_hand)
            await scheduler.cancel_job(by_hand)
            assert (await scheduler.get_job_details(by_hand)).is_cancelled


async def test_skip_ends_the_next_occurrence_and_plans_the_one_after_it() -> None:
    ran: list[float] = []

    async def job() -> None:
        ran.append(anyio.current_time())

    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=10)), job)
        begin = scheduler.now()
        record = await scheduler.skip_next_run(job_id)
        assert record is not None
        assert (record.outcome, record.scheduled_at) == (Outcome.SKIPPED, begin + timedelta(seconds=10))
        assert record.reason == "skipped by hand"
        await anyio.sleep(25)
        assert ran == [20]
        by_hand = await scheduler.add_job(RecurringJobRequest("by hand"), job)
        assert await scheduler.skip_next_run(by_hand) is None


async def test_skipping_the_only_occurrence_finishes_the_job() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("once", After(10)), nothing)
        await scheduler.skip_next_run(job_id)
        assert (await scheduler.get_job_details(job_id)).state is JobState.FINISHED
        with pytest.raises(RunNotFound, match="has begun, and none is planned"):
            await scheduler.wait_job(job_id)


async def test_delete_cancels_and_forgets() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=10)), clean_up, 1)
        await anyio.sleep(11)
        [run] = await scheduler.list_active_runs()
        await scheduler.delete_job(job_id)
        with pytest.raises(JobNotFound):
            await scheduler.get_job_details(job_id)
        assert await scheduler.list_all_jobs() == []
        # What executes goes on: a deleted job cancels nothing.
        assert [active.run_id for active in await scheduler.list_active_runs()] == [run.run_id]
        await scheduler.shutdown_force()
        assert scheduler.get_metrics_snapshot().books.balanced


async def test_the_history_of_a_deleted_job_is_forgotten() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(NOW, nothing)
        record = await scheduler.wait_job(job_id)
        assert record is not None
        await scheduler.delete_job(job_id)
        assert await scheduler.get_run_history() == []
        with pytest.raises(RunNotFound):
            await scheduler.wait_run(record.run_id)
        with pytest.raises(JobNotFound):
            await scheduler.delete_job(job_id)
        assert scheduler.get_metrics_snapshot().books.succeeded == 1


async def test_a_command_that_is_given_up_before_it_has_room_changes_nothing() -> None:
    async with open_scheduler(max_workers=1, command_buffer_size=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", After(100)), nothing)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await scheduler.cancel_job(job_id)
        assert scope.cancelled_caught
        assert (await scheduler.get_job_details(job_id)).state is JobState.ACTIVE
