"""The plugin for pytest: its fixtures and markers put a test, and the schedulers that it opens, in virtual time.

pytest loads it wherever the library is installed. It does nothing to a test that uses none of its fixtures and markers.
anyio's plugin, pytest-trio or pytest-asyncio runs the test. This plugin makes the event loop that they start one in
virtual time, and guards the body of the test.

Because each run of pytest in the environment loads this module, it imports the library, event loops and pendulum only
inside of functions, when a test uses one of its fixtures or markers.
"""

from __future__ import annotations

import functools
import inspect
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator

    from turnkeeper_trio._runtime.scheduler import Scheduler
    from turnkeeper_trio.testing import FaultPlan, SchedulerTime
    from turnkeeper_trio.testing._harness import Session

MARKERS: Final = {
    "scheduler_time": "scheduler_time(start=, timezone=, mode='auto' | 'explicit', horizon=): run this test in virtual "
    "time, which begins at the instant start.",
    "scheduler_options": "scheduler_options(**options): open the fixture scheduler with these options.",
    "schedule_seeds": "schedule_seeds(n): run this test on n of trio's schedules.",
}
FIXTURES: Final = {"scheduler", "scheduler_time", "frozen_now", "fault_plan", "schedule_seed"}

OPTIONS: Final[dict[str, Any]] = {
    "max_workers": 4,
    "history_limit": 1_000_000,
    "history_per_job": 1_000_000,
    "shutdown_grace": timedelta(minutes=1),
}
"""The options of the fixture ``scheduler``; the marker ``scheduler_options`` overrides them."""

SESSION: Final = pytest.StashKey["Session"]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    for text in MARKERS.values():
        config.addinivalue_line("markers", text)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test for each seed of the marker ``schedule_seeds``."""
    marker = metafunc.definition.get_closest_marker("schedule_seeds")
    if marker is not None:
        seeds = range(*marker.args) if len(marker.args) == 1 and not marker.kwargs else ()
        if not seeds:
            message = f"{metafunc.definition.nodeid}: write schedule_seeds(n), with n at least 1"
            raise pytest.UsageError(message)
        metafunc.fixturenames.append("schedule_seed")
        metafunc.parametrize("schedule_seed", seeds, ids=[f"seed{seed}" for seed in seeds], indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests on asyncio with a seed other than 0, because asyncio has only one order of tasks."""
    left_out = [item for item in items if _seed(item) and _is_on_asyncio(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Have the event loops of a test that uses this plugin start in virtual time."""
    if not _uses_plugin(item):
        return (yield)
    from turnkeeper_trio.errors import ConfigurationError
    from turnkeeper_trio.testing._backends import seeded_schedule, virtual_by_default

    with ExitStack() as stack:
        try:
            session = item.stash[SESSION] = _session(item)
        except (TypeError, ConfigurationError):
            pass  # pytest_runtest_setup fails with the message
        else:
            stack.enter_context(virtual_by_default(session.bind))
            stack.enter_context(seeded_schedule(session.settings.seed))
        stack.enter_context(_known_to_pytest_asyncio(item))
        _have_pytest_trio_look_again(item)
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test whose marker ``scheduler_time`` makes no sense."""
    if _uses_plugin(item) and SESSION not in item.stash:
        from turnkeeper_trio.errors import ConfigurationError

        try:
            _session(item)
        except (TypeError, ConfigurationError) as exc:
            pytest.fail(f"@pytest.mark.scheduler_time: {exc}", pytrace=False)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Guard the body of a test, so that it fails if it waits for something that cannot come."""
    session = item.stash.get(SESSION, None)
    if session is None or not isinstance(item, pytest.Function):
        return (yield)
    # With Hypothesis, the inner function is the async one. The plugin that runs the test reads either attribute later.
    holder, name = (item.obj.hypothesis, "inner_test") if hasattr(item.obj, "hypothesis") else (item, "obj")
    body = getattr(holder, name)
    if not inspect.iscoroutinefunction(body):
        return (yield)
    setattr(holder, name, _guarded(body, session))
    try:
        return (yield)
    finally:
        setattr(holder, name, body)


def _guarded(body: Callable[..., Any], session: Session) -> Callable[..., Any]:
    @functools.wraps(body)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        with session.harness.guarded():
            return await body(*args, **kwargs)

    return guarded


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Add the seed, the timezone and the virtual time to the report of a failure."""
    report = yield
    if report.failed and SESSION in item.stash and call.when != "collect":
        from turnkeeper_trio.testing import SchedulerTime

        time = SchedulerTime(item.stash[SESSION])
        order = "" if _is_on_asyncio(item) else f"order of trio's tasks: seed {time.seed}; "
        lines = [f"{order}timezone: {time.timezone}"]
        try:
            lines.append(f"the virtual time was {time.now}")
        except RuntimeError:
            lines.append("no event loop was started")
        report.sections.append(("virtual time", "\n".join(lines)))
    return report


def _uses_plugin(item: pytest.Item) -> bool:
    """Return whether a test uses one of the fixtures or markers."""
    names: list[str] = getattr(item, "fixturenames", [])
    return not FIXTURES.isdisjoint(names) or any(item.get_closest_marker(name) for name in MARKERS)


def _seed(item: pytest.Item) -> int:
    call: Any = getattr(item, "callspec", None)
    return 0 if call is None else cast("int", call.params.get("schedule_seed", 0))


def _is_on_asyncio(item: pytest.Item) -> bool:
    call: Any = getattr(item, "callspec", None)
    backend: Any = None if call is None else call.params.get("anyio_backend")
    name = backend if isinstance(backend, str) else next(iter(backend or ("",)))
    return bool(name == "asyncio") or item.get_closest_marker("asyncio") is not None


def _merged(item: pytest.Item, marker: str) -> dict[str, Any]:
    """Return the arguments of a marker. Where several give the same one, the marker nearest to the test decides.

    Raises:
        TypeError: One of them has positional arguments.
    """
    marks = list(item.iter_markers(marker))
    if any(mark.args for mark in marks):
        raise TypeError("it takes keyword arguments only")
    return {name: value for mark in reversed(marks) for name, value in mark.kwargs.items()}


def _session(item: pytest.Item) -> Session:
    from turnkeeper_trio.testing._harness import Session
    from turnkeeper_trio.testing._run import settings

    return Session(settings(seed=_seed(item), **_merged(item, "scheduler_time")))


def _have_pytest_trio_look_again(item: pytest.Item) -> None:
    """Have pytest-trio look up ``trio.run`` when it runs the test. With ``trio_mode`` it does so at collection."""
    marker = item.get_closest_marker("trio")
    if marker is not None and getattr(marker.kwargs.get("run"), "__module__", "").partition(".")[0] == "trio":
        item.add_marker(pytest.mark.trio(run=_run_trio), append=False)


def _run_trio(*args: Any, **options: Any) -> Any:
    import trio

    run: Any = trio.run
    return run(*args, **options)


@contextmanager
def _known_to_pytest_asyncio(item: pytest.Item) -> Generator[None]:
    """Have pytest-asyncio run the fixture ``scheduler`` in the loop of the test, as its own decorator would.

    The decorator sets these attributes for all tests, and tests of the other plugins use the fixture too. So they are
    set for one test only.
    """
    marker = item.get_closest_marker("asyncio")
    if marker is None:
        yield
        return
    function: Any = _scheduler
    function._force_asyncio_fixture = True  # noqa: SLF001  (pytest-asyncio's)
    function._loop_scope = marker.kwargs.get("loop_scope")  # noqa: SLF001  (pytest-asyncio's)
    try:
        yield
    finally:
        del function._force_asyncio_fixture, function._loop_scope  # noqa: SLF001  (pytest-asyncio's)


@pytest.fixture
def schedule_seed(request: pytest.FixtureRequest) -> int:
    """The seed of the order in which trio runs the tasks of the test."""
    return cast("int", getattr(request, "param", 0))


@pytest.fixture
def scheduler_time(request: pytest.FixtureRequest) -> SchedulerTime:
    """The virtual time of the test, and of each scheduler that it opens."""
    from turnkeeper_trio.testing import SchedulerTime

    if SESSION not in request.node.stash:
        pytest.fail("scheduler_time must be named by the test or by a fixture of it")
    return SchedulerTime(request.node.stash[SESSION])


@pytest.fixture
def fault_plan(scheduler_time: SchedulerTime) -> Iterator[FaultPlan]:
    """The plan of the calls of jobs, observers and stores that are to fail. Each planned fault must strike."""
    yield scheduler_time.fault_plan
    scheduler_time.fault_plan.assert_reached()


@pytest.fixture
def frozen_now(request: pytest.FixtureRequest, scheduler_time: SchedulerTime) -> Iterator[SchedulerTime]:
    """Make ``datetime.now()``, ``time.time()`` and ``pendulum.now()`` return the virtual time (with time-machine)."""
    try:
        import time_machine  # it is optional
    except ImportError:
        pytest.fail("the fixture frozen_now needs time-machine: pip install time-machine", pytrace=False)
    from turnkeeper_trio._model.times import utc_datetime

    session: Session = request.node.stash[SESSION]
    with time_machine.travel(utc_datetime(session.settings.start), tick=False) as machine:
        session.listen(lambda: machine.move_to(utc_datetime(session.harness.settable_clock.wall())))
        yield scheduler_time


async def _scheduler(request: pytest.FixtureRequest, scheduler_time: SchedulerTime) -> AsyncGenerator[Scheduler]:
    """An open scheduler in virtual time.

    After it has been closed, it is checked: its books balance, and no task of its jobs is left alive.
    """
    from turnkeeper_trio.testing._fixture_host import HostedScheduler

    hosted = HostedScheduler(OPTIONS | _merged(request.node, "scheduler_options"))
    del scheduler_time
    harness = request.node.stash[SESSION].harness
    yield await hosted.open()
    await hosted.close()
    harness.check_ended()


scheduler: Any = pytest.fixture(name="scheduler")(_scheduler)
