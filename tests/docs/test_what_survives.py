"""Each row of the table in docs/howto/what-survives.md is driven, and so is what the pages on stores say in words.

A copy of a `MemoryStore` is what a kill would leave at that instant.
"""

import copy
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

import anyio
import pytest

from turnkeeper_trio import (
    After,
    FixedRetryDelay,
    Interval,
    JobSet,
    JobState,
    OnConflict,
    OnCrash,
    Outcome,
    RecurringJobRequest,
    RunRecord,
    Scheduler,
    Snooze,
    current_run,
    current_scheduler,
    open_scheduler,
)
from turnkeeper_trio.abc import (
    Batch,
    Claim,
    Claimed,
    JobQuery,
    Opened,
    Refusal,
    RunQuery,
    StoreCounts,
    StoredJob,
    StoredRun,
    StoreNode,
)
from turnkeeper_trio.errors import StoreUnavailable
from turnkeeper_trio.stores import MemoryStore

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "what-survives.md").read_text("utf-8")
ROWS = re.findall(r"^\| (.+?) \|", PAGE.split("## Every case\n\n", 1)[1].split("\n\n", 1)[0], re.MULTILINE)[1:]
request = partial(RecurringJobRequest, "job", key="job")
Calls = list[tuple[float, int]]


class Watched:
    """A store that keeps a copy of itself from before each commit, and one from after it."""

    def __init__(self) -> None:
        self.rows = MemoryStore()
        self.copies: list[MemoryStore] = []
        self.away = False

    @property
    def horizon(self) -> float:
        return self.rows.horizon

    async def open(self, node: StoreNode, /) -> Opened:
        return await self.rows.open(node)

    async def apply(self, batch: Batch, /) -> Sequence[Refusal]:
        if self.away:
            await anyio.lowlevel.checkpoint()
            raise StoreUnavailable("the disk is full")
        self.copies.append(copy.deepcopy(self.rows))
        refusals = await self.rows.apply(batch)
        self.copies.append(copy.deepcopy(self.rows))
        return refusals

    async def claim(self, claim: Claim, /) -> Claimed:
        return await self.rows.claim(claim)

    async def read_jobs(self, query: JobQuery, /) -> Sequence[StoredJob]:
        return await self.rows.read_jobs(query)

    async def read_runs(self, query: RunQuery, /) -> Sequence[StoredRun]:
        return await self.rows.read_runs(query)

    async def read_upcoming(self, *, limit: int) -> Sequence[StoredJob]:
        return await self.rows.read_upcoming(limit=limit)

    async def count(self) -> StoreCounts:
        return await self.rows.count()

    async def close(self, *, clean: bool) -> None:
        await self.rows.close(clean=clean)


class Program:
    """A program with one function, which notes when each of its attempts begins; its process is killed once."""

    def __init__(self, *, seconds: float = 60, answers: Sequence[object] = ()) -> None:
        self.calls: Calls = []
        self.keys: set[str] = set()
        self._seconds = seconds
        self._answers = list(answers)

    async def work(self) -> object:
        run = current_run()
        self.calls.append((current_scheduler().now().timestamp() - self.begin, run.attempt))
        self.keys.add(run.run_key)
        await anyio.sleep(self._seconds)
        return self._answers.pop(0) if self._answers else None

    async def until_killed(
        self, body: Callable[[Scheduler], Awaitable[object]], *, at: int | None = None
    ) -> MemoryStore:
        """Run the program until ``body`` returns; return what a kill leaves then, or at the n-th copy."""
        store = Watched()
        async with open_scheduler(max_workers=1, store=store, shutdown_grace=0) as scheduler:
            self.begin = scheduler.now().timestamp()
            scheduler.register("work", self.work)
            await body(scheduler)
            left = copy.deepcopy(store.rows) if at is None else store.copies[at]
            self.killed_after = len(self.calls)
        await left.close(clean=False)
        return left

    async def again(self, store: MemoryStore, *, down: float = 0, last: float = 1000) -> list[RunRecord]:
        """Start the program again, and return the records, the oldest first."""
        await anyio.sleep(down)
        del self.calls[self.killed_after :]
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            scheduler.register("work", self.work)
            await anyio.sleep(last)
            self.jobs = await scheduler.list_all_jobs()
            return (await scheduler.get_run_history())[::-1]


async def before_the_commit() -> None:
    program = Program()

    async def body(scheduler: Scheduler) -> None:
        await scheduler.add_job(request(After(10)), program.work)

    assert await program.again(await program.until_killed(body, at=0)) == []
    assert program.jobs == []


async def after_the_commit() -> None:
    program = Program()

    async def body(scheduler: Scheduler) -> None:
        await scheduler.add_job(request(After(10)), program.work)

    left = await program.until_killed(body, at=1)
    again = copy.deepcopy(left)
    [record] = await program.again(left)
    assert record.outcome is Outcome.SUCCEEDED
    async with open_scheduler(max_workers=1, store=again) as scheduler:
        scheduler.register("work", program.work)
        await scheduler.add_job(request(After(10)), program.work)
        assert len(await scheduler.list_all_jobs()) == 1


async def while_it_is_planned() -> None:
    program = Program(seconds=10)

    async def body(scheduler: Scheduler) -> None:
        await scheduler.add_job(request(Interval(seconds=100)), program.work)
        await anyio.sleep(50)

    records = await program.again(await program.until_killed(body), down=300, last=100)
    ran = (Outcome.SUCCEEDED, 1)
    assert [(record.outcome, record.count) for record in records] == [(Outcome.MISSED, 2), ran, ran]
    assert program.calls == [(350, 1), (400, 1)]


async def while_it_executes() -> None:
    outcomes = {
        OnCrash.RERUN: (Outcome.SUCCEEDED, [(0, 1), (30, 2)]),
        OnCrash.FAIL: (Outcome.SUCCEEDED, [(0, 1), (37, 2)]),
        OnCrash.MARK: (Outcome.INTERRUPTED, [(0, 1)]),
    }
    for on_crash, (outcome, calls) in outcomes.items():
        for at in (None, -2):  # in the middle; and when the function has returned, before that is committed
            program = Program(seconds=60 if at is None else 30)

            asked = request(After(0), on_crash=on_crash, max_retries=1, retry=FixedRetryDelay(7))

            async def body(
                scheduler: Scheduler,
                program: Program = program,
                asked: RecurringJobRequest = asked,
                at: int | None = at,
            ) -> None:
                await scheduler.add_job(asked, program.work)
                if at is None:
                    await anyio.sleep(30)
                else:
                    await scheduler.wait_job("job")

            [record] = await program.again(await program.until_killed(body, at=at))
            assert (record.outcome, program.calls) == (outcome, calls)
            assert program.keys == {str(record.run_id)}


async def while_it_waits_for_a_retry() -> None:
    for answer in (False, Snooze(100)):
        for down, second in ((20, 100), (500, 550)):
            program = Program(seconds=0, answers=[answer])

            async def body(scheduler: Scheduler, program: Program = program) -> None:
                retry = FixedRetryDelay(100)
                await scheduler.add_job(request(After(0), max_retries=1, retry=retry), program.work)
                await anyio.sleep(50)

            [record] = await program.again(await program.until_killed(body), down=down)
            assert (record.outcome, record.attempts) == (Outcome.SUCCEEDED, 2)
            assert program.calls == [(0, 1), (second, 2)]
            assert len(program.keys) == 1


async def while_it_is_paused_or_halted() -> None:
    program = Program(seconds=0, answers=[False])

    async def halted(scheduler: Scheduler) -> None:
        await scheduler.add_job(request(Interval(seconds=10), halt_after=1), program.work)
        await anyio.sleep(15)

    async def paused(scheduler: Scheduler) -> None:
        await scheduler.add_job(request(Interval(seconds=10)), program.work)
        await scheduler.pause_job("job", note="lunch")

    for body, state, why in (
        (halted, JobState.HALTED, "1 runs in a row failed for good"),
        (paused, JobState.PAUSED, "lunch"),
    ):
        left = await program.until_killed(body)
        async with open_scheduler(max_workers=1, store=left) as scheduler:
            scheduler.register("work", program.work)
            await anyio.sleep(100)
            details = await scheduler.get_job_details("job")
            assert (details.state, details.next_run_time) == (state, None)
            assert details.state_reason.startswith(why)


async def after_the_outcome() -> None:
    program = Program(seconds=10)

    async def body(scheduler: Scheduler) -> None:
        await scheduler.add_job(request(After(0)), program.work)
        await scheduler.wait_job("job")

    [record] = await program.again(await program.until_killed(body))
    assert (record.outcome, record.attempts, program.calls) == (Outcome.SUCCEEDED, 1, [(0, 1)])


CASES: dict[str, Callable[[], Awaitable[None]]] = {
    "before `add_job` has committed": before_the_commit,
    "after the commit, before `add_job` has returned": after_the_commit,
    "while an occurrence is planned, or due and not begun": while_it_is_planned,
    "while a run executes, or after its function returned and before that was committed": while_it_executes,
    "while a run waits for a retry, or is snoozed": while_it_waits_for_a_retry,
    "while a job is paused or halted": while_it_is_paused_or_halted,
    "after the outcome of a run was committed": after_the_outcome,
}


@pytest.mark.parametrize("row", ROWS)
async def test_what_the_row_says_happens(row: str) -> None:
    assert row in CASES
    await CASES[row]()


async def test_every_row_is_driven() -> None:
    assert list(CASES) == ROWS
    await anyio.lowlevel.checkpoint()


async def test_a_run_that_kills_its_process_each_time_ends_as_failed() -> None:
    program = Program()

    async def body(scheduler: Scheduler) -> None:
        await scheduler.add_job(request(After(0)), program.work)
        await anyio.sleep(30)

    left = await program.until_killed(body)
    for _ in range(2):
        store, left = left, MemoryStore()
        async with open_scheduler(max_workers=1, store=store, shutdown_grace=0) as scheduler:
            scheduler.register("work", program.work)
            await anyio.sleep(30)
            left = copy.deepcopy(store)
        await left.close(clean=False)
    program.killed_after = len(program.calls)
    [record] = await program.again(left)
    assert (record.outcome, record.attempts) == (Outcome.FAILED, 3)
    assert record.reason == "its process died 3 times while it executed"


async def test_a_run_that_a_shutdown_cuts_off_has_not_died() -> None:
    store, program = MemoryStore(), Program()
    for start in range(5):
        async with open_scheduler(max_workers=1, store=store, shutdown_grace=0) as scheduler:
            program.begin = scheduler.now().timestamp()
            scheduler.register("work", program.work)
            if not start:
                await scheduler.add_job(request(After(0)), program.work)
            await anyio.sleep(30)
        report = scheduler.shutdown_report
        assert report is not None
        assert (report.handed_back, report.interrupted) == (1, ())
    program.killed_after = len(program.calls)
    [record] = await program.again(store)
    assert (record.outcome, record.attempts) == (Outcome.SUCCEEDED, 6)
    assert program.keys == {str(record.run_id)}


async def test_the_key_of_a_run_does_not_come_again_when_its_job_is_added_again() -> None:
    program = Program(seconds=0)
    async with open_scheduler(max_workers=1, store=MemoryStore()) as scheduler:
        program.begin = scheduler.now().timestamp()
        scheduler.register("work", program.work)
        for _ in range(2):
            await scheduler.add_job(request(After(0)), program.work)
            await scheduler.wait_job("job")
            await scheduler.delete_job("job")
    assert len(program.keys) == 2


async def test_add_job_and_the_end_of_the_block_do_not_wait_for_ever_for_a_store_that_is_away() -> None:
    store, program = Watched(), Program(seconds=30)
    with pytest.raises(StoreUnavailable):
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            begin = anyio.current_time()
            program.begin = scheduler.now().timestamp()
            scheduler.register("work", program.work)
            await scheduler.add_job(request(After(0)), program.work)
            await anyio.sleep(1)
            store.away = True
            with pytest.raises(StoreUnavailable):
                await scheduler.add_job(request(After(0), key="other"), program.work)
            assert scheduler.get_metrics_snapshot().books.active
    assert 40 <= anyio.current_time() - begin <= 46
    report = scheduler.shutdown_report
    assert report is not None
    assert [record.outcome for record in report.finished] == [Outcome.SUCCEEDED]
    assert report.unsaved >= 1
    program.killed_after = len(program.calls)
    records = await program.again(store.rows)
    assert records[0].attempts == 2  # The store was never told that it had ended.


# keep-jobs.md


@pytest.mark.parametrize(
    ("on_conflict", "starts"), [(OnConflict.KEEP, [(10, 1)]), (OnConflict.UPDATE, [(10, 1), (30, 1), (50, 1)])]
)
async def test_a_finished_job_begins_again_at_each_start_unless_it_is_kept(
    on_conflict: OnConflict, starts: Calls
) -> None:
    store, program = MemoryStore(), Program(seconds=0)
    for start in range(3):
        async with open_scheduler(max_workers=1, store=store) as scheduler:
            program.begin = program.begin if start else scheduler.now().timestamp()
            scheduler.register("work", program.work)
            await scheduler.add_job(request(After(10)), program.work, on_conflict=on_conflict)
            await anyio.sleep(20)
    assert program.calls == starts


async def test_a_job_that_is_no_longer_in_its_set_is_deleted_after_a_restart() -> None:
    store, jobs = MemoryStore(horizon=60), JobSet(name="shop")
    jobs.add(RecurringJobRequest("report", Interval(hours=1)), anyio.sleep, 1)
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        await scheduler.apply(jobs)
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        await scheduler.apply(JobSet(name="shop"))
        assert await scheduler.list_all_jobs() == []


async def test_a_pause_of_everything_lasts_and_that_of_a_block_ends_with_its_process() -> None:
    async def of_all(scheduler: Scheduler, program: Program) -> None:
        await scheduler.add_job(request(Interval(seconds=10)), program.work)
        await scheduler.pause_all()

    async def of_block(scheduler: Scheduler, program: Program) -> None:
        await scheduler.add_job(request(Interval(seconds=10)), program.work)
        await stack.enter_async_context(scheduler.paused())

    for pause, calls in ((of_all, []), (of_block, [(10, 1)])):
        program = Program(seconds=0)
        async with AsyncExitStack() as stack:
            left = await program.until_killed(partial(pause, program=program))
        await program.again(left, last=15)
        assert program.calls == calls


async def test_a_job_of_a_block_stays_if_the_process_is_killed_inside_it() -> None:
    program = Program(seconds=0)

    async def body(scheduler: Scheduler) -> None:
        await stack.enter_async_context(scheduler.scheduled(request(Interval(seconds=10)), program.work))

    async with AsyncExitStack() as stack:
        left = await program.until_killed(body)
    async with open_scheduler(max_workers=1, store=left) as scheduler:
        scheduler.register("work", program.work)
        assert [job.key for job in await scheduler.list_all_jobs()] == ["job"]
        async with scheduler.scheduled(request(Interval(seconds=10)), program.work):
            assert len(await scheduler.list_all_jobs()) == 1
        assert await scheduler.list_all_jobs() == []


async def test_a_function_that_is_registered_late_or_under_a_further_name_is_found() -> None:
    store, program = MemoryStore(), Program(seconds=0)
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        scheduler.register("old", program.work)
        await scheduler.add_job(request(Interval(timedelta(hours=1))), program.work)
        program.begin = scheduler.now().timestamp()
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        await anyio.sleep(2.5 * 3600)
        assert (program.calls, len(await scheduler.list_all_jobs())) == ([], 1)
        scheduler.register("new", program.work, aliases=["old"])
        await anyio.sleep(3600)
    assert program.calls == [(2.5 * 3600, 1), (3 * 3600, 1)]


async def test_a_function_that_takes_other_arguments_fails_until_its_job_is_added_again() -> None:
    async def first(_: int) -> None: ...

    async def second(*_: int, more: int) -> int:
        return more

    store = MemoryStore()
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        scheduler.register("work", first)
        await scheduler.add_job(request(Interval(hours=1)), first, 1)
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        scheduler.register("work", second)
        await anyio.sleep(3700)
        await scheduler.add_job(request(Interval(hours=1)), second, 1, kwargs={"more": 5})
        await anyio.sleep(3600)
        now, before = await scheduler.get_run_history("job")
    assert (before.outcome, str(before.error).split(":")[0], now.value) == (Outcome.FAILED, "TypeError", 5)


def test_the_pages_say_what_the_defaults_are() -> None:
    assert RecurringJobRequest("job", After(0)).on_crash is OnCrash.RERUN
    assert RecurringJobRequest("job", After(0)).crash_limit == 3
