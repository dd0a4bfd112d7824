"""If more commands came at once than a turn takes, the rest waited until something else woke the coordinator.

Cause: a turn takes commands in a batch. Whether a further turn was needed was decided by the commands that had been
taken, not by those that were still in the stream.
"""

import anyio
import pytest

from turnkeeper_trio import After, RecurringJobRequest, open_scheduler
from turnkeeper_trio._engine.engine import BATCH

pytestmark = pytest.mark.anyio


async def test_all_of_them_are_answered_at_once() -> None:
    asked, answered = 3 * BATCH + 1, 0

    async with open_scheduler(max_workers=1, command_buffer_size=asked) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("later", After(1_000)), anyio.sleep, 0)

        async def ask() -> None:
            nonlocal answered
            await scheduler.get_job_details(job_id)
            answered += 1

        async with anyio.create_task_group() as group:
            for _ in range(asked):
                group.start_soon(ask)
        assert answered == asked
        assert anyio.current_time() == 0
