"""Plain tests, without any plugin."""

import asyncio
from typing import Literal

import pytest
from shop_reports import FETCH, Shop, add_jobs, main

from turnkeeper_trio import open_scheduler
from turnkeeper_trio.testing import cancel_sweep, current_scheduler_time, run, run_inline


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_the_report_in_a_plain_test(backend: Literal["trio", "asyncio"]) -> None:
    shop = Shop()

    async def a_week() -> int:
        async with open_scheduler(max_workers=2) as scheduler:
            await add_jobs(scheduler, shop)
            await current_scheduler_time().advance(weeks=1)
        return len(shop.reports)

    assert run(a_week, start="2026-03-28 00:00", timezone="Europe/Berlin", backend=backend) == 1


def test_one_run_with_its_retries_and_no_loop() -> None:
    calls: list[int] = []

    def fetch() -> None:
        calls.append(1)
        if len(calls) < 3:
            raise OSError("no route to the shop")

    done = run_inline(FETCH, fetch)
    assert (done.outcome, done.delays) == ("succeeded", [60, 60])


def test_cancelling_it_anywhere_leaves_nothing_behind() -> None:
    async def two_hours() -> None:
        async with open_scheduler(max_workers=2) as scheduler:
            await add_jobs(scheduler, Shop())
            await current_scheduler_time().advance(hours=2)

    assert cancel_sweep(two_hours, stride=7) > 50


@pytest.mark.scheduler_time(start="2026-03-28 00:00")
def test_a_program_that_starts_its_own_loop() -> None:
    shop = Shop()

    async def for_two_days() -> None:
        async with asyncio.timeout(2 * 86_400 + 60):
            await main(shop)

    with pytest.raises(TimeoutError):
        asyncio.run(for_two_days())
    assert len(shop.orders) == 48
