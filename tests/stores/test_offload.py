"""Work of a store is done one piece after the other, whatever happens to those who asked for it."""

import asyncio
import threading

import anyio
import anyio.lowlevel
import pytest
from back_ends import ASYNCIO

from turnkeeper_trio.stores._offload import Offload

pytestmark = pytest.mark.anyio


@pytest.mark.real_time
async def test_pieces_of_work_never_overlap() -> None:
    offload = Offload(inline=False)
    busy = threading.Lock()
    threads: set[int] = set()
    done: list[int] = []

    def work(number: int) -> int:
        assert busy.acquire(blocking=False), "another piece is being done"
        threads.add(threading.get_ident())
        done.append(number)
        busy.release()
        return number

    async with anyio.create_task_group() as group:
        for number in range(50):
            group.start_soon(offload.call, work, number)
    assert sorted(done) == list(range(50))
    assert threading.get_ident() not in threads


async def test_inline_it_is_done_in_the_task_that_calls() -> None:
    assert await Offload(inline=True).call(threading.get_ident) == threading.get_ident()


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.real_time
async def test_who_is_cancelled_before_it_begins_does_nothing(inline: bool) -> None:
    done: list[int] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        await Offload(inline=inline).call(done.append, 1)
    assert (done, scope.cancelled_caught) == ([], True)


@pytest.mark.real_time
async def test_who_is_cancelled_later_hears_what_was_done() -> None:
    offload = Offload(inline=False)
    begun, go_on = threading.Event(), threading.Event()
    heard: list[str] = []

    def work() -> str:
        begun.set()
        go_on.wait()
        return "done"

    async def ask() -> None:
        heard.append(await offload.call(work))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await anyio.to_thread.run_sync(begun.wait)
        group.cancel_scope.cancel()
        go_on.set()
    assert heard == ["done"]


@pytest.mark.real_time
@ASYNCIO
async def test_a_thread_that_a_native_cancellation_left_behind_is_waited_for() -> None:
    offload = Offload(inline=False)
    begun, go_on, busy = threading.Event(), threading.Event(), threading.Lock()

    def slow() -> None:
        with busy:
            begun.set()
            go_on.wait()

    def quick() -> bool:
        free = busy.acquire(blocking=False)
        if free:
            busy.release()
        return free

    first = asyncio.create_task(offload.call(slow))
    await anyio.to_thread.run_sync(begun.wait)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    second = asyncio.create_task(offload.call(quick))
    await anyio.lowlevel.checkpoint()
    go_on.set()
    assert await second
