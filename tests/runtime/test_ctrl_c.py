"""Ctrl-C while the block of `open_scheduler` is being left.

The cause: trio delivers it to the main task wherever that waits, protected and shielded or not. It came out of the wait
for the end of the scheduler inside the task group, so that a ``BaseExceptionGroup`` left the block where the promise is
one bare exception; `anyio.run` then did not end as a program does that was interrupted.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

import anyio
import pytest
import trio
import trio.testing
from back_ends import ASYNCIO

from turnkeeper_trio import After, Outcome, RecurringJobRequest, ShutdownReport, open_scheduler
from turnkeeper_trio._runtime import runner
from turnkeeper_trio.testing import VirtualEventLoop

NOW = RecurringJobRequest("long", After(0))


def run_on(backend: str, main: Callable[[], Awaitable[None]]) -> None:
    if backend == "trio":
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    else:
        with asyncio.Runner(loop_factory=VirtualEventLoop) as runner:
            runner.run(main())


@trio.lowlevel.enable_ki_protection
async def press_ctrl_c(*, after: float) -> None:
    await anyio.sleep(after)
    # Of code that is not protected, trio would interrupt the very line that runs now.
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_it_forces_the_shutdown_and_leaves_bare(backend: str) -> None:
    times: list[float] = []
    left: list[object] = []

    async def long() -> None:
        try:
            await anyio.sleep(1000)
        finally:
            times.append(anyio.current_time())

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: press_ctrl_c(after=10))
            try:
                async with open_scheduler(max_workers=1) as scheduler:
                    await scheduler.add_job(NOW, long)
                    await anyio.sleep(1)
            except BaseException as exc:  # (what is cancelled on asyncio becomes KeyboardInterrupt in asyncio.run)
                left.extend((type(exc), scheduler.shutdown_report))

    run_on(backend, main)
    assert times == [10]
    kind, report = left
    assert kind is (KeyboardInterrupt if backend == "trio" else asyncio.CancelledError)
    assert isinstance(report, ShutdownReport)
    assert [record.outcome for record in report.interrupted] == [Outcome.INTERRUPTED]


def test_a_second_one_changes_nothing_and_none_is_lost() -> None:
    times: list[float] = []

    async def long() -> None:
        try:
            await anyio.sleep(1000)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(100)
            times.append(anyio.current_time())

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: press_ctrl_c(after=10))
            tasks.start_soon(lambda: press_ctrl_c(after=20))
            with pytest.raises(KeyboardInterrupt) as caught:
                async with open_scheduler(max_workers=1) as scheduler:
                    await scheduler.add_job(NOW, long)
                    await anyio.sleep(1)
                    raise ValueError
            # The body's error had begun the shutdown; the interruption is the graver one, and tells of it.
            assert isinstance(caught.value.__context__, ValueError)
            assert caught.value.__notes__ == ["besides, there was ValueError"]

    run_on("trio", main)
    assert times == [101]


@ASYNCIO
@pytest.mark.parametrize("presses", [1, 2])
@pytest.mark.anyio
async def test_on_asyncio_without_a_handler_of_its_own_it_forces_too_and_leaves_bare(presses: int) -> None:
    ended: list[float] = []

    async def long() -> None:
        try:
            await anyio.sleep(1000)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(50)
            ended.append(anyio.current_time())

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    loop = asyncio.get_running_loop()
    begin = anyio.current_time()
    try:
        with pytest.raises(KeyboardInterrupt):
            async with open_scheduler(max_workers=1) as scheduler:
                await scheduler.add_job(NOW, long)
                await anyio.sleep(1)
                for press in range(presses):
                    loop.call_later(10 * (press + 1), signal.raise_signal, signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert [at - begin for at in ended] == [61]
    assert scheduler.get_metrics_snapshot().books.balanced


@pytest.mark.parametrize("begin", [True, False])
@pytest.mark.parametrize("cancelled", [True, False])
@pytest.mark.anyio
async def test_one_that_strikes_between_the_lines_of_the_leaving_leaves_bare(
    monkeypatch: pytest.MonkeyPatch, *, cancelled: bool, begin: bool
) -> None:
    """Under asyncio.run the second Ctrl-C is raised in whatever line runs: it left in the task group's group."""
    ended: list[float] = []

    async def long() -> None:
        try:
            await anyio.sleep(1000)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(50)
            ended.append(anyio.current_time())

    @contextmanager
    def struck(force: Callable[[KeyboardInterrupt | None], None]) -> Generator[None]:
        assert callable(force)
        if begin:
            if cancelled:
                outer.cancel()
            raise KeyboardInterrupt("the second")
        yield
        raise KeyboardInterrupt("the second")

    monkeypatch.setattr(runner, "sigint_forces", struck)
    start = anyio.current_time()
    with pytest.raises(KeyboardInterrupt, match="the second"), anyio.CancelScope() as outer:
        async with open_scheduler(max_workers=1, shutdown_grace=10) as scheduler:
            await scheduler.add_job(NOW, long)
            await anyio.sleep(1)
            if cancelled and not begin:
                outer.cancel()
    assert [at - start for at in ended] == [51 if begin or cancelled else 61]
    assert scheduler.get_metrics_snapshot().books.balanced
    assert scheduler.shutdown_report is not None
