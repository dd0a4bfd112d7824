"""A plain function in a thread can ask whether it is to end, also because of its timeout.

The cause: a cancel scope of trio with a deadline reads the loop's clock to tell whether it has been cancelled, which
works in the loop's own thread only: `RunContext.cancel_requested` raised there, and the run failed of that.
"""

import threading
import time

import pytest

from turnkeeper_trio import After, Outcome, RecurringJobRequest, current_run, open_scheduler

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]

LIMIT = 30


def asked_to_end() -> str:
    """Go on until asked to end, and say so."""
    run = current_run()
    end = time.monotonic() + LIMIT
    while not run.cancel_requested:
        assert time.monotonic() < end
        time.sleep(0.001)
    return "asked"


def in_a_thread_of_its_own() -> list[bool]:
    """Ask from a thread that the event loop did not start."""
    run = current_run()
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.append(run.cancel_requested))
    thread.start()
    thread.join()
    return seen


async def test_the_timeout_asks_a_thread_to_end() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("polite", After(0), timeout=0.02)
        record = await scheduler.wait_job(await scheduler.add_job(request, asked_to_end))
    assert record is not None
    assert (record.outcome, record.value) == (Outcome.SUCCEEDED, "asked")


async def test_a_thread_that_the_job_started_may_ask() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        request = RecurringJobRequest("nested", After(0), timeout=LIMIT)
        record = await scheduler.wait_job(await scheduler.add_job(request, in_a_thread_of_its_own))
    assert record is not None
    assert (record.outcome, record.value) == (Outcome.SUCCEEDED, [False])
