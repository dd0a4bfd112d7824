"""The table of events is made from the classes, and the ids that it promises are there."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from by_path import load

from turnkeeper_trio import (
    FixedRetryDelay,
    Interval,
    RecurringJobRequest,
    events,
    open_scheduler,
)
from turnkeeper_trio.events import Event

DOCS = Path(__file__).parents[2] / "docs"


table = load(DOCS / "_tools" / "event_table.py")
NAMES = {name: ids for names, ids in table.GROUPS.values() for name in names.split()}


def test_the_page_has_the_table() -> None:
    found = table.TABLE.search(table.PAGE.read_text("utf-8"))
    assert found is not None
    assert found["rows"] == table.rows(), "python docs/_tools/event_table.py"


def test_the_table_has_every_event() -> None:
    assert {*NAMES, "Event"} == set(events.__all__)


@pytest.mark.anyio
async def test_each_event_carries_the_ids_that_the_table_says() -> None:
    told: list[Event] = []

    class Observer:
        def __getattr__(self, name: str) -> Any:
            if not name.startswith("on_"):
                raise AttributeError(name)
            return told.append

    async def fail() -> None:
        try:
            await anyio.sleep(14)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(3)
        raise OSError("no")

    async with open_scheduler(max_workers=2, observers=[Observer()], cleanup_grace=1, shutdown_grace=0) as scheduler:
        request = RecurringJobRequest(
            "job", Interval(seconds=10), max_retries=1, retry=FixedRetryDelay(1), halt_after=1
        )
        job_id = await scheduler.add_job(request, fail)
        await anyio.sleep(15)
        await scheduler.cancel_run((await scheduler.list_active_runs(job_id))[0].run_id)
        async with scheduler.paused():
            await anyio.sleep(35)
        await anyio.sleep(60)
        await scheduler.resume_job(job_id)
        await scheduler.pause_job(job_id)
        await scheduler.update_job(job_id, priority=1)
        await scheduler.delete_job(job_id)
        once = await scheduler.add_job(RecurringJobRequest("once", Interval(seconds=1), max_runs=1), anyio.sleep, 1)
        await scheduler.wait_job(once)
    kinds = {type(event).__name__ for event in told}
    assert kinds == NAMES.keys() - {"ClockStepped", "Lagged"}  # virtual time does not step, and observers do not lag
    for event in told:
        of_all = type(event).__name__ in {"JobPaused", "JobResumed"} and event.job_id is None
        ids = NAMES[type(event).__name__]
        assert of_all or ("job_id" in ids) == (event.job_id is not None), event
        assert ("run_id" in ids) == (event.run_id is not None), event
