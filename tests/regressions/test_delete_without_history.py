"""To delete a job ended the scheduler with a ``KeyError`` where no ended job is remembered (``history_limit=0``).

Cause: to delete is to cancel and then to forget, and a cancelled job that is not to be remembered was forgotten
already.
"""

import anyio
import pytest

from turnkeeper_trio import Interval, JobNotFound, OnConflict, RecurringJobRequest, open_scheduler

pytestmark = pytest.mark.anyio


async def test_a_job_can_be_deleted_and_replaced_where_no_ended_job_is_remembered():
    async with open_scheduler(max_workers=1, history_limit=0) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("one", Interval(1), key="k"), anyio.sleep, 0)
        request = RecurringJobRequest("two", Interval(2), key="k")
        assert await scheduler.add_job(request, anyio.sleep, 0, on_conflict=OnConflict.REPLACE) == job_id
        assert (await scheduler.get_job_details(job_id)).name == "two"
        await scheduler.delete_job(job_id)
        with pytest.raises(JobNotFound):
            await scheduler.get_job_details(job_id)
