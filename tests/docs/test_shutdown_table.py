"""Each row of the table in docs/shutdown.md is driven, and each of its cells is compared with what happened."""

import re
import signal
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest

from turnkeeper_trio import (
    After,
    CriticalJobFailed,
    FixedRetryDelay,
    InternalError,
    Outcome,
    Overlap,
    RecurringJobId,
    RecurringJobRequest,
    RunPhase,
    RunRecord,
    Scheduler,
    ShutdownTimeout,
    VirtualClock,
    open_scheduler,
)

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[2] / "docs" / "shutdown.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.split("## Every case\n\n", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
]
EXECUTING = {
    "ends by itself": {"short": Outcome.SUCCEEDED, "long": Outcome.SUCCEEDED},
    "has 10 s, then `INTERRUPTED`": {"short": Outcome.SUCCEEDED, "long": Outcome.INTERRUPTED},
    "`INTERRUPTED`": {"short": Outcome.INTERRUPTED, "long": Outcome.INTERRUPTED},
}


class BodyError(Exception):
    pass


class FragileClock:
    """A virtual clock that fails once when it is told to: a stand-in for any fault."""

    def __init__(self) -> None:
        self._clock = VirtualClock()
        self.fails = False

    def wall(self) -> int:
        if self.fails:
            self.fails = False
            raise OSError("the clock is broken")
        return self._clock.wall()

    def loop(self) -> int:
        return self._clock.loop()

    def deadline(self, wall: int) -> float:
        return self._clock.deadline(wall)

    def hold(self) -> AbstractContextManager[object]:
        return self._clock.hold()


class Scenario:
    """A scheduler with a run in each state, at four seconds; what happened to them is in the records."""

    def __init__(self, scheduler: Scheduler, clock: FragileClock, outside: anyio.CancelScope) -> None:
        self.scheduler = scheduler
        self.clock = clock
        self.outside = outside
        self.cleaned: list[str] = []
        self.blows = anyio.Event()
        self.blow: BaseException | None = None

    async def sleep(self, name: str, seconds: float) -> None:
        try:
            await anyio.sleep(seconds)
        finally:
            await anyio.lowlevel.cancel_shielded_checkpoint()
            self.cleaned.append(name)

    async def fuse(self) -> None:
        with anyio.move_on_after(900):
            await self.blows.wait()
        if self.blow is not None:
            raise self.blow

    async def fail(self) -> None:
        raise ConnectionError

    async def add(self, name: str, seconds: float, after: float = 0, **options: Any) -> RecurringJobId:
        request = RecurringJobRequest(name, After(after), **options)
        return await self.scheduler.add_job(request, self.sleep, name, seconds)

    async def fill(self) -> None:
        """Keep three workers busy, and have a run in each place where one can wait, and a job in staging."""
        scheduler = self.scheduler
        await self.add("later", 1, after=3600)
        await self.add("falls due", 1, after=7)
        retry = RecurringJobRequest("retry", After(0), max_retries=1, retry=FixedRetryDelay(3600))
        await scheduler.add_job(retry, self.fail)
        await scheduler.add_job(RecurringJobRequest("fuse", After(0), critical=True), self.fuse)
        await anyio.sleep_until(1)
        short = await self.add("short", 6, overlap=Overlap.BUFFER_ONE, max_runs=2)
        await self.add("long", 1000)
        await anyio.sleep_until(2)
        await self.add("bound", 1)
        await anyio.sleep_until(3)
        await self.add("ready", 1)
        self.turn = await scheduler.trigger_job_now(short)
        await anyio.sleep_until(4)
        phases = {(run.name, run.phase) for run in await scheduler.list_active_runs()}
        assert phases == {
            ("retry", RunPhase.WAITING_RETRY),
            *((name, RunPhase.EXECUTING) for name in ("fuse", "short", "long")),
            *((name, RunPhase.QUEUED) for name in ("bound", "ready", "short")),
        }
        scheduler.try_add_job(RecurringJobRequest("staged", After(0)), self.sleep, "staged", 1)

    async def records(self) -> dict[str, RunRecord]:
        """Return what became of each run, by name; of the two of ``short``, the second is ``turn``."""
        records = await self.scheduler.get_run_history()
        return {"turn" if record.run_id == self.turn else record.name: record for record in records}


Ask = Callable[[Scenario], Awaitable[object]]


async def nothing(_: Scenario) -> None:
    pass


async def time_out(scenario: Scenario) -> None:
    with pytest.raises(ShutdownTimeout) as caught:
        await scenario.scheduler.shutdown_graceful(10)
    assert sorted(run.name for run in caught.value.report.still_running) == ["fuse", "long"]


async def raise_in_body(_: Scenario) -> None:
    raise BodyError


async def signals(scenario: Scenario, count: int) -> None:
    async def send() -> None:
        for _ in range(count):
            await anyio.sleep(1)
            signal.raise_signal(signal.SIGTERM)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        await scenario.scheduler.run_until_signal()


async def cancel_outside(scenario: Scenario) -> None:
    scenario.outside.cancel()
    await anyio.sleep_forever()


async def blow(scenario: Scenario, error: BaseException) -> None:
    scenario.blow = error
    scenario.blows.set()
    await anyio.sleep_forever()


async def break_clock(scenario: Scenario) -> None:
    scenario.clock.fails = True
    await scenario.scheduler.list_all_jobs()


CASES: dict[str, tuple[float | None, Ask, type[BaseException] | None]] = {
    "the end of the block, `shutdown_grace=None`": (None, nothing, None),
    "the end of the block, `shutdown_grace=10`": (10, nothing, None),
    "the end of the block, `shutdown_grace=0`": (0, nothing, None),
    "`await shutdown_graceful()`": (0, lambda scenario: scenario.scheduler.shutdown_graceful(), None),
    "`await shutdown_graceful(10)`, and then no more": (None, time_out, None),
    "`await shutdown_force()`": (None, lambda scenario: scenario.scheduler.shutdown_force(), None),
    "`run_until_signal()`, one signal, `shutdown_grace=10`": (10, lambda scenario: signals(scenario, 1), None),
    "`run_until_signal()`, two signals": (None, lambda scenario: signals(scenario, 2), None),
    "an exception in the block": (None, raise_in_body, BodyError),
    "a cancellation from outside": (None, cancel_outside, None),
    "a job raises `KeyboardInterrupt` or `SystemExit`": (None, lambda s: blow(s, SystemExit(3)), SystemExit),
    "a run of a `critical` job fails for good": (None, lambda s: blow(s, BodyError()), CriticalJobFailed),
    "the scheduler itself fails": (None, break_clock, InternalError),
}
"""How each is asked: the grace of the block, what is done in it, and what leaves it."""

LEAVES = {
    "nothing": None,
    "`ShutdownTimeout`, unless it is caught": None,
    "that exception": BodyError,
    "the cancellation": None,
    "what the job raised": SystemExit,
    "`CriticalJobFailed`": CriticalJobFailed,
    "`InternalError`": InternalError,
}


def test_every_row_is_driven() -> None:
    assert [row[0] for row in ROWS] == list(CASES)
    assert {row[5] for row in ROWS} == set(LEAVES)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: re.sub(r"[^\w ,=()]", "", row[0]))
async def test_what_the_row_says_happens(row: list[str]) -> None:
    how, executing, due, retry, later, leaves = row
    grace, ask, leaving = CASES[how]
    left: type[BaseException] | None = None
    clock = FragileClock()
    with anyio.CancelScope() as outside:
        try:
            async with open_scheduler(max_workers=3, shutdown_grace=grace, clock=clock) as scheduler:
                scenario = Scenario(scheduler, clock, outside)
                await scenario.fill()
                await ask(scenario)
        except (Exception, SystemExit) as exc:
            left = type(exc)
    assert left is leaving is LEAVES[leaves]
    assert outside.cancelled_caught == (leaves == "the cancellation")

    records = await scenario.records()
    assert {name: records[name].outcome for name in ("short", "long")} == EXECUTING[executing]
    assert {"short", "long"} <= set(scenario.cleaned)
    not_begun = {"bound", "ready", "turn", "staged"} | ({"falls due"} & records.keys())
    if scenario.blow is not None and "bound" in scenario.cleaned:
        # The worker that the failed job left free had begun it before anything was decided.
        assert records["bound"].outcome is Outcome.INTERRUPTED
        not_begun.remove("bound")
    assert {f"`{records[name].outcome.name}`" for name in not_begun} == {due}
    assert not not_begun & set(scenario.cleaned)
    assert f"`{records['retry'].outcome.name}`" == retry
    assert (later, "later" in records) == ("left unrun", False)

    report, books = scheduler.shutdown_report, scheduler.get_metrics_snapshot().books
    assert report is not None
    assert (books.balanced, books.active, report.still_running) == (True, 0, ())
    assert report.unrun == books.pending == (1 if "falls due" in records else 2)
    told = [*report.finished, *report.interrupted, *report.never_started]
    began_it = {"fuse"} if scenario.blow is not None else set()
    assert {record.run_id for record in told} == {records[name].run_id for name in records.keys() - began_it}
    assert {record.outcome for record in report.interrupted} == {Outcome.INTERRUPTED}
    assert {record.outcome for record in report.never_started} == {Outcome.NEVER_STARTED}


async def test_a_timeout_that_is_not_caught_forces() -> None:
    with anyio.CancelScope() as outside, pytest.raises(ShutdownTimeout):
        async with open_scheduler(max_workers=3) as scheduler:
            scenario = Scenario(scheduler, FragileClock(), outside)
            await scenario.fill()
            await scheduler.shutdown_graceful(10)
    assert (await scenario.records())["long"].outcome is Outcome.INTERRUPTED
