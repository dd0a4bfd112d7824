"""Running until a signal comes: the first shuts down gracefully, the second by force."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from back_ends import ASYNCIO
from sample_jobs import NOW

from turnkeeper_trio import Outcome, ShutdownReport, open_scheduler

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]

SIGNAL = signal.SIGUSR1


@pytest.fixture(autouse=True)
def signals_as_they_were() -> Iterator[None]:
    """A signal that no scheduler waits for must not end the tests; and no test may leave a handler behind."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (SIGNAL, signal.SIGUSR2, signal.SIGTERM)}
    yield
    left = {number: signal.getsignal(number) for number in before}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert set(left.values()) <= {signal.SIG_IGN, signal.SIG_DFL}


def send(number: int = SIGNAL) -> None:
    os.kill(os.getpid(), number)


async def until(condition: Any) -> None:
    with anyio.fail_after(5):
        while not condition():  # noqa: ASYNC110  (it is asked of what tells nobody)
            await anyio.sleep(0.001)


async def test_the_first_signal_shuts_down_gracefully() -> None:
    release = anyio.Event()
    reports: list[ShutdownReport] = []

    async def run() -> None:
        reports.append(await scheduler.run_until_signal(SIGNAL, signal.SIGUSR2))

    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(NOW, release.wait)
        async with anyio.create_task_group() as group:
            group.start_soon(run)
            await until(lambda: scheduler.get_metrics_snapshot().workers_active_current)
            assert not scheduler.is_closed
            send(signal.SIGUSR2)
            await until(lambda: scheduler.is_closed)
            assert reports == []
            release.set()
    [report] = reports
    assert report is scheduler.shutdown_report
    assert [(record.job_id, record.outcome) for record in report.finished] == [(job_id, Outcome.SUCCEEDED)]


@pytest.mark.parametrize("more", [0, 3])
async def test_the_second_signal_forces_and_further_ones_do_nothing(more: int) -> None:
    cleaning = anyio.Event()
    finish = anyio.Event()
    delivered: list[int] = []
    signal.signal(SIGNAL, lambda number, _: delivered.append(number))

    async def job() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cleaning.set()
            with anyio.CancelScope(shield=True):
                await finish.wait()

    async def nag() -> None:
        await until(lambda: scheduler.get_metrics_snapshot().workers_active_current)
        send()
        await until(lambda: scheduler.is_closed)
        assert not cleaning.is_set()
        send()
        await cleaning.wait()
        for _ in range(more):
            send()
            await anyio.sleep(0.002)
        finish.set()

    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(NOW, job)
        async with anyio.create_task_group() as group:
            group.start_soon(nag)
            report = await scheduler.run_until_signal(SIGNAL)
    assert len(report.interrupted) == 1
    assert delivered == []  # no signal was left unread, so none is delivered again
    signal.signal(SIGNAL, signal.SIG_IGN)


async def test_after_the_grace_a_first_signal_forces_by_itself() -> None:
    async def kill() -> None:
        await until(lambda: scheduler.get_metrics_snapshot().workers_active_current)
        send()

    async with open_scheduler(max_workers=1, shutdown_grace=0.02) as scheduler:
        await scheduler.add_job(NOW, anyio.sleep_forever)
        async with anyio.create_task_group() as group:
            group.start_soon(kill)
            report = await scheduler.run_until_signal(SIGNAL)
    assert len(report.interrupted) == 1


async def test_it_returns_when_the_scheduler_is_shut_down_in_another_way() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        async with anyio.create_task_group() as group:
            group.start_soon(scheduler.shutdown_graceful)
            report = await scheduler.run_until_signal(SIGNAL)
        assert report is scheduler.shutdown_report
        assert await scheduler.run_until_signal(SIGNAL) is report


async def test_cancelled_it_leaves_the_scheduler_as_it_is() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        with anyio.move_on_after(0.01) as scope:
            await scheduler.run_until_signal(SIGNAL)
        assert scope.cancelled_caught
        assert not scheduler.is_closed
        record = await scheduler.wait_job(await scheduler.add_job(NOW, anyio.sleep, 0))
        assert record is not None


async def test_without_names_it_is_sigint_and_sigterm() -> None:
    async def kill() -> None:
        await until(lambda: signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN)
        send(signal.SIGTERM)

    async with open_scheduler(max_workers=1) as scheduler, anyio.create_task_group() as group:
        group.start_soon(kill)
        await scheduler.run_until_signal()
    assert scheduler.shutdown_report is not None


async def test_a_signal_that_cannot_be_caught_is_an_error_and_leaves_bare() -> None:
    """Regression: it left in the group of an inner task group."""
    async with open_scheduler(max_workers=1) as scheduler:
        with pytest.raises((OSError, RuntimeError, ValueError)):
            await scheduler.run_until_signal(signal.SIGKILL)
        assert not scheduler.is_closed


async def test_a_handler_of_python_is_there_again_afterwards() -> None:
    def mine(number: int, frame: Any) -> None:
        del number, frame

    signal.signal(SIGNAL, mine)
    try:
        async with open_scheduler(max_workers=1) as scheduler:
            for _ in range(2):
                with anyio.move_on_after(0.005):
                    await scheduler.run_until_signal(SIGNAL, SIGNAL)
                assert signal.getsignal(SIGNAL) is mine
            with pytest.raises((OSError, RuntimeError, ValueError)):
                await scheduler.run_until_signal(SIGNAL, signal.SIGKILL)
            assert signal.getsignal(SIGNAL) is mine
    finally:
        signal.signal(SIGNAL, signal.SIG_IGN)


@ASYNCIO
async def test_a_handler_of_the_event_loop_is_there_again_afterwards() -> None:
    heard: list[str] = []
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(SIGNAL, heard.append, "mine")
    try:
        async with open_scheduler(max_workers=1) as scheduler:
            with anyio.move_on_after(0.005):
                await scheduler.run_until_signal(SIGNAL, signal.SIGUSR2)
        send()
        await until(lambda: heard)
        assert heard == ["mine"]
    finally:
        loop.remove_signal_handler(SIGNAL)


async def test_off_the_main_thread_it_says_what_to_do_instead(anyio_backend_name: str) -> None:
    async def main() -> None:
        async with open_scheduler(max_workers=1) as scheduler:
            with pytest.raises(RuntimeError, match=r"main thread only.*scheduler\.stop\(\)"):
                await scheduler.run_until_signal(SIGNAL)
            assert not scheduler.is_closed

    await anyio.to_thread.run_sync(lambda: anyio.run(main, backend=anyio_backend_name))


async def test_on_an_event_loop_without_signals_it_says_what_to_do_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def none(*_: signal.Signals) -> Iterator[None]:
        raise NotImplementedError
        yield

    monkeypatch.setattr(anyio, "open_signal_receiver", none)
    async with open_scheduler(max_workers=1) as scheduler:
        with pytest.raises(RuntimeError, match=r"has no signals.*scheduler\.stop\(\)"):
            await scheduler.run_until_signal(SIGNAL)
        assert not scheduler.is_closed


async def test_a_sigint_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        async with open_scheduler(max_workers=1) as scheduler:
            send(signal.SIGINT)
            await scheduler.wait_idle()
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        assert not scheduler.shutdown_report.interrupted
    finally:
        signal.signal(signal.SIGINT, before)
