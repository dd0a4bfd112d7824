"""A process with one job in front of a store: it is killed at a named point, or goes on and says how all ended.

The points are before and after the commit that accepts the job, that begins a run of it, or that ends one. What a body
does is noted in a file that outlives the process.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import anyio

from turnkeeper_trio import (
    After,
    CatchUp,
    FixedRetryDelay,
    Interval,
    OnCrash,
    RecurringJobRequest,
    Scheduler,
    Snooze,
    current_run,
    open_scheduler,
)
from turnkeeper_trio.abc import (
    Batch,
    Claim,
    Claimed,
    Completion,
    JobQuery,
    Opened,
    Refusal,
    RunQuery,
    RunState,
    StoreCounts,
    StoredJob,
    StoredRun,
    StoreNode,
)
from turnkeeper_trio.stores.sqlite import SQLiteStore, SQLiteTransaction

KEY: Final = "job"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingStore:
    """Kills its process before or after it commits something."""

    def __init__(self, store: SQLiteStore, point: str) -> None:
        self.store = store
        self.when, _, self.what = point.partition(" ")

    @property
    def horizon(self) -> float:
        return self.store.horizon

    def _is_here(self, batch: Batch) -> bool:
        runs = [run.state for change in batch.changes for run in change.runs]
        return {
            "accept": any(change.new for change in batch.changes),
            "start": RunState.STARTED in runs,
            "end": RunState.ENDED in runs,
            "retry": RunState.RETRY in runs or RunState.SNOOZED in runs,
        }.get(self.what, False)

    async def apply(self, batch: Batch, /) -> Sequence[Refusal]:
        here = self._is_here(batch)
        if here and self.when == "before":
            die()
        refusals = await self.store.apply(batch)
        if here:
            die()
        return refusals

    async def open(self, node: StoreNode, /) -> Opened:
        return await self.store.open(node)

    async def claim(self, claim: Claim, /) -> Claimed:
        return await self.store.claim(claim)

    async def read_jobs(self, query: JobQuery, /) -> Sequence[StoredJob]:
        return await self.store.read_jobs(query)

    async def read_runs(self, query: RunQuery, /) -> Sequence[StoredRun]:
        return await self.store.read_runs(query)

    async def read_upcoming(self, *, limit: int) -> Sequence[StoredJob]:
        return await self.store.read_upcoming(limit=limit)

    async def count(self) -> StoreCounts:
        return await self.store.count()

    async def complete(self, completion: Completion, /) -> bool:
        if self.what == "complete" and self.when == "before":
            die()
        done = await self.store.complete(completion)
        if self.what == "complete":
            die()
        return done

    async def close(self, *, clean: bool) -> None:
        await self.store.close(clean=clean)


class Child:
    """One process."""

    def __init__(self, path: str, plan: dict[str, Any]) -> None:
        self.path, self.plan = path, plan
        self.notes = os.open(f"{path}.notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(self, *values: object) -> None:
        os.write(self.notes, (json.dumps(values) + "\n").encode())

    def write(self, transaction: SQLiteTransaction, attempt: int) -> list[int]:
        """Write an effect of the body."""
        transaction.execute("CREATE TABLE IF NOT EXISTS effect(attempt INTEGER)")
        transaction.execute("INSERT INTO effect VALUES (?)", (attempt,))
        if self.plan["body"] == "die inside":
            die()
        return [attempt]

    async def completed(self, attempt: int) -> None:
        """Write an effect, and complete the run with it."""
        self.note("value", await current_run().complete_with(self.write, attempt))
        if self.plan["body"] == "die after":
            die()
        if self.plan["body"] == "raise after":
            raise ValueError(attempt)

    async def body(self) -> object:
        run = current_run()
        self.note("begun", run.attempt)
        match self.plan.get("body"):
            case "die":
                die()
            case "fail":
                raise ValueError(run.attempt)
            case "fail once" if run.attempt == 1:
                raise ValueError(run.attempt)
            case "snooze once" if run.attempt == 1:
                return Snooze(0.6)
            case "complete" | "die inside" | "die after" | "raise after":
                await self.completed(run.attempt)
            case "slow":
                await anyio.sleep(0.3)
        self.note("done", run.attempt)
        return run.attempt

    def request(self) -> RecurringJobRequest:
        fields = dict(self.plan.get("request", {}))
        schedule = After(fields.pop("after", 0))
        if "every" in fields:
            schedule = Interval(seconds=fields.pop("every"))
        if "on_crash" in fields:
            fields["on_crash"] = OnCrash(fields["on_crash"])
        if "catch_up" in fields:
            fields["catch_up"] = CatchUp(fields["catch_up"])
        if "retry" in fields:
            fields["retry"] = FixedRetryDelay(fields["retry"])
        return RecurringJobRequest(KEY, schedule, key=KEY, **fields)

    async def live(self) -> None:
        plan = self.plan
        store = DyingStore(SQLiteStore(self.path, busy_timeout=0), plan.get("point", ""))
        async with open_scheduler(max_workers=2, store=store) as scheduler:
            scheduler.register("body", self.body)
            if plan.get("add"):
                await scheduler.add_job(self.request(), "body")
                self.note("accepted")
            for command in plan.get("do", ()):
                await self.do(scheduler, command)
        self.note("left")

    async def do(self, scheduler: Scheduler, command: str) -> None:  # noqa: PLR0912  (one for each command)
        """Carry out a command."""
        match command:
            case "die":
                die()
            case "fork":  # a process that lives on, and has all that this one had open
                if os.fork() == 0:
                    os.setsid()
                    self.note("forked", os.getpid())
                    os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(20)"])  # noqa: S606
            case "pause":
                await scheduler.pause_job(KEY, note="for a while")
            case "resume":
                await scheduler.resume_job(KEY)
            case "cancel":
                await scheduler.cancel_job(KEY, reason="not wanted")
            case "update":
                self.note("version", await scheduler.update_job(KEY, priority=7))
            case "trigger":
                self.note("triggered", str(await scheduler.trigger_job_now(KEY)))
            case "wait":
                await scheduler.wait_job(KEY)
                self.note("told")
            case "idle":
                await scheduler.wait_idle()
            case "sleep":
                await anyio.sleep(0.4)
            case "signal":
                self.note("ready")
                await scheduler.run_until_signal(signal.SIGTERM)
            case "show":
                await self.show(scheduler)

    async def show(self, scheduler: Scheduler) -> None:
        """Print what there is of the job."""
        jobs = await scheduler.list_all_jobs()
        shown: dict[str, Any] = {"jobs": len(jobs), "runs": []}
        if jobs:
            details = await scheduler.get_job_details(KEY)
            shown |= {"state": details.state, "reason": details.state_reason, "version": details.version}
            shown["next"] = None if details.next_run_time is None else details.next_run_time.timestamp()
        for record in reversed(await scheduler.get_run_history()):
            shown["runs"].append([record.outcome, record.attempts, record.reason, record.count, str(record.run_id)])
        sys.stdout.write(json.dumps(shown) + "\n")
        sys.stdout.flush()


def start(path: Path, backend: str, **plan: Any) -> "subprocess.Popen[str]":
    """Start a process that does what the plan says."""
    return subprocess.Popen(  # noqa: S603  (the program is this file)
        [sys.executable, __file__, backend, str(path), json.dumps(plan)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def notes(path: Path) -> list[list[Any]]:
    """Return what bodies and callers noted."""
    file = Path(f"{path}.notes")
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


if __name__ == "__main__":
    anyio.run(Child(sys.argv[2], json.loads(sys.argv[3])).live, backend=sys.argv[1])
