"""A day of mixed load in virtual time: nothing grows, nothing is lost, nothing is left.

The day begins at noon before the end of summer time in Berlin, where some of the schedules live. It is sampled 96
times.
What is compared with the state before it is compared with that after a warm-up of a few minutes: what is imported or
cached when it is first used is no leak.
"""

import gc
import random
import resource
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import anyio

import turnkeeper_trio as tk
from turnkeeper_trio.testing import run

from .load import WORKERS, Load, cancel_all, mixed_load
from .memory import join_threads, live_blocks, live_kinds, rss_mib, task_count
from .result import Result
from .witnesses import Complaints, Observer, Subscriber, complaints

START = datetime(2026, 10, 24, 12, tzinfo=UTC)
SAMPLES = 96
HISTORY, PER_JOB, TTL = 5_000, 50, timedelta(minutes=8)
GRACE = 4.0
"""Seconds that runs have at the end; less than the five after which a shutdown says what it waits for."""
EVER = 10**9


class Day:
    """One day on one back end."""

    def __init__(self, result: Result, *, hours: float, fleets: int, seed: int) -> None:
        self.result, self.hours, self.fleets, self.seed = result, hours, fleets, seed
        self.observer = Observer()
        self.subscribers: list[Subscriber] = []
        self.load = Load()
        self.sampling = 0.0
        """Seconds of processor time that the samples took."""
        self.samples: dict[str, list[str]] = {}
        """Claims about every sample, and what was found where they did not hold."""

    async def live(self) -> None:
        """Live the day, end it, and check what is left."""
        self.before = task_count()
        chance = random.Random(self.seed)
        async with (
            anyio.create_task_group() as readers,
            tk.open_scheduler(
                max_workers=WORKERS * self.fleets,
                observers=[self.observer],
                history_limit=HISTORY,
                history_per_job=PER_JOB,
                history_ttl=TTL,
                shutdown_grace=GRACE,
                rng=chance,
            ) as scheduler,
        ):
            for pause, buffer in ((0, 10_000), (1, 64)):
                self.subscribers.append(Subscriber(scheduler, pause=pause, buffer=buffer))
                await readers.start(self.subscribers[-1].read)
            async with mixed_load(scheduler, fleets=self.fleets, seed=self.seed, disturb=True) as self.load:
                for _ in range(SAMPLES):
                    await anyio.sleep(self.hours * 3600 / SAMPLES)
                    await self.sample(scheduler)
            await self.cancel_all(scheduler)
            await self.leave_something(scheduler)
        self.after = task_count()
        self.check_end(scheduler)

    async def sample(self, scheduler: tk.Scheduler) -> None:
        """Note how much there is of everything, and check what is always true."""
        began = time.process_time()
        books = scheduler.get_metrics_snapshot().books
        history = await scheduler.get_run_history(limit=EVER)
        jobs = await scheduler.list_all_jobs(limit=EVER)
        # A cancelled job of which a run still executes has not ended.
        over = {tk.JobState.CANCELLED, tk.JobState.FINISHED}
        ended = sum(job.state in over and not job.active for job in jobs)
        self.look_at_history(scheduler, history, ended)
        self.hold("the books balance", books, passed=books.balanced)
        kept, alive = len(history), len(jobs) - ended
        del history, jobs
        kinds = live_kinds()
        self.result.add_sample(
            hour=(scheduler.now() - START).total_seconds() / 3600,
            rss_mib=rss_mib(),
            blocks=live_blocks(),
            engine_objects=kinds.total(),
            tasks=task_count(),
            pending=books.pending,
            active=books.active,
            ended=books.ended,
            history=kept,
            jobs_alive=alive,
            jobs_ended=ended,
            events=self.observer.events,
            lagged=self.subscribers[1].missed,
        )
        self.sampling += time.process_time() - began

    def look_at_history(self, scheduler: tk.Scheduler, history: list[tk.RunRecord], ended: int) -> None:
        """Check the bounds: what was executed and what never was stand on two shelves, each with all of them."""
        executed = [record for record in history if record.attempts]
        # A job that takes the place of another has its id; a run of the other that was still executing is a third's.
        of_job = max(Counter(record.job_id for record in executed if record.name != "keyed").values())
        oldest = scheduler.now() - min(record.finished_at for record in history)
        self.hold(f"at most {HISTORY} runs are remembered", len(executed), passed=len(executed) <= HISTORY)
        self.hold(f"at most {2 * HISTORY} records are", len(history), passed=len(history) <= 2 * HISTORY)
        self.hold(f"at most {PER_JOB} runs of a job are", of_job, passed=of_job <= PER_JOB)
        self.hold(f"none is older than {TTL}", oldest, passed=oldest <= TTL)
        self.hold(f"at most {HISTORY} jobs that ended are", ended, passed=ended <= HISTORY)

    def hold(self, claim: str, found: object, *, passed: bool) -> None:
        """Note whether a claim about a sample held."""
        held = self.samples.setdefault(claim, [])
        if not passed:
            held.append(str(found))

    async def cancel_all(self, scheduler: tk.Scheduler) -> None:
        """Cancel every job there is, and see that nothing is planned or active any more."""
        await cancel_all(scheduler)
        books = scheduler.get_metrics_snapshot().books
        self.result.check(
            "after all jobs were cancelled nothing is planned or active",
            f"{books.pending} pending, {books.active} active",
            passed=books.balanced and books.pending == books.active == 0,
        )

    async def leave_something(self, scheduler: tk.Scheduler) -> None:
        """Leave work of each kind for the shutdown: to finish, to cut off, never to start, and for later."""
        workers = WORKERS * self.fleets
        request = tk.RecurringJobRequest("left", tk.After(0))
        for number in range(workers):
            await scheduler.add_job(request, anyio.sleep, GRACE / 2 if number < workers // 2 else 3600)
        for _ in range(10):
            await scheduler.add_job(request.replace(priority=-1), anyio.sleep, 0)
        for _ in range(20):
            await scheduler.add_job(request.replace(schedule=tk.After(3600)), anyio.sleep, 0)
        await anyio.sleep(0.1)

    def check_end(self, scheduler: tk.Scheduler) -> None:
        """Check that all is accounted for after the block was left."""
        check, workers = self.result.check, WORKERS * self.fleets
        books, report = scheduler.get_metrics_snapshot().books, scheduler.shutdown_report
        assert report is not None
        for claim, broken in self.samples.items():
            check(f"in each of {SAMPLES} samples: {claim}", f"not in {len(broken)} {broken[:3]}", passed=not broken)
        told = [len(report.finished), len(report.interrupted), sum(each.count for each in report.never_started)]
        told += [report.unrun, len(report.still_running)]
        left = [workers // 2, workers - workers // 2, 10, 20, 0]
        check("the shutdown report accounts for what was left", f"{told}, left {left}", passed=told == left)
        check("the books balance at the end", books, passed=books.balanced and not books.active)
        heard = {outcome: getattr(books, outcome.value) for outcome in tk.Outcome}
        agree = all(self.observer.outcomes[outcome] == count for outcome, count in heard.items())
        check("an observer was told every outcome in the books", dict(self.observer.outcomes), passed=agree)
        missing = [outcome.value for outcome in tk.Outcome if not heard[outcome]]
        check("every outcome occurred", f"missing: {missing}", passed=not missing)
        for who, subscriber in zip(("fast", "slow"), self.subscribers, strict=True):
            got, missed = subscriber.received, subscriber.missed
            check(
                f"the {who} subscriber received each event in order, or was told that it missed it",
                f"{got} received and {missed} missed of {self.observer.events}, {subscriber.out_of_order} out of order",
                passed=got + missed == self.observer.events and not subscriber.out_of_order,
            )
        check("the slow subscriber lagged, the fast one did not",
              [subscriber.missed for subscriber in self.subscribers],
              passed=self.subscribers[1].missed > 0 == self.subscribers[0].missed)  # fmt: skip
        check("as many tasks as before", f"{self.after}, before {self.before}", passed=self.after == self.before)
        self.result.numbers |= {
            "runs": books.ended,
            "attempts": scheduler.get_metrics_snapshot().job_execution_duration.count,
            "events": self.observer.events,
            "fingerprint": f"{self.observer.fingerprint:08x}",
            "outcomes": {outcome.value: count for outcome, count in heard.items()},
            "commands": dict(sorted(self.load.done.items())),
            "refused": dict(sorted(self.load.refused.items())),
        }


def check_memory(result: Result, before: tuple[int, Counter[str]]) -> None:
    """Check that nothing grew, and that nothing is left."""
    result.check_no_growth("rss_mib", factor=1.05, slack=1)
    result.check_no_growth("blocks", factor=1.05, slack=0)
    result.check_no_growth("engine_objects", factor=1.1, slack=0)
    result.check_no_growth("tasks", factor=1.1, slack=2)
    left = live_kinds() - before[1]
    result.check("no object of the engine is left", dict(left), passed=not left)
    blocks = live_blocks()
    claim = "memory is back: at most 5 % more blocks than before, after a warm-up"
    result.check(claim, f"{blocks}, before {before[0]}", passed=blocks <= 1.05 * before[0])
    result.numbers |= {"rss_mib_most": max(result.series["rss_mib"]), "rss_mib_after": rss_mib()}


def check_quiet(result: Result, heard: Complaints) -> None:
    """Check that nobody complained."""
    result.check("no warning, no unexpected line in the log", dict(heard.unexpected), passed=not heard.unexpected)
    result.numbers |= {"failures_logged": heard.expected, "slow_observer_lines": heard.slow_observer}


def measure(backend: str, *, hours: float, fleets: int, seed: int) -> Result:
    """Live a day."""
    result = Result("day", backend, numbers={"hours": hours, "fleets": fleets, "seed": seed})
    with complaints() as heard:
        warm_up = Day(Result("warm-up", backend), hours=1 / 6, fleets=fleets, seed=seed + 1)
        run(warm_up.live, start=START, backend=backend, seed=seed)
        del warm_up
        join_threads()
        before = live_blocks(), live_kinds()
        result.numbers["rss_mib_before"] = rss_mib()
        began, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        day = Day(result, hours=hours, fleets=fleets, seed=seed)
        run(day.live, start=START, backend=backend, seed=seed)
        ended = resource.getrusage(resource.RUSAGE_SELF)
        cpu = ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime - day.sampling
        result.numbers |= {"cpu_s": cpu, "cpu_sampling_s": day.sampling, "wall_s": time.perf_counter() - wall}
        result.numbers["cpu_us_per_run"] = cpu * 1e6 / result.numbers["runs"]
        del day
        join_threads()
        gc.collect()
        check_memory(result, before)
    check_quiet(result, heard)
    return result
