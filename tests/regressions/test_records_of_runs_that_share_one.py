"""`cancel_job` returned one record several times, and a run that was triggered by hand could not be found by its id.

Cause: occurrences in a row that did not run, for the same reason, share one record with a count, and it has the id of
the last. Occurrences that a cancel ends share one, too, and each of them returned it. And runs that were triggered one
by one, and whose ids the callers had, were lost in the record of the last.

And with ``cleanup_grace=0`` a run was reported as stuck in the turn in which it was asked to end, before it could end.
"""

import anyio
import pytest
from engine_driver import Driver

from turnkeeper_trio import Interval, Never, Outcome, Overlap, RecurringJobRequest, open_scheduler
from turnkeeper_trio.events import RunStuck


def test_each_record_is_told_once():
    driver = Driver(max_workers=1, dispatch_buffer=0)
    job = driver.add(schedule=Interval(10), overlap=Overlap.BUFFER_ALL)
    driver.begin(10)
    for _ in range(3):
        driver.tick(10)
    records = driver.cancel(job, reason="r").result()
    assert [(record.outcome, record.count) for record in records] == [(Outcome.CANCELLED, 4)]


def test_runs_asked_for_by_hand_keep_records_of_their_own():
    driver = Driver(max_workers=1, dispatch_buffer=0)
    job = driver.add(schedule=Never(), overlap=Overlap.BUFFER_ALL)
    driver.trigger(job)
    driver.begin()
    ids = [driver.trigger(job) for _ in range(3)]
    records = driver.cancel(job, reason="r").result()
    assert [record.run_id for record in records] == ids
    assert [driver.wait_run(run_id).result() for run_id in ids] == list(records)


@pytest.mark.anyio
async def test_a_run_that_ends_at_once_is_not_stuck_however_short_its_grace():
    async with open_scheduler(max_workers=1, cleanup_grace=0) as scheduler, scheduler.events() as events:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Never()), anyio.sleep, 100)
        run_id = await scheduler.trigger_job_now(job_id)
        await anyio.sleep(1)
        record = await scheduler.cancel_run(run_id)
        assert record.outcome is Outcome.CANCELLED
        await scheduler.shutdown_force()
        assert not [event async for event in events if isinstance(event, RunStuck)]
