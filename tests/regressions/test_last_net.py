"""Whoever waited for an answer when the coordinator ended waited for ever, if that was what kept the block from ending.

Cause: the coordinator's end answered callers only once every attempt had come back. A job in `scheduled()` or
`paused()`, or one that asks while it cleans up, comes back when it is answered, and not before.
"""

import logging
import math
import threading

import anyio
import anyio.to_thread
import pytest
from hostile import Outsider
from sample_jobs import NOW, nothing

from turnkeeper_trio import (
    After,
    InternalError,
    Interval,
    RecurringJobRequest,
    SchedulerClosed,
    TurnKeeperError,
    current_scheduler,
    open_scheduler,
)
from turnkeeper_trio._engine.engine import Engine

pytestmark = pytest.mark.anyio

LATER = RecurringJobRequest("later", After(hours=1))


class Plain(Exception):
    pass


def plant(monkeypatch, what, fault, *, at=10):
    original = getattr(Engine, what)

    def faulty(*args, **kwargs):
        if anyio.current_time() >= at:
            raise fault
        return original(*args, **kwargs)

    monkeypatch.setattr(Engine, what, faulty)


async def raises():
    raise LookupError


@pytest.mark.parametrize("what", ["take_due", "next_due", "take_effects"])
@pytest.mark.parametrize("fault", [Outsider, Plain, GeneratorExit])
async def test_jobs_and_a_thread_that_wait_are_answered_in_the_step_of_the_crash(monkeypatch, what, fault):
    ends = {}

    def ended(name, error=None):
        ends[name] = (anyio.current_time(), error)

    async def in_scheduled():
        try:
            async with current_scheduler().scheduled(LATER, nothing):
                await anyio.sleep_forever()
        finally:
            ended("scheduled")

    async def in_paused():
        try:
            async with current_scheduler().paused(wait=False):
                await anyio.sleep_forever()
        finally:
            ended("paused")

    async def asks_in_cleanup(job_id):
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                try:
                    await current_scheduler().pause_job(job_id)
                except TurnKeeperError as exc:
                    ended("cleanup", exc)

    async def waits(job_id):
        with anyio.CancelScope(shield=True):
            try:
                await current_scheduler().wait_job(job_id)
            except TurnKeeperError as exc:
                ended("waits", exc)

    plant(monkeypatch, what, fault)
    with anyio.fail_after(100):
        with pytest.raises(InternalError) as caught:
            async with open_scheduler(max_workers=5) as scheduler:
                later = await scheduler.add_job(LATER, nothing)
                for job in (in_scheduled, asks_in_cleanup, waits, in_paused):
                    await scheduler.add_job(NOW, job, *(() if job in {in_scheduled, in_paused} else (later,)))
                await anyio.sleep(10)
                scheduler.try_add_job(LATER, nothing)  # Paused, the coordinator would not look.
                await anyio.sleep_forever()
    assert isinstance(caught.value.__cause__, fault)
    assert {name: at for name, (at, _) in ends.items()} == dict.fromkeys(
        ("scheduled", "paused", "cleanup", "waits"), 10
    )
    assert isinstance(ends["cleanup"][1], SchedulerClosed)
    assert isinstance(ends["waits"][1], SchedulerClosed)


@pytest.mark.real_time
@pytest.mark.parametrize("fault", [Outsider, Plain])
async def test_a_thread_that_waits_is_answered(monkeypatch, fault):
    answers = []

    def thread(mine, job_id):
        try:
            mine.wait_job(job_id)
        except TurnKeeperError as exc:
            answers.append(exc)
        try:
            mine.pause_job(job_id)
        except TurnKeeperError as exc:
            answers.append(exc)

    with anyio.fail_after(5):
        with pytest.raises(InternalError):
            async with open_scheduler(max_workers=1) as scheduler:
                later = await scheduler.add_job(LATER, nothing)
                mine = scheduler.threadsafe()
                own = threading.Thread(target=thread, args=(mine, later))
                own.start()
                while not scheduler._parts.command_queue._replies:  # noqa: ASYNC110  (a thread asks)
                    await anyio.sleep(0.001)
                plant(monkeypatch, "take_due", fault, at=0)
                scheduler.stop()
                await anyio.sleep_forever()
        await anyio.to_thread.run_sync(own.join)
    assert [type(each) for each in answers] == [SchedulerClosed, SchedulerClosed]


class Broken:
    """A clock that breaks."""

    def __init__(self, where, fault):
        self.where, self.fault = where, fault

    def _answer(self, what, value):
        if self.where == what and anyio.current_time() >= 10:
            raise self.fault
        return value

    def wall(self):
        return self._answer("wall", 1_700_000_000_000_000 + round(anyio.current_time() * 1_000_000))

    def loop(self):
        return self._answer("loop", round(anyio.current_time() * 1_000_000))

    def deadline(self, wall):
        return self._answer("deadline", (wall - 1_700_000_000_000_000) / 1_000_000)

    def hold(self):
        return anyio.CancelScope()


@pytest.mark.parametrize("where", ["wall", "loop", "deadline"])
@pytest.mark.parametrize("fault", [Outsider, Plain])
async def test_a_clock_that_raises_ends_the_scheduler_and_leaves_nobody_waiting(where, fault):
    ends = []

    async def in_scheduled():
        try:
            async with current_scheduler().scheduled(LATER, nothing):
                await anyio.sleep_forever()
        finally:
            ends.append(anyio.current_time())

    with anyio.fail_after(100):
        with pytest.raises(InternalError) as caught:
            async with open_scheduler(max_workers=2, clock=Broken(where, fault)) as scheduler:
                await scheduler.add_job(NOW, in_scheduled)
                await scheduler.add_job(RecurringJobRequest("ticks", Interval(seconds=1)), nothing)
                await anyio.sleep_forever()
    assert isinstance(caught.value.__cause__, fault)
    assert len(ends) == 1
    assert 9 < ends[0] <= 10.1


@pytest.mark.parametrize("fault", [KeyboardInterrupt, SystemExit])
async def test_what_means_the_program_leaves_from_a_log_handler_or_an_observer(fault):
    class Observer:
        def on_run_finished(self, event):
            raise fault

    class Handler(logging.Handler):
        def emit(self, record):
            raise fault

    with anyio.fail_after(100):
        with pytest.raises(fault):
            async with open_scheduler(max_workers=1, observers=[Observer()]) as scheduler:
                await scheduler.add_job(NOW, nothing)
                await anyio.sleep_forever()
        handler = Handler(logging.ERROR)
        logging.getLogger("turnkeeper_trio").addHandler(handler)
        try:
            with pytest.raises(fault):
                async with open_scheduler(max_workers=1) as scheduler:
                    await scheduler.add_job(NOW, raises)
                    await anyio.sleep_forever()
        finally:
            logging.getLogger("turnkeeper_trio").removeHandler(handler)


@pytest.mark.parametrize(
    ("where", "answer"), [("wall", 1.5), ("loop", "soon"), ("deadline", "soon"), ("deadline", math.nan)]
)
async def test_a_clock_that_answers_nonsense_is_told_so(where, answer):
    class Nonsense(Broken):
        def _answer(self, what, value):
            return answer if what == where and anyio.current_time() >= 10 else value

    with anyio.fail_after(100):
        with pytest.raises(InternalError) as caught:
            async with open_scheduler(max_workers=1, clock=Nonsense(where, Plain)) as scheduler:
                await scheduler.add_job(RecurringJobRequest("ticks", Interval(seconds=1)), nothing)
                await anyio.sleep_forever()
    assert isinstance(caught.value.__cause__, TypeError)
    assert f"clock.{where}() must return" in str(caught.value.__cause__)
