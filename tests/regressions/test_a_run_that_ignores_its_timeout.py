"""A run that did not end after its timeout was shown as executing for as long as it went on, and never as stuck.

Cause: ``cleanup_grace`` was counted from a decision of the engine (a cancel, a replacement, a shutdown). But the scope
of the attempt, not the engine, cuts off a run at its timeout, and the engine learned of it when the run had ended. So
nothing was reported about a run that swallows even its timeout.

And the check for ``stuck_after`` asserted that the job still had one, so that an update which removed it ended the
program with an `InternalError`.
"""

from collections.abc import AsyncIterator

import anyio
import pytest

from turnkeeper_trio import After, Outcome, RecurringJobRequest, RunPhase, Scheduler, current_run, open_scheduler
from turnkeeper_trio.events import Event, RunStuck

pytestmark = pytest.mark.anyio


async def linger(extend: float = 0, cleanup: float = 50) -> None:
    """Never end by itself, and take long to end after a cancellation."""
    current_run().extend_timeout(extend)
    try:
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(cleanup)


async def stuck_events(events: AsyncIterator[Event]) -> list[tuple[RunPhase, float]]:
    return [(event.phase, event.running_for) async for event in events if isinstance(event, RunStuck)]


async def phases(scheduler: Scheduler, *instants: float) -> list[tuple[RunPhase, float]]:
    """Return the phase of the run at these instants, and how long the run had been in it."""
    seen = []
    for instant in instants:
        await anyio.sleep_until(instant)
        (run,) = await scheduler.list_active_runs()
        seen.append((run.phase, round(run.running_for, 3)))
    return seen


@pytest.mark.parametrize("extend", [0, 30])
async def test_it_is_cleaning_up_then_stuck(extend: float) -> None:
    async with open_scheduler(max_workers=1) as scheduler, scheduler.events() as events:
        begin = anyio.current_time()
        request = RecurringJobRequest("linger", After(0), timeout=10, cleanup_grace=5)
        job_id = await scheduler.add_job(request, linger, extend)
        struck = begin + 10 + extend
        assert await phases(scheduler, struck - 1, struck + 2, struck + 20) == [
            (RunPhase.EXECUTING, 9 + extend),
            (RunPhase.CLEANING_UP, 2),
            (RunPhase.STUCK, 20),
        ]
        record = await scheduler.wait_job(job_id)
        assert record is not None
        assert record.outcome is Outcome.TIMED_OUT
        await scheduler.shutdown_graceful()
        assert await stuck_events(events) == [(RunPhase.STUCK, 5)]


async def test_one_that_is_queued_first_is_looked_at_from_its_begin() -> None:
    async with open_scheduler(max_workers=1) as scheduler, scheduler.events() as events:
        await scheduler.add_job(RecurringJobRequest("other", After(0)), anyio.sleep, 7)
        request = RecurringJobRequest("linger", After(0), timeout=10, stuck_after=8, cleanup_grace=5)
        await scheduler.add_job(request, linger)
        await scheduler.wait_idle()
        await scheduler.shutdown_graceful()
        assert await stuck_events(events) == [(RunPhase.EXECUTING, 8), (RunPhase.STUCK, 5)]


async def test_one_that_unwinds_in_time_is_not_stuck() -> None:
    async with open_scheduler(max_workers=1) as scheduler, scheduler.events() as events:
        request = RecurringJobRequest("linger", After(0), timeout=10, cleanup_grace=5)
        await scheduler.add_job(request, linger, 0, 4)
        await scheduler.wait_idle()
        await scheduler.shutdown_graceful()
        assert await stuck_events(events) == []


@pytest.mark.parametrize(("changed", "told"), [({"stuck_after": None}, []), ({"stuck_after": 12}, [12]), ({}, [5])])
async def test_stuck_after_may_change_under_way(changed: dict[str, float | None], told: list[float]) -> None:
    async with open_scheduler(max_workers=1) as scheduler, scheduler.events() as events:
        job_id = await scheduler.add_job(RecurringJobRequest("long", After(0), stuck_after=5), anyio.sleep, 20)
        await anyio.sleep(2)
        await scheduler.update_job(job_id, **changed)
        await scheduler.wait_idle()
        await scheduler.shutdown_graceful()
        assert await stuck_events(events) == [(RunPhase.EXECUTING, seconds) for seconds in told]
