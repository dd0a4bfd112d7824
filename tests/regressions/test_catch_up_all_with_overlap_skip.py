"""`CatchUp.ALL` ran the oldest of the occurrences that had passed, and no other.

Cause: each of them was begun by the job's rule for overlap. They all fall due in one step, so under `Overlap.SKIP`, the
default, the first was in the way of all the others; under `Overlap.CANCEL_OTHER` each took the place of the one before
it, and only the last ran. Catch-up had chosen to run them all in order, and the rule for overlap undid its choice.
"""

import anyio
import pytest

from turnkeeper_trio import CatchUp, Interval, Outcome, Overlap, RecurringJobRequest, current_run, open_scheduler

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("overlap", Overlap)
@pytest.mark.parametrize("pause", ["pause_all", "pause_job"])
async def test_each_occurrence_that_passed_runs(overlap: Overlap, pause: str) -> None:
    ran = []

    async def job() -> None:
        run = current_run()
        ran.append(round((run.scheduled_at - start).total_seconds()))
        await anyio.sleep(1)

    async with open_scheduler(max_workers=4) as scheduler:
        start = scheduler.now()
        request = RecurringJobRequest("job", Interval(seconds=10), catch_up=CatchUp.ALL, overlap=overlap)
        job_id = await scheduler.add_job(request, job)
        await anyio.sleep(15)
        if pause == "pause_all":
            async with scheduler.paused():
                await anyio.sleep(30)
        else:
            await scheduler.pause_job(job_id)
            await anyio.sleep(30)
            await scheduler.resume_job(job_id)
        await anyio.sleep(12)
        # Beside one another, they begin in the order in which the workers happen to wake.
        assert (sorted(ran) if overlap is Overlap.ALLOW_ALL else ran) == [10, 20, 30, 40, 50]
        books = scheduler.get_metrics_snapshot().books
        assert books.succeeded == 5
        others = set(Outcome) - {Outcome.SUCCEEDED, Outcome.CANCELLED}  # pausing cancels what was pending
        assert await scheduler.get_run_history(job_id, outcomes=others) == []
