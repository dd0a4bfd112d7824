"""Commanders: tasks that use the handle all day as a program does, and now and then do something rare.

What is refused by a rule (a job has ended meanwhile, say) is counted, and no fault. Each commander draws from a chance
of its own. Nothing is chosen by an id, for these differ from run to run.
"""

import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import anyio

import turnkeeper_trio as tk
from turnkeeper_trio.policies import Overlap

from .fleet import Unwanted, heads, nothing, sleeps

PATIENCE = 30
"""Seconds after which a commander gives up waiting."""


async def one_shot(duration: float, *, fails: bool) -> float:
    """Be a job that somebody wants done once."""
    await anyio.sleep(duration)
    if fails:
        raise Unwanted
    return duration


class Commander:
    """Does one thing after the other. ``disturb``: also what keeps everybody's jobs from running for a while."""

    def __init__(
        self, scheduler: tk.Scheduler, fleet: list[tk.RecurringJobId], chance: random.Random, *, disturb: bool
    ) -> None:
        self.scheduler, self.fleet, self.chance = scheduler, fleet, chance
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._jobs: deque[tk.RecurringJobId] = deque(maxlen=50)
        self._runs: deque[tk.RunId] = deque(maxlen=20)
        often = [self.submit] * 12 + [self.try_submit, self.resubmit, self.trigger, self.cancel] * 4
        rare = [self.read, self.read_job, self.skip, self.update, self.cancel_run, self.wait_run, self.delete]
        seldom = [self.pause, self.borrow, self.apply, self.listen, self.revive]
        disturbing: list[Callable[[], Awaitable[None]]] = [self.pause_all] if disturb else []
        self.things: list[Callable[[], Awaitable[None]]] = often + rare * 2 + seldom + disturbing

    async def command(self) -> None:
        """Command, until cancelled: about twice a second."""
        while True:
            await anyio.sleep(self.chance.expovariate(2))
            thing = self.chance.choice(self.things)
            try:
                with anyio.move_on_after(PATIENCE):
                    await thing()
            except tk.InternalError:
                raise
            except tk.TurnKeeperError as refused:
                self.refused[type(refused).__name__] += 1
            self.done[thing.__name__] += 1

    def _draw(self, several: Any) -> Any:
        if not several:
            raise tk.JobNotFound("there is none yet", job_id=None)
        return self.chance.choice(several)

    def _once_in(self, times: int) -> bool:
        return self.chance.randrange(times) == 0

    def _shot(self) -> tuple[Any, ...]:
        chance = self.chance
        schedule = tk.After(chance.choice([0, 1, 60]) * chance.random())
        request = tk.RecurringJobRequest("shot", schedule, timeout=30, priority=chance.randrange(-3, 3))
        return request, one_shot, 2 * chance.random()

    async def submit(self) -> None:
        """Have something done once, soon or within a minute."""
        fails = self._once_in(20)
        self._jobs.append(await self.scheduler.add_job(*self._shot(), kwargs={"fails": fails}))

    async def try_submit(self) -> None:
        """Have several things done at once, or as many of them as there is room for."""
        for _ in range(self.chance.choice([1, 5, 150])):
            self._jobs.append(self.scheduler.try_add_job(*self._shot(), kwargs={"fails": False}))

    async def resubmit(self) -> None:
        """Submit a job whose key another may have, by any rule."""
        request = tk.RecurringJobRequest(
            "keyed", tk.Interval(seconds=self.chance.choice([5, 7])), key=f"key {self.chance.randrange(10)}"
        )
        how = self.chance.choice(list(tk.OnConflict))
        self._jobs.append(await self.scheduler.add_job(request, sleeps(1), random.Random(1), on_conflict=how))

    async def trigger(self) -> None:
        """Have a job run now."""
        how = self.chance.choice([None, *Overlap])
        self._runs.append(await self.scheduler.trigger_job_now(self._draw(self.fleet), overlap=how))

    async def cancel(self) -> None:
        """Cancel a job, with or without its run."""
        await self.scheduler.cancel_job(self._draw(self._jobs), cancel_running=heads(self.chance))

    async def cancel_run(self) -> None:
        """Cancel one run that is active."""
        active = await self.scheduler.list_active_runs()
        await self.scheduler.cancel_run(self._draw(active).run_id, reason="a commander wished it")

    async def delete(self) -> None:
        """Forget a job."""
        await self.scheduler.delete_job(self._draw(self._jobs))

    async def skip(self) -> None:
        """Skip the next run of a job."""
        await self.scheduler.skip_next_run(self._draw(self.fleet))

    async def wait_run(self) -> None:
        """Wait for a run that was triggered."""
        await self.scheduler.wait_run(self._draw(self._runs))

    async def update(self) -> None:
        """Change a job: its priority, nothing at all, or its grid."""
        job = self._draw(self.fleet)
        details = await self.scheduler.get_job_details(job)
        changes = self.chance.choice([{"priority": self.chance.randrange(-3, 3)}, {"schedule": details.schedule}])
        if self._once_in(3) and isinstance(details.schedule, tk.Interval):
            changes = {"schedule": tk.Interval(seconds=details.schedule.every.total_seconds())}  # on a new grid
        await self.scheduler.update_job(job, if_version=details.version, **changes)

    async def pause(self) -> None:
        """Pause a job for some seconds, and catch up by any rule."""
        job = self._draw(self.fleet)
        await self.scheduler.pause_job(job, note="for a while")
        await anyio.sleep(10 * self.chance.random())
        await self.scheduler.resume_job(job, missed=self.chance.choice([None, *tk.CatchUp]))

    async def revive(self) -> None:
        """Go on with jobs that were halted, or whose pause nobody ended."""
        for job in await self.scheduler.list_all_jobs(states=[tk.JobState.HALTED, tk.JobState.PAUSED], tags=["fleet"]):
            await self.scheduler.resume_job(job.job_id)

    async def pause_all(self) -> None:
        """Pause everything for some seconds."""
        if not self._once_in(20):
            return  # every few minutes
        async with self.scheduler.paused(wait=heads(self.chance)):
            await anyio.sleep(5 * self.chance.random())

    async def borrow(self) -> None:
        """Have a job for as long as a block lasts."""
        request = tk.RecurringJobRequest("borrowed", tk.Interval(seconds=1))
        async with self.scheduler.scheduled(request, nothing, random.Random(1)):
            await anyio.sleep(5 * self.chance.random())

    async def apply(self) -> None:
        """Apply a set of jobs, of any size."""
        entries = tk.JobSet()
        for number in range(self.chance.randrange(4)):
            request = tk.RecurringJobRequest("of a set", tk.Interval(seconds=10), key=f"set {number}")
            entries.add(request, nothing, random.Random(1))
        await self.scheduler.apply(entries)

    async def read(self) -> None:
        """Read what a dashboard shows."""
        await self.scheduler.get_run_history(limit=100)
        await self.scheduler.upcoming_runs(limit=20)
        await self.scheduler.list_all_jobs(limit=100)
        hour_ago = self.scheduler.now() - timedelta(hours=1)
        await self.scheduler.get_run_history(since=hour_ago, outcomes=[tk.Outcome.FAILED], limit=10)

    async def read_job(self) -> None:
        """Read what a page about one job shows."""
        job = self._draw(self.fleet)
        await self.scheduler.get_job_details(job)
        await self.scheduler.get_run_history(job, limit=20)

    async def listen(self) -> None:
        """Listen to a few events, and leave."""
        async with self.scheduler.events(tk.events.RunFinished, tk.events.RunRetrying, buffer=8) as events:
            for _ in range(10):
                await anext(events)
