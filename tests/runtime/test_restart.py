"""What a scheduler finds in a store that an earlier one has left, gracefully, by force, or by its death.

Each scenario is played with a store that has all jobs claimed, and with one whose jobs are mostly in the store only.
"""

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import anyio
import pytest
from fake_store import FakeStore
from stepping_clock import SteppingClock

from turnkeeper_trio import (
    After,
    CatchUp,
    ConfigurationError,
    FixedDelay,
    FixedRetryDelay,
    Interval,
    JobNotFound,
    JobSet,
    JobState,
    NotKept,
    OnConflict,
    OnCrash,
    Origin,
    Outcome,
    Overlap,
    RecurringJobRequest,
    RunNotFound,
    Scheduler,
    SchedulerClosed,
    Snooze,
    open_scheduler,
)
from turnkeeper_trio.abc import RunState
from turnkeeper_trio.errors import StoredError, SubmissionRefused
from turnkeeper_trio.events import RunFinished

pytestmark = pytest.mark.anyio

RAN: list[tuple[str, float]] = []
DOES: dict[str, Any] = {}
"""What a job of a name does: it raises, returns, or sleeps for so many seconds."""


@pytest.fixture(autouse=True)
def fresh() -> None:
    RAN.clear()
    DOES.clear()


@pytest.fixture(params=[math.inf, 5.0], ids=["all here", "a few here"])
def store(request: pytest.FixtureRequest) -> FakeStore:
    return FakeStore(horizon=request.param)


async def work(name: str = "job") -> Any:
    RAN.append((name, anyio.current_time()))
    does = DOES.get(name)
    if isinstance(does, Exception):
        raise does
    if isinstance(does, int):
        await anyio.sleep(does)
        return None
    return does


@asynccontextmanager
async def opened(store: FakeStore, **options: Any) -> AsyncGenerator[Scheduler]:
    async with open_scheduler(max_workers=4, store=store, **options) as scheduler:
        scheduler.register("work", work)
        yield scheduler
    assert scheduler.get_metrics_snapshot().books.balanced


def since(at: Any, began: Any) -> float:
    return (at - began).total_seconds()


def times(name: str = "job") -> list[float]:
    return [at for each, at in RAN if each == name]


class TestTheGrid:
    async def test_a_keyed_job_that_is_added_again_is_the_same_and_keeps_its_grid(self, store: FakeStore) -> None:
        request = RecurringJobRequest("job", Interval(seconds=10), key="key")
        async with opened(store) as scheduler:
            job_id = await scheduler.add_job(request, "work")
            await anyio.sleep(13)
        await anyio.sleep(1)
        async with opened(store) as scheduler:
            assert await scheduler.add_job(request, "work") == job_id
            await anyio.sleep(10)
            details = await scheduler.get_job_details("key")
            assert (details.version, details.job_id) == (1, job_id)
            assert await scheduler.add_job(request.replace(priority=3), "work") == job_id
            await anyio.sleep(7)
            assert (await scheduler.get_job_details("key")).version == 2
            assert len(await scheduler.list_all_jobs()) == 1
        assert times() == [10, 20, 30]

    async def test_it_goes_on_without_being_added_again(self, store: FakeStore) -> None:
        async with opened(store) as scheduler:
            await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=10)), "work")
            await anyio.sleep(13)
        async with opened(store):
            await anyio.sleep(10)
        await anyio.sleep(4)
        async with opened(store):
            await anyio.sleep(4)
        assert times() == [10, 20, 30]

    async def test_one_that_must_not_be_added_twice(self, store: FakeStore) -> None:
        request = RecurringJobRequest("job", Interval(seconds=10), key="key")
        async with opened(store) as scheduler:
            await scheduler.add_job(request, "work")
        async with opened(store) as scheduler:
            async with anyio.create_task_group() as tasks:
                for number in range(5):
                    again = request.replace(priority=number)
                    tasks.start_soon(lambda again=again: scheduler.add_job(again, "work"))
            assert len(await scheduler.list_all_jobs()) == 1
            replaced = await scheduler.add_job(request, "work", on_conflict=OnConflict.REPLACE)
            assert (await scheduler.get_job_details(replaced)).version == 1
            assert len(await scheduler.list_all_jobs()) == 1

    async def test_a_fixed_delay_waits_for_the_rest(self, store: FakeStore) -> None:
        async with opened(store) as scheduler:
            await scheduler.add_job(RecurringJobRequest("job", FixedDelay(30)), "work")
            await anyio.sleep(35)
        await anyio.sleep(5)
        async with opened(store):
            await anyio.sleep(60)
        assert times() == [30, 60, 90]

    async def test_ids_and_the_order_of_submission_go_on(self, store: FakeStore) -> None:
        ids: list[Any] = []
        for _ in range(3):
            async with opened(store) as scheduler:
                for _ in range(2):
                    ids.append(await scheduler.add_job(RecurringJobRequest(f"{len(ids)}", After(1000)), "work"))
        async with opened(store) as scheduler:
            assert [job.job_id for job in await scheduler.list_all_jobs()] == ids
            assert [job.job_id for job in await scheduler.list_all_jobs(after=ids[3])] == ids[4:]


class TestWhatSurvives:
    async def test_a_pause_with_its_note(self, store: FakeStore) -> None:
        async with opened(store) as scheduler:
            request = RecurringJobRequest("job", Interval(seconds=10), key="key", catch_up=CatchUp.ALL)
            await scheduler.add_job(request, "work")
            await scheduler.pause_job("key", note="moving house")
            await anyio.sleep(1)
        await anyio.sleep(25)
        async with opened(store) as scheduler:
            await anyio.sleep(20)
            details = await scheduler.get_job_details("key")
            assert (details.state, details.state_reason) == (JobState.PAUSED, "moving house")
            await scheduler.resume_job("key")
            await anyio.sleep(5)
            assert (await scheduler.get_job_details("key")).state is JobState.ACTIVE
        assert len(times()) == 5
        assert times()[:4] == [46] * 4

    async def test_a_pause_of_all(self, store: FakeStore) -> None:
        async with opened(store) as scheduler:
            await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=10)), "work")
            await scheduler.pause_all(note="moving house")
        async with opened(store) as scheduler:
            await anyio.sleep(25)
            assert RAN == []
            await scheduler.resume_all()
            await anyio.sleep(1)
            assert times() == [25]
        async with opened(store):
            await anyio.sleep(5)
        assert times() == [25, 30]

    async def test_a_pause_by_a_block_does_not(self, store: FakeStore) -> None:
        async with opened(store) as scheduler, scheduler.paused():
            await scheduler.add_job(RecurringJobRequest("job", After(10)), "work")
        async with opened(store):
            await anyio.sleep(11)
        assert times() == [10]

    async def test_a_retry_waits_for_the_rest(self, store: FakeStore) -> None:
        DOES["job"] = ValueError("no")
        async with opened(store) as scheduler:
            request = RecurringJobRequest("job", After(10), max_retries=2, retry=FixedRetryDelay(30))
            job_id = await scheduler.add_job(request, "work")
            await anyio.sleep(15)
        assert scheduler.shutdown_report is not None
        assert scheduler.shutdown_report.handed_back == 1
        assert str(scheduler.shutdown_report) == "shut down: no run was active; 1 run left to the store"
        await anyio.sleep(5)
        async with opened(store) as scheduler:
            await anyio.sleep(1)
            details = await scheduler.get_job_details(job_id)
            assert (details.retry_count, details.state) == (1, JobState.ACTIVE)
            assert details.next_run_time is not None
            assert (details.next_run_time - scheduler.now()).total_seconds() == 19
            record = await scheduler.wait_job(job_id)
            assert (record.outcome, record.attempts, type(record.error)) == (Outcome.FAILED, 3, ValueError)
        assert times() == [10, 40, 70]

    async def test_a_snooze_waits_for_the_rest(self, store: FakeStore) -> None:
        DOES["job"] = Snooze(30)
        async with opened(store) as scheduler:
            job_id = await scheduler.add_job(RecurringJobRequest("job", After(10)), "work")
            await anyio.sleep(15)
        DOES.clear()
        async with opened(store) as scheduler:
            record = await scheduler.wait_job(job_id)
            assert (record.outcome, record.attempts) == (Outcome.SUCCEEDED, 2)
        assert times() == [10, 40]

    async def test_a_halt_and_the_failures_before_it(self, store: FakeStore) -> None:
        DOES["job"] = ValueError("no")
        request = RecurringJobRequest("job", Interval(seconds=10), halt_after=3, key="key", tags=("a", "b"))
        async with opened(store) as scheduler:
            await scheduler.add_job(request, "work")
            await anyio.sleep(25)
        async with opened(store) as scheduler:
            details = await scheduler.get_job_details("key")
            assert (details.consecutive_failures, details.tags) == (2, ("a", "b"))
            await anyio.sleep(8)
            assert (await scheduler.get_job_details("key")).state is JobState.HALTED
        async with opened(store) as scheduler:
            details = await scheduler.get_job_details("key")
            assert (details.state, details.state_reason) == (JobState.HALTED, "3 runs in a row failed for good")
            assert [job.name for job in await scheduler.list_all_jobs(states=[JobState.HALTED], tags=["b"])] == ["job"]
            await anyio.sleep(20)
            await scheduler.resume_job("key")
            await anyio.sleep(10)
            assert (await scheduler.get_job_details("key")).consecutive_failures == 1
        assert times() == [10, 20, 30, 60]

    async def test_how_many_runs_it_has_had_and_until_when_it_runs(self, store: FakeStore) -> None:
        async with opened(store) as scheduler:
            await scheduler.add_job(RecurringJobRequest("three", Interval(seconds=10), max_runs=3), "work", "three")
            until = scheduler.now() + timedelta(seconds=35)
            await scheduler.add_job(RecurringJobRequest("until", Interval(seconds=10), until=until), "work", "until")
        await anyio.sleep(0.5)
        for _ in range(6):
            await anyio.sleep(1)
            async with opened(store):
                await anyio.sleep(9)
        assert times("three") == times("until") == [10, 20, 30]
        async with opened(store) as scheduler:
            assert {job.state for job in await scheduler.list_all_jobs()} == {JobState.FINISHED}

    async def test_versions_and_what_an_update_changed(self, store: FakeStore) -> None:
        async with opened(store) as scheduler:
            job_id = await scheduler.add_job(RecurringJobRequest("job", Interval(seconds=10)), "work", "before")
            await scheduler.update_job(job_id, args=("after",), schedule=Interval(seconds=7), name="renamed")
        async with opened(store) as scheduler:
            assert await scheduler.update_job(job_id, if_version=2, priority=1) == 3
            await anyio.sleep(8)
            details = await scheduler.get_job_details(job_id)
            assert (details.name, details.priority, details.version) == ("renamed", 1, 3)
        assert RAN == [("after", 7)]

    async def test_records_errors_and_values(self, store: FakeStore) -> None:
        async with opened(store) as scheduler:
            for name, does in {"raises": ValueError("no"), "returns": [1, {"a": None}], "object": {1, 2}}.items():
                DOES[name] = does
                await scheduler.wait_job(
                    await scheduler.add_job(RecurringJobRequest(name, After(1), key=name), "work", name)
                )
            skipped = await scheduler.add_job(RecurringJobRequest("skipped", Interval(seconds=10), key="s"), "work")
            await scheduler.skip_next_run(skipped)
            await scheduler.skip_next_run(skipped)
            before = await scheduler.get_run_history()
            # A job that was released meanwhile has no record with which the next could be merged.
            together = store.horizon == math.inf
        async with opened(store) as scheduler:
            after = await scheduler.get_run_history()
            assert [record.run_id for record in after] == [record.run_id for record in before]
            assert [(record.name, record.outcome, record.count) for record in after] == [
                *([("skipped", Outcome.SKIPPED, 2)] if together else [("skipped", Outcome.SKIPPED, 1)] * 2),
                ("object", Outcome.SUCCEEDED, 1),
                ("returns", Outcome.SUCCEEDED, 1),
                ("raises", Outcome.FAILED, 1),
            ]
            kept_not, kept, failed = after[-3:]
            assert (kept_not.value, str(kept_not.value)) == (NotKept("{1, 2}"), "<not kept: {1, 2}>")
            assert kept.value == [1, {"a": None}]
            assert (kept.started_at, kept.duration, kept.lateness) == (before[-2].started_at, 0, 0)
            assert isinstance(failed.error, StoredError)
            assert (failed.error.kind, failed.error.message, str(failed.error)) == (
                "ValueError",
                "no",
                "ValueError: no",
            )
            assert "raise does" in failed.error.traceback
            assert [record.name for record in await scheduler.get_run_history("raises")] == ["raises"]
            assert await scheduler.get_run_history("raises", outcomes=[Outcome.SUCCEEDED]) == []
            assert len(await scheduler.get_run_history(limit=2, since=kept_not.finished_at)) == 2
            details = await scheduler.get_job_details("raises")
            assert details.last_run == details.last_failure
            assert details.last_failure is not None
            assert details.last_failure.reason == "it raised ValueError"
            assert (await scheduler.wait_job("returns")).value == [1, {"a": None}]
            assert (await scheduler.wait_run(failed.run_id)).reason == "it raised ValueError"
            assert (await scheduler.cancel_run(failed.run_id)).outcome is Outcome.FAILED

    async def test_what_is_deleted_is_gone(self, store: FakeStore) -> None:
        async with opened(store) as scheduler:
            job_id = await scheduler.add_job(RecurringJobRequest("job", After(1), key="key"), "work")
            record = await scheduler.wait_job(job_id)
        async with opened(store) as scheduler:
            await scheduler.delete_job("key")
            assert await scheduler.list_all_jobs() == await scheduler.get_run_history() == []
        async with opened(store) as scheduler:
            for ask in (scheduler.get_job_details, scheduler.wait_job, scheduler.cancel_job, scheduler.get_run_history):
                with pytest.raises(JobNotFound):
                    await ask("key")
            with pytest.raises(RunNotFound):
                await scheduler.wait_run(record.run_id)


class TestJobSets:
    @staticmethod
    def made(*names: str, version: int = 0, name: str = "shop") -> JobSet:
        jobs = JobSet(name=name, version=version)
        for each in names:
            jobs.add(RecurringJobRequest(each, Interval(seconds=100)), work, each)
        return jobs

    async def test_a_set_that_is_applied_again(self, store: FakeStore) -> None:
        async with opened(store) as scheduler:
            await scheduler.apply(self.made("a", "b", "c", version=1))
            await scheduler.apply(self.made("other", name="other"))
            await scheduler.add_job(RecurringJobRequest("alone", Interval(seconds=100)), "work")
            await scheduler.cancel_job("c")
        async with opened(store) as scheduler:
            changes = await scheduler.apply(self.made("a", "c", "d", version=2))
            assert (len(changes.added), len(changes.updated), len(changes.unchanged), len(changes.removed)) == (
                1, 0, 2, 1,
            )  # fmt: skip
            assert [job.name for job in await scheduler.list_all_jobs()] == ["a", "c", "other", "alone", "d"]
            assert (await scheduler.get_job_details("c")).state is JobState.CANCELLED
        async with opened(store) as scheduler:
            assert (await scheduler.apply(self.made("a", version=1))).newer_version == 2
            assert len((await scheduler.apply(self.made(version=3))).removed) == 2

    async def test_its_grid_stays(self, store: FakeStore) -> None:
        for _ in range(4):
            async with opened(store) as scheduler:
                await scheduler.apply(self.made("a"))
                await anyio.sleep(70)
        assert times("a") == [100, 200]

    async def test_its_functions_wait_until_it_is_applied(self, store: FakeStore) -> None:
        async with opened(store) as scheduler:
            await scheduler.apply(self.made("a"))
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            await anyio.sleep(150)
            assert RAN == []
            await scheduler.apply(self.made("a"))
            await anyio.sleep(1)
        assert times("a") == [150]


class TestCatchUp:
    @pytest.mark.parametrize("policy", CatchUp)
    @pytest.mark.parametrize("overlap", [Overlap.SKIP, Overlap.BUFFER_ALL])
    async def test_downtime_is_as_sleep(
        self, store: FakeStore, wall: SteppingClock, policy: CatchUp, overlap: Overlap
    ) -> None:
        """A process that was down is told the same as one whose machine was suspended."""
        request = RecurringJobRequest("job", Interval(seconds=10), catch_up=policy, overlap=overlap, key="key")

        async def seen(scheduler: Scheduler, began: Any) -> list[Any]:
            await anyio.sleep(20)
            records = await scheduler.get_run_history()
            return [
                (each.outcome, each.count, each.reason, since(each.scheduled_at, began), since(each.finished_at, began))
                for each in records
            ]

        async with open_scheduler(max_workers=1, clock=wall) as scheduler:
            began = scheduler.now()
            await scheduler.add_job(request, work)
            await anyio.sleep(13)
            wall.step(54)
            scheduler._parts.coordinator.wake()
            asleep = await seen(scheduler, began)
        RAN.clear()
        async with opened(store, clock=wall) as scheduler:
            began = scheduler.now()
            await scheduler.add_job(request, "work")
            await anyio.sleep(13)
        wall.step(54)
        async with opened(store, clock=wall) as scheduler:
            assert await seen(scheduler, began) == asleep
        assert len(asleep) > 2

    async def test_a_start_deadline_holds(self, store: FakeStore) -> None:
        async with opened(store) as scheduler:
            request = RecurringJobRequest("job", After(10), start_deadline=5, key="key")
            await scheduler.add_job(request, "work")
        await anyio.sleep(20)
        async with opened(store) as scheduler:
            await anyio.sleep(1)
            (record,) = await scheduler.get_run_history("key")
            assert record.outcome is Outcome.MISSED
        assert RAN == []


class TestDeath:
    """The process dies: what executed was cut off, and nobody wrote that down."""

    async def crashed(self, store: FakeStore, **options: Any) -> FakeStore:
        DOES["job"] = 1000
        async with open_scheduler(max_workers=4, store=store) as scheduler:
            scheduler.register("work", work)
            await scheduler.add_job(RecurringJobRequest("job", After(10), key="key", **options), "work")
            await anyio.sleep(11)
            found = store.after_a_crash()
            scheduler.stop(force=True)
        DOES.clear()
        return found

    async def test_rerun(self, store: FakeStore) -> None:
        found = await self.crashed(store)
        async with opened(found) as scheduler:
            record = await scheduler.wait_job("key")
            assert (record.outcome, record.attempts, record.origin) == (Outcome.SUCCEEDED, 2, Origin.SCHEDULE)
        assert times() == [10, 11]
        assert (await found_counts(found))[Outcome.SUCCEEDED] == 1

    async def test_mark(self, store: FakeStore) -> None:
        async with opened(await self.crashed(store, on_crash=OnCrash.MARK)) as scheduler:
            record = await scheduler.wait_job("key")
            assert (record.outcome, record.attempts) == (Outcome.INTERRUPTED, 1)
            assert record.reason == "its process died while it executed"
        assert times() == [10]

    async def test_fail_counts_among_the_retries(self, store: FakeStore) -> None:
        found = await self.crashed(store, on_crash=OnCrash.FAIL, max_retries=1, retry=FixedRetryDelay(5))
        async with opened(found) as scheduler:
            DOES["job"] = ValueError("no")
            record = await scheduler.wait_job("key")
            assert (record.outcome, record.attempts) == (Outcome.FAILED, 2)
        assert times() == [10, 16]

    async def test_it_dies_each_time(self, store: FakeStore) -> None:
        found = await self.crashed(store)
        for _ in range(2):
            DOES["job"] = 1000
            async with open_scheduler(max_workers=1, store=found) as scheduler:
                scheduler.register("work", work)
                await anyio.sleep(1)
                found = found.after_a_crash()
                scheduler.stop(force=True)
        async with opened(found) as scheduler:
            record = await scheduler.wait_job("key")
            assert (record.outcome, record.attempts) == (Outcome.FAILED, 3)
            assert record.reason == "its process died 3 times while it executed"

    async def test_what_was_accepted_and_no_more_runs_once(self, store: FakeStore) -> None:
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            scheduler.register("work", work)
            job_id = await scheduler.add_job(RecurringJobRequest("job", After(10)), "work")
            found = store.after_a_crash()
        async with opened(found) as scheduler:
            assert (await scheduler.wait_job(job_id)).outcome is Outcome.SUCCEEDED
        assert len(times()) == 1


async def found_counts(store: FakeStore) -> Any:
    async with open_scheduler(max_workers=1, store=store):
        return (await store.count()).outcomes


class TestHandedBack:
    @pytest.mark.parametrize("on_crash", OnCrash)
    async def test_what_a_forced_shutdown_cuts_off(self, store: FakeStore, on_crash: OnCrash) -> None:
        DOES["job"] = 1000
        retries = {"max_retries": 1, "retry": FixedRetryDelay(5)} if on_crash is OnCrash.FAIL else {}
        async with opened(store) as scheduler:
            request = RecurringJobRequest("job", After(10), key="key", on_crash=on_crash, **retries)
            await scheduler.add_job(request, "work")
            await anyio.sleep(11)
            report = await scheduler.shutdown_force()
            assert report.handed_back == (on_crash is not OnCrash.MARK)
            assert len(report.interrupted) == (on_crash is OnCrash.MARK)
            expected = {OnCrash.RERUN: RunState.DUE, OnCrash.MARK: RunState.ENDED, OnCrash.FAIL: RunState.RETRY}
            assert (await store.count()).runs == {expected[on_crash]: 1}
        DOES.clear()
        async with opened(store) as scheduler:
            record = await scheduler.wait_job("key")
            assert record.attempts == (1 if on_crash is OnCrash.MARK else 2)
            assert record.outcome is (Outcome.INTERRUPTED if on_crash is OnCrash.MARK else Outcome.SUCCEEDED)
        assert times() == {OnCrash.RERUN: [10, 11], OnCrash.MARK: [10], OnCrash.FAIL: [10, 16]}[on_crash]

    async def test_what_waits_for_a_worker_at_a_graceful_shutdown(self, store: FakeStore) -> None:
        DOES["job"] = 20
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            scheduler.register("work", work)
            for _ in range(4):
                await scheduler.add_job(RecurringJobRequest("job", After(1)), "work")
            recurring = RecurringJobRequest("job", Interval(seconds=7), overlap=Overlap.BUFFER_ALL)
            job_id = await scheduler.add_job(recurring, "work")
            await anyio.sleep(9)
        report = scheduler.shutdown_report
        assert report is not None
        assert (len(report.finished), report.handed_back, report.unrun) == (1, 4, 1)
        assert report.never_started == report.interrupted == ()
        DOES.clear()
        async with opened(store) as scheduler:
            await anyio.sleep(1)
            assert len(RAN) == 1 + 3 + 2  # The recurring one was due at 7, 14 and 21: one of these was caught up.
            assert (await scheduler.get_job_details(job_id)).active_runs == ()

    async def test_who_waits_for_what_is_handed_back(self, store: FakeStore) -> None:
        closed: list[str] = []

        async def wait(ask: Callable[..., Any], *args: Any) -> None:
            with pytest.raises(SchedulerClosed) as caught:
                await ask(*args)
            closed.append(str(caught.value))

        async with anyio.create_task_group() as tasks, opened(store) as scheduler:
            job_id = await scheduler.add_job(RecurringJobRequest("job", After(3)), "work")
            run_id = (await scheduler.get_job_details(job_id)).next_run_instance
            for args in ((scheduler.wait_job, job_id), (scheduler.wait_run, run_id), (scheduler.wait_idle,)):
                tasks.start_soon(wait, *args)
            await anyio.sleep(1)
        assert len(closed) == 3


class TestFunctions:
    async def test_a_job_waits_until_its_function_is_registered(self, store: FakeStore) -> None:
        async with opened(store) as scheduler:
            job_id = await scheduler.add_job(RecurringJobRequest("job", After(3), key="key"), "work")
            DOES["retried"] = ValueError("no")
            request = RecurringJobRequest("retried", After(1), max_retries=3, retry=FixedRetryDelay(1))
            await scheduler.add_job(request, "work", "retried")
            await anyio.sleep(1.5)
        DOES.clear()
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            await anyio.sleep(10)
            assert (await scheduler.get_job_details("key")).state is JobState.ACTIVE
            assert await scheduler.get_run_history() == []
            assert times() == []
            scheduler.register("work", work)
            assert (await scheduler.wait_job(job_id)).outcome is Outcome.SUCCEEDED
            await scheduler.wait_idle()
        assert times() == [11.5]
        assert times("retried") == [1, 11.5]

    async def test_so_does_one_that_is_waited_for(self, store: FakeStore) -> None:
        """Regression: it stayed where it was for the waiter, and did not learn that its function was registered."""
        async with opened(store) as scheduler:
            job_id = await scheduler.add_job(RecurringJobRequest("job", After(3)), "work")
        async with open_scheduler(max_workers=1, store=store) as scheduler, anyio.create_task_group() as tasks:
            tasks.start_soon(scheduler.wait_job, job_id)
            await anyio.sleep(10)
            assert RAN == []
            scheduler.register("work", work)
            await anyio.sleep(1)
            assert times() == [10]

    async def test_or_until_it_gets_another_function(self, store: FakeStore) -> None:
        async with opened(store) as scheduler:
            job_id = await scheduler.add_job(RecurringJobRequest("job", After(3)), "work")
        async with open_scheduler(max_workers=1, store=store) as scheduler, anyio.create_task_group() as tasks:
            scheduler.register("renamed", work)
            tasks.start_soon(scheduler.wait_job, job_id)
            await anyio.sleep(10)
            assert RAN == []
            await scheduler.update_job(job_id, fn="renamed")
            await anyio.sleep(1)
            assert times() == [10]

    async def test_an_alias_is_its_name(self, store: FakeStore) -> None:
        async with opened(store) as scheduler:
            await scheduler.add_job(RecurringJobRequest("job", After(3)), "work")
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            scheduler.register("renamed", work, aliases=["work"])
            await scheduler.wait_idle()
        assert times() == [3]

    async def test_a_definition_that_cannot_be_read_hurts_nobody_else(
        self, store: FakeStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with opened(store) as scheduler:
            bad = await scheduler.add_job(RecurringJobRequest("bad", After(3), key="bad"), "work", "bad")
            await scheduler.add_job(RecurringJobRequest("job", After(3)), "work")
        row = store.rows._jobs[bad]
        row.definition = row.definition._replace(text='{"v": 99}')
        async with opened(store) as scheduler:
            await anyio.sleep(5)
            assert RAN == [("job", 3)]
            (message,) = [each for each in caplog.messages if "cannot be read" in each]
            assert message.startswith("the job 'bad' of the store cannot be read, and waits: ")
            with pytest.raises(ConfigurationError, match="cannot be read here; the log says why"):
                await scheduler.get_job_details(bad)
            with pytest.raises(SubmissionRefused, match="in the store cannot be read here"):
                await scheduler.add_job(RecurringJobRequest("bad", After(3), key="bad"), "work")
            store.refuse = lambda change: "no"
            with pytest.raises(SubmissionRefused, match="refused the job 'other': no"):
                await scheduler.add_job(RecurringJobRequest("other", After(3)), "work")
            store.refuse = lambda change: None
            assert [job.name for job in await scheduler.list_all_jobs()] == ["bad", "job"]
            assert await scheduler.upcoming_runs() == []

    async def test_nor_is_it_listed_among_what_comes(self, store: FakeStore) -> None:
        async with opened(store) as scheduler:
            bad = await scheduler.add_job(RecurringJobRequest("bad", After(3000)), "work")
            await scheduler.add_job(RecurringJobRequest("job", After(3000)), "work")
        row = store.rows._jobs[bad]
        row.definition = row.definition._replace(text='{"v": 99}')
        async with opened(store) as scheduler:
            await anyio.sleep(1)
            assert [run.name for run in await scheduler.upcoming_runs()] == ["job"]


async def test_events_of_what_goes_on(store: FakeStore) -> None:
    heard: list[tuple[str, Any]] = []

    class Observer:
        def on_run_finished(self, event: RunFinished) -> None:
            heard.append((event.record.name, event.job_id))

    async with opened(store) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", After(3)), "work")
    async with opened(store, observers=[Observer()]) as scheduler:
        await scheduler.wait_idle()
        assert scheduler.get_metrics_snapshot().books.admitted == 1
    assert heard == [("job", job_id)]
