"""The clock was set back, and what had been reckoned with the wall time of before was believed.

If the store was unavailable while the clock was far ahead, it was to be asked again a few seconds later by that clock:
after the correction nothing was claimed until then. If it was set back while nothing ran, a fixed delay of half an hour
lasted as much longer. And a run that went on after a restart seemed to have begun in the
future: its retry policy was told of a negative time.
"""

import random
from dataclasses import dataclass
from typing import Any, ClassVar

import anyio
import anyio.lowlevel
import pytest
from fake_store import FakeStore
from stepping_clock import SteppingClock

from turnkeeper_trio import After, FixedDelay, Interval, RecurringJobRequest, current_run, open_scheduler
from turnkeeper_trio.abc import FailedAttempt

pytestmark = pytest.mark.anyio

DAY = 86400


async def test_the_store_was_unavailable_while_the_clock_was_ahead() -> None:
    store, clock, ran = FakeStore(horizon=60), SteppingClock(), []

    async def job() -> None:
        ran.append(anyio.current_time())

    async with open_scheduler(max_workers=1, store=store, clock=clock) as scheduler:
        scheduler.register("job", job)
        await scheduler.add_job(RecurringJobRequest("job", Interval(hours=1)), "job")
        await anyio.sleep(1800)
        store.unavailable = True
        clock.step(30 * DAY)
        await anyio.sleep(20)
        clock.step(-30 * DAY)
        await anyio.sleep(1)
        store.unavailable = False
        await anyio.sleep(2 * 3600)
    assert ran == [3600, 7200]


async def test_what_is_left_of_a_fixed_delay_is_no_more_than_the_delay() -> None:
    store, clock, ran = FakeStore(), SteppingClock(), []

    async def job() -> None:
        ran.append(anyio.current_time())

    for step in (-DAY, 0):
        async with open_scheduler(max_workers=1, store=store, clock=clock) as scheduler:
            scheduler.register("job", job)
            request = RecurringJobRequest("job", FixedDelay(minutes=30), key="job")
            await scheduler.add_job(request, "job")
            await anyio.sleep(4000)
        clock.step(step)
    assert ran == [1800, 3600, 5800, 7600]


@dataclass(frozen=True)
class Note:
    """A retry policy that notes what it is told."""

    kind: ClassVar[str] = "test.note"
    told: ClassVar[list[float]] = []

    def delay(self, failed: FailedAttempt, rng: random.Random, /) -> float:
        del rng
        self.told.append(failed.elapsed)
        return 600

    def to_json(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_json(cls, value: dict[str, Any], /) -> "Note":
        del value
        return cls()


async def test_a_run_goes_on_before_it_began() -> None:
    async def job() -> None:
        if current_run().attempt == 1:
            await anyio.sleep(1000)
        raise ValueError

    store, clock = FakeStore(), SteppingClock()
    Note.told.clear()
    async with open_scheduler(max_workers=1, store=store, clock=clock, kinds=[Note], shutdown_grace=0) as scheduler:
        scheduler.register("job", job)
        request = RecurringJobRequest("job", After(0), key="job", max_retries=2, retry=Note())
        await scheduler.add_job(request, "job")
        await anyio.sleep(300)
    clock.step(-DAY)
    async with open_scheduler(max_workers=1, store=store, clock=clock, kinds=[Note]) as scheduler:
        scheduler.register("job", job)
        assert (await scheduler.wait_job("job")).attempts == 4
    assert Note.told == [0, 600]
