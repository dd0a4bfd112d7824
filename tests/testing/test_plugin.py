"""The plugin for pytest, as users see it: what it runs, what it reports, and that it leaves other tests alone."""

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest

from turnkeeper_trio import pytest_plugin

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "testing"


def run_pytest(where: Path, *args: str) -> str:
    """Run pytest in a process of its own, and return what it says."""
    installed = entry_points(group="pytest11", name="turnkeeper_trio")
    named = () if installed else ("-p", "turnkeeper_trio.pytest_plugin")
    path = [str(Path(pytest_plugin.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    if where == EXAMPLE:
        del path[1:]  # with it goes the counting of lines, which takes longer than a year of orders
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-W", "error", *named, "-p", "no:cacheprovider", *args]
    if find_spec("pytest_asyncio") is not None and "-pno:asyncio" not in args:
        command += ["-o", "asyncio_default_fixture_loop_scope=function"]
    done = subprocess.run(command, cwd=where, env=env, capture_output=True, check=False, text=True, timeout=110)  # noqa: S603
    return done.stdout + done.stderr


def test_the_project_in_the_examples_passes_its_tests() -> None:
    said = run_pytest(EXAMPLE, "-q")
    assert re.search(r"^\d\d passed(, \d+ skipped)?, 4 deselected", said, re.MULTILINE), said


def test_the_project_in_the_examples_passes_its_tests_without_other_plugins() -> None:
    others = ["trio", "asyncio", "hypothesispytest", "timeout", "time_machine"]
    files = ["pytest_trio", "pytest_asyncio", "hypothesis"]
    left_out = [*(f"-pno:{name}" for name in others), *(f"--ignore=tests/test_with_{name}.py" for name in files)]
    said = run_pytest(EXAMPLE, "-q", "-k", "not year", *left_out)
    assert re.search(r"^\d\d passed(, \d+ skipped)?, \d deselected", said, re.MULTILINE), said


PROJECT = """
import sys
import time

import anyio
import pytest
import trio

from turnkeeper_trio import Interval, RecurringJobRequest, open_scheduler
from turnkeeper_trio.pytest_plugin import _scheduler
from turnkeeper_trio.testing import VirtualEventLoop

HOURLY = RecurringJobRequest("hourly", Interval(hours=1))

async def nothing(): pass

async def exit(): raise SystemExit(3)

@pytest.mark.anyio
@pytest.mark.schedule_seeds(8)
async def test_race(scheduler, scheduler_time):
    seen = []
    async def note(value):
        await anyio.lowlevel.checkpoint()
        seen.append(value)
    for value in (1, 2):
        await scheduler.add_job(HOURLY, note, value)
    await scheduler_time.advance(hours=1)
    assert seen == [1, 2]

@pytest.mark.anyio
@pytest.mark.schedule_seeds(2)
@pytest.mark.parametrize("anyio_backend", [("asyncio", {}), ("trio", {})])
async def test_back_ends_with_options(scheduler): pass

@pytest.mark.anyio
async def test_waits_for_ever(scheduler): await anyio.Event().wait()

@pytest.mark.anyio
async def test_fault(scheduler, fault_plan): fault_plan.job("hourly", 2)

@pytest.mark.anyio
async def test_exit(scheduler, scheduler_time):
    await scheduler.add_job(HOURLY, exit)
    await scheduler_time.advance(hours=1)

@pytest.mark.anyio
@pytest.mark.scheduler_options(max_workers=0)
async def test_options(scheduler): pass

@pytest.mark.anyio
@pytest.mark.scheduler_options(3)
async def test_positional_options(scheduler): pass

@pytest.mark.scheduler_time("2026-03-28")
def test_positional(): pass

@pytest.mark.scheduler_time(begin="2026-03-28")
def test_unknown(): pass

@pytest.mark.scheduler_time(start="2026-03-29 02:30", timezone="Europe/Berlin")
def test_gap(): pass

@pytest.fixture
def no_time_machine(monkeypatch): monkeypatch.setitem(sys.modules, "time_machine", None)

def test_no_time_machine(no_time_machine, frozen_now): pass

def test_dynamic(request): request.getfixturevalue("scheduler_time")

@pytest.mark.asyncio
def test_for_pytest_asyncio(scheduler_time):
    assert _scheduler._force_asyncio_fixture

def test_for_another(scheduler_time):
    assert not hasattr(_scheduler, "_force_asyncio_fixture")

@pytest.mark.scheduler_time
def test_no_loop(): assert False, "without a loop"

@pytest.mark.scheduler_time
def test_loops_of_its_own():
    assert isinstance(anyio.run(current_loop), VirtualEventLoop)
    before = time.monotonic()
    trio.run(trio.sleep, 3600)
    trio.run(trio.sleep, 0.01, clock=SystemClock())
    assert time.monotonic() - before < 1000

async def current_loop():
    import asyncio
    return asyncio.get_running_loop()

class SystemClock(trio.abc.Clock):
    def start_clock(self): pass
    def current_time(self): return time.perf_counter()
    def deadline_to_sleep_time(self, deadline): return deadline - self.current_time()

def test_that_uses_nothing():
    assert not isinstance(anyio.run(current_loop), VirtualEventLoop)
    assert trio.run.__qualname__ == "run"
"""

TRIO_MODE = """
from datetime import timedelta
import trio
from turnkeeper_trio import Interval, RecurringJobRequest

async def test_fixtures(scheduler, scheduler_time):
    await scheduler.add_job(RecurringJobRequest("hourly", Interval(hours=1)), trio.sleep, 5)
    await scheduler_time.run_until_runs("hourly", 1000, within=timedelta(days=60))

async def test_own_clock(autojump_clock, scheduler_time):
    await trio.sleep(86400)
    assert scheduler_time.now.day == 2
"""

SEEDLESS = """
import pytest

@pytest.mark.schedule_seeds(0)
def test_no_seeds(): pass
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says of a project whose tests fail in each way that the plugin knows of."""
    where = tmp_path_factory.mktemp("project")
    (where / "pytest.ini").write_text(
        "[pytest]\naddopts = --strict-markers --strict-config\nmarkers = asyncio\n", "utf-8"
    )
    (where / "test_project.py").write_text(PROJECT, "utf-8")
    (where / "test_seedless.py").write_text(SEEDLESS, "utf-8")
    return run_pytest(where, "-v", "-rfE", "--continue-on-collection-errors", "--timeout=60", "-pno:asyncio")


def said_of(report: str, test: str) -> str:
    """Return what the report says of one failure."""
    found = re.search(
        rf"^_+ [\w ]*\b{re.escape(test)} _+$\n(.*?)(?=^_{{5,}} |^=====)", report, re.DOTALL | re.MULTILINE
    )
    assert found is not None, report
    return found[1]


def test_a_race_fails_on_some_seeds_and_the_seed_is_printed(report: str) -> None:
    failed = re.findall(r"^test_project.py::test_race\[trio-seed(\d)\] FAILED", report, re.MULTILINE)
    passed = re.findall(r"^test_project.py::test_race\[trio-seed(\d)\] PASSED", report, re.MULTILINE)
    assert len(failed) + len(passed) == 8
    assert failed
    assert passed
    said = said_of(report, f"test_race[trio-seed{failed[0]}]")
    assert f"order of trio's tasks: seed {failed[0]}; timezone: UTC\n" in said
    assert "\nthe virtual time was 2000-01-01 01:00:00+00:00" in said
    assert re.findall(r"::test_race\[asyncio-(seed\d)\]", report) == ["seed0"]


def test_asyncio_is_known_with_options_too(report: str) -> None:
    assert len(re.findall(r"::test_back_ends_with_options\S+ PASSED", report)) == 3


@pytest.mark.parametrize(
    ("test", "problem"),
    [
        ("test_waits_for_ever[trio]", "SchedulerTimeError: everything waits, and nothing is planned"),
        ("test_waits_for_ever[asyncio]", "SchedulerTimeError: everything waits, and nothing is planned"),
        ("test_fault[trio]", "planned faults that never struck: job 'hourly', call 2"),
        ("test_exit[trio]", "the scheduler ended the program: SystemExit(3)"),
        ("test_exit[asyncio]", "the scheduler ended the program: SystemExit(3)"),
        ("test_options[trio]", "max_workers must be an integer of at least 1"),
        ("test_options[asyncio]", "max_workers must be an integer of at least 1"),
        ("test_positional_options[trio]", "it takes keyword arguments only"),
        ("test_positional", "@pytest.mark.scheduler_time: it takes keyword arguments only"),
        ("test_unknown", "@pytest.mark.scheduler_time: settings() got an unexpected keyword argument 'begin'"),
        ("test_gap", "@pytest.mark.scheduler_time: start does not exist: the clock in Europe/Berlin goes forward"),
        ("test_no_time_machine", "the fixture frozen_now needs time-machine: pip install time-machine"),
        ("test_dynamic", "scheduler_time must be named by the test or by a fixture of it"),
        ("test_no_loop", "no event loop was started"),
    ],
)
def test_a_failure_says_what_is_wrong(report: str, test: str, problem: str) -> None:
    assert problem in said_of(report, test)


def test_the_trio_mode_of_pytest_trio_is_known(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\ntrio_mode = true\n", "utf-8")
    (tmp_path / "test_trio_mode.py").write_text(TRIO_MODE, "utf-8")
    assert "2 passed" in run_pytest(tmp_path)


def test_seeds_are_counted_from_one(report: str) -> None:
    assert "write schedule_seeds(n), with n at least 1" in report


def test_loops_that_a_test_starts_itself_are_virtual_and_those_of_other_tests_are_not(report: str) -> None:
    assert "::test_loops_of_its_own PASSED" in report
    assert "::test_that_uses_nothing PASSED" in report


def test_pytest_asyncio_is_told_of_the_fixture_in_its_own_tests(report: str) -> None:
    assert "::test_for_pytest_asyncio PASSED" in report
    assert "::test_for_another PASSED" in report
