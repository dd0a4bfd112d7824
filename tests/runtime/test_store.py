"""The seam to a store: it commits before anything is done, may refuse, be unavailable, or raise anything."""

import json
import logging
import math
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from fake_store import FakeStore
from sample_jobs import NOW, clean_up, nothing

from turnkeeper_trio import (
    After,
    ConfigurationError,
    FixedRetryDelay,
    Interval,
    JobNotFound,
    JobState,
    OnConflict,
    Outcome,
    RecurringJobRequest,
    Scheduler,
    SchedulerClosed,
    ShutdownTimeout,
    Snooze,
    open_scheduler,
)
from turnkeeper_trio.abc import JobChange, Opened, RunState, Store
from turnkeeper_trio.errors import JobExists, StoreError, StoreInUse, StoreUnavailable, SubmissionRefused
from turnkeeper_trio.events import JobAdded, RunFinished

pytestmark = pytest.mark.anyio

LATER = RecurringJobRequest("later", After(1000))
TIMES: list[float] = []


@pytest.fixture(autouse=True)
def times() -> list[float]:
    TIMES.clear()
    return TIMES


async def note() -> None:
    TIMES.append(anyio.current_time())


async def sleep_for_ever() -> None:
    try:
        await anyio.sleep_forever()
    finally:
        TIMES.append(anyio.current_time())


def registered(scheduler: Scheduler) -> Scheduler:
    for fn in (nothing, note, sleep_for_ever, clean_up):
        scheduler.register(fn.__name__, fn)
    return scheduler


def first_of(change: JobChange, state: RunState) -> bool:
    return any(run.state is state for run in change.runs)


def test_it_is_what_the_protocol_says() -> None:
    assert isinstance(FakeStore(), Store)


class TestWhatItIsTold:
    async def test_each_turn_once_and_in_order(self, store: FakeStore) -> None:
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            registered(scheduler)
            job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=10)), "nothing", 1)
            await anyio.sleep(11)
            await scheduler.delete_job(job_id)
        assert [change.change_id for change in store.changes] == list(range(1, len(store.changes) + 1))
        assert [batch.number for batch in store.batches] == list(range(1, len(store.batches) + 1))
        assert {change.job_id for change in store.changes} == {job_id}
        assert store.states() == [RunState.STARTED, RunState.ENDED]
        assert [change.new for change in store.changes] == [True, False, False, False]
        assert store.changes[-1].image is None
        definition = store.changes[0].definition
        assert definition is not None
        assert (definition.name, definition.target) == ("job", "nothing")
        assert json.loads(definition.text)["call"]["args"] == [1]
        assert [change.definition for change in store.changes[1:]] == [None] * 3

    async def test_an_idle_scheduler_does_not_bother_it(self, store: FakeStore) -> None:
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            await anyio.sleep(1000)
            assert store.calls == {"open": 1, "claim": 1}
            registered(scheduler)
            await scheduler.list_all_jobs()
            await anyio.sleep(80_000)
            assert store.calls == {"open": 1, "claim": 2, "read_jobs": 1}
        assert store.calls == {"open": 1, "claim": 2, "read_jobs": 1, "close": 1}

    async def test_who_opens_it(self, store: FakeStore) -> None:
        for _ in range(2):
            async with open_scheduler(max_workers=1, store=store):
                pass
        one, other = store.nodes
        assert one.node_id != other.node_id
        assert (one.pid, one.host, one.inline) == (other.pid, other.host, True)
        assert store.closed == [True, True]

    async def test_retries_snoozes_and_cancellations(self, store: FakeStore) -> None:
        async def fail() -> Any:
            if len(TIMES) < 2:
                TIMES.append(0)
                raise ValueError("no")
            return Snooze(5) if len(TIMES) == 2 and not TIMES.append(0) else None  # type: ignore[func-returns-value]

        async with open_scheduler(max_workers=1, store=store) as scheduler:
            registered(scheduler).register("fail", fail)
            request = RecurringJobRequest("job", After(0), 2, retry=FixedRetryDelay(1))
            await scheduler.wait_job(await scheduler.add_job(request, "fail"))
            other = await scheduler.add_job(LATER, "nothing")
            await scheduler.cancel_job(other, reason="enough")
        states = [(run.state, run.attempts) for run in store.told() if run.outcome is not Outcome.CANCELLED]
        assert states == [
            (RunState.STARTED, 1),
            (RunState.RETRY, 1),
            (RunState.STARTED, 2),
            (RunState.RETRY, 2),
            (RunState.STARTED, 3),
            (RunState.SNOOZED, 3),
            (RunState.STARTED, 4),
            (RunState.ENDED, 4),
        ]
        retry = store.told()[1]
        assert retry.wake_at is not None
        assert json.loads(retry.error or "")["message"] == "no"
        (cancelled,) = [run for run in store.told() if run.outcome is Outcome.CANCELLED]
        assert cancelled.reason == "enough"


class TestCommitBeforeAct:
    async def test_add_job_returns_when_the_job_is_committed(self, store: FakeStore) -> None:
        store.delay = 5
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            await registered(scheduler).add_job(LATER, "nothing")
            assert anyio.current_time() == 5
            assert [change.new for change in store.changes] == [True]

    async def test_no_body_begins_and_no_outcome_is_told_before_its_commit(self, store: FakeStore) -> None:
        async def job() -> None:
            TIMES.append(anyio.current_time())
            assert store.states() == [RunState.STARTED]

        store.delay = 5
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            scheduler.register("job", job)
            record = await scheduler.wait_job(await scheduler.add_job(NOW, "job"))
            assert record.outcome is Outcome.SUCCEEDED
            assert TIMES == [5]
            assert anyio.current_time() == 10
            assert store.states() == [RunState.STARTED, RunState.ENDED]

    async def test_no_event_and_no_answer_before_it(self, store: FakeStore) -> None:
        heard: list[tuple[str, float, int]] = []

        class Observer:
            def on_job_added(self, event: JobAdded) -> None:
                heard.append((getattr(event, "name", "finished"), anyio.current_time(), len(store.changes)))

            def on_run_finished(self, event: RunFinished) -> None:
                heard.append((getattr(event, "name", "finished"), anyio.current_time(), len(store.changes)))

        async with open_scheduler(max_workers=1, store=store, observers=[Observer()]) as scheduler:
            registered(scheduler)
            store.delay = 5
            scheduler.try_add_job(NOW, "nothing")
            job_id = await scheduler.add_job(LATER, "nothing")
            await scheduler.cancel_job(job_id)
            assert store.changes[-1].image is not None
            assert store.changes[-1].image.state is JobState.CANCELLED
            store.delay = 0
        assert heard == [("now", 5, 2), ("later", 5, 2), ("finished", 10, 3)]

    async def test_who_is_cancelled_while_a_commit_is_under_way_waits_for_it(self, store: FakeStore) -> None:
        store.delay = 5
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            registered(scheduler)
            with anyio.move_on_after(2) as scope:
                job_id = await scheduler.add_job(LATER, "nothing")
                assert anyio.current_time() == 5
                await anyio.sleep(1)
            assert scope.cancelled_caught
            assert (await scheduler.get_job_details(job_id)).name == "later"

    async def test_a_timeout_does_not_wait_for_it(self, store: FakeStore) -> None:
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            request = RecurringJobRequest("job", After(0), timeout=3)
            job_id = await registered(scheduler).add_job(request, "sleep_for_ever")
            await anyio.sleep(1)
            store.delay = 50
            scheduler.try_add_job(LATER, "nothing")
            record = await scheduler.wait_job(job_id)
            assert record.outcome is Outcome.TIMED_OUT
            assert TIMES == [3]
            store.delay = 0

    @pytest.mark.parametrize("key", [None, "key"], ids=["commit", "claim"])
    async def test_force_does_not_wait_for_a_slow_one(self, store: FakeStore, key: str | None) -> None:
        """Regression: while jobs were claimed by their keys, the runs were not cut off."""
        async with open_scheduler(max_workers=2, store=store) as scheduler:
            await registered(scheduler).add_job(NOW, "sleep_for_ever")
            await anyio.sleep(1)
            store.delays["apply" if key is None else "claim"] = 50
            scheduler.try_add_job(RecurringJobRequest("another", After(100), key=key), "nothing")
            await anyio.sleep(1)
            with pytest.raises(ShutdownTimeout):
                await scheduler.shutdown_force(3)
            assert TIMES == [2]
            store.delays.clear()
            report = await scheduler.shutdown_force()
            assert (report.handed_back, report.unrun) == (1, 1)
            assert (await store.count()).runs == {RunState.DUE: 1}
        assert scheduler.get_metrics_snapshot().books.balanced

    @pytest.mark.parametrize("key", [None, "key"], ids=["commit", "claim"])
    async def test_force_does_not_wait_for_an_unavailable_one(self, store: FakeStore, key: str | None) -> None:
        with pytest.raises(StoreUnavailable):
            async with open_scheduler(max_workers=2, store=store) as scheduler:
                await registered(scheduler).add_job(NOW, "sleep_for_ever")
                await anyio.sleep(1)
                store.unavailable = True
                scheduler.try_add_job(RecurringJobRequest("another", After(100), key=key), "nothing")
                await anyio.sleep(1)
                await scheduler.shutdown_force()
        assert TIMES == [2]
        assert anyio.current_time() <= 2.5
        assert scheduler.get_metrics_snapshot().books.balanced

    async def test_a_shutdown_that_only_waits_for_it_says_so(self, store: FakeStore) -> None:
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            registered(scheduler)
            store.unavailable = True
            scheduler.try_add_job(LATER, "nothing")
            await anyio.sleep(1)
            with pytest.raises(ShutdownTimeout, match="a store"):
                await scheduler.shutdown_graceful(5)
            store.unavailable = False


def refuse_new(change: JobChange) -> str | None:
    return "not ours" if change.new else None


class TestRefusals:
    async def test_a_refused_job_is_not_in_the_books(self, store: FakeStore) -> None:
        store.refuse = refuse_new
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            registered(scheduler)
            with pytest.raises(SubmissionRefused, match="not ours") as refused:
                await scheduler.add_job(NOW, "nothing", 1, kwargs={"two": 2})
            error = refused.value
            assert (error.request, error.fn, error.args, error.kwargs) == (NOW, "nothing", (1,), {"two": 2})
            job_id = scheduler.try_add_job(NOW, "nothing")
            with pytest.raises(JobNotFound):
                await scheduler.get_job_details(job_id)
            store.refuse = lambda change: None
            await scheduler.wait_job(await scheduler.add_job(NOW, "nothing"))
            books = scheduler.get_metrics_snapshot().books
            assert (books.planned, books.released, books.succeeded, books.balanced) == (3, 2, 1, True)

    async def test_a_job_that_is_elsewhere_does_not_begin_here(self, store: FakeStore) -> None:
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            job_id = await registered(scheduler).add_job(RecurringJobRequest("job", Interval(seconds=10)), "note")
            await anyio.sleep(15)
            store.refuse = lambda change: "another node owns it"
            await anyio.sleep(10)
            store.refuse = lambda change: None
            await anyio.sleep(30)
            assert TIMES == [10]
            with pytest.raises(JobNotFound):
                await scheduler.get_job_details(job_id)
            assert scheduler.get_metrics_snapshot().books.balanced

    async def test_the_body_of_a_lost_job_is_cut_off(self, store: FakeStore) -> None:
        """Regression: the scopes that a refusal cancels were forgotten."""
        finished: list[RunFinished] = []

        class Observer:
            def on_run_finished(self, event: RunFinished) -> None:
                finished.append(event)

        async with open_scheduler(max_workers=2, store=store, observers=[Observer()]) as scheduler:
            request = RecurringJobRequest("job", Interval(seconds=10), key="key")
            await registered(scheduler).add_job(request, "sleep_for_ever")
            await anyio.sleep(15)
            store.refuse = lambda change: "another node owns it"
            with pytest.raises(SubmissionRefused):
                await scheduler.add_job(request.replace(max_retries=3), "sleep_for_ever")
            await anyio.sleep(1)
            assert TIMES == [15]
            assert [(event.record.outcome, event.record.reason) for event in finished] == [
                (Outcome.LOST, "another node owns it")
            ]
            books = scheduler.get_metrics_snapshot().books
            assert (books.lost, books.released, books.active, books.balanced) == (1, 1, 0, True)
        assert [run.state for run in store.told()] == [RunState.STARTED]

    async def test_a_body_that_has_ended_while_its_job_was_lost(self, store: FakeStore) -> None:
        """Regression: the scope that was to be cancelled was gone, and the scheduler failed."""
        async with open_scheduler(max_workers=2, store=store) as scheduler:
            scheduler.register("sleep", anyio.sleep)
            request = RecurringJobRequest("job", After(0), key="key")
            await scheduler.add_job(request, "sleep", 2)
            await anyio.sleep(1)
            store.refuse = lambda change: "another node owns it"
            store.delay = 5
            with pytest.raises(SubmissionRefused):
                await scheduler.add_job(request.replace(max_retries=3), "sleep", 2)
            await anyio.sleep(1)
            books = scheduler.get_metrics_snapshot().books
            assert (books.succeeded, books.lost, books.active, books.balanced) == (1, 0, 0, True)

    async def test_two_of_one_key_are_both_refused(self, store: FakeStore) -> None:
        """Regression: the second one was answered as if its job was in the store."""
        store.refuse = refuse_new
        refused: list[str] = []

        async def add(scheduler: Scheduler) -> None:
            try:
                await scheduler.add_job(LATER.replace(key="key"), "nothing")
            except SubmissionRefused as exc:
                refused.append(str(exc))

        async with open_scheduler(max_workers=1, store=store) as scheduler:
            registered(scheduler)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(add, scheduler)
                tasks.start_soon(add, scheduler)
        assert refused == ["the store refused the job 'later': not ours"] * 2

    async def test_what_does_not_change_is_answered_without_a_commit(self, store: FakeStore) -> None:
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            registered(scheduler)
            request = LATER.replace(key="key")
            job_id = await scheduler.add_job(request, "nothing")
            before = store.calls.copy()
            for on_conflict in (OnConflict.UPDATE, OnConflict.KEEP):
                assert await scheduler.add_job(request, "nothing", on_conflict=on_conflict) == job_id
            assert store.calls == before


class TestUnavailable:
    async def test_bodies_go_on_nothing_begins_and_nothing_is_lost(
        self, store: FakeStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with open_scheduler(max_workers=2, store=store) as scheduler:
            registered(scheduler).register("sleep", anyio.sleep)
            slow = await scheduler.add_job(NOW, "sleep", 12)
            await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=10)), "note")
            await anyio.sleep(1)
            store.unavailable = True
            with caplog.at_level(logging.INFO):
                await anyio.sleep(14)
                assert TIMES == []
                store.unavailable = False
                record = await scheduler.wait_job(slow)
                assert record.duration == 12
                await anyio.sleep(10)
            assert len(TIMES) == 2
            assert 15 <= TIMES[0] < 20 == TIMES[1]
            assert scheduler.get_metrics_snapshot().books.balanced
        assert [message for message in caplog.messages if "store" in message] == [
            "the store is unavailable: no route to the database; it is tried again and again",
            "the store is available again",
        ]
        assert [change.change_id for change in store.changes] == list(range(1, len(store.changes) + 1))

    async def test_it_is_offered_the_same_batch_again_after_a_growing_while(self, store: FakeStore) -> None:
        at: list[tuple[float, int]] = []
        apply = store.apply

        async def noted(batch: Any, /) -> Any:
            at.append((round(anyio.current_time(), 3), batch.number))
            return await apply(batch)

        store.apply = noted  # type: ignore[method-assign]
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            registered(scheduler)
            store.unavailable = True
            scheduler.try_add_job(LATER, "nothing")
            await anyio.sleep(19)
            store.unavailable = False
            await anyio.sleep(6)
        # After ``store_timeout`` it is tried once more before callers are told.
        assert at[:-2] == [(0, 1), (0.2, 1), (0.6, 1), (1.4, 1), (3, 1), (6.2, 1), (10, 1), (15, 1)]
        assert at[-2:] == [(20, 1), (25, 2)]

    async def test_what_was_committed_although_nobody_knew_is_not_done_twice(self, store: FakeStore) -> None:
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            registered(scheduler)
            store.doubtful = True
            job_id = scheduler.try_add_job(NOW, "note")
            await anyio.sleep(1)
            assert len(store.changes) == 1
            assert TIMES == []
            store.doubtful = False
            assert (await scheduler.wait_job(job_id)).outcome is Outcome.SUCCEEDED
        assert len(TIMES) == 1
        assert store.states() == [RunState.STARTED, RunState.ENDED]

    async def test_add_job_gives_up_after_the_timeout_and_only_what_the_batch_holds_is_accepted_later(
        self, store: FakeStore
    ) -> None:
        async with open_scheduler(max_workers=1, store=store, store_timeout=3) as scheduler:
            registered(scheduler)
            store.unavailable = True
            with pytest.raises(StoreUnavailable, match="no route to the database; the job is not accepted") as caught:
                await scheduler.add_job(LATER, "nothing")
            assert isinstance(caught.value.__cause__, StoreUnavailable)
            assert anyio.current_time() == 3
            with anyio.move_on_after(1) as scope:
                await scheduler.add_job(LATER, "nothing")
            assert scope.cancelled_caught
            assert 4 <= anyio.current_time() <= 4.5
            with anyio.move_on_after(1) as scope:
                await scheduler.get_job_details("later")
            assert scope.cancelled_caught
            store.unavailable = False
            await anyio.sleep(5)
            assert [job.name for job in await scheduler.list_all_jobs()] == ["later"]

    @pytest.mark.parametrize("options", [{}, {"atomic": True}])
    async def test_so_do_many_jobs(self, store: FakeStore, options: dict[str, bool]) -> None:
        async with open_scheduler(max_workers=1, store=store, store_timeout=3) as scheduler:
            registered(scheduler)
            store.unavailable = True
            with anyio.move_on_after(20), pytest.raises(StoreUnavailable):
                await scheduler.add_jobs([(LATER, "nothing"), (NOW, "nothing")], **options)
            assert anyio.current_time() <= 10
            store.unavailable = False

    async def test_a_question_about_what_is_not_here_is_answered_at_once(self, store: FakeStore) -> None:
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            store.unavailable = True
            for ask in (scheduler.get_job_details, scheduler.wait_job, scheduler.cancel_job):
                with pytest.raises(StoreUnavailable, match="no route"):
                    await ask("job")
            with pytest.raises(StoreUnavailable):
                await scheduler.list_all_jobs()
            with pytest.raises(StoreUnavailable):
                await scheduler.get_run_history()
            with pytest.raises(StoreUnavailable):
                await scheduler.upcoming_runs()
            store.unavailable = False
            with pytest.raises(JobNotFound):
                await scheduler.get_job_details("job")
            assert await scheduler.list_all_jobs() == []

    async def test_a_function_that_is_registered_meanwhile_does_not_have_it_asked_without_end(
        self, store: FakeStore
    ) -> None:
        """Regression: the coordinator did nothing else any more."""
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            await anyio.sleep(1)
            store.unavailable = True
            registered(scheduler)
            await anyio.sleep(21)
            assert store.calls["claim"] == 6
            store.unavailable = False
            await anyio.sleep(5)
            assert store.calls["claim"] == 7
            store.delay = 2
            await scheduler.add_job(LATER, "nothing")  # It is known that the store is available again.
            assert anyio.current_time() == 29

    async def test_a_claim_that_works_again_says_that_it_is_available(self, store: FakeStore) -> None:
        async with open_scheduler(max_workers=1, store=store, store_timeout=0) as scheduler:
            registered(scheduler)
            store.unavailable = True
            with pytest.raises(StoreUnavailable):
                await scheduler.get_job_details("job")
            store.unavailable = False
            with pytest.raises(JobNotFound):
                await scheduler.get_job_details("job")
            store.delay = 2
            await scheduler.add_job(LATER, "nothing")


class TestLeaving:
    """However unavailable the store is, the block is left."""

    async def test_graceful_it_is_waited_for_after_the_last_body(self, store: FakeStore) -> None:
        with pytest.raises(StoreUnavailable, match="no route"):
            async with open_scheduler(max_workers=1, store=store, store_timeout=7) as scheduler:
                registered(scheduler).register("sleep", anyio.sleep)
                await scheduler.add_job(NOW, "sleep", 20)
                await anyio.sleep(1)
                store.unavailable = True
        assert 27 <= anyio.current_time() <= 27.5
        assert store.closed == [False]
        books = scheduler.get_metrics_snapshot().books
        assert (books.balanced, books.active) == (True, 0)

    async def test_forced_it_is_not_waited_for(self, store: FakeStore) -> None:
        with pytest.raises(StoreUnavailable) as caught:
            async with open_scheduler(max_workers=1, store=store) as scheduler:
                await registered(scheduler).add_job(NOW, "clean_up", 4)
                await anyio.sleep(1)
                store.unavailable = True
                raise LookupError("enough")
        assert 5 <= anyio.current_time() <= 5.5
        assert isinstance(caught.value.__context__, LookupError)
        assert store.closed == [False]

    async def test_at_once_if_nothing_executes(self, store: FakeStore) -> None:
        with pytest.raises(StoreUnavailable):
            async with open_scheduler(max_workers=1, store=store) as scheduler:
                registered(scheduler)
                store.unavailable = True
                scheduler.try_add_job(LATER, "nothing")
                await anyio.sleep(1)
                scheduler.stop(force=True)
        assert anyio.current_time() == 1

    async def test_at_once_when_a_graceful_shutdown_is_forced(self, store: FakeStore) -> None:
        """Regression: it went on to wait as for a graceful one."""
        with pytest.raises(StoreUnavailable):
            async with open_scheduler(max_workers=1, store=store, store_timeout=1000) as scheduler:
                registered(scheduler)
                store.unavailable = True
                scheduler.try_add_job(LATER, "nothing")
                await anyio.sleep(1)
                scheduler.stop()
                await anyio.sleep(10)
                assert scheduler.shutdown_report is None
                scheduler.stop(force=True)
        assert anyio.current_time() == 11

    async def test_while_it_cannot_claim_by_keys(self, store: FakeStore) -> None:
        with pytest.raises(StoreUnavailable):
            async with open_scheduler(max_workers=1, store=store, store_timeout=3) as scheduler:
                registered(scheduler)
                await anyio.sleep(0.5)
                store.unavailable = True
                scheduler.try_add_job(LATER.replace(key="key"), "nothing")
        assert 3.5 <= anyio.current_time() <= 4

    async def test_it_comes_back_in_time(self, store: FakeStore) -> None:
        async with anyio.create_task_group() as tasks:

            async def come_back() -> None:
                await anyio.sleep(6)
                store.unavailable = False

            async with open_scheduler(max_workers=1, store=store) as scheduler:
                registered(scheduler)
                store.unavailable = True
                tasks.start_soon(come_back)
                scheduler.try_add_job(LATER, "nothing")
        assert store.closed == [True]
        assert scheduler.shutdown_report is not None
        assert scheduler.shutdown_report.unrun == 1
        assert [change.new for change in store.changes] == [True]

    async def test_a_cancellation_from_outside(self, store: FakeStore) -> None:
        with anyio.move_on_after(5) as scope:
            async with open_scheduler(max_workers=1, store=store) as scheduler:
                await registered(scheduler).add_job(NOW, "sleep_for_ever")
                await anyio.sleep_forever()
        assert scope.cancelled_caught
        assert store.closed == [True]
        assert TIMES == [5]


class TestErrors:
    """What a store raises leaves the block as a `StoreError`, and everybody who waits is answered."""

    @pytest.mark.parametrize(
        "error", [LookupError("no such table"), StoreInUse("another", pid=5), ConfigurationError("no dsn")]
    )
    async def test_what_open_raises_leaves_bare(self, store: FakeStore, error: Exception) -> None:
        store.raises["open"] = error
        with pytest.raises(StoreError if isinstance(error, LookupError) else type(error)) as caught:
            async with open_scheduler(max_workers=1, store=store):
                pytest.fail("it was opened")
        assert error in {caught.value, caught.value.__cause__}
        assert store.closed == []

    async def test_what_cannot_be_read_of_it_leaves_and_it_is_closed(self, store: FakeStore) -> None:
        async def faulty(node: Any, /) -> Opened:
            await anyio.lowlevel.checkpoint()
            return Opened(settings={"job_set:shop": "three"})

        store.open = faulty  # type: ignore[method-assign]
        with pytest.raises(StoreError, match="the store cannot be read"):
            async with open_scheduler(max_workers=1, store=store):
                pytest.fail("it was opened")
        assert store.closed == [False]

    async def test_its_warnings_are_logged(self, store: FakeStore, caplog: pytest.LogCaptureFixture) -> None:
        async def warns(node: Any, /) -> Opened:
            await store.rows.open(node)
            return Opened(warnings=["the disk is nearly full"])

        store.open = warns  # type: ignore[method-assign]
        async with open_scheduler(max_workers=1, store=store):
            pass
        assert caplog.messages == ["the store says: the disk is nearly full"]

    @pytest.mark.parametrize("method", ["apply", "claim"])
    async def test_anything_else_ends_the_scheduler_and_answers_everybody(self, store: FakeStore, method: str) -> None:
        error = LookupError("no such table") if method == "apply" else ConfigurationError("no such table")
        answers: list[BaseException] = []

        async def ask(call: Callable[..., Any], *args: Any) -> None:
            try:
                await call(*args)
            except (StoreError, SchedulerClosed) as exc:
                answers.append(exc)

        async with anyio.create_task_group() as tasks:
            with pytest.raises(StoreError, match=r"the store failed: .*Error: no such table") as left:
                async with open_scheduler(max_workers=1, store=store) as scheduler:
                    job_id = await registered(scheduler).add_job(NOW, "clean_up", 3)
                    await anyio.sleep(1)
                    tasks.start_soon(ask, scheduler.wait_job, job_id)
                    await anyio.lowlevel.checkpoint()
                    store.raises[method] = error
                    tasks.start_soon(ask, scheduler.add_job, NOW.replace(key="key"), "nothing")
                    tasks.start_soon(ask, scheduler.get_job_details, "unknown")
                    await anyio.sleep_forever()
        assert left.value.__cause__ is error
        assert len(answers) == 3
        assert anyio.current_time() == 4
        assert scheduler.get_metrics_snapshot().books.balanced
        assert store.closed == [False]

    async def test_what_a_read_raises_concerns_only_who_asked(self, store: FakeStore) -> None:
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            await registered(scheduler).add_job(LATER, "nothing")
            store.raises["read_jobs"] = LookupError("no such table")
            with pytest.raises(StoreError, match="no such table"):
                await scheduler.list_all_jobs()
            assert len(await scheduler.upcoming_runs()) == 1
        assert store.closed == [True]

    async def test_what_close_raises_is_logged(self, store: FakeStore, caplog: pytest.LogCaptureFixture) -> None:
        store.raises["close"] = LookupError("no such table")
        async with open_scheduler(max_workers=1, store=store):
            pass
        assert caplog.messages == ["the store could not be closed: the store failed: LookupError: no such table"]

    async def test_it_is_closed_when_the_body_raises(self, store: FakeStore) -> None:
        with pytest.raises(LookupError):
            async with open_scheduler(max_workers=1, store=store):
                raise LookupError
        assert store.closed == [True]

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
    async def test_what_ends_the_program_leaves_as_it_is(self, store: FakeStore, error: BaseException) -> None:
        with pytest.raises(type(error)):
            async with open_scheduler(max_workers=1, store=store) as scheduler:
                registered(scheduler)
                store.raises["apply"] = error
                scheduler.try_add_job(LATER, "nothing")
                await anyio.sleep_forever()
        assert len(store.closed) == 1


class TestQuestionsAfterTheEnd:
    async def test_during_the_shutdown_and_after_the_block(self, store: FakeStore) -> None:
        """Regression: they raised a `StoreError`, because the store was closed."""
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            job_id = await registered(scheduler).add_job(LATER, "nothing")
            await scheduler.wait_job(await scheduler.add_job(NOW, "nothing"))
            await scheduler.shutdown_graceful()
            assert [job.name for job in await scheduler.list_all_jobs()] == ["later", "now"]
            assert [record.name for record in await scheduler.get_run_history()] == ["now"]
            assert [run.name for run in await scheduler.upcoming_runs()] == ["later"]
            with pytest.raises(SchedulerClosed):
                await scheduler.get_job_details(job_id)
            assert await scheduler.list_active_runs() == []
        for ask in (scheduler.list_all_jobs, scheduler.get_run_history, scheduler.upcoming_runs):
            with pytest.raises(SchedulerClosed):
                await ask()
        for ask_for in (scheduler.get_job_details, scheduler.cancel_job, scheduler.wait_job):
            with pytest.raises(SchedulerClosed):
                await ask_for(job_id)
        assert scheduler.get_metrics_snapshot().books.balanced
        assert scheduler.shutdown_report is not None
        assert scheduler.shutdown_report.unrun == 1


async def test_a_key_that_is_taken_in_the_store(store: FakeStore) -> None:
    request = RecurringJobRequest("job", Interval(hours=1), key="key")
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        job_id = await registered(scheduler).add_job(request, "nothing")
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        # The job is in the store only when this is submitted.
        with pytest.raises(JobExists) as caught:
            await scheduler.add_job(request, registered(scheduler) and "nothing", on_conflict=OnConflict.RAISE)
        assert caught.value.job_id == job_id
        with pytest.raises(JobExists):
            await scheduler.add_jobs([(request, "nothing")], on_conflict=OnConflict.RAISE)
        with pytest.raises(JobExists):
            await scheduler.add_jobs([(request, "nothing")], on_conflict=OnConflict.RAISE, atomic=True)
        with pytest.raises(JobExists):
            scheduler.try_add_job(request, "nothing", on_conflict=OnConflict.RAISE)
        assert await scheduler.add_job(request.replace(name="x"), "nothing", on_conflict=OnConflict.KEEP) == job_id
        assert (await scheduler.get_job_details(job_id)).name == "job"


def test_a_horizon_without_an_end_is_a_horizon() -> None:
    assert FakeStore().horizon == math.inf


@pytest.mark.parametrize("keyed", [False, True], ids=["at a commit", "at a claim"])
async def test_the_report_says_of_how_many_jobs_the_end_is_not_saved(store: FakeStore, keyed: bool) -> None:
    """A submission with a key waits for a claim, so that what has ended is not even offered to the store."""
    with pytest.raises(StoreUnavailable):
        async with open_scheduler(max_workers=2, store=store) as scheduler:
            scheduler.register("sleep", anyio.sleep)
            await scheduler.add_job(NOW, "sleep", 20)
            await anyio.sleep(1)
            store.unavailable = True
            if keyed:
                scheduler.try_add_job(LATER.replace(key="key"), "sleep", 1)
    report = scheduler.shutdown_report
    assert report is not None
    assert [record.outcome for record in report.finished] == [Outcome.SUCCEEDED]
    assert report.unsaved == 1 + keyed
    assert f"what happened last to {'2 jobs' if keyed else '1 job'} could not be saved" in str(report)


async def test_the_log_names_all_jobs_when_all_are_paused(store: FakeStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "turnkeeper_trio")
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        await scheduler.pause_all(note="lunch")
        await scheduler.resume_all()
    lines = [record.getMessage() for record in caplog.records]
    assert "all jobs paused: lunch" in lines
    assert any(line.startswith("all jobs resumed") for line in lines)


async def test_only_who_submits_is_refused_when_the_store_is_away_for_long(store: FakeStore) -> None:
    async with open_scheduler(max_workers=1, store=store, store_timeout=3) as scheduler:
        job_id = await registered(scheduler).add_job(LATER, "nothing")
        store.unavailable = True
        async with anyio.create_task_group() as group:
            group.start_soon(scheduler.pause_job, job_id)
            await anyio.sleep(1)
            with pytest.raises(StoreUnavailable):
                await scheduler.add_job(LATER, "nothing")
            assert anyio.current_time() == 3
            store.unavailable = False
        assert (await scheduler.get_job_details(job_id)).state is JobState.PAUSED
        assert [job.name for job in await scheduler.list_all_jobs()] == ["later"]
