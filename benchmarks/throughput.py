"""How much processor time a job costs: one-shot jobs that do nothing, due at once, beside a floor written by hand.

The floor does the least that the scheduler's shape allows: a coordinator task, two memory object streams, workers;
for each job an id, a cancel scope with a deadline, the time before and after, and a record. It has no queue, no
books, no retries, no shutdown. What is measured is the time of the process, so that a busy machine disturbs it
little.

Usage: ``python benchmarks/throughput.py [--jobs 100000] [--workers 4] [--backend trio] [--repeat 3] [--profile]``
"""

import argparse
import cProfile
import pstats
import time
from dataclasses import dataclass
from uuid import UUID, uuid4

import anyio

from turnkeeper_trio import PriorityQueueType, RecurringJobRequest, open_scheduler


async def nothing() -> None:
    pass


@dataclass(slots=True)
class Record:
    """What the floor remembers of a job."""

    job_id: UUID
    began: int
    ended: int
    outcome: str


async def floor(jobs: int, workers: int) -> dict[str, float]:  # noqa: C901
    """Hand jobs to workers, as a coordinator does, and keep a record of each."""
    submit, submitted = anyio.create_memory_object_stream[UUID](128)
    dispatch, dispatched = anyio.create_memory_object_stream[UUID](workers + 1)
    report, reported = anyio.create_memory_object_stream[Record](workers + 1)
    records: dict[UUID, Record] = {}
    bell = anyio.Event()

    async def coordinate() -> None:
        nonlocal bell
        out = 0
        while len(records) < jobs:
            try:
                while True:
                    record = reported.receive_nowait()
                    records[record.job_id] = record
                    out -= 1
            except anyio.WouldBlock:
                pass
            try:
                while out < workers + 1:
                    dispatch.send_nowait(submitted.receive_nowait())
                    out += 1
            except anyio.WouldBlock:
                pass
            if len(records) < jobs:
                await bell.wait()
                bell = anyio.Event()
        dispatch.close()

    async def work() -> None:
        async for job_id in dispatched:
            began = time.time_ns()
            with anyio.CancelScope(deadline=anyio.current_time() + 60):
                await nothing()
            report.send_nowait(Record(job_id, began, time.time_ns(), "succeeded"))
            bell.set()

    began = time.process_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(coordinate)
        for _ in range(workers):
            tasks.start_soon(work)
        for _ in range(jobs):
            await submit.send(uuid4())
            bell.set()
    for stream in (submit, submitted, dispatch, dispatched, report, reported):
        stream.close()
    return {"submitted and executed": time.process_time() - began}


async def scheduler(jobs: int, workers: int, queue: PriorityQueueType) -> dict[str, float]:
    """Submit jobs that are due at once, and, apart from that, execute jobs that were submitted before."""
    took: dict[str, float] = {}
    async with open_scheduler(max_workers=workers, priority_queue=queue) as opened:
        began = time.process_time()
        due = RecurringJobRequest("no-op", initial_run_time=opened.now(), timeout=60)
        for _ in range(jobs):
            await opened.add_job(due, nothing)
        await opened.wait_idle()
        took["submitted and executed"] = time.process_time() - began
    async with open_scheduler(max_workers=workers, priority_queue=queue, staging_buffer_size=jobs) as opened:
        later = RecurringJobRequest("no-op", initial_run_time=opened.now().add(hours=1), timeout=60)
        began = time.process_time()
        for _ in range(jobs):
            await opened.add_job(later, nothing)
        took["submitted only"] = time.process_time() - began
        await opened.shutdown_force()
    took["executed only"] = took["submitted and executed"] - took["submitted only"]
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--backend", choices=["trio", "asyncio"], action="append")
    parser.add_argument("--profile", action="store_true", help="print where the time goes instead")
    options = parser.parse_args()
    print(f"{options.jobs} jobs, {options.workers} workers, best of {options.repeat}: µs of processor time a job")
    for backend in options.backend or ["trio", "asyncio"]:
        cases = {"floor": (floor, ())} | {str(queue): (scheduler, (queue,)) for queue in PriorityQueueType}
        if options.profile:
            with cProfile.Profile() as profile:
                anyio.run(scheduler, options.jobs, options.workers, PriorityQueueType.HANDLE_BASED, backend=backend)
            print(f"\n{backend}")
            pstats.Stats(profile).sort_stats("tottime").print_stats(30)
            continue
        for name, (case, more) in cases.items():
            runs = [
                anyio.run(case, options.jobs, options.workers, *more, backend=backend) for _ in range(options.repeat)
            ]
            best = {what: min(run[what] for run in runs) * 1e6 / options.jobs for what in runs[0]}
            cells = "   ".join(f"{what}: {cost:6.1f}" for what, cost in best.items())
            print(f"{backend:8} {name:14} {cells}")


if __name__ == "__main__":
    main()
