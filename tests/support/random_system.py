"""A whole scheduler under random jobs, random commands and a random end, each decision drawn from one seed.

What happens is a function of the seed, the back end and the seed of its schedule: the trace, which names no ids, is the
same each time.
"""

import contextlib
import random
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import anyio
from anyio.lowlevel import checkpoint
from stress import QUEUES

import turnkeeper_trio as tk
from turnkeeper_trio._engine.invariants import check

KINDS = [
    kind
    for kind in vars(tk.events).values()
    if isinstance(kind, type) and issubclass(kind, tk.events.Event) and kind is not tk.events.Event
]


class Unwanted(Exception):
    """What a faulty job raises."""


class BodyFailed(Exception):
    """What the body raises, where it does."""


class Faulty:
    """A user's schedule: each so many seconds, until it fails, does not advance, or ends."""

    def __init__(self, step: float, end: tuple[str, datetime]) -> None:
        self.step, self.end = timedelta(seconds=step), end

    def next_after(self, after: datetime) -> datetime | None:
        how, at = self.end
        if after < at:
            return after + self.step
        if how == "raises":
            raise Unwanted
        return after if how == "stands" else None


class Patience:
    """A user's retry policy, which sometimes fails."""

    def delay(self, failed: tk.retries.FailedAttempt, rng: random.Random) -> Any:
        answer = rng.random()
        if answer < 0.1:
            raise Unwanted
        return None if answer < 0.2 else answer * 5


class Trace:
    """An observer that writes down everything but the ids, and counts."""

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []
        self.ended = Counter[tk.Outcome]()
        self.finished: set[object] = set()
        self.started: set[tuple[object, int]] = set()
        for kind in KINDS:
            name = "on" + "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind.__name__)
            setattr(self, name, self.note)

    def note(self, event: Any) -> None:
        told = ("name", "attempt", "outcome", "reason", "count", "scheduled_at", "delay")
        line = [event.sequence, type(event).__name__, event.at, *(getattr(event, name, None) for name in told)]
        match event:
            case tk.events.RunFinished():
                record = event.record
                assert record.run_id not in self.finished
                self.finished.add(record.run_id)
                self.ended[record.outcome] += 1
                line += [record.name, record.outcome, record.attempts, record.started_at, record.reason]
            case tk.events.OccurrenceSkipped():
                self.ended[event.outcome] += 1
            case tk.events.OccurrenceMissed():
                self.ended[tk.Outcome.MISSED] += event.count
            case tk.events.RunStarted():
                assert (event.run_id, event.attempt) not in self.started
                self.started.add((event.run_id, event.attempt))
        self.lines.append(tuple(line))


class System:
    """One scheduler, some commanders, and what they have seen."""

    def __init__(self, seed: object) -> None:
        self.chance = random.Random(f"{seed}")
        self.trace = Trace()
        self.workers = self.chance.randint(1, 5)
        self.executing: Counter[object] = Counter()
        self.overlapping: set[object] = set()
        self.jobs: list[Any] = []
        self.runs: list[Any] = []
        self.names = 0
        self.body_failed = False
        self.scheduler: Any = None

    async def run(self) -> None:
        """Open the scheduler, let the commanders command, end it, and look at what is left."""
        chance = self.chance
        before = sorted(task.id for task in anyio.get_running_tasks())
        options: dict[str, Any] = {
            "max_workers": self.workers,
            "priority_queue": chance.choice(QUEUES),
            "staging_buffer_size": chance.randint(1, 8),
            "command_buffer_size": chance.randint(1, 8),
            "job_dispatch_buffer_size": chance.randint(1, 4),
            "shutdown_grace": chance.choice([None, 0, 0.5, 5]),
            "cleanup_grace": chance.choice([0, 0.1, 30]),
            "history_limit": chance.choice([0, 3, 10_000]),
            "history_ttl": chance.choice([None, 0, 10]),
            "history_per_job": chance.choice([0, 1, 100]),
            "observers": [self.trace],
            "rng": random.Random(chance.random()),
        }
        try:
            with anyio.move_on_after(chance.choice([chance.uniform(0, 60), 10_000])):
                await self.live(options)
        except* (tk.CriticalJobFailed, BodyFailed):
            pass
        assert sorted(task.id for task in anyio.get_running_tasks()) == before
        self.look()

    async def live(self, options: dict[str, Any]) -> None:
        chance = self.chance
        async with tk.open_scheduler(**options) as self.scheduler, anyio.create_task_group() as tasks:
            for number in range(chance.randint(1, 3)):
                tasks.start_soon(self.command, name=f"commander {number}")
            await anyio.sleep(chance.uniform(0, 60))
            match chance.randrange(5):
                case 0:
                    await self.scheduler.shutdown_graceful()
                case 1:
                    await self.scheduler.shutdown_force()
                case 2:
                    with contextlib.suppress(tk.ShutdownTimeout):
                        await self.scheduler.shutdown_graceful(timeout=chance.uniform(0, 2))
                    with contextlib.suppress(tk.ShutdownTimeout):
                        await self.scheduler.shutdown_force(timeout=chance.uniform(0, 0.5))
                case 3:
                    tasks.cancel_scope.cancel()
                case _:
                    tasks.cancel_scope.cancel()
                    await checkpoint()

    def look(self) -> None:
        """Assert that everything is accounted for."""
        scheduler = self.scheduler
        metrics, report = scheduler.get_metrics_snapshot(), scheduler.shutdown_report
        books = metrics.books
        check(scheduler._parts.engine.state)
        assert books.balanced
        assert books.active == 0
        assert books.ended == sum(self.trace.ended.values())
        for outcome, count in self.trace.ended.items():
            assert getattr(books, outcome.value) == count, outcome
        assert +self.executing == Counter()
        assert report.still_running == ()
        assert report.unrun == books.pending
        assert metrics.workers_active_current == 0
        assert metrics.job_staging_buffer_current == 0
        assert len(self.trace.started) == metrics.job_execution_duration.count
        interrupted = [record.run_id for record in report.interrupted]
        assert len(interrupted) == len(set(interrupted))
        assert sum(record.count for record in report.never_started) == books.never_started
        assert len(interrupted) == books.interrupted

    async def job(self, kind: str, key: object) -> Any:
        """Be a run of some job."""
        chance = self.chance
        self.executing[key] += 1
        assert self.executing[key] == 1 or key in self.overlapping
        assert self.executing.total() <= self.workers
        assert self.scheduler.get_metrics_snapshot().workers_active_current <= self.workers
        try:
            await anyio.sleep(chance.choice([0, 0, 0.1, 1, 3]) * chance.random())
            match kind:
                case "fails" if chance.random() < 0.6:
                    raise Unwanted
                case "fails in a group":
                    raise BaseExceptionGroup("many", [Unwanted(), BaseExceptionGroup("more", [GeneratorExit()])])
                case "returns False":
                    return chance.random() < 0.5
                case "decides":
                    return chance.choice([None, tk.Retry(1), tk.Retry(), tk.Snooze(2), tk.GiveUp(""), tk.CancelJob("")])
                case "commands":
                    with anyio.move_on_after(chance.uniform(0, 3)):
                        await self.ask(inside=True)
                case "nests":
                    async with tk.open_scheduler(max_workers=1) as inner:
                        await inner.add_job(tk.RecurringJobRequest("inner", tk.Interval(seconds=1)), anyio.sleep, 0.5)
                        await anyio.sleep(chance.uniform(0, 3))
                case "defies":
                    while chance.random() < 0.5:
                        try:
                            await anyio.sleep(1)
                        except anyio.get_cancelled_exc_class():
                            if chance.random() < 0.5:
                                raise
                            break
                case "spawns":
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(anyio.sleep, chance.uniform(0, 2))
                        tasks.start_soon(anyio.sleep, chance.uniform(0, 2))
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(chance.choice([0, 0, 0.2, 2]) * chance.random())
            self.executing[key] -= 1

    def request(self) -> tk.RecurringJobRequest:
        """Draw a request."""
        chance = self.chance
        self.names += 1
        end = self.scheduler.now() + timedelta(seconds=chance.uniform(0, 60))
        schedule = chance.choice(
            [
                tk.Interval(seconds=chance.uniform(0.3, 20)),
                tk.Interval(seconds=chance.randint(1, 5)),
                tk.FixedDelay(seconds=chance.uniform(0.01, 10)),
                tk.After(chance.choice([0, chance.uniform(0, 30)])),
                tk.Once(self.scheduler.now() + timedelta(seconds=chance.uniform(-10, 30))),
                tk.Never(),
                Faulty(chance.uniform(0.5, 5), (chance.choice(["raises", "stands", "ends"]), end)),
            ]
        )
        options: dict[str, Any] = {
            "initial_run_time": timedelta(seconds=chance.uniform(0, 5)) if chance.random() < 0.3 else None,
            "timeout": chance.uniform(0.01, 2) if chance.random() < 0.3 else None,
            "cleanup_grace": chance.choice([None, 0, 1]),
            "stuck_after": chance.choice([None, None, 0.5]),
            "overlap": chance.choice(list(tk.policies.Overlap)),
            "catch_up": chance.choice(list(tk.CatchUp)),
            "retry_past_next": chance.random() < 0.2,
            "start_deadline": chance.choice([None, None, None, 1]),
            "priority": chance.randrange(3),
            "jitter": chance.choice([0, 0, 1]),
            "max_runs": chance.choice([None, None, 2]),
            "halt_after": chance.choice([None, None, 2]),
            "max_waiting": chance.choice([0, 1, 1000]),
            "critical": chance.random() < 0.01,
            "key": chance.choice([None, None, f"key {chance.randrange(3)}"]),
        }
        if chance.random() < 0.5:
            delay = chance.uniform(0, 5)
            options["max_retries"] = chance.randint(1, 3)
            options["retry"] = chance.choice([None, tk.FixedRetryDelay(delay, jitter=0.5), Patience()])
        return tk.RecurringJobRequest(f"job {self.names}", schedule, **options)

    def submission(self) -> tuple[Any, ...]:
        request = self.request()
        kinds = (
            "fails",
            "fails in a group",
            "returns False",
            "decides",
            "commands",
            "nests",
            "defies",
            "spawns",
            "sleeps",
        )
        # The jobs of one key take each other's place; their runs may meet where one is replaced and goes on.
        mark = request.key or request.name
        if request.overlap is tk.policies.Overlap.ALLOW_ALL or request.key:
            self.overlapping.add(mark)
        return request, self.job, self.chance.choice(kinds), mark

    async def command(self) -> None:
        """Be a commander."""
        chance = self.chance
        try:
            while True:
                await anyio.sleep(chance.choice([0, 0, 0.1, 1, 5]) * chance.random())
                with anyio.move_on_after(chance.choice([0, chance.random(), 10, 1000])):
                    await self.ask()
        except tk.SchedulerClosed:
            if chance.random() < 0.2:
                raise BodyFailed from None

    async def ask(self, *, inside: bool = False) -> None:
        """Do one random thing. What is refused is refused; but that the scheduler is closed, a commander must know."""
        try:
            await self.ask_for(self.chance.choice(self.things()))
        except tk.SchedulerClosed:
            if not inside:
                raise
        except tk.TurnKeeperError as refused:
            if isinstance(refused, tk.InternalError | tk.ConfigurationError):
                raise
            self.trace.lines.append(("refused", type(refused).__name__))

    def things(self) -> list[str]:
        often = ["add", "add", "add", "try", "trigger", "cancel", "skip", "update"]
        seldom = ["delete", "pause", "resume", "pause all", "resume all", "paused", "cancel run", "scheduled"]
        waits = ["wait run", "wait job", "wait idle", "wait due"]
        return often * 3 + seldom + waits + ["details", "jobs", "active", "history", "upcoming", "events"]

    async def ask_for(self, thing: str) -> None:  # noqa: PLR0912
        scheduler, chance = self.scheduler, self.chance
        job = chance.choice(self.jobs) if self.jobs else None
        run = chance.choice(self.runs) if self.runs else None
        if thing == "add" or job is None:
            self.jobs.append(
                await scheduler.add_job(*self.submission(), on_conflict=chance.choice(list(tk.OnConflict)))
            )
            return
        match thing:
            case "try":
                self.jobs.append(scheduler.try_add_job(*self.submission()))
            case "trigger":
                overlap = chance.choice([None, None, *tk.policies.Overlap])
                self.overlapping.update([] if overlap is not tk.policies.Overlap.ALLOW_ALL else [await self.mark(job)])
                self.runs.append(await scheduler.trigger_job_now(job, overlap=overlap))
            case "cancel":
                records = await scheduler.cancel_job(job, cancel_running=chance.random() < 0.5)
                assert all(record.outcome not in {tk.Outcome.NEVER_STARTED, tk.Outcome.MISSED} for record in records)
            case "skip":
                await scheduler.skip_next_run(job)
            case "update":
                changes = chance.choice([{"priority": 9}, {"schedule": tk.Interval(seconds=3)}, {"max_runs": 3}])
                await scheduler.update_job(job, **changes)
            case "delete":
                await scheduler.delete_job(job)
            case "pause":
                await scheduler.pause_job(job)
            case "resume":
                await scheduler.resume_job(job, missed=chance.choice([None, *tk.CatchUp]))
            case "pause all":
                await scheduler.pause_all()
                await anyio.sleep(chance.random())
                await scheduler.resume_all()
            case "resume all":
                await scheduler.resume_all()
            case "paused":
                async with scheduler.paused(wait=chance.random() < 0.5):
                    await anyio.sleep(chance.random())
            case "scheduled":
                request, *rest = self.submission()
                async with scheduler.scheduled(request.replace(key=None), *rest):
                    await anyio.sleep(chance.uniform(0, 5))
            case "cancel run" if run is not None:
                assert (await scheduler.cancel_run(run)).run_id == run
            case "wait run" if run is not None:
                assert (await scheduler.wait_run(run)).run_id == run
            case "wait job":
                await scheduler.wait_job(job)
            case "wait idle" | "wait due":
                await scheduler.wait_idle(due_only=thing == "wait due")
            case "details":
                details = await scheduler.get_job_details(job)
                assert details.job_id == job
                self.runs += [run.run_id for run in details.active_runs]
                self.runs += [details.next_run_instance] if details.next_run_instance else []
            case "jobs":
                await scheduler.list_all_jobs(limit=chance.randint(1, 5))
            case "active":
                self.runs += [run.run_id for run in await scheduler.list_active_runs()]
            case "history":
                await scheduler.get_run_history(limit=chance.randint(1, 20))
            case "upcoming":
                await scheduler.upcoming_runs(limit=chance.randint(1, 20))
            case "events":
                async with scheduler.events(buffer=chance.randint(1, 5)) as events:
                    async for _ in events:
                        await anyio.sleep(chance.choice([0, 0.5]))

    async def mark(self, job: Any) -> object:
        details = await self.scheduler.get_job_details(job)
        return details.key or details.name
