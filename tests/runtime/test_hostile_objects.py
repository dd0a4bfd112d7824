"""Whatever a user's object does when it is shown, asked, written to or called, it harms nobody but its own job.

A job that raises or returns it has a record, as any other; a policy that gives it fails its run; a schedule that does
halts its job; an observer is removed; a log line is lost. Another job beside it is not affected.
"""

import json
import logging
import random
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import anyio
import pytest
from hostile import FAULTS, METHODS, Ordinary, hostile, hostile_error
from sample_jobs import nothing

from turnkeeper_trio import (
    After,
    CancelJob,
    ConfigurationError,
    FixedRetryDelay,
    GiveUp,
    Interval,
    JobState,
    Outcome,
    RecurringJobRequest,
    Retry,
    RunRecord,
    Scheduler,
    Snooze,
    open_scheduler,
)
from turnkeeper_trio.verdicts import Verdict

pytestmark = [
    pytest.mark.anyio,
    # An exception whose note or traceback cannot be set may be told of by Python itself, where it is thrown away.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

KINDS = [(method, fault) for method in METHODS for fault in FAULTS]
HOSTILE = pytest.mark.parametrize(("method", "fault"), KINDS, ids=lambda kind: getattr(kind, "__name__", kind))
PLAIN = pytest.mark.parametrize("plain", [False, True], ids=["async", "plain"])


@asynccontextmanager
async def beside_an_innocent(**options: Any) -> AsyncGenerator[Scheduler]:
    """Open a scheduler with a job that runs each second; see that it has, and that the books balance."""
    ticks: list[float] = []

    async def tick() -> None:
        ticks.append(anyio.current_time())

    begin = anyio.current_time()
    with anyio.fail_after(10_000):
        async with open_scheduler(max_workers=2, **options) as scheduler:
            scheduler.register("tick", tick)
            scheduler.register("takes", takes)
            innocent = await scheduler.add_job(RecurringJobRequest("innocent", Interval(seconds=1)), tick)
            yield scheduler
            await anyio.sleep(3)
            assert (await scheduler.get_job_details(innocent)).state not in {JobState.HALTED, JobState.CANCELLED}
            books = scheduler.get_metrics_snapshot().books
            assert books.balanced
            lived = anyio.current_time() - begin
    assert len(ticks) in {int(lived), int(lived) - 1}
    assert ticks == [pytest.approx(ticks[0] + number, abs=1e-3) for number in range(len(ticks))]
    assert scheduler.get_metrics_snapshot().books.balanced


async def run(scheduler: Scheduler, job: Any, *args: Any, **options: Any) -> RunRecord:
    """Run a job once; see that its record can be read and shown."""
    job_id = await scheduler.add_job(RecurringJobRequest("hostile", After(0), **options), job, *args)
    record = await scheduler.wait_job(job_id)
    json.dumps(record.to_json(), allow_nan=False)
    json.dumps((await scheduler.get_job_details(job_id)).to_json(), allow_nan=False)
    assert isinstance(str(record), str)
    return record


def raising(error: Any, *, plain: bool) -> Any:
    async def job() -> None:
        raise error()

    def plain_job() -> None:
        raise error()

    return plain_job if plain else job


def returning(make: Any, *, plain: bool) -> Any:
    async def job() -> Any:
        return make()

    return make if plain else job


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> None:
    """Have each log line written, so that the objects in it are shown."""
    caplog.set_level(logging.DEBUG, "turnkeeper_trio")


@HOSTILE
@PLAIN
async def test_a_job_that_raises_it_has_failed(method: str, fault: Any, *, plain: bool) -> None:
    error = hostile_error(method, fault, Exception if fault is Ordinary else BaseException)
    async with beside_an_innocent() as scheduler:
        record = await run(scheduler, raising(error, plain=plain), max_retries=1, retry=FixedRetryDelay(1))
    assert (record.outcome, record.attempts) == (Outcome.FAILED, 2)
    assert type(record.error) is error


@HOSTILE
@PLAIN
async def test_a_job_that_returns_it_has_succeeded(method: str, fault: Any, *, plain: bool) -> None:
    kind = hostile(method, fault)
    async with beside_an_innocent() as scheduler:
        record = await run(scheduler, returning(kind, plain=plain))
        assert type(record.unwrap()) is kind
    assert record.outcome is Outcome.SUCCEEDED


@HOSTILE
async def test_in_a_group_it_is_a_failure(method: str, fault: Any) -> None:
    error = hostile_error(method, fault)

    async def job() -> None:
        # (A nursery of trio's shows what a task of it raises, and ends the program where that raises.)
        raise BaseExceptionGroup("several", [error(), LookupError()])

    async with beside_an_innocent() as scheduler:
        record = await run(scheduler, job)
    assert record.outcome is Outcome.FAILED


@dataclass(frozen=True)
class Frozen(Exception):
    code: int = 3


@dataclass(frozen=True, slots=True)
class FrozenWithSlots(Exception):
    code: int = 3


@PLAIN
@pytest.mark.parametrize("error", [Frozen, FrozenWithSlots])
async def test_an_exception_that_is_frozen_is_a_failure_and_is_tried_again(error: Any, *, plain: bool) -> None:
    async with beside_an_innocent() as scheduler:
        record = await run(scheduler, raising(error, plain=plain), max_retries=1, retry=FixedRetryDelay(1))
    assert (record.outcome, record.attempts, type(record.error)) == (Outcome.FAILED, 2, error)


@HOSTILE
@PLAIN
@pytest.mark.parametrize("verdict", [GiveUp, CancelJob])
async def test_as_the_reason_of_a_verdict(method: str, fault: Any, verdict: Any, *, plain: bool) -> None:
    reason: Any = hostile(method, fault)()
    async with beside_an_innocent() as scheduler:
        raised = await run(scheduler, raising(lambda: verdict(reason), plain=plain))
        returned = await run(scheduler, returning(lambda: verdict(reason), plain=plain))
    expected = Outcome.FAILED if verdict is GiveUp else Outcome.CANCELLED
    assert raised.outcome is returned.outcome is expected
    assert raised.reason.startswith("it gave up" if verdict is GiveUp else "it ended its job")


@PLAIN
@pytest.mark.parametrize("verdict", [Retry, Snooze, GiveUp, CancelJob, Verdict])
async def test_a_verdict_whose_class_did_not_call_super(verdict: Any, *, plain: bool) -> None:
    def init(self: Any) -> None:
        pass

    own = type("Own", (verdict,), {"__init__": init})
    async with beside_an_innocent() as scheduler:
        for job in (raising(own, plain=plain), returning(own, plain=plain)):
            record = await run(scheduler, job)
            assert record.outcome is (Outcome.CANCELLED if verdict is CancelJob else Outcome.FAILED)
            if verdict in {Retry, Snooze}:
                assert "super().__init__" in str(record.error)


@HOSTILE
async def test_a_verdict_that_is_hostile_itself(method: str, fault: Any) -> None:
    async with beside_an_innocent() as scheduler:
        for base, outcome in ((GiveUp, Outcome.FAILED), (CancelJob, Outcome.CANCELLED)):
            own = hostile(method, fault, base)
            if method == "__setattr__":  # Its own __init__ cannot set the reason.
                own.__init__ = lambda _: None
            for job in (raising(own, plain=False), returning(own, plain=False)):
                assert (await run(scheduler, job)).outcome is outcome


class Policy:
    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def delay(self, failed: Any, rng: random.Random) -> Any:
        return self._answer()


def throw(error: Any) -> Any:
    raise error


async def fails() -> None:
    raise LookupError


@HOSTILE
async def test_as_the_answer_of_a_policy_and_as_what_it_raises(method: str, fault: Any) -> None:
    error = hostile_error(method, fault, BaseException)
    answers = (hostile(method, fault), lambda: throw(error()), hostile(method, fault, float))
    async with beside_an_innocent() as scheduler:
        for answer in answers[:2]:
            record = await run(scheduler, fails, max_retries=1, retry=Policy(answer))
            assert (record.outcome, record.attempts) == (Outcome.FAILED, 1)
            assert "its retry policy" in record.reason
        assert (await run(scheduler, fails, max_retries=1, retry=Policy(answers[2]))).outcome is Outcome.FAILED


class Rule:
    """A schedule whose answer is what a test says."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def next_after(self, after: datetime) -> Any:
        del after
        return self.answer()


@HOSTILE
async def test_as_the_answer_of_a_schedule_and_as_what_it_raises(method: str, fault: Any) -> None:
    error = hostile_error(method, fault, BaseException)
    async with beside_an_innocent() as scheduler:
        for answer in (hostile(method, fault), lambda: throw(error())):
            rule = Rule(answer)
            job_id = await scheduler.add_job(
                RecurringJobRequest("hostile", rule, initial_run_time=scheduler.now()), nothing
            )
            await anyio.sleep(3)
            details = await scheduler.get_job_details(job_id)
            assert details.state is JobState.HALTED
            json.dumps(details.to_json(), allow_nan=False)


@HOSTILE
@pytest.mark.parametrize("looked_up", [False, True])
async def test_an_observer_that_raises_it_is_dropped(method: str, fault: Any, *, looked_up: bool) -> None:
    error = hostile_error(method, fault, BaseException)
    told: list[object] = []

    class Observer:
        def on_run_started(self, event: Any) -> None:
            told.append(event)
            raise error()

    class Property:
        @property
        def on_run_started(self) -> Any:
            told.append(self)
            raise error()

    async with beside_an_innocent(observers=[Property() if looked_up else Observer()]) as scheduler:
        await run(scheduler, nothing)
    assert len(told) == 1


@contextmanager
def attached(logger: Any, *, handler: Any = None, filter_: Any = None) -> Iterator[None]:
    if handler is not None:
        logger.addHandler(handler)
    if filter_ is not None:
        logger.addFilter(filter_)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.removeFilter(filter_)


@HOSTILE
@pytest.mark.parametrize("what", ["handler", "filter_"])
async def test_a_log_handler_or_a_filter_that_raises_it_loses_its_line(
    method: str, fault: Any, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    error = hostile_error(method, fault, BaseException)

    class Handler(logging.Handler):
        def emit(self, record: Any) -> None:
            raise error()

    faulty: Any = Handler() if what == "handler" else lambda _: throw(error())
    with attached(logging.getLogger("turnkeeper_trio"), **{what: faulty}):
        async with beside_an_innocent() as scheduler:
            record = await run(scheduler, fails)
    assert record.outcome is Outcome.FAILED
    capsys.readouterr()


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_rng_that_raises(fault: Any) -> None:
    class Faulty(random.Random):
        def random(self) -> float:
            raise fault

        def getrandbits(self, k: int, /) -> int:
            raise fault

        def randint(self, a: int, b: int) -> int:
            raise fault

    async with beside_an_innocent(rng=Faulty()) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("jitter", Interval(seconds=1), jitter=1), nothing)
        await anyio.sleep(3)
        assert (await scheduler.get_job_details(job_id)).state is not JobState.CANCELLED
        record = await run(scheduler, fails, max_retries=1, retry=FixedRetryDelay(1, jitter=0.5))
        assert record.outcome is Outcome.FAILED
        assert "its retry policy" in record.reason


@HOSTILE
async def test_as_an_argument_in_front_of_a_store_and_without(method: str, fault: Any, store: Any) -> None:
    for options in ({}, {"store": store}):
        async with beside_an_innocent(**options) as scheduler:
            value = hostile(method, fault)()
            request = RecurringJobRequest("takes", After(0))
            for args, kwargs in (((value,), None), ((), {"value": value})):
                try:
                    job_id = await scheduler.add_job(request, takes, *args, kwargs=kwargs)
                except (ConfigurationError, TypeError):
                    assert options
                    continue
                assert (await scheduler.wait_job(job_id)).outcome is Outcome.SUCCEEDED


async def takes(value: Any) -> None:
    del value


@HOSTILE
async def test_an_update_with_it(method: str, fault: Any) -> None:
    async with beside_an_innocent() as scheduler:
        value = hostile(method, fault)()
        job_id = await scheduler.add_job(RecurringJobRequest("takes", After(hours=1)), takes, value)
        await scheduler.update_job(job_id, args=(value,))
        await scheduler.update_job(job_id, args=(hostile(method, fault)(),))
        assert (await scheduler.wait_run(await scheduler.trigger_job_now(job_id))).outcome is Outcome.SUCCEEDED


class Loud(type):
    """The class of a class whose name cannot be read."""

    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise Ordinary

    def __repr__(cls) -> str:
        raise Ordinary

    def __instancecheck__(cls, instance: object) -> bool:
        raise Ordinary

    def __subclasscheck__(cls, subclass: type) -> bool:
        raise Ordinary


class OfALoudClass(Rule, metaclass=Loud):
    pass


async def test_a_schedule_whose_class_cannot_be_named_halts_its_job() -> None:
    async with beside_an_innocent() as scheduler:
        for answer in (
            lambda: 1,
            lambda: throw(Ordinary()),
            lambda: datetime.min.replace(tzinfo=scheduler.now().tzinfo),
        ):
            rule = OfALoudClass(answer)
            request = RecurringJobRequest("hostile", rule, initial_run_time=scheduler.now())
            job_id = await scheduler.add_job(request, nothing)
            await anyio.sleep(3)
            assert (await scheduler.get_job_details(job_id)).state is JobState.HALTED


async def test_an_error_and_a_value_whose_class_cannot_be_named() -> None:
    error: Any = Loud("LoudError", (Exception,), {})
    async with beside_an_innocent() as scheduler:
        for plain in (False, True):
            assert (await run(scheduler, raising(error, plain=plain))).outcome is Outcome.FAILED
            assert (await run(scheduler, returning(error, plain=plain))).outcome is Outcome.SUCCEEDED
            assert (await run(scheduler, returning(lambda: error, plain=plain))).outcome is Outcome.SUCCEEDED
