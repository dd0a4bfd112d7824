"""A cancel scope that a job leaves open is closed with its attempt, whichever attempt of its worker that is."""

from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import anyio
import pytest

from turnkeeper_trio import After, FixedRetryDelay, Outcome, RecurringJobRequest, RunRecord, Scheduler, open_scheduler

pytestmark = pytest.mark.anyio


async def leaky(seconds: float, *, shield: bool) -> AsyncGenerator[int, None]:
    with anyio.move_on_after(seconds, shield=shield):
        yield 1
        yield 2


@pytest.fixture
async def kept() -> AsyncGenerator[list[AsyncGenerator[int, None]], None]:
    """What keeps the generators alive, and so their scopes open, until the test has ended."""
    generators: list[AsyncGenerator[int, None]] = []
    yield generators
    for generator in generators:
        with suppress(RuntimeError):  # its scope was closed long ago
            await generator.aclose()


async def healthy() -> str:
    assert anyio.current_effective_deadline() == float("inf")
    await anyio.sleep(100)
    with anyio.move_on_after(3) as scope:
        await anyio.sleep_forever()
    assert scope.cancelled_caught
    return "healthy"


async def run(scheduler: Scheduler, job: Any, *args: Any, **options: Any) -> RunRecord:
    record = await scheduler.wait_job(
        await scheduler.add_job(RecurringJobRequest("job", After(0), **options), job, *args)
    )
    assert record is not None
    return record


@pytest.mark.parametrize("before", [1, 2, 5])
@pytest.mark.parametrize("limit", [None, 1_000])
@pytest.mark.parametrize("shield", [False, True])
@pytest.mark.parametrize("seconds", [0, 3, 1_000])
async def test_the_jobs_before_and_after_know_nothing_of_it(
    kept: list[Any], before: int, limit: float | None, seconds: float, *, shield: bool
) -> None:
    async def job() -> None:
        kept.append(leaky(seconds, shield=shield))
        await anext(kept[-1])

    async with open_scheduler(max_workers=1) as scheduler:
        for _ in range(2):
            for _ in range(before):
                assert (await run(scheduler, healthy)).unwrap() == "healthy"
            record = await run(scheduler, job, timeout=limit)
            assert record.outcome is Outcome.FAILED
            assert isinstance(record.error, RuntimeError)
            assert (await run(scheduler, healthy)).unwrap() == "healthy"
            assert (await run(scheduler, anyio.sleep_forever, timeout=5)).outcome is Outcome.TIMED_OUT
        assert scheduler.get_metrics_snapshot().books.balanced


async def test_the_second_attempt_of_a_run_leaves_one_open_and_the_third_is_unharmed(kept: list[Any]) -> None:
    attempts = 0

    async def job() -> str:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise LookupError
        if attempts == 2:
            kept.append(leaky(0, shield=False))
            await anext(kept[-1])
        await anyio.sleep(attempts - 2)
        return "third"

    async with open_scheduler(max_workers=1) as scheduler:
        record = await run(scheduler, job, max_retries=2, retry=FixedRetryDelay(1))
        assert (record.unwrap(), record.attempts) == ("third", 3)


@pytest.mark.parametrize("shield", [False, True])
async def test_a_timeout_that_strikes_while_a_scope_is_left_open(kept: list[Any], *, shield: bool) -> None:
    async def job() -> None:
        kept.append(leaky(10, shield=shield))
        await anext(kept[-1])
        await anyio.sleep(20)

    async with open_scheduler(max_workers=1) as scheduler:
        assert (await run(scheduler, healthy)).unwrap() == "healthy"
        record = await run(scheduler, job, timeout=5)
        assert record.outcome in {Outcome.FAILED, Outcome.TIMED_OUT}
        assert record.duration == (10 if shield else 5)
        assert (await run(scheduler, healthy)).unwrap() == "healthy"


async def test_a_run_that_is_cancelled_while_a_scope_is_left_open(kept: list[Any]) -> None:
    async def job() -> None:
        kept.append(leaky(100, shield=False))
        await anext(kept[-1])
        await anyio.sleep_forever()

    async with open_scheduler(max_workers=1) as scheduler:
        assert (await run(scheduler, healthy)).unwrap() == "healthy"
        job_id = await scheduler.add_job(RecurringJobRequest("job", After(0)), job)
        await anyio.sleep(1)
        (record,) = await scheduler.cancel_job(job_id, cancel_running=True)
        assert record.outcome in {Outcome.FAILED, Outcome.CANCELLED}
        assert record.duration == 1
        assert (await run(scheduler, healthy)).unwrap() == "healthy"
    assert scheduler.shutdown_report is not None
    assert not scheduler.shutdown_report.interrupted


async def test_a_scope_that_is_closed_by_a_later_job_does_it_no_harm(kept: list[Any]) -> None:
    async def job() -> None:
        kept.append(leaky(100, shield=False))
        await anext(kept[-1])

    async def later() -> str:
        with suppress(RuntimeError):  # it belongs to a scope that is long gone
            await kept[-1].aclose()
        return await healthy()

    async with open_scheduler(max_workers=1) as scheduler:
        for _ in range(2):
            assert (await run(scheduler, job)).outcome is Outcome.FAILED
            assert (await run(scheduler, later)).unwrap() == "healthy"
            assert (await run(scheduler, healthy)).unwrap() == "healthy"
