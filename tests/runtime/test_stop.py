"""`stop()` from anywhere; timeouts of zero and of infinity."""

import math
from typing import Any

import anyio
import pytest
from sample_jobs import NOW

from turnkeeper_trio import (
    After,
    Interval,
    Outcome,
    RecurringJobRequest,
    SchedulerClosed,
    current_scheduler,
    open_scheduler,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("how", ["shutdown_graceful", "shutdown_force"])
@pytest.mark.parametrize("patience", [0, math.inf])
async def test_an_idle_scheduler_is_shut_down_within_any_timeout(how: str, patience: float) -> None:
    async with open_scheduler(max_workers=2) as scheduler:
        await scheduler.add_job(RecurringJobRequest("later", After(hours=1)), anyio.sleep, 0)
        report = await getattr(scheduler, how)(patience)
        assert report is scheduler.shutdown_report
        assert not report.still_running


async def test_infinity_is_a_timeout_everywhere() -> None:
    options: dict[str, Any] = {"shutdown_grace": math.inf, "cleanup_grace": math.inf, "history_ttl": math.inf}
    async with open_scheduler(max_workers=1, **options) as scheduler:
        request = RecurringJobRequest("job", After(0), timeout=math.inf, stuck_after=math.inf, start_deadline=math.inf)
        record = await scheduler.wait_job(await scheduler.add_job(request, anyio.sleep, 5))
        assert (record.outcome, record.duration) == (Outcome.SUCCEEDED, 5)
        await scheduler.add_job(NOW, anyio.sleep, 1_000)
        await anyio.sleep(1)
    assert scheduler.get_metrics_snapshot().books.succeeded == 2


@pytest.mark.parametrize("again", [1, 2])
async def test_a_job_may_have_the_scheduler_stopped_and_goes_on(again: int) -> None:
    async def stops() -> str:
        for _ in range(again):
            current_scheduler().stop()
        await anyio.sleep(5)
        return "went on"

    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(RecurringJobRequest("ticks", Interval(seconds=60)), anyio.sleep, 0)
        await scheduler.add_job(NOW, stops)
        await anyio.sleep(1)
        with pytest.raises(SchedulerClosed):
            await scheduler.add_job(NOW, stops)
        report = await scheduler.shutdown_graceful()
    assert [record.value for record in report.finished] == ["went on"]


async def test_a_job_that_has_it_stopped_by_force_is_cut_off_even_after_a_graceful_stop() -> None:
    async def stops() -> None:
        current_scheduler().stop()
        await anyio.sleep(2)
        current_scheduler().stop(force=True)
        current_scheduler().stop()
        await anyio.sleep_forever()

    async with open_scheduler(max_workers=1) as scheduler:
        begin = anyio.current_time()
        await scheduler.add_job(NOW, stops)
        report = await scheduler.shutdown_graceful()
        assert anyio.current_time() - begin == 2
    assert [record.outcome for record in report.interrupted] == [Outcome.INTERRUPTED]
