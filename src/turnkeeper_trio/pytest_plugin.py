"""The plugin for pytest: fixtures and markers that put a test, and the schedulers opened in it, in virtual time.

It is loaded wherever the library is installed, and does nothing to a test that uses none of its fixtures and markers.
It works beside anyio's plugin, pytest-trio and pytest-asyncio, which run the tests; it only sees to it that the loop
they start is in virtual time, and guards the body of the test.

Every run of pytest in the environment loads this module: so it imports nothing of the library, of an event loop or of
pendulum before a test asks for one of the fixtures or markers. All that needs them is in functions.
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
"""With what the fixture ``scheduler`` is opened, where a marker says nothing else."""

SESSION: Final = pytest.StashKey["Session"]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    for text in MARKERS.values():
        config.addinivalue_line("markers", text)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test for each seed."""
    marker = metafunc.definition.get_closest_marker("schedule_seeds")
    if marker is not None:
        seeds = range(*marker.args) if len(marker.args) == 1 and not marker.kwargs else ()
        if not seeds:
            message = f"{metafunc.definition.nodeid}: write schedule_seeds(n), with n at least 1"
            raise pytest.UsageError(message)
        metafunc.fixturenames.append("schedule_seed")
        metafunc.parametrize("schedule_seed", seeds, ids=[f"seed{seed}" for seed in seeds], indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what would be the same test again: asyncio has but one schedule."""
    left_out = [item for item in items if _seed(item) and _is_on_asyncio(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Have the loop of a test that asks for it be born in virtual time."""
    if not _is_ours(item):
        return (yield)
    from turnkeeper_trio.errors import ConfigurationError
    from turnkeeper_trio.testing._backends import born_virtual, seeded_schedule

    with ExitStack() as stack:
        try:
            session = item.stash[SESSION] = _session(item)
        except (TypeError, ConfigurationError):
            pass  # the set-up of the test says so
        else:
            stack.enter_context(born_virtual(session.bind))
            stack.enter_context(seeded_schedule(session.settings.seed))
        stack.enter_context(_known_to_pytest_asyncio(item))
        _have_pytest_trio_ask(item)
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Say what is wrong with a marker."""
    if _is_ours(item) and SESSION not in item.stash:
        from turnkeeper_trio.errors import ConfigurationError

        try:
            _session(item)
        except (TypeError, ConfigurationError) as exc:
            pytest.fail(f"@pytest.mark.scheduler_time: {exc}", pytrace=False)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Guard the body of a test: it fails where it waits for what never comes."""
    session = item.stash.get(SESSION, None)
    if session is None or not isinstance(item, pytest.Function):
        return (yield)
    # Under Hypothesis it is the inner function that is asynchronous. Both are looked up again by whoever runs the test.
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
    """Tell with a failure on which schedule it happened."""
    report = yield
    if report.failed and SESSION in item.stash and call.when != "collect":
        from turnkeeper_trio.testing import SchedulerTime

        time = SchedulerTime(item.stash[SESSION])
        lines = [f"trio's schedule: seed {time.seed}; timezone: {time.timezone}"]
        try:
            lines.append(f"the virtual time was {time.now}")
        except RuntimeError:
            lines.append("no event loop was started")
        report.sections.append(("virtual time", "\n".join(lines)))
    return report


def _is_ours(item: pytest.Item) -> bool:
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
    """Return the arguments of a marker; those nearer to the test go first."""
    marks = list(item.iter_markers(marker))
    if any(mark.args for mark in marks):
        raise TypeError("it takes keyword arguments only")
    return {name: value for mark in reversed(marks) for name, value in mark.kwargs.items()}


def _session(item: pytest.Item) -> Session:
    from turnkeeper_trio.testing._harness import Session
    from turnkeeper_trio.testing._run import settings

    return Session(settings(seed=_seed(item), **_merged(item, "scheduler_time")))


def _have_pytest_trio_ask(item: pytest.Item) -> None:
    """With ``trio_mode`` pytest-trio looked up ``trio.run`` when it collected the tests: have it look again."""
    marker = item.get_closest_marker("trio")
    if marker is not None and getattr(marker.kwargs.get("run"), "__module__", "").partition(".")[0] == "trio":
        item.add_marker(pytest.mark.trio(run=_run_trio), append=False)


def _run_trio(*args: Any, **options: Any) -> Any:
    import trio

    run: Any = trio.run
    return run(*args, **options)


@contextmanager
def _known_to_pytest_asyncio(item: pytest.Item) -> Generator[None]:
    """Have pytest-asyncio run our fixture in the loop of its own tests, as if its own decorator had been used.

    That decorator says nothing else, but it says it for all tests, and other plugins have tests that use the fixture.
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
    """The seed of trio's schedule on which the test runs."""
    return cast("int", getattr(request, "param", 0))


@pytest.fixture
def scheduler_time(request: pytest.FixtureRequest) -> SchedulerTime:
    """The virtual time of the test, and of every scheduler that is opened in it."""
    from turnkeeper_trio.testing import SchedulerTime

    if SESSION not in request.node.stash:
        pytest.fail("scheduler_time must be named by the test or by a fixture of it")
    return SchedulerTime(request.node.stash[SESSION])


@pytest.fixture
def fault_plan(scheduler_time: SchedulerTime) -> Iterator[FaultPlan]:
    """Which calls of jobs, observers and stores are to fail; each planned fault must strike."""
    yield scheduler_time.fault_plan
    scheduler_time.fault_plan.assert_reached()


@pytest.fixture
def frozen_now(request: pytest.FixtureRequest, scheduler_time: SchedulerTime) -> Iterator[SchedulerTime]:
    """Have ``datetime.now()``, ``time.time()`` and ``pendulum.now()`` follow the virtual time (by time-machine)."""
    try:
        import time_machine  # it is optional
    except ImportError:
        pytest.fail("the fixture frozen_now needs time-machine: pip install time-machine", pytrace=False)
    from turnkeeper_trio._model.times import utc_datetime

    session: Session = request.node.stash[SESSION]
    with time_machine.travel(utc_datetime(session.settings.start), tick=False) as machine:
        session.listen(lambda: machine.move_to(utc_datetime(session.harness.wall.wall())))
        yield scheduler_time


async def _scheduler(request: pytest.FixtureRequest, scheduler_time: SchedulerTime) -> AsyncGenerator[Scheduler]:
    """An open scheduler in virtual time.

    When it has been closed, it is checked: that its books balance, and that no task of a job is left alive.
    """
    from turnkeeper_trio.testing._fixture_host import HostedScheduler

    hosted = HostedScheduler(OPTIONS | _merged(request.node, "scheduler_options"))
    del scheduler_time
    harness = request.node.stash[SESSION].harness
    yield await hosted.open()
    await hosted.close()
    harness.check_ended()


scheduler: Any = pytest.fixture(name="scheduler")(_scheduler)
