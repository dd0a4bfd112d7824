"""Which run starts when: never before its instant, in the order of submission, and never more at once than allowed."""

import random
import time
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from stress import QUEUES, many

from turnkeeper_trio import After, Interval, RecurringJobRequest, open_scheduler

pytestmark = pytest.mark.anyio


@pytest.mark.real_time
@pytest.mark.parametrize(("queue", "runs"), [(QUEUES[0], many(100)), (QUEUES[1], 1000)])
async def test_no_run_starts_before_its_instant_on_the_real_clock(queue, runs):
    early, late = [], []
    first = time.time_ns() // 1000 + 200_000

    async def job(instant):
        started = time.time_ns() // 1000
        (early if started < instant else late).append(started - instant)

    async with open_scheduler(max_workers=8, priority_queue=queue, staging_buffer_size=runs) as scheduler:
        order = list(range(runs))
        random.Random(1).shuffle(order)
        for number in order:
            instant = first + 5000 * number
            at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=instant)
            await scheduler.add_job(RecurringJobRequest("tick", initial_run_time=at), job, instant)
        await scheduler.wait_idle()
        records = await scheduler.get_run_history(limit=runs)
    assert (len(early), len(late)) == (0, runs)
    assert all(record.lateness >= 0 for record in records)


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("buffer", [1, 2, 64])
async def test_equal_instants_run_in_the_order_of_submission(queue, buffer):
    jobs, started = many(2000), []

    async def job(number):
        started.append(number)

    async with open_scheduler(max_workers=1, priority_queue=queue, job_dispatch_buffer_size=buffer) as scheduler:
        for number in range(jobs):
            await scheduler.add_job(RecurringJobRequest("same", After(10_000)), job, number)
        await scheduler.wait_idle()
    assert started == list(range(jobs))


@pytest.mark.parametrize("queue", QUEUES)
async def test_with_several_workers_equal_instants_are_handed_out_in_the_order_of_submission(queue):
    jobs = many(2000)
    async with open_scheduler(max_workers=5, priority_queue=queue, history_limit=jobs) as scheduler:
        for _ in range(jobs):
            await scheduler.add_job(RecurringJobRequest("same", After(10_000)), anyio.sleep, 1)
        submitted = [job.job_id for job in await scheduler.list_all_jobs(limit=jobs)]
        await scheduler.wait_idle()
        records = await scheduler.get_run_history(limit=jobs)
    rank = {job_id: number for number, job_id in enumerate(submitted)}
    waves = {}
    for record in records:
        waves.setdefault(record.started_at, []).append(rank[record.job_id])
    started = [sorted(waves[at]) for at in sorted(waves)]
    assert [number for wave in started for number in wave] == list(range(jobs))
    assert {len(wave) for wave in started} == {5}


@pytest.mark.parametrize("workers", [4, 8])
@pytest.mark.parametrize("buffer", [1, 2, 64])
@pytest.mark.parametrize("queue", QUEUES)
async def test_jobs_of_one_second_take_the_ideal_time_in_all(workers, buffer, queue):
    jobs = many(800)
    options = {"priority_queue": queue, "job_dispatch_buffer_size": buffer}
    async with open_scheduler(max_workers=workers, **options) as scheduler:
        for _ in range(jobs):
            await scheduler.add_job(RecurringJobRequest("second", After(0)), anyio.sleep, 1)
        await scheduler.wait_idle()
        assert anyio.current_time() <= 1.01 * jobs / workers


@pytest.mark.parametrize("workers", [1, 3, 8])
@pytest.mark.parametrize("buffer", [1, 2, 64])
@pytest.mark.parametrize("queue", QUEUES)
async def test_never_more_runs_at_once_than_workers(workers, buffer, queue):
    chance = random.Random(f"{workers} {buffer}")
    executing, most, executed = 0, 0, 0

    async def job(duration):
        nonlocal executing, most, executed
        executing += 1
        most = max(most, executing)
        assert scheduler.get_metrics_snapshot().workers_active_current <= workers
        try:
            await anyio.sleep(duration)
            if chance.random() < 0.2:
                raise ValueError
        finally:
            executing -= 1
            executed += 1

    options = {"priority_queue": queue, "job_dispatch_buffer_size": buffer}
    async with open_scheduler(max_workers=workers, **options) as scheduler:
        for number in range(many(100)):
            schedule = Interval(seconds=1 + number % 7) if number % 3 else After(number / 10)
            timeout = 0.5 if number % 4 == 0 else None
            request = RecurringJobRequest("job", schedule, timeout=timeout, priority=number % 5)
            await scheduler.add_job(request, job, chance.random())
        for _ in range(100):
            await anyio.sleep(chance.random())
            for active in (await scheduler.list_active_runs())[: chance.randrange(3)]:
                await scheduler.cancel_run(active.run_id)
    assert most == workers
    assert executed > many(100)
