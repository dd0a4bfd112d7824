"""The transitions of jobs and runs that the documentation lists are those that a scheduler is seen to make.

Each scenario runs in virtual time; at the end of each turn of the coordinator every job and every run is looked at.
What is seen in all scenarios together is exactly the list: nothing is missing in it, and nothing in it never happens.
"""

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from by_path import load
from fake_store import FakeStore

from turnkeeper_trio import (
    After,
    CancelJob,
    CatchUp,
    FixedRetryDelay,
    Interval,
    JobSet,
    JobState,
    OnConflict,
    Outcome,
    Overlap,
    RecurringJobRequest,
    RunPhase,
    Scheduler,
    Snooze,
    open_scheduler,
)
from turnkeeper_trio._engine.state import State
from turnkeeper_trio._runtime.coordinator import Coordinator
from turnkeeper_trio.testing._run import run

DOCS = Path(__file__).parents[2] / "docs"
Seen = set[tuple[str, str]]


diagrams = load(DOCS / "_tools" / "state_diagrams.py")


class Watcher:
    """Looks at every job and every run, and notes how they went from where they were."""

    def __init__(self) -> None:
        self.jobs: Seen = set()
        self.runs: Seen = set()
        self._job: dict[Any, str] = {}
        self._run: dict[Any, str] = {}

    def look(self, state: State) -> None:
        for job_id, job in state.jobs.items():
            self._note(self.jobs, self._job, job_id, job.state.value)
        now: dict[Any, str] = dict.fromkeys([*state.queue, *state.delays], "planned")
        now |= {run.occurrence: run.phase.value for run in state.active}
        for log in (state.history.runs, state.history.non_runs):
            now |= {item.occurrence: item.outcome.value for item in log.newest_first()}
        for occurrence, where in now.items():
            self._note(self.runs, self._run, occurrence, where)

    def _note(self, seen: Seen, before: dict[Any, str], what: Any, now: str) -> None:
        was = before.get(what, "")
        before[what] = now
        if was != now and (was or now in {"active", "planned", "queued"}):
            seen.add((was, now))


@contextmanager
def watched() -> Iterator[Watcher]:
    watcher = Watcher()
    act = Coordinator._act

    def look_and_act(self: Coordinator, effects: Any) -> None:
        act(self, effects)
        watcher.look(self._engine.state)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Coordinator, "_act", look_and_act)
        yield watcher


class Listener:
    """Has the coordinator told of the begin of each attempt, in a turn of its own."""

    def on_run_started(self, event: object) -> None: ...


def job(*, seconds: float = 2, ends: object = None, cleanup: float = 0, swallows: bool = False) -> Callable[[], Any]:
    """Return a job that takes so long, then returns or raises something; and takes so long to end when asked to."""

    async def body() -> object:
        try:
            await anyio.sleep(seconds)
        except BaseException as asked:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(cleanup)
            if swallows:
                return end()
            raise asked
        return end()

    def end() -> object:
        if isinstance(ends, Exception) and not isinstance(ends, Snooze):
            raise ends
        return ends

    return body


EVERY = Interval(seconds=10)
Scenario = Callable[[Scheduler], Awaitable[None]]
SCENARIOS: list[Scenario] = []


def scenario(fn: Scenario) -> Scenario:
    SCENARIOS.append(fn)
    return fn


@scenario
async def succeed_and_finish_and_come_again(scheduler: Scheduler) -> None:
    for _ in range(2):
        await scheduler.wait_job(await scheduler.add_job(RecurringJobRequest("one", After(5), key="k"), job()))
    job_id = await scheduler.add_job(RecurringJobRequest("one", EVERY, key="k"), job())
    await anyio.sleep(1)
    await scheduler.cancel_job(job_id)
    await anyio.sleep(1)
    await scheduler.add_job(RecurringJobRequest("one", EVERY, key="k"), job(), on_conflict=OnConflict.REPLACE)
    await anyio.sleep(1)


@scenario
async def pause_resume_cancel(scheduler: Scheduler) -> None:
    job_id = await scheduler.add_job(RecurringJobRequest("paused", EVERY), job())
    await anyio.sleep(5)
    await scheduler.pause_job(job_id)
    await anyio.sleep(5)
    await scheduler.resume_job(job_id)
    await scheduler.pause_job(job_id)
    await anyio.sleep(1)
    await scheduler.cancel_job(job_id)
    await anyio.sleep(1)


@scenario
async def halt(scheduler: Scheduler) -> None:
    class Broken:
        def next_after(self, after: Any, /) -> Any:
            raise OSError("no")

    job_id = await scheduler.add_job(RecurringJobRequest("bad", EVERY, halt_after=1), job(ends=False))
    await anyio.sleep(13)
    await scheduler.resume_job(job_id)
    await anyio.sleep(13)
    await scheduler.cancel_job(job_id)
    paused = await scheduler.add_job(RecurringJobRequest("paused", EVERY), job())
    await scheduler.pause_job(paused)
    await anyio.sleep(1)
    await scheduler.update_job(paused, schedule=Broken())
    await anyio.sleep(1)
    # A run that is under way when its job is halted, and an occurrence that is taken back.
    beside = RecurringJobRequest("beside", EVERY, halt_after=1, overlap=Overlap.ALLOW_ALL)
    await scheduler.add_job(beside, job(seconds=12, ends=ValueError("no")))
    await anyio.sleep(30)


@scenario
async def take_back_what_is_planned(scheduler: Scheduler) -> None:
    job_id = await scheduler.add_job(RecurringJobRequest("planned", EVERY), job())
    await scheduler.skip_next_run(job_id)
    details = await scheduler.get_job_details(job_id)
    await scheduler.cancel_run(details.next_run_instance)
    await scheduler.update_job(job_id, schedule=Interval(seconds=7))
    await anyio.sleep(1)
    jobs = JobSet()
    jobs.add(RecurringJobRequest("in a set", EVERY), job())
    await scheduler.apply(jobs)
    await anyio.sleep(1)
    await scheduler.apply(JobSet())
    await anyio.sleep(1)


@scenario
async def trigger(scheduler: Scheduler) -> None:
    job_id = await scheduler.add_job(RecurringJobRequest("by hand"), job())
    await scheduler.pause_all()
    run_id = await scheduler.trigger_job_now(job_id)
    await anyio.sleep(1)
    await scheduler.resume_all()
    await scheduler.wait_run(run_id)


@scenario
async def miss(scheduler: Scheduler) -> None:
    await scheduler.add_job(RecurringJobRequest("late", EVERY, catch_up=CatchUp.NONE), job())
    async with scheduler.paused():
        await anyio.sleep(25)
    await anyio.sleep(1)
    slow = RecurringJobRequest("slow", EVERY, overlap=Overlap.BUFFER_ALL, start_deadline=5)
    await scheduler.add_job(slow, job(seconds=26))
    await anyio.sleep(60)


@pytest.mark.parametrize("overlap", Overlap)
def test_overlap_is_in_the_list(overlap: Overlap) -> None:
    async def overlapping(scheduler: Scheduler) -> None:
        await scheduler.add_job(RecurringJobRequest("slow", EVERY, overlap=overlap), job(seconds=26, cleanup=13))
        await anyio.sleep(70)

    jobs, runs = observe(overlapping)
    assert jobs <= diagrams.JOB.keys()
    assert runs <= diagrams.RUN.keys()


@scenario
async def overlap(scheduler: Scheduler) -> None:
    await scheduler.add_job(RecurringJobRequest("skip", EVERY), job(seconds=26))
    replacing = RecurringJobRequest("replace", EVERY, overlap=Overlap.CANCEL_OTHER)
    await scheduler.add_job(replacing, job(seconds=26, cleanup=13))
    await anyio.sleep(45)


@scenario
async def cancel_what_is_queued(scheduler: Scheduler) -> None:
    for _ in range(4):
        await scheduler.add_job(RecurringJobRequest("hog", After(1)), job(seconds=50))
    await anyio.sleep(2)
    job_id = await scheduler.add_job(RecurringJobRequest("queued", After(1)), job())
    await anyio.sleep(3)
    await scheduler.cancel_job(job_id)
    await anyio.sleep(1)


@scenario
async def retry(scheduler: Scheduler) -> None:
    request = RecurringJobRequest("retry", After(1), max_retries=1, retry=FixedRetryDelay(5))
    await scheduler.add_job(request, job(ends=False))
    await scheduler.add_job(RecurringJobRequest("superseded", EVERY, max_retries=1), job(ends=False))
    await anyio.sleep(25)
    job_id = await scheduler.add_job(request, job(ends=False))
    await anyio.sleep(5)
    await scheduler.cancel_job(job_id)
    await scheduler.add_job(RecurringJobRequest("over", After(1)), job(ends=CancelJob("done")))
    await anyio.sleep(5)


ASKED = [
    # How it ends when asked to, and what asks.
    ({}, "cancel"),
    ({"swallows": True, "ends": "in spite of it"}, "cancel"),
    ({"swallows": True, "ends": ValueError("while cleaning up")}, "cancel"),
    ({}, "time out"),
    ({}, "time out, and retry"),
    ({}, "shut down"),
]


def asked_to_end(cleanup: float) -> Iterator[Scenario]:
    for ends, how in ASKED:

        async def ask(scheduler: Scheduler, ends: dict[str, Any] = ends, how: str = how) -> None:
            options: dict[str, Any] = {"timeout": 5} if how.startswith("time out") else {}
            if how == "time out, and retry":
                options |= {"max_retries": 1, "retry": FixedRetryDelay(5)}
            request = RecurringJobRequest("asked", After(1), cleanup_grace=10, **options)
            job_id = await scheduler.add_job(request, job(seconds=100, cleanup=cleanup, **ends))
            await anyio.sleep(4)
            if how == "cancel":
                await scheduler.cancel_job(job_id, cancel_running=True)
            elif how == "shut down":
                await scheduler.shutdown_force()
            else:
                await scheduler.wait_job(job_id)

        yield ask


@scenario
async def shut_down(scheduler: Scheduler) -> None:
    retries = {"max_retries": 1, "retry": FixedRetryDelay(8)}
    for _ in range(2):
        await scheduler.add_job(RecurringJobRequest("retry", After(1), **retries), job(ends=False))
    await anyio.sleep(4)
    for _ in range(4):
        await scheduler.add_job(RecurringJobRequest("hog", After(1), **retries), job(seconds=20, ends=False))
    await scheduler.add_job(RecurringJobRequest("queued", After(1)), job())
    await scheduler.add_job(RecurringJobRequest("waiting", After(1)), job())
    await anyio.sleep(9)  # the retries are queued behind the hogs
    async with scheduler.paused(wait=False):
        await scheduler.add_job(RecurringJobRequest("never", After(1)), job())
        await anyio.sleep(2)
        await scheduler.shutdown_graceful()


@scenario
async def shut_down_while_a_retry_waits(scheduler: Scheduler) -> None:
    await scheduler.add_job(RecurringJobRequest("retry", After(1), max_retries=1), job(ends=Snooze(60)))
    await anyio.sleep(5)
    await scheduler.shutdown_graceful()


for cleanup in (3, 30):
    SCENARIOS += asked_to_end(cleanup)


def kept_by_a_store(cleanup: float) -> Iterator[Scenario]:
    """A shutdown that hands back, and jobs that are a different scheduler's now."""

    async def hand_back(scheduler: Scheduler) -> None:
        for seconds in (cleanup, cleanup + 5):
            scheduler.register(f"cleans up for {seconds}", job(seconds=100, cleanup=seconds))
            request = RecurringJobRequest("kept", After(1), cleanup_grace=10)
            await scheduler.add_job(request, f"cleans up for {seconds}")
        await anyio.sleep(4)
        await scheduler.shutdown_force()

    async def lose(scheduler: Scheduler) -> None:
        scheduler.register("cleans up", job(seconds=100, cleanup=cleanup))
        job_id = await scheduler.add_job(RecurringJobRequest("lost", After(1), cleanup_grace=10), "cleans up")
        await anyio.sleep(4)
        STORE.refuse = lambda change: "another has it"
        await scheduler.update_job(job_id, name="changed")
        await anyio.sleep(40)

    yield hand_back
    yield lose


STORED: list[Scenario] = [*kept_by_a_store(3), *kept_by_a_store(30)]
STORE = FakeStore()
"""That of the scenario that is played."""


def observe(play: Scenario) -> tuple[Seen, Seen]:
    """Play a scenario, and return the transitions of jobs and of runs that were seen."""
    global STORE  # noqa: PLW0603  (a scenario only gets its scheduler)
    STORE = FakeStore()
    store = STORE if play in STORED else None

    async def keep_looking(scheduler: Scheduler) -> None:
        """A timeout strikes without the coordinator; so have it take a turn now and then."""
        while True:
            await scheduler.list_active_runs()
            await anyio.sleep(0.5)

    async def main() -> None:
        async with (
            open_scheduler(max_workers=4, job_dispatch_buffer_size=1, observers=[Listener()], store=store) as scheduler,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(keep_looking, scheduler)
            await play(scheduler)
            tasks.cancel_scope.cancel()
            await anyio.lowlevel.checkpoint()

    with watched() as watcher:
        run(main, seed=play.__name__)
    return watcher.jobs, watcher.runs


def test_the_lists_are_what_is_seen() -> None:
    jobs: Seen = set()
    runs: Seen = set()
    for play in (*SCENARIOS, *STORED):
        seen = observe(play)
        jobs |= seen[0]
        runs |= seen[1]
    assert jobs == diagrams.JOB.keys()
    assert runs == diagrams.RUN.keys()


def test_the_lists_know_every_state_and_no_other() -> None:
    assert {state for pair in diagrams.JOB for state in pair} == {"", *JobState}
    assert {state for pair in diagrams.RUN for state in pair} == {"", "planned", *RunPhase, *Outcome}


def test_nothing_comes_after_an_outcome() -> None:
    assert {begin for begin, _ in diagrams.RUN} == {"", "planned", *RunPhase}


@pytest.mark.parametrize("name", ["job", "run"])
def test_the_page_has_the_list(name: str) -> None:
    found = {found["name"]: found["rows"] for found in diagrams.TABLE.finditer(diagrams.PAGE.read_text("utf-8"))}
    assert found[name] == diagrams.table(getattr(diagrams, name.upper())), "python docs/_tools/state_diagrams.py"


@pytest.mark.parametrize("name", ["job", "run"])
def test_the_picture_has_the_list(name: str) -> None:
    svg = (diagrams.PAGE.parent / f"{name}-states.svg").read_text("utf-8")
    assert svg == diagrams.PICTURES[name].svg(), "python docs/_tools/state_diagrams.py"
    drawn = {
        tuple(pair.split(":")) for pairs in re.findall(r'data-transitions="([^"]+)"', svg) for pair in pairs.split()
    }
    assert drawn == getattr(diagrams, name.upper()).keys()
