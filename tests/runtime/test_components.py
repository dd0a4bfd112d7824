"""Parts of the runtime alone, in states that a whole scheduler does not reach, but that they must handle."""

import asyncio
import signal
from contextlib import suppress
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import anyio
import pytest
import trio
from back_ends import ASYNCIO
from engine_driver import Driver
from trio.lowlevel import enable_ki_protection

from turnkeeper_trio import After, Outcome, RecurringJobRequest, SchedulerClosed, _validation, open_scheduler
from turnkeeper_trio._runtime import signals
from turnkeeper_trio._runtime.commands import CommandQueue, Reply
from turnkeeper_trio._runtime.dispatcher import Dispatcher
from turnkeeper_trio._runtime.functions import Functions
from turnkeeper_trio._runtime.hooks import TestHooks
from turnkeeper_trio._runtime.inbox import Inbox, Wakeup
from turnkeeper_trio._runtime.signals import _Forcing


@pytest.mark.anyio
async def test_who_begins_to_wait_after_the_end_is_answered_at_once() -> None:
    driver = Driver()
    inbox: Inbox[Any] = Inbox(1, Wakeup())
    queue = CommandQueue(driver.engine, inbox, loads=False)
    queue.close()
    queue.answer_remaining(driver.now)
    reply, gone = Reply(), Reply()
    gone.given_up = True
    queue.expect(reply)
    queue.expect(gone)
    with pytest.raises(SchedulerClosed):
        await reply.get()
    assert not gone.open
    inbox.release()


@pytest.mark.anyio
async def test_what_no_worker_is_left_for_comes_back_as_it_is() -> None:
    clock: Any = None
    dispatcher = Dispatcher(
        max_workers=1, dispatch_buffer=1, clock=clock, wakeup=Wakeup(), functions=Functions(), hooks=TestHooks()
    )
    driver = Driver()
    driver.add(schedule=After(0))
    first = driver.tick().assignments[0]
    dispatcher.send(first)
    assert dispatcher.take_outcomes() == [first]
    dispatcher.release()


def test_arguments_of_a_name_that_is_not_registered_are_not_looked_at() -> None:
    functions = Functions()
    functions.register("one", lambda _: None, ())
    with pytest.raises(TypeError):
        functions.check("one", (1, 2), None)
    functions.check("two", (1, 2), None)


def test_an_id_of_a_subclass_becomes_a_plain_one() -> None:
    class Mine(UUID):
        pass

    made = _validation.job("job_id", Mine(int=7))
    assert type(made) is UUID
    assert made == UUID(int=7)


def test_a_ctrl_c_that_nobody_asked_for_leaves_run_until_signal_bare() -> None:
    async def main() -> None:
        @enable_ki_protection
        async def strike() -> None:
            signal.raise_signal(signal.SIGINT)
            await trio.lowlevel.checkpoint()

        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.add_job(RecurringJobRequest("job", After(0)), strike)
            await scheduler.run_until_signal(signal.SIGTERM)

    found = signal.signal(signal.SIGINT, signal.default_int_handler)  # trio takes no other for its own
    try:
        with pytest.raises(KeyboardInterrupt):
            trio.run(main)
    finally:
        signal.signal(signal.SIGINT, found)


@ASYNCIO
@pytest.mark.anyio
async def test_a_ctrl_c_strikes_where_the_loop_has_not_come_round_for_long_since_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two in quick succession, in one step of a loop that is only busy, struck a line of the scheduler's."""
    heard: list[object] = []
    monkeypatch.setattr(signals, "time", SimpleNamespace(monotonic=lambda: now))

    def before(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    handler = _Forcing(before, heard.append)
    now = 7.0
    handler(2, None)
    now += 0.1
    handler(2, None)
    now += 0.2
    with pytest.raises(KeyboardInterrupt):
        handler(2, None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [type(each) for each in heard] == [KeyboardInterrupt] * 2
    handler.over = True
    handler.before = lambda number, frame: None
    handler(2, None)
    await asyncio.sleep(0)
    assert len(heard) == 2


def test_two_ctrl_c_in_quick_succession_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """asyncio.run raises at the second, also between noting that a task is to go on and seeing to it: it hung."""
    monkeypatch.setattr(signals, "time", SimpleNamespace(monotonic=lambda: now))
    count = 0

    def before(number: int, frame: object) -> None:
        nonlocal count
        count += 1
        if count == 1:
            handler(2, None)  # the second comes while the first is being handled
        else:
            raise KeyboardInterrupt

    handler = signals._Together(before)
    now = 7.0
    handler(2, None)
    now += 0.1
    handler(2, None)
    now += 0.3
    with pytest.raises(KeyboardInterrupt):
        handler(2, None)
    handler.over = True
    with pytest.raises(KeyboardInterrupt):
        handler(2, None)
    assert count == 5


KEPT: list[Any] = []


async def leaves_a_group_open() -> None:
    async def generator() -> Any:
        if trio.lowlevel.in_trio_task():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep, 50)
                yield
        else:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anyio.sleep, 50)
                yield

    KEPT.append(generator())
    await anext(KEPT[-1])


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_task_group_that_a_job_left_open_is_closed_and_the_worker_goes_on() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("careless", After(0)), leaves_a_group_open)
        record = await scheduler.wait_job(job_id)
        assert record.outcome is Outcome.FAILED
        assert type(record.error) is RuntimeError  # ours, or trio's own
        after = await scheduler.wait_job(await scheduler.add_job(RecurringJobRequest("next", After(0)), anyio.sleep, 3))
        assert (after.outcome, after.duration) == (Outcome.SUCCEEDED, 3)
    kept = KEPT.pop()
    # It is closed already, and each event loop raises a different error for that.
    with suppress(RuntimeError, BaseExceptionGroup, trio.TrioInternalError, AttributeError):
        await kept.aclose()


@ASYNCIO
@pytest.mark.anyio
async def test_a_cancellation_that_strikes_while_the_worker_looks_who_holds_its_task_is_taken() -> None:
    async def fails() -> None:
        task = asyncio.current_task()  # held by this frame, and so by the error
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel)
        raise LookupError

    async with open_scheduler(max_workers=1) as scheduler:
        record = await scheduler.wait_job(await scheduler.add_job(RecurringJobRequest("job", After(0)), fails))
        assert type(record.error) is LookupError
        after = await scheduler.wait_job(await scheduler.add_job(RecurringJobRequest("next", After(0)), anyio.sleep, 3))
        assert after.duration == 3
