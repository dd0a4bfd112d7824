"""After a call from another thread or event loop, a scheduler on trio did nothing any more.

Cause: no operation checked where it was called. `try_add_job` in a plain job put its submission in, and noted that the
coordinator was woken. Then the event of trio raised, because it belongs to another thread. From then on every wake-up
was taken as done already.

Every operation refuses such a call before it changes anything. The tests find operations by their names, so that a new
one is tested, too.
"""

import asyncio
import inspect
import threading

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from back_ends import ASYNCIO
from sample_jobs import NOW

from turnkeeper_trio import (
    JobSet,
    Never,
    Outcome,
    RecurringJobRequest,
    Scheduler,
    ThreadsafeScheduler,
    WouldDeadlock,
    current_scheduler,
    open_scheduler,
)
from turnkeeper_trio.events import RunFinished

FROM_ANYWHERE = {"is_closed", "shutdown_report", "threadsafe"}

OPERATIONS = sorted(name for name in dir(Scheduler) if not name.startswith("_") and name not in FROM_ANYWHERE)

READS = {"get_metrics_snapshot", "now", "register"}
"""They need no event loop, only its thread."""


def nothing():
    pass


def arguments(name, job_id):
    run_id = job_id
    return {
        "add_job": (NOW, nothing),
        "try_add_job": (NOW, nothing),
        "scheduled": (NOW, nothing),
        "add_jobs": ([(NOW, nothing)],),
        "apply": (JobSet(),),
        "register": ("name", nothing),
        "events": (RunFinished,),
        "cancel_run": (run_id,),
        "wait_run": (run_id,),
    }.get(name, (job_id,) if name.endswith(("_job", "_job_now", "_next_run", "_details")) else ())


async def do(scheduler, name, job_id):
    result = getattr(scheduler, name)(*arguments(name, job_id))
    if hasattr(result, "__aenter__"):
        async with result:
            pass
    elif inspect.isawaitable(result):
        await result


async def refused(scheduler, name, job_id):
    with pytest.raises(RuntimeError, match=r"anyio\.from_thread") as caught:
        await do(scheduler, name, job_id)
    assert not isinstance(caught.value, WouldDeadlock)
    assert "threadsafe()" in str(caught.value)


async def state_of(scheduler):
    jobs = await scheduler.list_all_jobs()  # when it has answered, what was staged is in the books
    return jobs, scheduler.get_metrics_snapshot(), dict(scheduler._parts.functions._by_name)


async def check_that_it_works(scheduler):
    record = await scheduler.wait_job(await scheduler.add_job(NOW, anyio.sleep, 0))
    assert record.outcome is Outcome.SUCCEEDED
    assert not scheduler.is_closed


def in_thread_without_loop(scheduler, name, job_id):
    with pytest.raises(StopIteration):  # it is refused before anything is awaited
        refused(scheduler, name, job_id).send(None)


def in_thread_with_trio(scheduler, name, job_id):
    anyio.run(refused, scheduler, name, job_id, backend="trio")


def in_thread_with_asyncio(scheduler, name, job_id):
    asyncio.run(refused(scheduler, name, job_id))


@pytest.mark.anyio
@pytest.mark.parametrize("how", [in_thread_without_loop, in_thread_with_trio, in_thread_with_asyncio])
@pytest.mark.parametrize("name", OPERATIONS)
async def test_from_another_thread_it_is_refused_and_nothing_has_changed(name, how):
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Never()), nothing)
        before = await state_of(scheduler)
        await anyio.to_thread.run_sync(how, scheduler, name, job_id)
        assert await state_of(scheduler) == before
        await check_that_it_works(scheduler)


@pytest.mark.anyio
@pytest.mark.parametrize("name", OPERATIONS)
async def test_in_the_thread_of_a_plain_job_it_fails_that_job_alone(name):
    async with open_scheduler(max_workers=2) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Never()), nothing)

        def plain():
            with pytest.raises(StopIteration):
                do(current_scheduler(), name, job_id).send(None)

        record = await scheduler.wait_job(await scheduler.add_job(NOW, plain))
        assert record.outcome is Outcome.FAILED
        assert type(record.error) is RuntimeError
        assert "anyio.from_thread" in str(record.error)
        await check_that_it_works(scheduler)


@pytest.mark.anyio
@ASYNCIO
@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - READS))
async def test_from_another_event_loop_of_the_same_thread(name):
    """As if one loop runs as the guest of another, or the first has stopped for a while."""
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Never()), nothing)
        loop, other = asyncio.get_running_loop(), asyncio.new_event_loop()
        asyncio._set_running_loop(None)
        try:
            in_thread_without_loop(scheduler, name, job_id)
            other.run_until_complete(refused(scheduler, name, job_id))
        finally:
            other.close()
            asyncio._set_running_loop(loop)
        await check_that_it_works(scheduler)


@pytest.mark.anyio
async def test_a_subscription_is_of_the_event_loop_too():
    async with open_scheduler(max_workers=1) as scheduler, scheduler.events() as events:

        def elsewhere():
            for what in (events.__anext__, events.aclose):
                with pytest.raises(RuntimeError, match=r"anyio\.from_thread"):
                    what().send(None)

        await anyio.to_thread.run_sync(elsewhere)
        await scheduler.add_job(NOW, nothing)
        assert type(await anext(events)).__name__ == "JobAdded"


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_once_the_block_has_been_left_it_may_be_asked_from_anywhere(backend):
    async def main():
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.wait_job(await scheduler.add_job(NOW, nothing))
        return scheduler

    scheduler = anyio.run(main, backend=backend)
    told = []

    def ask():
        told.append((scheduler.get_metrics_snapshot().books.succeeded, scheduler.shutdown_report.unrun))
        told.append(len(asyncio.run(scheduler.get_run_history())))
        scheduler.stop()

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert told == [(1, 0), 1]
    assert len(anyio.run(scheduler.get_run_history, backend="trio")) == 1


def test_every_operation_is_there_for_threads_too():
    blocks_of_their_own = {"scheduled", "paused", "events", "run_until_signal", "register"}
    there = {name for name in dir(ThreadsafeScheduler) if not name.startswith("_")}
    assert there == set(OPERATIONS) - blocks_of_their_own
    for name in there:
        assert getattr(ThreadsafeScheduler, name).__doc__
