"""The process that is killed: it submits and runs jobs in front of a store, and says what it saw in a log.

Each line of the log is written by one call to the operating system, so that it outlives the process. What is told is
told after it happened: "accepted" when `add_job` has returned, "begun" as the first step of a body. So whatever the log
says has to be true of the file as well.
"""

import json
import os
import random
import signal
import sys
import traceback
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import anyio

from turnkeeper_trio import (
    After,
    CatchUp,
    FixedDelay,
    FixedRetryDelay,
    Interval,
    JobSet,
    JobState,
    OnCrash,
    Overlap,
    RecurringJobRequest,
    Scheduler,
    Snooze,
    current_run,
    open_scheduler,
)
from turnkeeper_trio.errors import JobEnded, SchedulerClosed
from turnkeeper_trio.stores.sqlite import Keep, SQLiteStore, SQLiteTransaction

HOUR = 3600
NUMBERS = 1_000_000
"""So many numbers of jobs has each process."""

STEPS = {"plain": 30, "all": 60, "none": 40, "marked": 50, "capped": 25}
"""The milliseconds between the instants of each kind of recurring job whose grid is counted."""

DELAY = 15
"""The milliseconds of the fixed delay."""

ATTEMPTS = 3
"""So many attempts a job takes that fails or snoozes."""

RUNS = 30
"""``max_runs`` of the capped jobs."""


class Life(NamedTuple):
    """One process."""

    path: str
    log: str
    number: int
    last: bool
    """Whether it finishes everything, and then ends by itself."""
    durability: str
    seed: int


class Work:
    """What one process does."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.rng = random.Random(life.seed)
        self.log = os.open(life.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.scheduler: Scheduler

    def say(self, what: str, *values: object) -> None:
        """Write a line of the log."""
        os.write(self.log, (json.dumps([what, self.life.number, *values]) + "\n").encode())

    # Functions of jobs -----------------------------------------------------------------------------------

    def begin(self, job: object, mark: object = 0) -> int:
        """Say that a body has begun; return the number of the attempt."""
        run = current_run()
        self.say("begun", job, run.run_id.hex, run.attempt, mark)
        return run.attempt

    def end(self, how: str) -> None:
        """Say that a body has ended."""
        self.say("ended", current_run().run_id.hex, current_run().attempt, how)

    async def body(self, job: object, mark: int = 0) -> object:
        """Take a moment."""
        self.begin(job, mark)
        await anyio.sleep(self.rng.choice([0, 0, 0.001, 0.01]))
        self.end("returned")
        return job

    async def shaky(self, job: int) -> None:
        """Fail twice."""
        if self.begin(job) < ATTEMPTS:
            self.end("raised")
            raise ValueError(job)
        self.end("returned")

    async def snoozed(self, job: int) -> Snooze | None:
        """Ask twice to go on later."""
        again = self.begin(job) < ATTEMPTS
        self.end("snoozed" if again else "returned")
        return Snooze(0.02) if again else None

    async def completed(self, job: int) -> None:
        """Write something together with the success of the run, and then take a moment."""
        self.begin(job)
        await current_run().complete_with(write, job)
        self.say("completed", job)
        await anyio.sleep(self.rng.choice([0, 0.005]))
        self.end("returned")

    def in_thread(self, job: int) -> int:
        """Return at once."""
        self.begin(job)
        self.end("returned")
        return job

    async def tick(self, name: str, mark: int) -> None:
        """Run once for each occurrence of a grid."""
        self.begin(name, mark)
        await anyio.sleep(0.004)
        self.end("returned")

    # The process -----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Open the file, and do what this process is for."""
        life = self.life
        store = SQLiteStore(life.path, durability=life.durability, history=Keep(per_job=None, total=None))
        async with open_scheduler(max_workers=16, store=store, job_dispatch_buffer_size=16) as self.scheduler:
            self.say("open", os.getpid())
            for fn in (self.body, self.shaky, self.snoozed, self.in_thread, self.tick, self.completed):
                self.scheduler.register(fn.__name__, fn)
            await self.start_ticks()
            if life.last:
                await self.finish()
                return
            await self.resume_some()
            async with anyio.create_task_group() as tasks:
                for client in range(12):
                    tasks.start_soon(self.submit, client)
                await self.scheduler.run_until_signal(signal.SIGTERM)
                self.say("closed")
                tasks.cancel_scope.cancel()

    async def start_ticks(self) -> None:
        """Add the recurring jobs, with other arguments in each process: their grids stay."""
        number = self.life.number
        jobs = JobSet(name="ticks", version=number)
        for request in (
            RecurringJobRequest("plain", Interval(timedelta(milliseconds=STEPS["plain"]))),
            RecurringJobRequest(
                "all",
                Interval(timedelta(milliseconds=STEPS["all"])),
                overlap=Overlap.BUFFER_ALL,
                catch_up=CatchUp.ALL,
                max_waiting=100_000,
            ),
            RecurringJobRequest("delay", FixedDelay(timedelta(milliseconds=DELAY))),
        ):
            jobs.add(request, "tick", request.name, number)
        await self.scheduler.apply(jobs)
        self.say("applied", number)
        for request in (
            RecurringJobRequest(
                "none", Interval(timedelta(milliseconds=STEPS["none"])), key="none", catch_up=CatchUp.NONE
            ),
            RecurringJobRequest(
                "marked", Interval(timedelta(milliseconds=STEPS["marked"])), key="marked", on_crash=OnCrash.MARK
            ),
        ):
            await self.scheduler.add_job(request, "tick", request.name, 0)
        if not self.life.last:
            capped = Interval(timedelta(milliseconds=STEPS["capped"]))
            name = f"capped{number}"
            request = RecurringJobRequest(name, capped, key=name, max_runs=RUNS)
            job_id = await self.scheduler.add_job(request, "tick", name, 0)
            self.say("accepted", name, "capped", job_id.hex)

    async def resume_some(self) -> None:
        """Resume some of the jobs that a process before has paused."""
        paused = await self.scheduler.list_all_jobs(states={JobState.PAUSED})
        for job in paused[::2] if self.life.last else paused[:1]:
            number = int(job.name.split()[1])
            self.say("resuming", number)
            await self.scheduler.resume_job(job.job_id)
            self.say("resumed", number)

    async def finish(self) -> None:
        """End the grids now, end what would come in an hour, and wait for all that is left."""
        scheduler = self.scheduler
        for name in ("plain", "all", "delay", "none", "marked"):
            await scheduler.update_job(name, until=scheduler.now())
        await self.resume_some()
        for job in await scheduler.list_all_jobs(states={JobState.ACTIVE}, tags={"later"}, limit=100_000):
            await scheduler.cancel_job(job.job_id)
        await scheduler.wait_idle()
        self.say("idle")

    # Clients ---------------------------------------------------------------------------------------------

    async def submit(self, client: int) -> None:
        """Submit one job after the other, until the scheduler closes."""
        number = self.life.number * NUMBERS + client
        kinds = [kind for kind in KINDS for _ in range(1 if kind in QUESTIONS else 4)]
        try:
            while True:
                kind = kinds[self.rng.randrange(len(kinds))]
                await KINDS[kind](self, number, kind)
                number += 12
                await anyio.sleep(0.001)
        except SchedulerClosed:
            pass

    async def add(self, number: int, kind: str, fn: str, delay: float = 0, **fields: Any) -> Any:
        """Submit a job that runs once; return its id."""
        request = RecurringJobRequest(f"{kind} {number}", After(delay), fields.pop("max_retries", 0), **fields)
        self.say("submitted", number, kind)
        job_id = await self.scheduler.add_job(request, fn, number)
        self.say("accepted", number, kind, job_id.hex)
        return job_id

    async def add_told(self, number: int, kind: str) -> None:
        """Wait for the end of a job."""
        job_id = await self.add(number, kind, self.rng.choice(["body", "in_thread"]))
        record = await self.scheduler.wait_job(job_id)
        self.say("told", number, record.run_id.hex, record.outcome, record.attempts)

    async def add_cancelled(self, number: int, kind: str) -> None:
        """Cancel a job that is loaded, or one beyond the horizon."""
        job_id = await self.add(number, kind, "body", self.rng.choice([100, HOUR]), tags=("later",))
        await self.scheduler.cancel_job(job_id, reason="not wanted")
        self.say("cancelled", number)

    async def add_updated(self, number: int, kind: str) -> None:
        """Update a job, and have a run of it beside its grid."""
        job_id = await self.add(number, kind, "body", HOUR, tags=("later",))
        version = 0
        for mark in (1, 2):
            version = await self.scheduler.update_job(job_id, args=(number, mark))
            self.say("updated", number, version, mark)
        run_id = await self.scheduler.trigger_job_now(job_id)
        self.say("triggered", number, run_id.hex)

    async def add_paused(self, number: int, kind: str) -> None:
        """Pause a job before it is due, and resume some of them."""
        job_id = await self.add(number, kind, "body", 2)
        before = anyio.current_time()
        try:
            await self.scheduler.pause_job(job_id, note="for a while")
        except JobEnded:
            return
        if anyio.current_time() - before < 1:
            self.say("paused", number)
        if self.rng.choice([True, False]):
            self.say("resuming", number)
            await self.scheduler.resume_job(job_id)
            self.say("resumed", number)


def write(transaction: SQLiteTransaction, job: int) -> int:
    """Write an effect of a job."""
    transaction.execute("CREATE TABLE IF NOT EXISTS effect(job INTEGER)")
    transaction.execute("INSERT INTO effect VALUES (?)", (job,))
    return job


def _simply(fn: str, *, delay: float = 0, **fields: Any) -> Any:
    async def add(work: Work, number: int, kind: str) -> None:
        await work.add(number, kind, fn, work.rng.random() * delay, **fields)

    return add


KINDS: dict[str, Any] = {
    "one": _simply("body"),
    "thread": _simply("in_thread"),
    "later": _simply("body", delay=0.5),
    "shaky": _simply("shaky", max_retries=3, retry=FixedRetryDelay(0.02)),
    "snoozed": _simply("snoozed"),
    "marked": _simply("body", on_crash=OnCrash.MARK),
    "failed": _simply("body", on_crash=OnCrash.FAIL, max_retries=1, retry=FixedRetryDelay(0.01)),
    "completed": _simply("completed"),
    "told": Work.add_told,
    "cancelled": Work.add_cancelled,
    "updated": Work.add_updated,
    "paused": Work.add_paused,
}
"""What clients do: the kinds of jobs, and for each how it is submitted."""


QUESTIONS = {"told", "cancelled", "updated", "paused"}
"""Those that do more than to submit, and come less often."""


def live(life: Life, backend: str, errors: Path) -> None:
    """Be that process, in a fork; never return."""
    with errors.open("w", encoding="utf-8") as file:
        try:
            os.dup2(file.fileno(), 2)
            anyio.run(partial(Work(life).run), backend=backend)
        except BaseException:  # noqa: BLE001  (told to the parent)
            traceback.print_exc(file=file)
            file.flush()
            os._exit(1)
    sys.stderr.flush()
    os._exit(0)
