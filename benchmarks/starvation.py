"""Whether submission starves execution: four tasks submit without pause, and then they pause.

A backlog of jobs that do nothing is due. For two seconds four tasks submit further jobs without pause; then nobody
does. In both times it is counted how many jobs are executed, in a second of the clock and in one of processor time.
The first count is to be at least half of the second.

``add_job`` waits where there is no room; ``try_add_job`` is tried again in the next turn of the event loop. Jobs that
are due "later" stay in the queue; those that are due "now" join the backlog.

Usage: ``python benchmarks/starvation.py [--backlog 60000] [--workers 4] [--backend trio]``
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import anyio
from anyio.lowlevel import checkpoint

from turnkeeper_trio import After, RecurringJobRequest, Scheduler, StagingFull, open_scheduler

SUBMITTERS = 4
SECONDS = 2.0


async def measure(backlog: int, workers: int, request: RecurringJobRequest, *, tries: bool) -> None:  # noqa: C901  (a script, read from top to bottom)
    """Measure one way of submitting."""
    executed, submitting = 0, True

    async def job() -> None:
        nonlocal executed
        executed += 1

    async def submit(scheduler: Scheduler) -> None:
        while submitting:
            if not tries:
                await scheduler.add_job(request, job)
                continue
            try:
                scheduler.try_add_job(request, job)
            except StagingFull:
                await checkpoint()

    async def rate(submitted: Callable[[], int]) -> tuple[float, float, float]:
        wall, cpu, before = time.perf_counter(), time.process_time(), (executed, submitted())
        await anyio.sleep(SECONDS)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return (executed - before[0]) / wall, (executed - before[0]) / cpu, (submitted() - before[1]) / wall

    async with open_scheduler(max_workers=workers) as scheduler:
        due = scheduler.now().add(seconds=backlog / 10_000)
        for _ in range(backlog):
            await scheduler.add_job(RecurringJobRequest("backlog", initial_run_time=due), job)
        while not executed:  # noqa: ASYNC110  (an event would be measured, too)
            await anyio.sleep(0.01)

        def submitted() -> int:
            return scheduler.get_metrics_snapshot().jobs_submitted

        async with anyio.create_task_group() as tasks:
            for _ in range(SUBMITTERS):
                tasks.start_soon(submit, scheduler)
            busy = await rate(submitted)
            submitting = False
        left = len(await scheduler.list_active_runs())
        paused = await rate(submitted)
        await scheduler.shutdown_force()
    how, when = "try_add_job" if tries else "add_job", request.name
    print(
        f"  {how:12} {when:6} executed/s {busy[0]:7.0f} of {paused[0]:7.0f}   by processor time {busy[1]:7.0f} of "
        f"{paused[1]:7.0f}: {100 * busy[1] / paused[1]:3.0f} %   submitted/s {busy[2]:7.0f}   backlog then {left}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backlog", type=int, default=60_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--backend", choices=["trio", "asyncio"], action="append")
    options = parser.parse_args()
    for backend in options.backend or ["trio", "asyncio"]:
        print(f"{backend}, {options.workers} workers, {SUBMITTERS} tasks submit:")
        for tries in (False, True):
            for request in (RecurringJobRequest("now", After(0)), RecurringJobRequest("later", After(100_000))):
                case = partial(measure, options.backlog, options.workers, request, tries=tries)
                anyio.run(case, backend=backend)


if __name__ == "__main__":
    main()
