"""A busy scheduler on the real clock: does lateness, memory or the number of tasks grow from minute to minute?

Beside the mixed load there are probes: jobs of high priority, one due each 5 ms, which note how much later than its
instant the body begins. And, as a control, a bare task that sleeps until each 5 ms and notes the same: what both feel
is the event loop's and the machine's, what only the probes feel is the scheduler's.
"""

import gc
import resource
import time
from datetime import UTC, datetime, timedelta

import anyio

import turnkeeper_trio as tk

from .backends import run_really
from .load import WORKERS, Load, cancel_all, mixed_load
from .memory import rss_mib, task_count
from .result import Result, percentile
from .witnesses import Observer, complaints

PROBES, EVERY = 10, 0.05
"""So many probes, each so often: 200 in a second, 5 ms apart."""
MINUTE = 60.0
HISTORY = 2000
WARM_UP = 75.0
"""Seconds until as much is planned and remembered as ever: commanders submit for up to a minute ahead."""
SPARE = 300
"""So many more workers that no probe waits for one: a commander submits up to 128 jobs at once."""
SAMPLES_PER_PERIOD = 12


class Soak:
    """One soak."""

    def __init__(self, result: Result, *, minutes: float, fleets: int, seed: int) -> None:
        self.result, self.minutes, self.fleets, self.seed = result, minutes, fleets, seed
        self.workers = 2 * WORKERS * fleets + SPARE
        self.probes: list[float] = []
        self.control: list[float] = []
        self.load = Load()
        self.observer = Observer()
        self.early = self.unbalanced = 0

    async def probe(self) -> None:
        """Note how late the run is, in seconds."""
        late = time.time_ns() // 1000 - round(tk.current_run().scheduled_at.timestamp() * 1e6)
        self.early += late < 0
        self.probes.append(late / 1e6)

    async def sleep(self) -> None:
        """Note how late a bare sleep ends."""
        step = EVERY / PROBES
        instant = anyio.current_time()
        while True:
            instant += step
            await anyio.sleep_until(instant)
            now = anyio.current_time()
            self.control.append(now - instant)
            while instant + step <= now:  # what passed meanwhile is late as well, as it is for the probes
                instant += step
                self.control.append(now - instant)

    async def live(self) -> None:
        """Soak, and note each period."""
        before = task_count()
        async with tk.open_scheduler(
            max_workers=self.workers, observers=[self.observer], history_limit=HISTORY, shutdown_grace=5
        ) as scheduler:
            begin = datetime.fromtimestamp(time.time() + 1, UTC)
            for number in range(PROBES):
                anchor = begin + timedelta(seconds=EVERY * number / PROBES)
                request = tk.RecurringJobRequest("probe", tk.Interval(seconds=EVERY, anchor=anchor), priority=100)
                await scheduler.add_job(request, self.probe)
            async with (
                anyio.create_task_group() as tasks,
                mixed_load(scheduler, fleets=self.fleets, seed=self.seed, disturb=False) as self.load,
            ):
                tasks.start_soon(self.sleep)
                await self.watch(scheduler)
                tasks.cancel_scope.cancel()
            await cancel_all(scheduler)
        after, books = task_count(), scheduler.get_metrics_snapshot().books
        check = self.result.check
        check("as many tasks as before", f"{after}, before {before}", passed=after == before)
        passed = books.balanced and books.active == books.pending == 0 == self.unbalanced
        check("the books balance, in each sample and at the end", books, passed=passed)
        busy = max(self.result.series["executing"])
        check("a worker was free in each sample", f"{busy} of {self.workers} busy", passed=busy < self.workers)
        check("no probe ran before its instant", f"{self.early} early", passed=not self.early)
        self.result.numbers |= {"runs": books.ended, "commands": self.load.done.total()}

    async def watch(self, scheduler: tk.Scheduler) -> None:
        """Sample for as long as the soak lasts, and close a period each minute (of a short soak, each tenth)."""
        seconds = self.minutes * 60
        period = min(MINUTE, seconds / 10)
        await anyio.sleep(min(WARM_UP, seconds))
        began = anyio.current_time()
        for _ in range(round(seconds / period)):
            self.probes.clear()
            self.control.clear()
            usage, runs = resource.getrusage(resource.RUSAGE_SELF), scheduler.get_metrics_snapshot().books.ended
            for _ in range(SAMPLES_PER_PERIOD):
                await anyio.sleep(period / SAMPLES_PER_PERIOD)
                metrics = scheduler.get_metrics_snapshot()
                self.unbalanced += not metrics.books.balanced
                self.result.add_sample(
                    minute=(anyio.current_time() - began) / 60,
                    rss_mib=rss_mib(),
                    tasks=task_count(),
                    active=metrics.books.active,
                    executing=metrics.workers_active_current,
                    pending=metrics.books.pending,
                )
            now = resource.getrusage(resource.RUSAGE_SELF)
            cpu = now.ru_utime + now.ru_stime - usage.ru_utime - usage.ru_stime
            self.result.add_sample(
                period_end_minute=(anyio.current_time() - began) / 60,
                p50_ms=1000 * percentile(self.probes, 0.5),
                p99_ms=1000 * percentile(self.probes, 0.99),
                worst_ms=1000 * max(self.probes, default=0),
                control_p50_ms=1000 * percentile(self.control, 0.5),
                control_p99_ms=1000 * percentile(self.control, 0.99),
                probes=len(self.probes),
                runs_per_s=(metrics.books.ended - runs) / period,
                cpu_share=cpu / period,
                cpu_us_per_run=cpu * 1e6 / (metrics.books.ended - runs),
                preempted=now.ru_nivcsw - usage.ru_nivcsw,
            )


def measure(backend: str, *, minutes: float, fleets: int, seed: int) -> Result:
    """Soak."""
    result = Result("soak", backend, numbers={"minutes": minutes, "fleets": fleets, "seed": seed})
    with complaints() as heard:
        gc.collect()
        run_really(Soak(result, minutes=minutes, fleets=fleets, seed=seed).live, backend=backend)
    series = result.series
    middle = {name: percentile(series[name], 0.5) for name in ("p50_ms", "p99_ms", "control_p50_ms", "control_p99_ms")}
    result.numbers |= {f"{name} (median period)": value for name, value in middle.items()}
    result.numbers |= {
        "worst_ms": max(series["worst_ms"]),
        "runs_per_s": percentile(series["runs_per_s"], 0.5),
        "cpu_share": percentile(series["cpu_share"], 0.5),
        "cpu_us_per_run": percentile(series["cpu_us_per_run"], 0.5),
        "preempted": sum(series["preempted"]),
        "rss_mib_most": max(series["rss_mib"]),
        "slow_observer_lines": heard.slow_observer,
    }
    result.check_no_growth("p99_ms", factor=1.5, slack=0.5, quarters=(0, 3))
    # Where the machine gives the processor to others the check above fails without a fault of the scheduler.
    result.checks[-1].found += f" ms; the processor was taken away {series['preempted']} times in each period"
    result.check_no_growth("cpu_us_per_run", factor=1.2, slack=0, quarters=(0, 3))
    result.check_no_growth("rss_mib", factor=1.05, slack=1)
    result.check_no_growth("tasks", factor=1.1, slack=2)
    result.check("no warning, no unexpected line in the log", dict(heard.unexpected), passed=not heard.unexpected)
    return result
