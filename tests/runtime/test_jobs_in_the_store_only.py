"""Jobs that are in the store only, because they are due later: whatever is done with a job is done with them, too."""

from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from back_ends import EACH_CANCELLATION
from fake_store import FakeStore

from turnkeeper_trio import (
    After,
    ConfigurationError,
    FixedRetryDelay,
    Interval,
    JobEnded,
    JobNotFound,
    JobSet,
    JobState,
    OnConflict,
    Outcome,
    Overlap,
    RecurringJobRequest,
    RunNotFound,
    Scheduler,
    SchedulerClosed,
    Snooze,
    SubmitError,
    VersionConflict,
    open_scheduler,
)
from turnkeeper_trio._engine import queries
from turnkeeper_trio.abc import RunState
from turnkeeper_trio.errors import JobExists, StoreError
from turnkeeper_trio.testing import cancel_sweep
from turnkeeper_trio.testing._backends import Backend
from turnkeeper_trio.testing._cancel_sweep_run import How

FAR = Interval(hours=1)
RAN: list[float] = []


@pytest.fixture
def store() -> FakeStore:
    RAN.clear()
    return FakeStore(horizon=60)


async def work(*_: Any) -> None:
    RAN.append(anyio.current_time())


async def fail() -> None:
    raise ValueError("no")


async def snooze() -> Any:
    return Snooze(5000)


def here(scheduler: Scheduler) -> int:
    """Return how many jobs are in memory."""
    return scheduler._parts.engine.ask(queries.sizes)[0]


def registered(scheduler: Scheduler) -> Scheduler:
    for fn in (work, fail, snooze):
        scheduler.register(fn.__name__, fn)
    return scheduler


@pytest.mark.anyio
class TestOne:
    """One job, an hour ahead: it is not in memory before a call, nor after it."""

    @pytest.fixture(autouse=True)
    async def scheduler(self, store: FakeStore) -> Any:
        async with open_scheduler(max_workers=2, store=store) as self.scheduler:
            registered(self.scheduler)
            request = RecurringJobRequest("job", FAR, key="key", tags=("a",))
            self.job_id = await self.scheduler.add_job(request, "work", 1)
            assert here(self.scheduler) == 0
            yield
            await anyio.sleep(1)
            assert here(self.scheduler) == 0
        assert self.scheduler.get_metrics_snapshot().books.balanced

    async def test_details_and_history(self) -> None:
        details = await self.scheduler.get_job_details("key")
        assert details.next_run_time is not None
        assert (details.next_run_time - self.scheduler.now()).total_seconds() == 3600
        assert details == await self.scheduler.get_job_details(str(self.job_id))
        assert await self.scheduler.get_run_history("key") == []
        assert await self.scheduler.list_active_runs("key") == []
        (job,) = await self.scheduler.list_all_jobs(tags=["a"])
        assert (job.next_run_time, job.key, job.active) == (details.next_run_time, "key", 0)
        assert await self.scheduler.list_all_jobs(after="key") == []

    async def test_pause_and_resume(self) -> None:
        await self.scheduler.pause_job("key", note="a while")
        assert [job.state for job in await self.scheduler.list_all_jobs()] == [JobState.PAUSED]
        assert await self.scheduler.upcoming_runs() == []
        await self.scheduler.resume_job("key")
        await anyio.sleep(3700)
        assert RAN == [3600]

    async def test_update(self) -> None:
        with pytest.raises(TypeError):
            await self.scheduler.update_job("key", fn="fail")
        with pytest.raises(VersionConflict):
            await self.scheduler.update_job("key", if_version=7, priority=3)
        with pytest.raises(JobNotFound):
            await self.scheduler.update_job("unknown", fn="fail")
        assert await self.scheduler.update_job("key", if_version=1, args=(), fn="fail") == 2
        assert await self.scheduler.update_job("key", schedule=Interval(minutes=5), fn="work") == 3
        await anyio.sleep(301)
        assert RAN == [300]

    async def test_trigger_and_wait(self) -> None:
        run_id = await self.scheduler.trigger_job_now("key")
        assert (await self.scheduler.wait_run(run_id)).outcome is Outcome.SUCCEEDED
        assert here(self.scheduler) == 0
        assert (await self.scheduler.wait_run(run_id)).run_id == run_id
        assert [record.run_id for record in await self.scheduler.get_run_history("key")] == [run_id]
        await anyio.sleep(3601)
        assert RAN == [0, 3600]

    async def test_skip(self) -> None:
        record = await self.scheduler.skip_next_run("key")
        assert record is not None
        await anyio.sleep(7201)
        assert RAN == [7200]
        assert (await self.scheduler.cancel_run(record.run_id)).outcome is Outcome.SKIPPED

    async def test_cancel_its_next_run(self) -> None:
        run_id = (await self.scheduler.get_job_details("key")).next_run_instance
        assert run_id is not None
        assert (await self.scheduler.cancel_run(run_id)).outcome is Outcome.CANCELLED
        await anyio.sleep(7201)
        assert RAN == [7200]

    async def test_cancel_and_delete(self) -> None:
        assert await self.scheduler.cancel_job("key", reason="enough") == ()
        (record,) = await self.scheduler.get_run_history("key")
        assert (record.outcome, record.reason) == (Outcome.CANCELLED, "enough")
        assert await self.scheduler.cancel_job("key") == ()
        with pytest.raises(JobEnded):
            await self.scheduler.trigger_job_now("key")
        with pytest.raises(RunNotFound, match="enough"):
            await self.scheduler.wait_job("key")
        await self.scheduler.delete_job("key")
        with pytest.raises(JobNotFound):
            await self.scheduler.delete_job("key")

    async def test_what_does_not_exist(self) -> None:
        for name in ("unknown", "0e9d7d33-4a5e-4a3a-9d7d-334a5e4a3a9d"):
            with pytest.raises(JobNotFound):
                await self.scheduler.get_job_details(name)
            with pytest.raises(JobNotFound):
                await self.scheduler.list_all_jobs(after=name)
        with pytest.raises(RunNotFound):
            await self.scheduler.wait_run("0e9d7d33-4a5e-4a3a-9d7d-334a5e4a3a9d")
        with pytest.raises(ConfigurationError):
            await self.scheduler.wait_run("no id")

    async def test_added_again(self) -> None:
        request = RecurringJobRequest("job", FAR, key="key")
        with pytest.raises(JobExists):
            await self.scheduler.add_job(request, "work", on_conflict=OnConflict.RAISE)
        assert await self.scheduler.add_job(request, "work", 2) == self.job_id
        assert (await self.scheduler.get_job_details("key")).version == 2

    async def test_a_key_that_looks_like_an_id(self) -> None:
        name = "0e9d7d33-4a5e-4a3a-9d7d-334a5e4a3a9d"
        job_id = await self.scheduler.add_job(RecurringJobRequest("odd", FAR, key=name), "work")
        assert (await self.scheduler.get_job_details(name)).job_id == job_id


@pytest.mark.anyio
class TestSeveral:
    async def test_waiting_keeps_it_in_memory_until_it_is_over(self, store: FakeStore) -> None:
        async with open_scheduler(max_workers=2, store=store) as scheduler:
            job_id = await registered(scheduler).add_job(RecurringJobRequest("job", After(hours=2)), "work")
            run_id = (await scheduler.get_job_details(job_id)).next_run_instance
            assert run_id is not None
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(scheduler.wait_job, job_id)
                tasks.start_soon(scheduler.wait_run, run_id)
                await anyio.sleep(1)
                assert here(scheduler) == 1
            assert RAN == [7200]
            assert (await scheduler.wait_run(run_id)).outcome is Outcome.SUCCEEDED

    async def test_idle_is_also_what_the_store_has_to_do(self, store: FakeStore) -> None:
        async with open_scheduler(max_workers=2, store=store) as scheduler:
            await registered(scheduler).add_job(RecurringJobRequest("job", After(hours=2)), "work")
            await scheduler.wait_idle(due_only=True)
            assert anyio.current_time() == 0
            await scheduler.wait_idle()
            assert RAN == [7200]
        async with open_scheduler(max_workers=2, store=store) as scheduler:
            await scheduler.wait_idle()

    async def test_idle_when_the_last_of_it_is_cancelled(self, store: FakeStore) -> None:
        async with open_scheduler(max_workers=2, store=store) as scheduler:
            job_id = await registered(scheduler).add_job(RecurringJobRequest("job", After(hours=2)), "work")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(scheduler.wait_idle)
                await anyio.sleep(1)
                await scheduler.cancel_job(job_id)
            assert anyio.current_time() <= 7200

    async def test_what_comes_is_listed_in_order_wherever_it_is(self, store: FakeStore) -> None:
        async with open_scheduler(max_workers=2, store=store) as scheduler:
            registered(scheduler)
            await scheduler.add_job(RecurringJobRequest("soon", Interval(seconds=50)), "work")
            await scheduler.add_job(RecurringJobRequest("later", Interval(seconds=130)), "work")
            await scheduler.add_job(RecurringJobRequest("limited", Interval(seconds=200), max_runs=2), "work")
            assert here(scheduler) == 1
            until = scheduler.now() + timedelta(seconds=500)
            now = scheduler.now()
            seen = [
                (run.name, (run.scheduled_at - now).total_seconds())
                for run in await scheduler.upcoming_runs(until=until)
            ]
        expected = [("soon", 50.0 * n) for n in range(1, 11)] + [("later", 130.0 * n) for n in range(1, 4)]
        expected += [("limited", 200.0), ("limited", 400.0)]
        order = ["soon", "later", "limited"]
        assert seen == sorted(expected, key=lambda each: (each[1], order.index(each[0])))

    async def test_so_are_retries_that_come(self, store: FakeStore) -> None:
        async with open_scheduler(max_workers=2, store=store) as scheduler:
            registered(scheduler)
            retry = {"max_retries": 1, "retry": FixedRetryDelay(5000)}
            beside = {**retry, "retry_past_next": True}
            await scheduler.add_job(RecurringJobRequest("retry", After(1), key="retry", **retry), "fail")
            await scheduler.add_job(RecurringJobRequest("snooze", After(1), key="snooze"), "snooze")
            await scheduler.add_job(RecurringJobRequest("paused", After(1), key="paused", **retry), "fail")
            await scheduler.add_job(RecurringJobRequest("superseded", Interval(seconds=3000), **retry), "fail")
            await scheduler.add_job(RecurringJobRequest("beside", Interval(seconds=3000), **beside), "fail")
            await anyio.sleep(3100)
            await scheduler.pause_job("paused")
            here_before = await self.listed(scheduler)
        assert [each[0] for each in here_before[:3]] == ["retry", "snooze", "superseded"]
        assert ("beside", 2) in {each[::2] for each in here_before}
        async with open_scheduler(max_workers=2, store=store) as scheduler:
            registered(scheduler)
            await anyio.lowlevel.checkpoint()
            assert here(scheduler) == 0
            jobs = await scheduler.list_all_jobs()
            assert [(job.name, job.active) for job in jobs][:3] == [("retry", 1), ("snooze", 1), ("paused", 1)]
            assert [job.next_run_time is None for job in jobs] == [False, False, True, False, False]
            assert await self.listed(scheduler) == here_before

    async def listed(self, scheduler: Scheduler) -> list[Any]:
        start = scheduler.now()
        runs = await scheduler.upcoming_runs(limit=8)
        return [(run.name, (run.scheduled_at - start).total_seconds(), run.attempt) for run in runs]

    async def test_many_come_and_go_in_time(self, store: FakeStore) -> None:
        async with open_scheduler(max_workers=50, store=store, history_limit=5) as scheduler:
            registered(scheduler)
            await scheduler.add_jobs([(RecurringJobRequest("job", After(10 * n)), "work") for n in range(1, 301)])
            most = 0
            await anyio.sleep(1)
            for _ in range(300):
                await anyio.sleep(10)
                most = max(most, here(scheduler))
            assert len(RAN) == 300
            assert all(at == 10.0 * n for n, at in enumerate(RAN, 1))
            assert most <= 40
            assert store.calls["claim"] < 150
            books = scheduler.get_metrics_snapshot().books
            assert books.balanced
            assert (books.planned, books.succeeded) == (300, 300)
            await scheduler.wait_idle()
        counts = (await counted(store)).outcomes
        assert counts == {Outcome.SUCCEEDED: 300}

    async def test_more_are_due_than_one_claim_gives(self, store: FakeStore) -> None:
        async with open_scheduler(max_workers=50, store=store) as scheduler:
            await registered(scheduler).add_jobs([(RecurringJobRequest("job", After(100)), "work")] * 1100)
        await anyio.sleep(200)
        async with open_scheduler(max_workers=50, store=store) as scheduler:
            registered(scheduler)
            await scheduler.wait_idle()
            assert len(RAN) == 1100
            assert len(store.claims) < 15

    async def test_ended_jobs_leave_memory_and_stay_in_the_store(self, store: FakeStore) -> None:
        async with open_scheduler(max_workers=5, store=store, history_limit=3) as scheduler:
            registered(scheduler)
            ids = [await scheduler.add_job(RecurringJobRequest("job", After(1)), "work") for _ in range(10)]
            await scheduler.wait_idle()
            assert here(scheduler) == 3
            assert len(await scheduler.list_all_jobs(states=[JobState.FINISHED])) == 10
            assert len(await scheduler.get_run_history()) == 10
            assert (await scheduler.wait_job(ids[0])).outcome is Outcome.SUCCEEDED
            assert (await scheduler.get_job_details(ids[0])).last_run == (await scheduler.get_run_history(ids[0]))[0]

    async def test_a_job_that_executes_stays(self, store: FakeStore) -> None:
        async with open_scheduler(max_workers=2, store=store) as scheduler:
            scheduler.register("sleep", anyio.sleep)
            job_id = await scheduler.add_job(RecurringJobRequest("job", FAR), "sleep", 500)
            run_id = await scheduler.trigger_job_now(job_id)
            await anyio.sleep(400)
            assert here(scheduler) == 1
            await scheduler.wait_run(run_id)
            assert here(scheduler) == 0

    async def test_one_set_takes_out_what_is_in_the_store_only(self, store: FakeStore) -> None:
        jobs = JobSet(name="set")
        jobs.add(RecurringJobRequest("a", FAR), work)
        jobs.add(RecurringJobRequest("b", FAR), work)
        async with open_scheduler(max_workers=2, store=store) as scheduler:
            await scheduler.apply(jobs)
            assert here(scheduler) == 0
            changes = await scheduler.apply(JobSet(name="set"))
            assert len(changes.removed) == 2
            assert await scheduler.list_all_jobs() == []


async def counted(store: FakeStore) -> Any:
    async with open_scheduler(max_workers=1, store=store):
        return await store.count()


# -- cancelled at every step


class World:
    """A store, what was promised to callers, and what began."""

    def __init__(self, horizon: float = 60) -> None:
        self.store = FakeStore(horizon=horizon)
        self.store.delay = 0.5
        self.store.delays["claim"] = 0.25
        self.promised: list[Any] = []
        self.bodies = 0

    async def body(self) -> None:
        self.bodies += 1
        begun = [run for run in self.store.told() if run.state is RunState.STARTED]
        assert len(begun) >= self.bodies, "a body began of which the store was not told"
        await anyio.sleep(1)

    async def check(self) -> None:
        """The store is closed, owns nothing that is stranded, and has all that a caller was told."""
        assert self.store.rows._node is None
        assert len(self.store.closed) == len(self.store.nodes)
        for job in self.store.rows._jobs.values():
            opened = [run for run in job.runs.values() if run.state is not RunState.ENDED]
            assert not job.owned
            assert job.image.wake_at is not None or not (opened or job.image.pending)
            assert not any(run.state is RunState.STARTED for run in opened)
        assert {*self.promised} <= self.store.rows._jobs.keys()


async def use(world: World) -> None:
    """Do a bit of everything with a store."""
    async with open_scheduler(max_workers=2, store=world.store, shutdown_grace=5) as scheduler:
        scheduler.register("body", world.body)
        world.promised.append(await scheduler.add_job(RecurringJobRequest("far", FAR, key="far"), "body"))
        world.promised += await scheduler.add_jobs([(RecurringJobRequest("near", After(1)), "body")] * 2)
        jobs = JobSet(name="set")
        jobs.add(RecurringJobRequest("of set", FAR), world.body)
        await scheduler.apply(jobs)
        await scheduler.wait_run(await scheduler.trigger_job_now("far"))
        await scheduler.update_job("far", priority=3)
        await scheduler.pause_job("far")
        await scheduler.resume_job("far")
        await scheduler.cancel_job("of set")
        await scheduler.get_run_history("far")
        await scheduler.list_all_jobs()
        await scheduler.trigger_job_now("far")
        await scheduler.shutdown_graceful()


async def restart(world: World) -> None:
    """Open a scheduler, leave it while something executes, and open the next."""
    for _ in range(2):
        async with open_scheduler(max_workers=2, store=world.store, shutdown_grace=0) as scheduler:
            scheduler.register("body", world.body)
            world.promised.append(
                await scheduler.add_job(RecurringJobRequest("a", FAR, key="a", overlap=Overlap.BUFFER_ALL), "body")
            )
            await scheduler.trigger_job_now("a")
            await scheduler.add_job(RecurringJobRequest("b", After(2)), "body")


@EACH_CANCELLATION
@pytest.mark.parametrize("scenario", [use, restart])
def test_cancelled_at_every_step(backend: Backend, how: How, scenario: Any) -> None:
    errors = (SchedulerClosed, StoreError, SubmitError)
    assert cancel_sweep(scenario, World.check, state=World, backend=backend, how=how, stride=5, allow=errors) > 50


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_cancelled_at_every_step_while_it_is_unavailable(backend: Backend) -> None:
    async def unavailable(world: World) -> None:
        async with open_scheduler(max_workers=2, store=world.store, store_timeout=2) as scheduler:
            scheduler.register("body", world.body)
            await scheduler.add_job(RecurringJobRequest("a", After(1)), "body")
            world.store.unavailable = True
            await scheduler.add_job(RecurringJobRequest("b", After(1)), "body")

    async def closed(world: World) -> None:
        assert len(world.store.closed) == len(world.store.nodes)

    assert cancel_sweep(unavailable, closed, state=World, backend=backend, stride=2, allow=(StoreError,)) > 20
