"""A wrong argument was detected by the coordinator, not at the call, and ended the scheduler with all its jobs.

Cause: operations passed on their arguments, and checked only some of them. The arguments of the job's function were not
checked until it ran, perhaps days later.
"""

import functools
from typing import Any

import anyio
import pytest

from turnkeeper_trio import (
    After,
    ConfigurationError,
    FixedRetryDelay,
    Interval,
    JobNotFound,
    JobSet,
    JobState,
    Overlap,
    RecurringJobRequest,
    RunNotFound,
    WouldDeadlock,
    job_id_of_key,
    open_scheduler,
)
from turnkeeper_trio.events import RunFinished

pytestmark = pytest.mark.anyio
REQUEST = RecurringJobRequest("job", Interval(seconds=10), key="job")


class Several:
    """Like an array: it has no truth value, and ``==`` gives none either."""

    def __bool__(self) -> bool:
        raise ValueError("ambiguous")

    def __ne__(self, other: object) -> Any:
        return Several()

    __hash__ = object.__hash__


class Model:
    """Like a lazy row: its ``repr`` reads from a database that is gone."""

    def __repr__(self) -> str:
        raise OSError("gone")


WRONG: dict[str, Any] = {
    "cancel_job(model)": lambda s: s.cancel_job(Model()),
    "list_all_jobs(limit)": lambda s: s.list_all_jobs(limit=10**400),  # islice() takes no such number
    "get_run_history(limit)": lambda s: s.get_run_history(limit=10**400),
    "update_job(max_runs)": lambda s: s.update_job("job", max_runs=10**5000),  # nor can Python write this one
    "cancel_job(blank)": lambda s: s.cancel_job(" "),
    "cancel_job(surrogate)": lambda s: s.cancel_job("\ud800"),
    "cancel_job(reason)": lambda s: s.cancel_job("job", reason=Several()),
    "cancel_job(cancel_running)": lambda s: s.cancel_job("job", cancel_running=1),
    "cancel_run(text)": lambda s: s.cancel_run("job"),
    "wait_run(model)": lambda s: s.wait_run(Model()),
    "wait_job(model)": lambda s: s.wait_job(Model()),
    "wait_idle(due_only)": lambda s: s.wait_idle(due_only=Several()),
    "pause_job(note)": lambda s: s.pause_job("job", note=Several()),
    "pause_all(note)": lambda s: s.pause_all(note=Several()),
    "trigger(overlap)": lambda s: s.trigger_job_now("job", overlap="skip"),
    "resume(missed)": lambda s: s.resume_job("job", missed=Several()),
    "update(kwargs list)": lambda s: s.update_job("job", kwargs=["a"]),
    "update(kwargs keys)": lambda s: s.update_job("job", kwargs={1: 2}),
    "update(args)": lambda s: s.update_job("job", args=5),
    "update(version)": lambda s: s.update_job("job", if_version=Several()),
    "update(field)": lambda s: s.update_job("job", no_such=1),
    "update(key)": lambda s: s.update_job("job", key="other"),
    "add_job(request)": lambda s: s.add_job(Model(), anyio.sleep, 1),
    "add_job(kwargs)": lambda s: s.add_job(REQUEST, anyio.sleep, 1, kwargs=["a"]),
    "list(after)": lambda s: s.list_all_jobs(after=Model()),
    "register(aliases)": lambda s: s.register("name", anyio.sleep, "old"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_it_is_refused_at_the_call_and_hurts_nobody(what: str) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(REQUEST, anyio.sleep, 0)
        sent = scheduler._parts.commands.sent
        with pytest.raises(ConfigurationError) as refused:
            await WRONG[what](scheduler)
        assert refused.value.parameter
        assert scheduler._parts.commands.sent == sent
        await anyio.sleep(11)
        assert scheduler.get_metrics_snapshot().books.succeeded == 1


@pytest.mark.parametrize(
    "kinds", [([RunFinished],), ("RunFinished",), (int,), (Model(),)], ids=["list", "text", "int", "model"]
)
async def test_events_takes_kinds_of_events(kinds: tuple[Any, ...]) -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        with pytest.raises(ConfigurationError, match="events"):
            async with scheduler.events(*kinds):
                pass
        with pytest.raises(ConfigurationError, match="job_id"):
            async with scheduler.events(job_id=["job"]):  # type: ignore[arg-type]
                pass
        async with scheduler.events(RunFinished, job_id="job") as events:
            await scheduler.add_job(REQUEST, anyio.sleep, 0)
            assert (await anext(events)).job_id == job_id_of_key("job")


def plain(a: int, b: int = 2, *, c: int = 3) -> None: ...
def needs(*, c: int) -> None: ...
def many(*args: int) -> None: ...


class Service:
    def method(self, a: int) -> None: ...
    def __call__(self, a: int) -> None: ...
    @staticmethod
    async def still(a: int) -> int:
        return a

    made = classmethod(plain)


@functools.wraps(plain)
def gives_two(b: int) -> None: ...


class Signed:
    __signature__ = "nobody's"


RIGHT: list[tuple[Any, tuple[Any, ...], dict[str, Any] | None]] = [
    (plain, (1,), None), (plain, (1, 2), {"c": 4}), (plain, (), {"a": 1}), (needs, (), {"c": 1}), (many, (1, 2), None),
    (Service().method, (1,), None), (Service(), (1,), None), (Service.__dict__["still"], (1,), None),
    (functools.partial(plain, b=1), (1,), {"b": 2}), (functools.partial(Service().method, 1), (), None),
    (gives_two, (1,), None), (print, (1,), {"sep": ""}), (dict, (), {"x": 1}), (Signed, (), None), (max, (1, 2), None),
]  # fmt: skip
REFUSED: list[tuple[Any, tuple[Any, ...], dict[str, Any] | None]] = [
    (plain, (), None), (plain, (1, 2, 3), None), (plain, (1,), {"d": 4}), (needs, (), None),
    (Service().method, (), None), (Service(), (), None), (Service.__dict__["still"], (), None),
    (functools.partial(plain, 1), (2, 3), None),
    (gives_two, (1, 2), None), (print, (1,), {"no": 1}),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(RIGHT)))
async def test_a_call_that_would_work_is_taken(number: int) -> None:
    fn, args, kwargs = RIGHT[number]
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job"), fn, *args, kwargs=kwargs)
        assert (await scheduler.get_job_details(job_id)).state is JobState.ACTIVE
    jobs = JobSet()
    jobs.add(RecurringJobRequest("job"), fn, *args, kwargs=kwargs)
    assert len(jobs) == 1


@pytest.mark.parametrize("number", range(len(REFUSED)))
async def test_a_call_that_would_fail_is_refused_at_once(number: int) -> None:
    fn, args, kwargs = REFUSED[number]
    async with open_scheduler(max_workers=1) as scheduler:
        for submit in (scheduler.try_add_job, JobSet().add):
            with pytest.raises(TypeError, match="does not take these arguments"):
                submit(RecurringJobRequest("job"), fn, *args, kwargs=kwargs)  # type: ignore[operator]
        job_id = await scheduler.add_job(RecurringJobRequest("job"), print)
        await scheduler.get_job_details(job_id)
        with pytest.raises(TypeError, match="does not take these arguments"):
            await scheduler.update_job(job_id, fn=fn, args=args, kwargs=kwargs or {})
        with pytest.raises(JobNotFound):
            await scheduler.update_job("nobody", fn=print)


async def test_what_an_update_leaves_as_it_is_counts_too() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        await scheduler.add_job(REQUEST, needs, kwargs={"c": 1})
        await scheduler.get_job_details("job")
        for changes in ({"args": (1,)}, {"kwargs": {}}, {"fn": plain}):
            with pytest.raises(TypeError, match="does not take these arguments"):
                await scheduler.update_job("job", **changes)
        assert await scheduler.update_job("job", fn=plain, args=[1], kwargs={}) == 2  # type: ignore[arg-type]


async def test_defaults_that_are_assigned_later_count() -> None:
    def late(a: int, b: int) -> None: ...

    with pytest.raises(TypeError):
        JobSet().add(RecurringJobRequest("job"), late, kwargs={"a": 1})
    late.__defaults__ = (2,)
    JobSet().add(RecurringJobRequest("job"), late, kwargs={"a": 1})


async def test_a_static_method_is_the_function_in_it() -> None:
    with pytest.raises(TypeError, match="classmethod"):
        JobSet().add(REQUEST, Service.__dict__["made"])
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(RecurringJobRequest("job", After(0)), Service.__dict__["still"], 7)
        assert (await scheduler.get_job_details(job_id)).target.endswith("Service.still")
        assert (await scheduler.wait_job(job_id)).unwrap() == 7


async def test_a_key_and_a_text_are_handles() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        job_id = await scheduler.add_job(REQUEST, anyio.sleep, 0)
        plain_id = await scheduler.add_job(RecurringJobRequest("by id"), anyio.sleep, 0)
        assert job_id == job_id_of_key("job")
        details = await scheduler.get_job_details("job")
        assert (await scheduler.get_job_details(str(plain_id))).job_id == plain_id
        assert [job.key for job in await scheduler.list_all_jobs()] == ["job", None]
        assert details.next_run_instance is not None
        assert (await scheduler.cancel_run(str(details.next_run_instance))).job_id == job_id
        # A key may look like an id: if a job has it, it is the key.
        twin = await scheduler.add_job(RecurringJobRequest("twin", key=str(plain_id)), anyio.sleep, 0)
        assert (await scheduler.get_job_details(str(plain_id))).job_id == twin
        with pytest.raises(JobNotFound, match="no job has the key 'nobody'"):
            await scheduler.get_job_details("nobody")
        for wrong in ("", 5):
            with pytest.raises(ConfigurationError):
                job_id_of_key(wrong)  # type: ignore[arg-type]


async def test_a_job_that_waits_for_its_own_key_would_wait_for_ever() -> None:
    async with open_scheduler(max_workers=2) as scheduler:
        await scheduler.add_job(REQUEST.replace(schedule=After(0)), scheduler.wait_job, "job")
        assert isinstance((await scheduler.wait_job("job")).error, WouldDeadlock)


async def test_defaults_of_a_scheduler_and_of_a_set() -> None:
    defaults: Any = {"timeout": 30, "retry": FixedRetryDelay(1), "max_concurrent": 2, "tags": ["a"]}
    jobs = JobSet(defaults={"max_retries": 2, "timeout": 5})

    @jobs.job("set", Interval(10), priority=3)
    async def of_a_set() -> None: ...

    @jobs.job("written", Interval(10), 0, timeout=None)
    async def written() -> None: ...

    async with open_scheduler(max_workers=1, job_defaults=defaults) as scheduler:
        request = RecurringJobRequest("own", timeout=None)
        own = await scheduler.add_job(request, anyio.sleep, 0)
        assert scheduler._parts.engine.state.jobs == {} or own
        await scheduler.get_job_details(own)
        held = scheduler._parts.engine.state.jobs
        assert (held[own].request.timeout, held[own].request.tags, held[own].request.retry) == (None, ("a",), None)
        wide = RecurringJobRequest("wide", overlap=Overlap.ALLOW_ALL, max_retries=1)
        for _ in range(2):
            many_ = await scheduler.add_job(wide, anyio.sleep, 0)
            await scheduler.get_job_details(many_)
            assert (held[many_].request.max_concurrent, held[many_].request.retry) == (2, FixedRetryDelay(1))
        added = (await scheduler.apply(jobs)).added
        first, second = (held[job_id].request for job_id in added)
        assert (first.max_retries, first.timeout, first.retry) == (2, 5, FixedRetryDelay(1))
        assert (second.max_retries, second.timeout) == (0, None)
        assert (await scheduler.apply(jobs)).unchanged == added
    with pytest.raises(ConfigurationError, match="a value cannot be used"):
        JobSet(defaults={"tags": (1 / 0 for _ in "a")})  # type: ignore[typeddict-item]
    wrong: Any
    for wrong in (5, {"key": "k"}, {"timeout": -1}, {1: 2}):
        with pytest.raises(ConfigurationError):
            JobSet(defaults=wrong)


async def test_leaving_the_block_of_a_job_that_never_ran_forgets_it() -> None:
    async with open_scheduler(max_workers=1) as scheduler:
        async with scheduler.scheduled(RecurringJobRequest("later", After(50), key="later"), anyio.sleep, 0) as job_id:
            pass
        with pytest.raises(JobNotFound):
            await scheduler.wait_job(job_id)
        with pytest.raises(RunNotFound):
            await scheduler.wait_run(str(job_id))
