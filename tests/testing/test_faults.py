"""A fault plan makes the chosen call fail, in unchanged code, and a fault that never strikes is reported."""

import inspect
import traceback
from datetime import timedelta
from typing import Any

import pytest
from fake_store import FakeStore

from turnkeeper_trio import (
    ConfigurationError,
    FixedRetryDelay,
    Interval,
    Once,
    Outcome,
    RecurringJobRequest,
    Scheduler,
    open_scheduler,
)
from turnkeeper_trio.abc import Store, TransactionalStore
from turnkeeper_trio.errors import StoreUnavailable
from turnkeeper_trio.events import RunFinished
from turnkeeper_trio.stores.sqlite import SQLiteStore
from turnkeeper_trio.testing import FaultPlan, InjectedFault, SchedulerTime, run

pytestmark = pytest.mark.anyio


class Till:
    """Counts what was paid."""

    paid = 0

    async def pay(self) -> str:
        self.paid += 1
        return "paid"

    def pay_plainly(self) -> str:
        self.paid += 1
        return "paid"


PAY = RecurringJobRequest("pay", Interval(hours=1), max_retries=3, retry=FixedRetryDelay(60))


@pytest.mark.parametrize("plain", [False, True])
async def test_a_fault_before_the_call_and_one_after_it(
    scheduler: Scheduler, scheduler_time: SchedulerTime, fault_plan: FaultPlan, *, plain: bool
) -> None:
    till = Till()
    fault_plan.job("pay", 1).job("pay", 2, OSError("no route"), when="after")
    await scheduler.add_job(PAY, till.pay_plainly if plain else till.pay)
    (record,) = await scheduler_time.run_until_runs("pay")
    assert (record.outcome, record.attempts, record.value) == (Outcome.SUCCEEDED, 3, "paid")
    assert till.paid == 2


async def test_the_error_is_the_one_that_was_planned(
    scheduler: Scheduler, scheduler_time: SchedulerTime, fault_plan: FaultPlan
) -> None:
    fault_plan.job("pay", 2, KeyError)
    await scheduler.add_job(PAY.replace(max_retries=0, retry=None), Till().pay)
    await scheduler.add_job(PAY.replace(name="other", max_retries=0, retry=None), Till().pay)
    records = await scheduler_time.run_until_runs("pay", 3)
    assert [type(record.error) for record in records] == [type(None), KeyError, type(None)]
    assert set(scheduler_time.runs("other").outcomes) == {Outcome.SUCCEEDED}


class FinishObserver:
    """An observer of runs that end."""

    label = "heard"

    def __init__(self) -> None:
        self.finished: list[RunFinished] = []

    def on_run_finished(self, event: RunFinished) -> None:
        self.finished.append(event)

    def __repr__(self) -> str:
        return "<FinishObserver>"


class OtherObserver(FinishObserver):
    """Another one."""


async def test_a_faulty_observer_is_told_nothing_more_and_the_others_are(
    scheduler_time: SchedulerTime, fault_plan: FaultPlan, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, third = FinishObserver(), OtherObserver(), FinishObserver()
    fault_plan.observer("on_run_finished", 2, of=OtherObserver).observer("on_run_finished", 3, of=third)
    async with open_scheduler(max_workers=1, observers=[first, second, third]) as scheduler:
        await scheduler.add_job(PAY, Till().pay)
        await scheduler_time.run_until_runs("pay", 4)
    assert [len(each.finished) for each in (first, second, third)] == [4, 1, 2]
    assert sum("the observer <FinishObserver>" in message for message in caplog.messages) == 2


async def test_a_store_that_is_unavailable_is_tried_again(
    scheduler_time: SchedulerTime, fault_plan: FaultPlan, caplog: pytest.LogCaptureFixture
) -> None:
    log = FakeStore()
    fault_plan.store(1).store(2, StoreUnavailable("still down"))
    before = scheduler_time.now
    async with open_scheduler(max_workers=1, store=log) as scheduler:
        scheduler.register("pay", Till().pay)
        await scheduler.add_job(RecurringJobRequest("pay", Once(scheduler.now())), "pay")
        assert scheduler_time.now - before >= timedelta(seconds=0.6)
    assert len(log.changes) >= 1
    assert sum("unavailable" in message for message in caplog.messages) == 1


def test_a_store_in_a_plan_is_what_it_was() -> None:
    """From Python 3.12 on, `isinstance` looks for the methods of a protocol in the object itself."""
    kept, in_a_file = FaultPlan().on_store(FakeStore()), FaultPlan().on_store(SQLiteStore(":memory:"))
    for store, transactional in ((kept, False), (in_a_file, True)):
        assert all(
            inspect.getattr_static(store, name) for name in ("open", "claim", "read_upcoming", "close", "horizon")
        )
        assert isinstance(store, Store)
        assert isinstance(store, TransactionalStore) is transactional


def test_what_is_wrapped_is_seen_through() -> None:
    plan, heard, log = FaultPlan(), FinishObserver(), FakeStore(horizon=5)
    (observer,) = plan.on_observers((heard,))
    store: Any = plan.on_store(log)
    assert (repr(observer), observer.label, store.horizon) == ("<FinishObserver>", "heard", 5)  # type: ignore[attr-defined]
    assert plan.on_store(None) is None


async def pay_once(till: Till) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job = await scheduler.add_job(RecurringJobRequest("pay", Once(scheduler.now())), till.pay)
        await scheduler.wait_job(job)


def test_a_fault_that_never_strikes_is_reported() -> None:
    with pytest.raises(AssertionError, match="never struck: job 'pay', call 2; job 'pya', call 1"):
        run(pay_once, Till(), faults=FaultPlan().job("pay", 2).job("pya"))
    till = Till()
    run(pay_once, till, faults=FaultPlan().job("pay"))
    assert till.paid == 0


def test_each_planned_fault_raises_an_error_of_its_own() -> None:
    """An error that all plans share would carry the traceback of each fault before, and keep its frames alive."""

    async def failed() -> BaseException | None:
        async with open_scheduler(max_workers=1) as scheduler:
            job = RecurringJobRequest("pay", Once(scheduler.now()))
            record = await scheduler.wait_job(await scheduler.add_job(job, Till().pay))
        assert record is not None
        return record.error

    first, second = (run(failed, faults=FaultPlan().job("pay")) for _ in range(2))
    assert isinstance(first, InjectedFault)
    assert isinstance(second, InjectedFault)
    assert first is not second
    assert len(traceback.extract_tb(first.__traceback__)) == len(traceback.extract_tb(second.__traceback__))


def test_a_fault_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="call"):
        FaultPlan().job("pay", 0)
    with pytest.raises(ConfigurationError, match="when"):
        FaultPlan().job("pay", when="during")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="name"):
        FaultPlan().job(" ")
    assert str(InjectedFault("x")) == "x"
