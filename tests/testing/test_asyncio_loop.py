"""The virtual event loop of asyncio: when it jumps, when it waits, and in which order things happen."""

import asyncio
import math
import threading
import time
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from processes import outputs

from turnkeeper_trio.testing import VirtualEventLoop

DAY = 86_400.0


def run(main: Callable[[VirtualEventLoop], Awaitable[Any]], *, debug: bool = False) -> Any:
    async def start() -> Any:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualEventLoop)
        return await main(loop)

    with asyncio.Runner(loop_factory=VirtualEventLoop, debug=debug) as runner:
        return runner.run(start())


@pytest.mark.parametrize("debug", [False, True])
def test_time_begins_at_zero_and_jumps_to_the_instant_of_the_next_timer(debug: bool) -> None:
    async def main(loop: VirtualEventLoop) -> list[float]:
        seen = [loop.time()]
        for delay in (0.1, 3600, 400 * DAY, 0.1):
            await asyncio.sleep(delay)
            seen.append(loop.time())
        return seen

    seen = run(main, debug=debug)
    assert seen == [0, 0.1, 3600.1, 3600.1 + 400 * DAY, 3600.1 + 400 * DAY + 0.1]


def test_a_timer_fires_exactly_on_time_after_many_years() -> None:
    async def main(loop: VirtualEventLoop) -> list[float]:
        fired: list[float] = []
        done = loop.create_future()
        instants = [400 * DAY, 400 * DAY + 1e-6, 4_000 * DAY, 4_000 * DAY + 0.001, 2e9, 1e11]
        for instant in instants:
            loop.call_at(instant, lambda: fired.append(loop.time()))
        loop.call_at(instants[-1] + 1, done.set_result, None)
        await done
        assert fired == instants
        return fired

    run(main)


def test_computing_takes_no_time() -> None:
    async def main(loop: VirtualEventLoop) -> None:
        before = loop.time()
        time.sleep(0.002)  # noqa: ASYNC251
        await asyncio.sleep(0)
        assert loop.time() == before

    run(main)


def test_timers_of_one_instant_fire_in_the_order_in_which_they_were_set() -> None:
    async def main(loop: VirtualEventLoop) -> list[int]:
        order: list[int] = []
        for number in range(100):
            loop.call_at(5.0, order.append, number)
        await asyncio.sleep(6)
        return order

    assert run(main) == list(range(100))


def test_an_earlier_timer_fires_first_whatever_the_order_of_setting() -> None:
    async def main(loop: VirtualEventLoop) -> list[float]:
        order: list[float] = []
        for instant in (3.0, 1.0, 2.0, 1.5, 0.5):
            loop.call_at(instant, lambda: order.append(loop.time()))
        await asyncio.sleep(4)
        return order

    assert run(main) == [0.5, 1.0, 1.5, 2.0, 3.0]


def test_an_instant_compares_with_plain_numbers() -> None:
    async def main(loop: VirtualEventLoop) -> None:
        timer = loop.call_at(5.0, print)
        assert timer.when() == 5.0
        assert timer.when() < 5.5
        assert not timer.when() < 5.0
        assert timer.when() > 4.5
        timer.cancel()

    run(main)


def test_a_cancelled_timer_is_not_jumped_to() -> None:
    async def main(loop: VirtualEventLoop) -> float:
        for _ in range(200):  # enough for asyncio to compact its heap as well
            loop.call_later(1, print, "must not fire").cancel()
        await asyncio.sleep(10)
        return loop.time()

    assert run(main) == 10


def test_the_next_timer_is_the_first_that_is_not_cancelled() -> None:
    async def main(loop: VirtualEventLoop) -> None:
        assert loop.next_timer() == math.inf
        first, second = loop.call_later(5, print), loop.call_later(10, print)
        assert loop.next_timer() == 5
        first.cancel()
        assert loop.next_timer() == 10
        second.cancel()
        assert loop.next_timer() == math.inf

    run(main)


def test_timeouts_and_cancellation_happen_at_their_instant() -> None:
    async def main(loop: VirtualEventLoop) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.sleep(3600)
        assert loop.time() == 30
        with anyio.move_on_after(12.5) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        assert loop.time() == 42.5
        sleeper = loop.create_task(asyncio.sleep(1000))
        await asyncio.sleep(1)
        sleeper.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeper
        assert loop.time() == 43.5

    run(main)


def test_held_time_stands_still_until_a_thread_wakes_the_loop() -> None:
    async def main(loop: VirtualEventLoop) -> None:
        woken = asyncio.Event()
        released = threading.Event()

        def thread() -> None:
            released.wait(5)
            loop.call_soon_threadsafe(woken.set)

        ticked: list[float] = []
        loop.call_later(1, lambda: ticked.append(loop.time()))
        worker = threading.Thread(target=thread)
        with loop.hold(), loop.hold():
            assert loop.held
            worker.start()
            loop.call_soon(released.set)
            await woken.wait()
            assert loop.time() == 0
            assert not ticked
        worker.join()
        assert not loop.held
        await asyncio.sleep(1)
        assert ticked == [1]

    run(main)


def test_overlapping_holds_end_with_the_last() -> None:
    async def main(loop: VirtualEventLoop) -> None:
        first, second = loop.hold(), loop.hold()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert loop.held
        second.__exit__(None, None, None)
        assert not loop.held

    run(main)


def test_what_is_due_already_fires_while_time_is_held() -> None:
    async def main(loop: VirtualEventLoop) -> None:
        with loop.hold():
            await asyncio.sleep(0)
            due = loop.create_future()
            loop.call_at(loop.time(), due.set_result, "fired")
            assert await due == "fired"
            assert loop.time() == 0

    run(main)


def test_time_that_nobody_holds_passes_while_a_thread_works() -> None:
    async def main(loop: VirtualEventLoop) -> None:
        release = threading.Event()
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(asyncio.to_thread, release.wait, 5)
                await asyncio.sleep(3600)
                assert loop.time() == 3600
                release.set()
        assert not scope.cancelled_caught

    run(main)


def test_without_a_timer_the_loop_waits_for_a_thread() -> None:
    async def main(loop: VirtualEventLoop) -> None:
        woken = loop.create_future()
        worker = threading.Thread(target=loop.call_soon_threadsafe, args=(woken.set_result, "here"))
        loop.call_soon(worker.start)
        assert await woken == "here"
        worker.join()
        assert await anyio.to_thread.run_sync(anyio.from_thread.run_sync, loop.time) == 0

    run(main)


def test_input_that_is_ready_comes_before_a_jump() -> None:
    async def main(loop: VirtualEventLoop) -> list[str]:
        seen: list[str] = []

        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"hello\n")
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            with loop.hold():
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            seen.append((await reader.readline()).decode())
            seen.append(str(loop.time()))
            writer.close()
            await writer.wait_closed()
        return seen

    assert run(main) == ["hello\n", "0.0"]


def test_the_default_executor_is_joined_in_real_time() -> None:
    release = threading.Event()

    async def main(loop: VirtualEventLoop) -> None:
        loop.run_in_executor(None, release.wait, 5)
        threading.Timer(0.02, release.set).start()

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # asyncio warns where it gives up waiting
        run(main)
    assert release.is_set()


def test_a_year_of_hourly_sleeps_is_quick() -> None:
    async def main(loop: VirtualEventLoop) -> int:
        hours = 0
        while loop.time() < 365 * DAY:
            await asyncio.sleep(3600)
            hours += 1
        return hours

    begin = time.process_time()
    assert run(main) == 365 * 24
    assert time.process_time() - begin < 3


def test_anyio_runs_on_it() -> None:
    async def main() -> float:
        await anyio.sleep(7 * DAY)
        return anyio.current_time()

    options = {"loop_factory": VirtualEventLoop}
    assert anyio.run(main, backend="asyncio", backend_options=options) == 7 * DAY


def test_a_foreign_task_factory_is_respected() -> None:
    async def main(loop: VirtualEventLoop) -> None:
        made: list[Any] = []

        def factory(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
            made.append(coro)
            return asyncio.Task(coro, loop=loop, **options)

        loop.set_task_factory(factory)
        await loop.create_task(asyncio.sleep(1), name="mine")
        assert len(made) == 1

    run(main)


def trace() -> list[str]:
    """Return what happens when many tasks of one group wait for the same instants, and end by one cancel."""
    seen: list[str] = []

    async def wait(name: int) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            for round_ in range(3):
                await asyncio.sleep(1 + name % 3)
                seen.append(f"{asyncio.get_running_loop().time()} {name} {round_} {task.get_name()}")
            await asyncio.sleep(1000)
        finally:
            seen.append(f"{name} ends")

    async def main(_: VirtualEventLoop) -> None:
        async with anyio.create_task_group() as group:
            for name in range(40):
                group.start_soon(wait, name)
            await asyncio.sleep(30)
            group.cancel_scope.cancel()

    run(main)
    return seen


def test_two_runs_have_the_same_trace() -> None:
    first = trace()
    ballast = [object() for _ in range(1000)]  # other addresses for what comes
    assert trace() == first
    assert ballast
    assert [line for line in first if line.endswith("ends")] == [f"{name} ends" for name in range(40)]


@pytest.mark.slow
def test_two_processes_have_the_same_trace() -> None:
    program = f"import runpy; print(runpy.run_path({__file__!r})['trace']())"
    assert len(outputs(program)) == 1


def test_a_timer_at_the_end_of_all_time_is_none() -> None:
    """Regression: beside a thread, ``sleep_forever`` was the next timer, and time jumped to infinity."""

    async def main(loop: VirtualEventLoop) -> float:
        forever = asyncio.ensure_future(asyncio.sleep(float("inf")))
        await asyncio.sleep(0)
        await anyio.to_thread.run_sync(time.sleep, 0.02)
        forever.cancel()
        return loop.time()

    assert run(main) == 0
