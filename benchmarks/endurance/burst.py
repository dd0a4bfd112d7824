"""Many one-shot jobs due at one instant: in which order do they start, and what does the event loop feel meanwhile?

The order to keep is priority, then instant, then submission: the bodies must start in exactly that order, however many
workers there are, and in whatever order the event loop wakes them (trio shuffles those that wake together).
"""

import gc
import itertools
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import anyio

import turnkeeper_trio as tk

from .backends import run_really
from .heartbeat import FULL, Collections, Heartbeat, collections
from .memory import rss_mib
from .result import Result, percentile

PRIORITIES = 3
LONGEST_MS = 20.0
"""For how long the loop may see to nothing else at a stretch."""
BINS = 400
CASES = {
    "alone": {},
    "four submitters": {"submitters": 4},
    "frozen": {"frozen": True},
    "no full collections": {"rare": True},
    "one worker": {"workers": 1},
}
"""What differs from one case to the next, the last two but one being what a user can do about collections: with
``gc.freeze()`` between submission and the instant, or with a third threshold that is never reached."""
NEVER = 1_000_000


class Burst:
    """One burst."""

    def __init__(
        self, *, jobs: int, workers: int, submitters: int = 0, frozen: bool = False, rare: bool = False
    ) -> None:
        self.jobs, self.workers, self.submitters = jobs, workers, submitters
        self.frozen, self.rare = frozen, rare
        self.started: list[int] = []
        self.first = self.last = self.submitted_in = 0.0
        self.added = self.executed = 0
        self.due = 0.0

    async def job(self, number: int) -> None:
        """Be one of the burst."""
        if not self.started:
            self.first = time.time()
        self.started.append(number)
        if len(self.started) == self.jobs:
            self.last = time.time()

    async def other(self) -> None:
        """Be a job that was submitted meanwhile."""
        self.executed += 1

    async def submit(self, scheduler: tk.Scheduler) -> None:
        """Submit until all of the burst have started."""
        request = tk.RecurringJobRequest("other", tk.After(0))
        while len(self.started) < self.jobs:
            await scheduler.add_job(request, self.other)
            self.added += 1

    async def prepare(self, scheduler: tk.Scheduler) -> None:
        """Submit the burst; the instant must still be to come when the last one is in."""
        began = time.time()
        # Time to submit on a slow and busy machine; it is only waited for.
        self.due = began + 1 + self.jobs * 150e-6
        at = datetime.fromtimestamp(self.due, UTC)
        requests = [
            tk.RecurringJobRequest("burst", initial_run_time=at, priority=priority) for priority in range(PRIORITIES)
        ]
        for number in range(self.jobs):
            await scheduler.add_job(requests[number % PRIORITIES], self.job, number)
        self.submitted_in = time.time() - began
        if time.time() > self.due - 0.3:
            raise RuntimeError(f"the machine is too slow: to submit took {self.submitted_in:.1f} s")
        gc.collect()
        if self.frozen:
            gc.freeze()
        if self.rare:
            gc.set_threshold(*gc.get_threshold()[:2], NEVER)
        await anyio.sleep(self.due - time.time() - 0.1)

    async def live(self, pauses: Collections) -> None:
        """Submit, wait for the instant, and for the end of the last job."""
        self.heart = Heartbeat(pauses)
        async with tk.open_scheduler(max_workers=self.workers) as scheduler:
            await self.prepare(scheduler)
            pauses.pauses.clear()
            # What perf_counter shows at the instant.
            self.instant = time.perf_counter() + self.due - time.time()
            cpu = time.process_time()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.heart.beat)
                await anyio.sleep(0.05)
                async with anyio.create_task_group() as submitters:
                    for _ in range(self.submitters):
                        submitters.start_soon(self.submit, scheduler)
                    await scheduler.wait_idle()
                await scheduler.wait_idle()
                tasks.cancel_scope.cancel()
            self.cpu = time.process_time() - cpu
            self.books = scheduler.get_metrics_snapshot().books

    def displaced(self) -> tuple[int, int]:
        """Return how many jobs did not start at their place, and how many places early the worst one did."""
        order = sorted(range(self.jobs), key=lambda number: (-(number % PRIORITIES), number))
        place = {number: due for due, number in enumerate(order)}
        early = [place[number] - started for started, number in enumerate(self.started)]
        return sum(map(bool, early)), max(early, default=0)


def truest(several: Sequence[Result]) -> Result:
    """Return the one that says most: one that failed on its own account, else that with the shortest gap.

    What the scheduler does to the loop it does each time; what the machine does lengthens a gap now and then.
    """
    broken = [result for result in several if not result.numbers or not all(c.passed for c in result.checks[:-1])]
    return (broken or sorted(several, key=lambda result: result.numbers["gap_without_gc_cpu_ms"]))[0]


def measure(backend: str, case: str, *, jobs: int, workers: int) -> Result:
    """Measure one case. The last of its checks is that of the gap."""
    result = Result("burst", backend, case)
    burst = Burst(**{"jobs": jobs, "workers": workers} | CASES[case])
    with collections() as pauses:
        run_really(burst.live, pauses, backend=backend)
    _note(result, burst, pauses)
    _check(result, burst)
    return result


def _note(result: Result, burst: Burst, pauses: Collections) -> None:
    longest, without_gc, by_cpu = (1000 * gap for gap in burst.heart.longest())
    took = burst.last - burst.due
    result.numbers |= {
        "jobs": burst.jobs,
        "workers": burst.workers,
        "submission_us": burst.submitted_in * 1e6 / burst.jobs,
        "first_start_ms": (burst.first - burst.due) * 1000,
        "all_started_s": took,
        "cpu_us_per_run": burst.cpu * 1e6 / (burst.jobs + burst.executed),
        "gap_ms": longest,
        "gap_without_gc_ms": without_gc,
        "gap_without_gc_cpu_ms": by_cpu,
        "gap_p99_ms": 1000 * percentile([gap for _, gap, _, _ in burst.heart.gaps], 0.99),
        "gc_full_ms": 1000 * pauses.longest(FULL),
        "gc_full": sum(generation == FULL for generation, _, _ in pauses.pauses),
        "gc_young_ms": 1000 * max(pauses.longest(0), pauses.longest(1)),
        "rss_mib": rss_mib(),
        "submitted_meanwhile": burst.added,
        "executed_meanwhile": burst.executed,
    }
    end = burst.heart.gaps[-1][0] - burst.instant
    width = end / BINS
    for number, gaps in itertools.groupby(burst.heart.gaps, key=lambda gap: int((gap[0] - burst.instant) // width)):
        several = list(gaps)
        result.add_sample(
            second=number * width,
            gap_ms=1000 * max(gap for _, gap, _, _ in several),
            gap_without_gc_ms=1000 * max(gap for _, _, gap, _ in several),
        )
    result.series["gc_full_at_s"] = [began - burst.instant for which, began, _ in pauses.pauses if which == FULL]
    result.series["gc_full_ms"] = [1000 * took for which, _, took in pauses.pauses if which == FULL]


def _check(result: Result, burst: Burst) -> None:
    displaced, early = burst.displaced()
    result.numbers |= {"displaced": displaced, "places_early": early}
    once = len(set(burst.started)) == len(burst.started) == burst.jobs
    result.check("each job started once", f"{len(burst.started)} starts", passed=once)
    result.check("started in order", f"{displaced} not at their place, at most {early} early", passed=not displaced)
    result.check("none started early", f"{result.numbers['first_start_ms']:.1f} ms", passed=burst.first >= burst.due)
    if burst.submitters:
        found = f"{burst.executed} of {burst.added}"
        passed = burst.executed == burst.added > 0
        result.check("all that was submitted meanwhile was executed", found, passed=passed)
    planned = burst.jobs + burst.added
    passed = burst.books.balanced and burst.books.succeeded == burst.books.planned == planned
    result.check("the books balance", burst.books, passed=passed)
    gap, own, own_cpu = (result.numbers[name] for name in ("gap_ms", "gap_without_gc_ms", "gap_without_gc_cpu_ms"))
    result.check(
        f"apart from collections, the loop was never blocked for more than {LONGEST_MS:g} ms of processor time",
        f"{own_cpu:.1f} ms of processor time, {own:.1f} ms by the clock, {gap:.1f} ms with collections",
        passed=own_cpu <= LONGEST_MS,
    )
