"""`Scheduler.update_job` ended the scheduler where a new value raised as it was looked at.

Cause: the new request is made by the coordinator, for it has the old one, and only errors of the library's own were
answered to the caller. A property of a schedule, the offset of a timezone, an iterator of tags are the caller's code.
"""

from datetime import datetime, tzinfo

import anyio
import pytest

from turnkeeper_trio import ConfigurationError, Interval, RecurringJobRequest, open_scheduler

pytestmark = pytest.mark.anyio


class Faulty:
    @property
    def next_after(self):
        raise OSError("no connection")


class Zone(tzinfo):
    def utcoffset(self, dt):
        raise OSError("no zone")


def tags():
    yield "first"
    raise OSError("no second")


@pytest.mark.parametrize(
    "changes",
    [lambda: {"schedule": Faulty()}, lambda: {"until": datetime(2030, 1, 1, tzinfo=Zone())}, lambda: {"tags": tags()}],
    ids=["schedule", "until", "tags"],
)
async def test_the_caller_is_told_and_nothing_is_changed(changes):
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(10)), anyio.sleep, 0)
        before = await scheduler.get_job_details(job_id)
        with pytest.raises(ConfigurationError) as caught:
            await scheduler.update_job(job_id, **changes())
        assert "no" in str(caught.value)
        assert await scheduler.get_job_details(job_id) == before
        assert await scheduler.update_job(job_id, name="still here") == 2
