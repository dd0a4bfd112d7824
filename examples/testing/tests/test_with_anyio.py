"""Tests of anyio's plugin: each runs on both back ends."""

import anyio
import pytest
from shop_reports import FETCH, NIGHTLY, Shop, add_jobs, main

from turnkeeper_trio import Outcome, Scheduler
from turnkeeper_trio.testing import FaultPlan, SchedulerTime, SchedulerTimeError, assert_run_log

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.scheduler_time(start="2026-03-28 00:00", timezone="Europe/Berlin"),
]


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
async def busy_scheduler(scheduler: Scheduler, shop: Shop) -> Scheduler:
    await add_jobs(scheduler, shop)
    return scheduler


async def test_the_report_is_sent_each_monday_at_nine(
    busy_scheduler: Scheduler, scheduler_time: SchedulerTime, shop: Shop
) -> None:
    await scheduler_time.run_until_runs("report", 2)
    assert scheduler_time.runs("report").labels == ["2026-03-30 09:00", "2026-04-06 09:00"]
    assert len(shop.reports) == 2
    assert (await busy_scheduler.list_active_runs()) != []  # an order is just being fetched


async def test_the_night_in_which_half_past_two_does_not_exist(
    scheduler: Scheduler, scheduler_time: SchedulerTime, shop: Shop
) -> None:
    await scheduler.add_job(NIGHTLY, shop.tidy_up)
    await scheduler_time.advance(days=3)
    assert_run_log(
        scheduler,
        """
        2026-03-28 02:30 nightly ok
        2026-03-29 03:00 nightly ok
        2026-03-30 02:30 nightly ok
        """,
    )


async def test_a_year_of_orders(busy_scheduler: Scheduler, scheduler_time: SchedulerTime) -> None:
    await scheduler_time.travel_to("2027-03-28 00:01")
    scheduler_time.runs("fetch").assert_on_time()
    assert len(scheduler_time.runs("fetch")) == 365 * 24
    assert len(scheduler_time.runs("report")) == 52


async def test_an_order_that_cannot_be_fetched_is_tried_again(
    busy_scheduler: Scheduler, scheduler_time: SchedulerTime, fault_plan: FaultPlan, shop: Shop
) -> None:
    fault_plan.job("fetch", 1, OSError("no route to the shop"))
    (record,) = await scheduler_time.run_until_runs("fetch")
    assert (record.outcome, record.attempts) == (Outcome.SUCCEEDED, 2)
    assert scheduler_time.runs("fetch").labels == ["2026-03-28 01:00"]
    assert len(shop.orders) == 1


async def test_an_unchanged_main(scheduler_time: SchedulerTime, shop: Shop) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(main, shop)
        await scheduler_time.run_until_runs("report")
        group.cancel_scope.cancel()
    assert str(scheduler_time.now) == "2026-03-30 09:00:00+02:00"
    assert shop.reports == [55]  # the one of nine o'clock is being fetched


async def test_a_machine_that_sleeps_over_monday_morning(
    busy_scheduler: Scheduler, scheduler_time: SchedulerTime
) -> None:
    await scheduler_time.travel_to("2026-03-30 08:30")
    scheduler_time.suspend(hours=2)
    await scheduler_time.settle()
    assert scheduler_time.runs("report").lateness == [5400]


@pytest.mark.scheduler_time(mode="explicit")
@pytest.mark.scheduler_options(max_workers=1)
async def test_step_by_step(busy_scheduler: Scheduler, scheduler_time: SchedulerTime, shop: Shop) -> None:
    assert str(await scheduler_time.next_event()) == "2026-03-28 01:00:00+01:00"
    assert shop.orders == []
    await scheduler_time.advance(seconds=5)
    assert len(shop.orders) == 1


@pytest.mark.schedule_seeds(5)
async def test_on_several_schedules(busy_scheduler: Scheduler, scheduler_time: SchedulerTime, shop: Shop) -> None:
    await scheduler_time.run_until(lambda: len(shop.orders) == 3)
    assert str(scheduler_time.now) == "2026-03-28 03:00:05+01:00"


async def test_what_never_comes_is_an_error(busy_scheduler: Scheduler, scheduler_time: SchedulerTime) -> None:
    with pytest.raises(SchedulerTimeError, match="there are: 'fetch', 'report', 'nightly'"):
        await scheduler_time.run_until_runs("reprot")


async def test_two_fetches_never_overlap(scheduler: Scheduler, scheduler_time: SchedulerTime) -> None:
    await scheduler.add_job(FETCH.replace(timeout=None), anyio.sleep, 5400)
    await scheduler_time.advance(hours=3)
    assert scheduler_time.runs("fetch").outcomes == [Outcome.SUCCEEDED, Outcome.SKIPPED]
