"""A key that looks like an id named no job if the job was in the store only.

What a command named was looked for in the store by the id that its text stands for, and by the key that is the text of
this id. So a key in capitals, or without hyphens, was never looked for as it was written. A subscription looked in the
memory only.
"""

import anyio
import pytest
from fake_store import FakeStore

from turnkeeper_trio import Interval, JobNotFound, RecurringJobRequest, open_scheduler
from turnkeeper_trio.events import JobPaused

pytestmark = pytest.mark.anyio

KEYS = [
    "e3b0c442-98fc-1c14-9afb-f4c8996fb924",
    "E3B0C442-98FC-1C14-9AFB-F4C8996FB924",
    "e3b0c44298fc1c149afbf4c8996fb924",
    "{E3B0C442-98FC-1C14-9AFB-F4C8996FB924}",
]


async def nothing() -> None:
    pass


@pytest.mark.parametrize("key", KEYS)
async def test_such_a_key_names_its_job(key: str) -> None:
    async with open_scheduler(max_workers=1, store=FakeStore(horizon=60)) as scheduler:
        scheduler.register("nothing", nothing)
        job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(hours=1), key=key), "nothing")
        await anyio.sleep(100)
        async with scheduler.events(JobPaused, job_id=key) as events:
            await anyio.sleep(100)
            await scheduler.pause_job(key)
            with anyio.fail_after(1):
                assert (await anext(events)).job_id == job_id
        await anyio.sleep(100)
        assert (await scheduler.get_job_details(key)).job_id == job_id
        for other in {*KEYS} - {key}:
            with pytest.raises(JobNotFound, match="no job has the id") as caught:
                await scheduler.get_job_details(other)
            assert caught.value.key == other
            async with scheduler.events(job_id=other):
                pass
