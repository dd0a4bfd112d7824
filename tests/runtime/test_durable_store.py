"""In front of a durable store a job must be one that a restart can bring back, or the call that submits it says why."""

import functools
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from fake_store import FakeStore
from storable import KINDS, OpeningHours, Patience

from turnkeeper_trio import (
    After,
    ConfigurationError,
    Interval,
    JobSet,
    RecurringJobRequest,
    Scheduler,
    open_scheduler,
)
from turnkeeper_trio._engine import queries
from turnkeeper_trio.jobs import JobSetEntry

pytestmark = pytest.mark.anyio

LATER = RecurringJobRequest("later", After(hours=1))
SEEN: list[Any] = []


@pytest.fixture(autouse=True)
def seen() -> list[Any]:
    SEEN.clear()
    return SEEN


async def note(*args: Any, **kwargs: Any) -> None:
    SEEN.append((args, kwargs))


async def other(*args: Any) -> None:
    SEEN.append(("other", args))


class Shop:
    async def report(self, *args: Any) -> None:
        SEEN.append((self, args))


def closure() -> Callable[..., Any]:
    async def inner() -> None:
        SEEN.append("inner")

    return inner


def target_of(scheduler: Scheduler, job_id: Any) -> str:
    """Return the name under which a job has its function."""
    return str(scheduler._parts.engine.ask(queries.current_call, job_id).target)


async def add(scheduler: Scheduler, request: RecurringJobRequest, fn: Any, *args: Any, **kwargs: Any) -> Any:
    return await scheduler.add_job(request, fn, *args, kwargs=kwargs or None)


async def try_add(scheduler: Scheduler, request: RecurringJobRequest, fn: Any, *args: Any, **kwargs: Any) -> Any:
    await anyio.lowlevel.checkpoint()
    return scheduler.try_add_job(request, fn, *args, kwargs=kwargs or None)


async def add_many(scheduler: Scheduler, request: RecurringJobRequest, fn: Any, *args: Any, **kwargs: Any) -> Any:
    return (await scheduler.add_jobs([JobSetEntry(request, fn, args, kwargs or None)]))[0]


async def add_atomic(scheduler: Scheduler, request: RecurringJobRequest, fn: Any, *args: Any, **kwargs: Any) -> Any:
    return (await scheduler.add_jobs([JobSetEntry(request, fn, args, kwargs or None)], atomic=True))[0]


async def scoped(scheduler: Scheduler, request: RecurringJobRequest, fn: Any, *args: Any, **kwargs: Any) -> Any:
    async with scheduler.scheduled(request, fn, *args, kwargs=kwargs or None) as job_id:
        return job_id


async def updated(scheduler: Scheduler, request: RecurringJobRequest, fn: Any, *args: Any, **kwargs: Any) -> Any:
    job_id = await scheduler.add_job(LATER, "shop.note")
    changes = {name: getattr(request, name) for name in request.given - {"key"}}
    await scheduler.update_job(job_id, fn=fn, args=args, kwargs=kwargs, **changes)
    return job_id


async def applied(scheduler: Scheduler, request: RecurringJobRequest, fn: Any, *args: Any, **kwargs: Any) -> Any:
    jobs = JobSet()
    jobs.add(request, fn, *args, kwargs=kwargs or None)
    changes = await scheduler.apply(jobs)
    return (changes.added or changes.updated)[0]


Submit = Callable[..., Awaitable[Any]]
ONE_BY_ONE: list[Submit] = [add, try_add, add_many, add_atomic, scoped, updated]
WAYS = pytest.mark.parametrize("submit", [*ONE_BY_ONE, applied])


UNNAMED: dict[str, tuple[Any, str]] = {
    "function": (other, r"not registered, .*write scheduler.register\('other', …\) before, or put it in a JobSet"),
    "lambda": (lambda: None, "a lambda, .*write a function with def"),
    "closure": (closure(), "a function inside of a function, .*define it in a module"),
    "method": (Shop().report, r"a bound method, .*scheduler.register\('Shop.report', the_method\)"),
    "partial": (functools.partial(note, 1), "a partial, .*register note itself"),
    "built-in": (print, "not registered"),
}


@pytest.mark.parametrize("submit", ONE_BY_ONE)
@pytest.mark.parametrize(("fn", "message"), UNNAMED.values(), ids=UNNAMED)
async def test_a_function_without_a_name_is_refused(submit: Submit, fn: Any, message: str) -> None:
    store = FakeStore()
    async with open_scheduler(max_workers=1, store=store) as scheduler:
        scheduler.register("shop.note", note)
        with pytest.raises(ConfigurationError, match=message) as caught:
            await submit(scheduler, LATER, fn)
        assert caught.value.parameter == "fn"
        assert len(await scheduler.list_all_jobs()) == (submit is updated)


@WAYS
@pytest.mark.parametrize(("args", "kwargs"), [(((1, 2),), {}), ((), {"when": [0, 1, {2}]})], ids=["args", "kwargs"])
async def test_an_argument_that_cannot_be_kept_is_refused(submit: Submit, args: Any, kwargs: Any) -> None:
    async with open_scheduler(max_workers=1, store=FakeStore()) as scheduler:
        scheduler.register("shop.note", note)
        with pytest.raises(
            ConfigurationError, match=r"^(args\[0\]|kwargs\['when'\]\[2\]) is .* no durable store"
        ) as caught:
            await submit(scheduler, LATER, note, *args, **kwargs)
        assert caught.value.parameter == ("args" if args else "kwargs")
        assert len(await scheduler.list_all_jobs()) == (submit is updated)


@WAYS
@pytest.mark.parametrize("name", ["schedule", "retry"])
async def test_a_class_that_cannot_be_kept_is_refused(submit: Submit, name: str) -> None:
    own: dict[str, Any] = {"schedule": {"schedule": OpeningHours()}, "retry": {"max_retries": 1, "retry": Patience()}}
    request = RecurringJobRequest("job", **own[name])
    async with open_scheduler(max_workers=1, store=FakeStore()) as scheduler:
        scheduler.register("shop.note", note)
        with pytest.raises(ConfigurationError, match=rf"cannot keep {name}=.*open_scheduler\(kinds=") as caught:
            await submit(scheduler, request, note)
        assert caught.value.parameter == name
    async with open_scheduler(max_workers=1, store=FakeStore(), kinds=KINDS) as scheduler:
        scheduler.register("shop.note", note)
        await submit(scheduler, request, note)


@WAYS
async def test_without_a_store_all_is_taken(submit: Submit) -> None:
    request = RecurringJobRequest("job", OpeningHours(), 1, retry=Patience())
    async with open_scheduler(max_workers=1) as scheduler:
        scheduler.register("shop.note", note)
        for fn in (closure(), functools.partial(note, object()), Shop().report, lambda *_: None):
            assert await submit(scheduler, request, fn)
        assert await submit(scheduler, request, note, (1, 2), {3})
        assert await submit(scheduler, request, note, a=object())


async def test_an_error_says_which_of_many_it_is_about() -> None:
    jobs = JobSet(name="shop")
    jobs.add(RecurringJobRequest("good"), note)
    jobs.add(RecurringJobRequest("bad"), note, {1})
    async with open_scheduler(max_workers=1, store=FakeStore()) as scheduler:
        scheduler.register("shop.note", note)
        with pytest.raises(ConfigurationError) as caught:
            await scheduler.add_jobs([(LATER, note), (LATER, other)])
        assert caught.value.__notes__ == ["in jobs[1]"]
        with pytest.raises(ConfigurationError) as caught:
            await scheduler.apply(jobs)
        assert caught.value.__notes__ == ["in the job 'bad' of the job set 'shop'"]
        assert await scheduler.list_all_jobs() == []


class TestNames:
    async def test_a_function_is_found_by_the_name_that_it_was_given(self) -> None:
        shop = Shop()
        async with open_scheduler(max_workers=1, store=FakeStore()) as scheduler:
            scheduler.register("shop.note", note, aliases=["note"])
            scheduler.register("shop.report", shop.report)
            scheduler.register("shop.partial", functools.partial(note, 1))
            scheduler.register("shop.lambda", lambda: None)
            by_name = {
                "shop.note": note,
                "note": "note",
                "shop.report": shop.report,
                "shop.partial": functools.partial(note, 1),
            }
            for name, fn in by_name.items():
                assert target_of(scheduler, await scheduler.add_job(LATER, fn)) == name
            scheduler.register("newer", note)
            assert target_of(scheduler, await scheduler.add_job(LATER, note)) == "newer"
            static = staticmethod(note)
            assert target_of(scheduler, await scheduler.add_job(LATER, static)) == "newer"

    async def test_what_is_no_function_stays_a_type_error(self) -> None:
        async with open_scheduler(max_workers=1, store=FakeStore()) as scheduler:
            with pytest.raises(TypeError, match="a function was expected"):
                await scheduler.add_job(LATER, 5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
            with pytest.raises(ConfigurationError, match=r"write scheduler\.register\('nothing', …\) before"):
                await scheduler.add_job(LATER, "nothing")

    async def test_a_function_that_was_loaded_again_has_the_name(self, seen: list[Any]) -> None:
        def made() -> Any:
            async def again() -> None:
                SEEN.append("again")

            again.__qualname__ = "again"
            return again

        before, after = made(), made()
        async with open_scheduler(max_workers=1, store=FakeStore()) as scheduler:
            scheduler.register("again", before)
            scheduler.register("again", after)
            assert target_of(scheduler, await scheduler.add_job(LATER, after)) == "again"
            with pytest.raises(ConfigurationError, match="again"):
                await scheduler.add_job(LATER, before)
        assert seen == []


class TestSets:
    async def test_the_functions_of_a_set_have_names_of_it(self, seen: list[Any]) -> None:
        jobs = JobSet(name="shop", version=3)
        jobs.add(RecurringJobRequest("a", After(1)), note, 1)
        jobs.add(RecurringJobRequest("b", After(2), key="key of b"), note, 2)
        jobs.add(RecurringJobRequest("c", After(3)), "given", 3)
        jobs.add(RecurringJobRequest("d", After(4)), other, 4)
        jobs.add(RecurringJobRequest("e", After(5)), lambda: SEEN.append("lambda"))
        async with open_scheduler(max_workers=1, store=FakeStore()) as scheduler:
            scheduler.register("given", note)
            scheduler.register("shop.other", other)
            added = (await scheduler.apply(jobs)).added
            names = [target_of(scheduler, job_id) for job_id in added]
            assert names == ["given", "given", "given", "shop.other", "shop/e"]
            assert await scheduler.apply(jobs) == (await scheduler.apply(jobs))
            await scheduler.wait_idle()
        assert seen == [((1,), {}), ((2,), {}), ((3,), {}), ("other", (4,)), "lambda"]

    async def test_one_function_under_two_keys_has_two_names(self) -> None:
        jobs = JobSet()
        jobs.add(RecurringJobRequest("a", Interval(5)), note, 1)
        jobs.add(RecurringJobRequest("b", Interval(5), key="key of b"), note, 2)
        async with open_scheduler(max_workers=1, store=FakeStore()) as scheduler:
            added = (await scheduler.apply(jobs)).added
            assert [target_of(scheduler, job_id) for job_id in added] == ["default/a", "default/key of b"]
            assert target_of(scheduler, await scheduler.add_job(LATER, note)) == "default/key of b"
            assert target_of(scheduler, await scheduler.add_job(LATER, "default/a")) == "default/a"

    async def test_a_set_may_give_its_name_another_function(self, seen: list[Any]) -> None:
        before, after = JobSet(), JobSet()
        before.add(RecurringJobRequest("a", Interval(5)), note)
        after.add(RecurringJobRequest("a", Interval(5)), other)
        async with open_scheduler(max_workers=1, store=FakeStore()) as scheduler:
            await scheduler.apply(before)
            await anyio.sleep(6)
            await scheduler.apply(after)
            await anyio.sleep(5)
            with pytest.raises(ConfigurationError, match=r"fn is .*note.*not registered"):
                await scheduler.add_job(LATER, note)
        assert seen == [((), {}), ("other", ())]

    async def test_a_name_that_is_taken_is_refused(self) -> None:
        jobs = JobSet()
        jobs.add(RecurringJobRequest("a", Interval(5)), note)
        async with open_scheduler(max_workers=1, store=FakeStore()) as scheduler:
            scheduler.register("default/a", other)
            with pytest.raises(ConfigurationError, match="another function is registered as 'default/a'") as caught:
                await scheduler.apply(jobs)
            assert caught.value.parameter == "job_set"
        async with open_scheduler(max_workers=1, store=FakeStore()) as scheduler:
            scheduler.register("default/a", note)
            assert len((await scheduler.apply(jobs)).added) == 1


async def test_the_function_gets_what_the_store_holds(seen: list[Any]) -> None:
    """So the run before a restart gets the same as one after it, whatever the caller does with the list meanwhile."""
    mine = [1, 2]
    async with open_scheduler(max_workers=1, store=FakeStore()) as scheduler:
        scheduler.register("shop.note", note)
        job_id = await scheduler.add_job(RecurringJobRequest("job", After(5)), note, mine, kwargs={"a": mine})
        mine.append(3)
        await scheduler.wait_job(job_id)
        job_id = await scheduler.add_job(RecurringJobRequest("job", After(5)), note)
        await scheduler.update_job(job_id, args=(mine,))
        mine.append(4)
        await scheduler.wait_job(job_id)
    assert seen == [(([1, 2],), {"a": [1, 2]}), (([1, 2, 3],), {})]


@dataclass
class Order:
    number: int


class OrderCodec:
    def dumps(self, value: Any) -> str:
        return json.dumps(value, default=lambda order: {"order": order.number})

    def loads(self, text: str) -> Any:
        return json.loads(text, object_hook=lambda data: Order(data["order"]))


@WAYS
async def test_a_codec_writes_what_json_has_no_word_for(submit: Submit, seen: list[Any]) -> None:
    soon = RecurringJobRequest("soon", After(1))
    async with open_scheduler(max_workers=1, store=FakeStore(), codec=OrderCodec()) as scheduler:
        scheduler.register("shop.note", note)
        assert await submit(scheduler, soon, note, Order(1), last=[Order(2)])
        await scheduler.wait_idle()
    assert seen == ([] if submit is scoped else [((Order(1),), {"last": [Order(2)]})])


class WithHorizon(FakeStore):
    """A store of a user's, whose horizon nobody has checked."""

    def __init__(self, given: Any) -> None:
        super().__init__()
        self._given = given

    @property
    def horizon(self) -> Any:
        return self._given


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"codec": object()}, "codec"),
        ({"codec": OrderCodec}, "codec"),
        ({"kinds": OpeningHours}, "kinds"),
        ({"kinds": [object]}, "kinds"),
        ({"store": object()}, "store"),
        ({"store": FakeStore}, "store"),
        ({"store": WithHorizon(-1)}, "store.horizon"),
        ({"store": WithHorizon("soon")}, "store.horizon"),
        ({"store_timeout": -1}, "store_timeout"),
        ({"store_timeout": None}, "store_timeout"),
    ],
)
async def test_options_are_checked(options: dict[str, Any], parameter: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        async with open_scheduler(max_workers=1, **options):
            pass
    assert caught.value.parameter == parameter


async def test_options_for_a_store_do_nothing_without_one() -> None:
    async with open_scheduler(max_workers=1, codec=OrderCodec(), kinds=KINDS) as scheduler:
        job_id = await scheduler.add_job(LATER, print, {1, 2})
        assert (await scheduler.get_job_details(job_id)).name == "later"


class TestVersions:
    @pytest.mark.parametrize("stored", [False, True])
    async def test_an_older_version_changes_nothing(self, stored: bool, caplog: pytest.LogCaptureFixture) -> None:
        def made(version: int, *names: str, name: str = "shop") -> JobSet:
            jobs = JobSet(name=name, version=version)
            for each in names:
                jobs.add(RecurringJobRequest(each, Interval(5)), note)
            return jobs

        async with open_scheduler(max_workers=1, store=FakeStore() if stored else None) as scheduler:
            assert len((await scheduler.apply(made(2, "a", "b"))).added) == 2
            caplog.clear()
            with caplog.at_level(logging.WARNING):
                changes = await scheduler.apply(made(1, "a", "c"))
            assert changes.newer_version == 2
            assert len(changes.unchanged) == 1
            assert str(changes) == "nothing, because version 2 is newer"
            assert caplog.messages == ["version 1 of the job set 'shop' was not applied, because version 2 is in force"]
            assert {each.name for each in await scheduler.list_all_jobs()} == {"a", "b"}
            assert len((await scheduler.apply(made(2, "a"))).removed) == 1
            assert len((await scheduler.apply(made(3, "c"))).removed) == 1
            assert {each.name for each in await scheduler.list_all_jobs()} == {"c"}

    async def test_sets_of_different_names_leave_each_other_alone(self) -> None:
        one, two = JobSet(name="one"), JobSet(name="two")
        one.add(RecurringJobRequest("a", Interval(5)), note)
        one.add(RecurringJobRequest("both", Interval(5)), note)
        two.add(RecurringJobRequest("b", Interval(5)), note)
        two.add(RecurringJobRequest("both", Interval(5)), note)
        async with open_scheduler(max_workers=1) as scheduler:
            await scheduler.apply(one)
            changes = await scheduler.apply(two)
            assert (len(changes.added), len(changes.unchanged), len(changes.removed)) == (1, 1, 0)
            # What is in both is of the set that was applied last.
            assert len((await scheduler.apply(JobSet(name="one"))).removed) == 1
            assert {each.name for each in await scheduler.list_all_jobs()} == {"b", "both"}
            assert len((await scheduler.apply(JobSet(name="two"))).removed) == 2

    @pytest.mark.parametrize("options", [{"name": ""}, {"name": "a/b"}, {"name": 5}, {"version": -1}, {"version": "2"}])
    def test_a_set_has_a_name_and_a_version(self, options: dict[str, Any]) -> None:
        with pytest.raises(ConfigurationError) as caught:
            JobSet(**options)
        assert caught.value.parameter in options
        jobs = JobSet(name="shop", version=2)
        assert (jobs.name, jobs.version) == ("shop", 2)
        assert (JobSet().name, JobSet().version) == ("default", 0)
