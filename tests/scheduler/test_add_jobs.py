"""Many jobs submitted by one call: in bursts, with back-pressure; or all of them in one step, or none."""

import threading
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from fake_store import FakeStore

from turnkeeper_trio import (
    After,
    ConfigurationError,
    Interval,
    JobExists,
    JobNotFound,
    OnConflict,
    RecurringJobRequest,
    Scheduler,
    SchedulerClosed,
    open_scheduler,
)
from turnkeeper_trio.errors import SubmissionRefused
from turnkeeper_trio.events import JobAdded
from turnkeeper_trio.jobs import JobSetEntry

pytestmark = pytest.mark.anyio

NOW = RecurringJobRequest("now", After())
LATER = RecurringJobRequest("later", After(hours=1))
WAYS = pytest.mark.parametrize("atomic", [False, True], ids=["in bursts", "atomic"])


async def nothing(*args: int, **kwargs: int) -> None: ...


def keyed(key: str) -> RecurringJobRequest:
    return RecurringJobRequest("keyed", Interval(hours=1), key=key)


async def known(scheduler: Scheduler) -> int:
    return len(await scheduler.list_all_jobs())


@WAYS
async def test_each_runs_with_its_arguments_and_the_ids_are_in_order(atomic: bool) -> None:
    calls: list[tuple[Any, ...]] = []

    async def note(*args: int, **kwargs: int) -> None:
        calls.append((*args, *kwargs.items()))

    async with open_scheduler(max_workers=1) as scheduler:
        jobs = [(NOW, note), (NOW, note, 1, 2), JobSetEntry(NOW, note, (3,), {"a": 4})]
        ids = await scheduler.add_jobs(jobs, atomic=atomic)
        names = [await scheduler.get_job_details(job_id) for job_id in ids]
        await scheduler.wait_idle()
    assert [each.job_id for each in names] == ids
    assert len(set(ids)) == 3
    assert calls == [(), (1, 2), (3, ("a", 4))]


@WAYS
async def test_more_jobs_than_staging_has_room_for(atomic: bool) -> None:
    def many() -> Iterator[tuple[RecurringJobRequest, Any, int]]:
        for number in range(1000):
            yield LATER, nothing, number

    longest = 0
    async with open_scheduler(max_workers=1, staging_buffer_size=7) as scheduler, anyio.create_task_group() as tasks:

        async def watch() -> None:
            nonlocal longest
            while True:
                longest = max(longest, scheduler.get_metrics_snapshot().job_staging_buffer_current)
                await anyio.lowlevel.checkpoint()

        tasks.start_soon(watch)
        ids = await scheduler.add_jobs(many(), atomic=atomic)
        assert len(set(ids)) == 1000
        assert await known(scheduler) == 1000
        assert scheduler.get_metrics_snapshot().jobs_submitted == 1000
        tasks.cancel_scope.cancel()
    assert longest <= 7


async def test_other_submitters_have_their_turn_between_the_bursts() -> None:
    order: list[str] = []
    async with open_scheduler(max_workers=1, staging_buffer_size=4) as scheduler, anyio.create_task_group() as tasks:

        async def bulk() -> None:
            await scheduler.add_jobs([(LATER, nothing)] * 100)
            order.append("bulk")

        async def one() -> None:
            for _ in range(5):
                await scheduler.add_job(LATER, nothing)
            order.append("one")

        tasks.start_soon(bulk)
        tasks.start_soon(one)
    assert order == ["one", "bulk"]


@WAYS
async def test_no_jobs_are_no_mistake_and_a_checkpoint(atomic: bool) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        assert await scheduler.add_jobs([], atomic=atomic) == []
        with anyio.CancelScope() as scope:
            scope.cancel()
            await scheduler.add_jobs([], atomic=atomic)
        assert scope.cancelled_caught


@WAYS
@pytest.mark.parametrize(
    ("jobs", "error", "said"),
    [
        (5, ConfigurationError, "jobs must be several tuples"),
        ("ab", ConfigurationError, "jobs must be several tuples"),
        ([(LATER, nothing), LATER], ConfigurationError, r"jobs\[1\] must be .* a request without its function"),
        ([(LATER, nothing), (LATER,)], ConfigurationError, r"jobs\[1\] must be a tuple"),
        ([(LATER, nothing), ("later", nothing)], ConfigurationError, "request must be"),
        ([(LATER, nothing), (LATER, "unknown")], ConfigurationError, "no function is registered"),
        ([(LATER, nothing), (LATER, nothing())], TypeError, "a coroutine was given"),
        ([(LATER, nothing), (LATER, test_no_jobs_are_no_mistake_and_a_checkpoint)], TypeError, "atomic"),
    ],
)
async def test_a_mistake_is_found_before_anything_is_submitted(jobs: Any, error: Any, said: str, atomic: bool) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        with pytest.raises(error, match=said) as caught:
            await scheduler.add_jobs(jobs, atomic=atomic)
        if not said.startswith("jobs"):
            assert caught.value.__notes__ == ["in jobs[1]"]
        assert await known(scheduler) == 0


async def test_atomic_is_true_or_false() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        with pytest.raises(ConfigurationError, match="atomic must be True or False"):
            await scheduler.add_jobs([], atomic=1)  # type: ignore[arg-type]


async def test_checking_many_lets_other_tasks_run() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await scheduler.add_jobs([(LATER, nothing)] * 1000)
        assert scope.cancelled_caught
        assert await known(scheduler) == 0


async def test_cancelled_between_bursts_what_was_submitted_stays() -> None:
    async with open_scheduler(max_workers=1, staging_buffer_size=3) as scheduler:
        with anyio.CancelScope() as scope:

            async def cancel() -> None:
                while scheduler.get_metrics_snapshot().jobs_submitted < 6:
                    await anyio.lowlevel.checkpoint()
                scope.cancel()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(cancel)
                await scheduler.add_jobs([(LATER, nothing)] * 90)
        assert 6 <= await known(scheduler) < 90
        assert await known(scheduler) == scheduler.get_metrics_snapshot().jobs_submitted


async def test_a_taken_key_in_the_middle() -> None:
    jobs = [(keyed(key), nothing) for key in ("a", "b", "taken", "c")]
    async with open_scheduler(max_workers=1) as scheduler:
        taken = await scheduler.add_job(keyed("taken"), nothing)
        with pytest.raises(JobExists) as caught:
            await scheduler.add_jobs(jobs, on_conflict=OnConflict.RAISE, atomic=True)
        assert caught.value.job_id == taken
        assert await known(scheduler) == 1
        with pytest.raises(JobExists) as caught:
            await scheduler.add_jobs(jobs, on_conflict=OnConflict.RAISE)
        assert caught.value.job_id == taken
        assert [each.key for each in await scheduler.list_all_jobs()] == ["taken", "a", "b"]
        assert len(await scheduler.add_jobs(jobs)) == 4


@WAYS
async def test_one_key_twice_in_one_call(atomic: bool) -> None:
    jobs = [(keyed("a"), nothing), (keyed("b"), nothing), (keyed("a"), nothing)]
    async with open_scheduler(max_workers=1) as scheduler:
        with pytest.raises(JobExists, match="'a'"):
            await scheduler.add_jobs(jobs, on_conflict=OnConflict.RAISE, atomic=atomic)
        assert await known(scheduler) == (0 if atomic else 2)
        ids = await scheduler.add_jobs(jobs, atomic=atomic)
        assert ids[0] == ids[2] != ids[1]
        assert await known(scheduler) == 2


async def test_a_key_of_a_job_that_has_ended_is_free() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        ended = await scheduler.add_job(keyed("a"), nothing)
        await scheduler.cancel_job(ended)
        assert await scheduler.add_jobs([(keyed("a"), nothing)], on_conflict=OnConflict.RAISE, atomic=True) == [ended]
        assert (await scheduler.get_job_details(ended)).next_run_time is not None


async def test_atomic_is_one_step() -> None:
    """Nothing comes between the first of them and the last: neither an event nor a job of somebody else."""
    async with (
        open_scheduler(max_workers=1, staging_buffer_size=1) as scheduler,
        scheduler.events(JobAdded) as events,
        anyio.create_task_group() as tasks,
    ):

        async def others() -> None:
            for _ in range(50):
                await scheduler.add_job(NOW, nothing)

        tasks.start_soon(others)
        await scheduler.add_jobs([(LATER, nothing)] * 30, atomic=True)
        await scheduler.wait_idle(due_only=True)
        names: list[str] = []
        async for event in events:
            names.append(event.name)
            if names.count("later") == 30:
                break
        first = names.index("later")
        assert names[first : first + 30] == ["later"] * 30


@WAYS
async def test_a_scheduler_that_has_ended(atomic: bool) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        pass
    with pytest.raises(SchedulerClosed):
        await scheduler.add_jobs([(NOW, nothing)], atomic=atomic)


@WAYS
async def test_a_scheduler_that_shuts_down_meanwhile(atomic: bool) -> None:
    async with open_scheduler(max_workers=1, staging_buffer_size=1) as scheduler:
        async with anyio.create_task_group() as tasks:

            async def bulk() -> None:
                with pytest.raises(SchedulerClosed):
                    await scheduler.add_jobs([(LATER, nothing)] * 300, atomic=atomic)

            tasks.start_soon(bulk)
            await anyio.lowlevel.checkpoint()
            scheduler.stop()
        await scheduler.shutdown_graceful()
        assert await known(scheduler) == 0 if atomic else await known(scheduler) < 300


@WAYS
async def test_from_a_thread(atomic: bool) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        ids: list[Any] = []
        mine = scheduler.threadsafe()
        thread = threading.Thread(target=lambda: ids.extend(mine.add_jobs([(LATER, nothing)] * 300, atomic=atomic)))
        thread.start()
        await anyio.to_thread.run_sync(thread.join)
        assert len(set(ids)) == 300
        assert await known(scheduler) == 300


def picky() -> FakeStore:
    """Return a store that refuses what is named ``refused``, and takes a second."""
    store = FakeStore()
    store.delay = 1
    store.refuse = lambda change: (
        "not here" if change.definition is not None and change.definition.name == "refused" else None
    )
    return store


@WAYS
async def test_a_store_refuses_one_of_them(atomic: bool) -> None:
    async with open_scheduler(max_workers=1, store=picky()) as scheduler:
        scheduler.register("nothing", nothing)
        refused = RecurringJobRequest("refused", After(hours=1), key="refused")
        good = [(LATER, "nothing")] * 3
        ids = await scheduler.add_jobs(good, atomic=atomic)
        assert len(set(ids)) == 3
        before = scheduler.now()
        with pytest.raises(SubmissionRefused) as caught:
            await scheduler.add_jobs([*good, (refused, "nothing"), *good], atomic=atomic)
        assert caught.value.request is refused
        assert (scheduler.now() - before).total_seconds() >= 1
        assert await known(scheduler) == (3 if atomic else 9)
        with pytest.raises(JobNotFound):
            await scheduler.get_job_details("refused")


@WAYS
async def test_the_end_of_the_scheduler_while_a_store_commits(atomic: bool) -> None:
    async with open_scheduler(max_workers=1, store=picky()) as scheduler, anyio.create_task_group() as tasks:
        scheduler.register("nothing", nothing)

        async def bulk() -> None:
            assert len(await scheduler.add_jobs([(LATER, "nothing")] * 3, atomic=atomic)) == 3

        tasks.start_soon(bulk)
        await anyio.sleep(0.5)
        scheduler.stop(force=True)


@WAYS
async def test_a_scheduler_that_waits_for_its_runs_takes_nothing_new(atomic: bool) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(NOW, anyio.sleep, 60)
        await anyio.sleep(1)
        scheduler.stop()
        await anyio.sleep(1)
        with pytest.raises(SchedulerClosed):
            await scheduler.add_jobs([(LATER, nothing)], atomic=atomic)
        assert await known(scheduler) == 1


async def test_a_wrong_policy_for_conflicts() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        with pytest.raises(ConfigurationError, match="on_conflict must be one of"):
            await scheduler.add_jobs([(NOW, nothing)], on_conflict="raise")  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="on_conflict must be one of"):
            await scheduler.add_job(NOW, nothing, on_conflict="raise")  # type: ignore[call-overload]


@WAYS
@pytest.mark.parametrize("args", [5, "a", {"a": 1}, None])
async def test_the_arguments_of_an_entry_are_a_tuple(args: Any, atomic: bool) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        with pytest.raises(ConfigurationError, match=r"jobs\[0\]\.args must be a tuple of arguments"):
            await scheduler.add_jobs([JobSetEntry(NOW, nothing, args)], atomic=atomic)


@WAYS
async def test_a_list_of_arguments_is_copied(atomic: bool) -> None:
    seen: list[int] = []

    async def note(number: int) -> None:
        seen.append(number)

    arguments = [7]
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_jobs([JobSetEntry(NOW, note, arguments)], atomic=atomic)  # type: ignore[arg-type]
        arguments[0] = 99
        await scheduler.wait_idle()
    assert seen == [7]
