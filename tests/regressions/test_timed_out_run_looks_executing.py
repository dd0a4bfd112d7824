"""A run that had been cut off at its timeout, and cleaned up for long, was shown as executing.

Cause: its phase was read off the cause that the engine had noted, and a timeout is the scope's own doing.
"""

import anyio
import pytest

from turnkeeper_trio import After, RecurringJobRequest, RunPhase, open_scheduler

pytestmark = pytest.mark.anyio


async def test_a_run_that_unwinds_after_its_timeout_is_seen_cleaning_up():
    async def unwind():
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(10)

    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(RecurringJobRequest("slow", After(0), timeout=1), unwind)
        await anyio.sleep(5)
        assert [run.phase for run in await scheduler.list_active_runs()] == [RunPhase.CLEANING_UP]
