"""A store failed for good, and runs of which nothing was left were still reported as running, after the end.

Without a store, all that has not ended is ended when the books are closed. With one nothing was done, because the store
keeps it; so it stayed in the tables, where the report, the numbers and the check of the test harness found it.
"""

import anyio
import pytest

from turnkeeper_trio import Interval, RecurringJobRequest, Scheduler, open_scheduler
from turnkeeper_trio.errors import StoreError
from turnkeeper_trio.stores import MemoryStore
from turnkeeper_trio.testing import FaultPlan, run
from turnkeeper_trio.testing._backends import Backend


@pytest.mark.parametrize("call", range(1, 8))
@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_nothing_is_running_after_the_end(backend: Backend, call: int) -> None:
    async def job() -> None:
        await anyio.sleep(5)

    async def main() -> None:
        opened: list[Scheduler] = []
        with pytest.raises(StoreError, match="OSError"):
            async with open_scheduler(max_workers=1, store=MemoryStore()) as scheduler:
                opened.append(scheduler)
                scheduler.register("job", job)
                for key in "abc":
                    await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=5), key=key), "job")
                await anyio.sleep(100)
        report, books = opened[0].shutdown_report, opened[0].get_metrics_snapshot().books
        assert report is not None
        assert (report.still_running, books.active, books.pending) == ((), 0, 0)
        assert books.balanced
        assert report.unsaved > 0
        assert books.released == report.handed_back + report.unrun

    run(main, backend=backend, faults=FaultPlan().store(call, OSError("no route")))
