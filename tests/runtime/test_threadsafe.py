"""The scheduler for other threads: calls that block there, and always come back."""

import functools
import threading
import time

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from sample_jobs import NOW

from turnkeeper_trio import (
    After,
    Interval,
    JobNotFound,
    JobSet,
    Never,
    OnConflict,
    Outcome,
    RecurringJobRequest,
    SchedulerClosed,
    WouldDeadlock,
    current_run,
    current_scheduler,
    open_scheduler,
)
from turnkeeper_trio.testing._run import run

pytestmark = pytest.mark.anyio


class Thread(threading.Thread):
    """A thread that anyio did not start; its result can be awaited."""

    def __init__(self, function, *args):
        super().__init__()
        self._function = functools.partial(function, *args)
        self._result = None
        self.error = None
        self.start()

    def run(self):
        try:
            self._result = self._function()
        except BaseException as exc:
            self.error = exc

    async def result(self):
        await anyio.to_thread.run_sync(self.join)
        if self.error is not None:
            raise self.error
        return self._result


async def anyio_thread(function, *args):
    return await anyio.to_thread.run_sync(function, *args)


async def foreign_thread(function, *args):
    return await Thread(function, *args).result()


@pytest.fixture(params=[anyio_thread, foreign_thread])
def in_thread(request):
    return request.param


async def test_a_thread_submits_changes_and_asks(in_thread):
    async def double(number, *, by=2):
        return number * by

    async with open_scheduler(max_workers=2) as scheduler:
        mine = scheduler.threadsafe()

        def work():
            assert scheduler.is_closed is False
            job_id = mine.add_job(NOW, double, 4, kwargs={"by": 3})
            assert mine.wait_job(job_id).unwrap() == 12
            keyed = RecurringJobRequest("keyed", Never(), key="k")
            kept = mine.try_add_job(keyed, double, 1, on_conflict=OnConflict.KEEP)
            run_id = mine.trigger_job_now(kept)
            assert mine.wait_run(run_id).unwrap() == 2
            assert mine.update_job(kept, priority=3, args=(5,)) == 2
            assert mine.get_job_details(kept).priority == 3
            mine.pause_job(kept, note="n")
            mine.resume_job(kept)
            mine.pause_all()
            mine.resume_all()
            assert [job.name for job in mine.list_all_jobs()] == ["now", "keyed"]
            assert [record.run_id for record in mine.get_run_history(kept)] == [run_id]
            assert mine.cancel_run(run_id).outcome is Outcome.SUCCEEDED
            assert (mine.list_active_runs(), mine.upcoming_runs(limit=5), mine.skip_next_run(kept)) == ([], [], None)
            assert mine.apply(JobSet()).added == ()
            mine.wait_idle()
            assert mine.cancel_job(kept, reason="r") == ()
            mine.delete_job(kept)
            with pytest.raises(JobNotFound):
                mine.get_job_details(kept)
            with pytest.raises(TypeError, match="a function was expected"):
                mine.add_job(NOW, 5)
            assert mine.now().year >= 2000
            return mine.get_metrics_snapshot().books.succeeded

        assert await in_thread(work) == 2


async def test_a_plain_job_submits_and_may_not_wait_for_itself():
    def plain():
        mine = current_scheduler().threadsafe()
        with pytest.raises(WouldDeadlock):
            mine.wait_job(current_run().job_id)
        with pytest.raises(WouldDeadlock):
            mine.shutdown_graceful()
        return mine.add_job(RecurringJobRequest("child", After(0)), anyio.sleep, 0)

    async with open_scheduler(max_workers=1, staging_buffer_size=1) as scheduler:
        record = await scheduler.wait_job(await scheduler.add_job(NOW, plain))
        assert (await scheduler.wait_job(record.unwrap())).outcome is Outcome.SUCCEEDED


async def test_a_thread_that_a_plain_job_began_may_call_too():
    def plain():
        told = []
        thread = threading.Thread(target=lambda: told.append(scheduler.threadsafe().try_add_job(NOW, time.time)))
        thread.start()
        thread.join()
        return told

    async with open_scheduler(max_workers=1) as scheduler:
        record = await scheduler.wait_job(await scheduler.add_job(NOW, plain))
        assert len(record.unwrap()) == 1


async def test_a_worker_thread_of_another_event_loop_may_call_too():
    async def elsewhere():
        return await anyio.to_thread.run_sync(scheduler.threadsafe().try_add_job, NOW, time.time)

    async with open_scheduler(max_workers=1) as scheduler:
        for backend in ("trio", "asyncio"):
            job_id = await anyio.to_thread.run_sync(lambda backend=backend: anyio.run(elsewhere, backend=backend))
            assert (await scheduler.wait_job(job_id)).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("where", ["its own", "another"])
async def test_where_an_event_loop_runs_it_is_refused_at_once(where):
    async with open_scheduler(max_workers=1) as scheduler:

        async def ask():
            with pytest.raises(RuntimeError, match="would block"):
                scheduler.threadsafe().wait_idle()

        if where == "its own":
            await ask()
        else:
            await anyio.to_thread.run_sync(lambda: anyio.run(ask))
        assert scheduler._parts.affinity._open_calls == 0


async def test_who_waits_is_answered_before_the_block_is_left(in_thread):
    answers = []

    def wait():
        asked.set()
        try:
            scheduler.threadsafe().wait_idle()
        except SchedulerClosed as exc:
            answers.append(exc)

    asked = threading.Event()
    async with anyio.create_task_group() as tasks, open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(RecurringJobRequest("hourly", Interval(3600)), time.time)
        tasks.start_soon(in_thread, wait)
        await anyio.to_thread.run_sync(asked.wait)
        while not scheduler._parts.engine.state.waits.subjects():
            await anyio.lowlevel.checkpoint()
    assert len(answers) == 1


async def test_the_block_is_not_left_while_a_thread_is_inside():
    """The answer may be on its way when everything else has ended; an event loop that ended would not deliver it."""
    async with open_scheduler(max_workers=1) as scheduler:
        affinity = scheduler._parts.affinity
        entered, leave = threading.Event(), threading.Event()

        def inside():
            with affinity._counted():
                entered.set()
                leave.wait()

        thread = Thread(inside)
        await anyio.to_thread.run_sync(entered.wait)
        timer = threading.Timer(0.02, leave.set)
        timer.start()
    assert leave.is_set()
    await thread.result()
    timer.join()


async def test_after_the_end_it_is_closed(in_thread):
    async with open_scheduler(max_workers=1) as scheduler:
        mine = scheduler.threadsafe()
        report = await in_thread(mine.shutdown_force, 5)
        assert report is scheduler.shutdown_report
        assert await in_thread(mine.list_all_jobs) == []
        with pytest.raises(SchedulerClosed):
            await in_thread(mine.add_job, NOW, time.time)
    for ask in (mine.list_all_jobs, mine.now, mine.stop):
        with pytest.raises(SchedulerClosed):
            await in_thread(ask)
        with pytest.raises(SchedulerClosed):
            ask()


async def test_a_thread_asks_for_the_end(in_thread):
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(NOW, anyio.sleep_forever)
        await anyio.sleep(1)
        await in_thread(functools.partial(scheduler.threadsafe().stop, force=True))
        assert scheduler.is_closed
        assert len((await scheduler.shutdown_force()).interrupted) == 1


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_a_forced_shutdown_cuts_off_the_waiting_of_a_plain_job(backend):
    """In a thread that anyio started, the call is cancelled with the run, as a call through ``from_thread`` is."""

    async def main():
        async with open_scheduler(max_workers=2, shutdown_grace=0) as scheduler:
            other = await scheduler.add_job(RecurringJobRequest("other", Interval(3600)), time.time)
            began = threading.Event()

            def plain():
                began.set()
                scheduler.threadsafe().wait_job(other)

            await scheduler.add_job(NOW, plain)
            await anyio.to_thread.run_sync(began.wait)
        return [(record.name, record.outcome) for record in scheduler.shutdown_report.interrupted]

    outcomes = run(main, backend=backend)
    assert outcomes in ([("now", Outcome.INTERRUPTED)], [])


def test_the_methods_say_what_they_are():
    from turnkeeper_trio import ThreadsafeScheduler  # noqa: PLC0415

    assert "Wait until a run has ended" in ThreadsafeScheduler.wait_run.__doc__
