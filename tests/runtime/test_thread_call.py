"""A plain job whose task is cancelled natively, on asyncio, while its thread works, or before it begins."""

import asyncio
import threading

import anyio
import anyio.to_thread
import pytest
from back_ends import ASYNCIO

from turnkeeper_trio._runtime.thread_call import ThreadCall

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    ASYNCIO,
]


async def until(event: threading.Event) -> None:
    with anyio.fail_after(5):
        while not event.is_set():  # noqa: ASYNC110  (a thread sets it)
            await anyio.sleep(0.001)


@pytest.mark.parametrize("cancellations", [1, 3])
@pytest.mark.parametrize("fails", [False, True])
async def test_a_thread_whose_await_is_cut_off_is_waited_for(cancellations: int, *, fails: bool) -> None:
    begun, release, ended = threading.Event(), threading.Event(), threading.Event()

    def call() -> int:
        begun.set()
        release.wait(5)
        ended.set()
        if fails:
            raise LookupError
        return 7

    task = asyncio.create_task(ThreadCall(call).run(anyio.CapacityLimiter(1)))
    await until(begun)
    for _ in range(cancellations):
        task.cancel()
        await asyncio.sleep(0.002)
        assert not task.done()
    release.set()
    if fails:
        with pytest.raises(LookupError):
            await task
    else:
        assert await task == 7
    assert ended.is_set()


async def test_a_thread_that_ended_in_the_step_of_the_cancellation_is_what_happened() -> None:
    ended = threading.Event()
    task = asyncio.create_task(ThreadCall(ended.set).run(anyio.CapacityLimiter(1)))
    while not ended.wait(0.01):  # noqa: ASYNC110  (it blocks the loop, which must not hear of the end)
        await asyncio.sleep(0)
    task.cancel()
    assert await task is None


async def test_a_call_that_has_no_thread_yet_is_never_made() -> None:
    made: list[int] = []
    limiter = anyio.CapacityLimiter(1)
    limiter.acquire_on_behalf_of_nowait("another")
    task = asyncio.create_task(ThreadCall(lambda: made.append(1)).run(limiter))
    await asyncio.sleep(0.002)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    limiter.release_on_behalf_of("another")
    await anyio.to_thread.run_sync(lambda: None, limiter=limiter)
    assert made == []


async def test_a_thread_that_begins_after_its_claim_was_taken_does_not_call() -> None:
    made: list[int] = []
    call = ThreadCall(lambda: made.append(1))
    assert call._take_claim()  # as the task does that is cut off
    assert await call.run(anyio.CapacityLimiter(1)) is None
    assert made == []
