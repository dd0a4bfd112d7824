"""What importing the library brings in: what the name that is used needs. Names, not times, are looked at."""

import ast
import importlib
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

import turnkeeper_trio

ROOT = Path(__file__).parents[1]
HEAVY = "{'trio', 'anyio', 'pendulum', 'asyncio', 'turnkeeper_trio._public', 'turnkeeper_trio.testing'}"
"""What takes longer to import than a run of pytest should be made to wait."""


def run(program: str, *options: str, cwd: Path | None = None) -> str:
    """Run a program in a Python of its own, with its warnings as errors, and return what it printed."""
    path = str(Path(turnkeeper_trio.__file__).parents[1])
    program = f"import sys; sys.path.insert(0, {path!r})\n{program}"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "error", "-c", program, *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=cwd,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


@cache
def loops_of_pendulum() -> set[str]:
    """Return the event loops that pendulum itself imports: 3.0 does, by an old time-machine; later ones do not."""
    return set(ast.literal_eval(run(f"import turnkeeper_trio, pendulum\nprint(sorted({LOOPS} & set(sys.modules)))")))


@pytest.mark.parametrize("module", ["turnkeeper_trio", "turnkeeper_trio.pytest_plugin"])
def test_importing_loads_no_event_loop_and_no_part_of_the_library(module: str) -> None:
    before = "import pytest" if module.endswith("plugin") else ""
    program = f"{before}\nbefore = set(sys.modules)\nimport {module}\nprint({HEAVY} & set(sys.modules) - before)"
    assert run(program) == "set()\n"


def test_a_run_of_pytest_that_uses_nothing_of_the_plugin_loads_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(tmp_path):\n    pass\n", "utf-8")
    program = f"""
import os
os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
import pytest
before = set(sys.modules)
status = pytest.main(["-q", "-p", "turnkeeper_trio.pytest_plugin", "-p", "no:cacheprovider", "test_it.py"])
assert "turnkeeper_trio.pytest_plugin" in sys.modules
print(int(status), {HEAVY} & set(sys.modules) - before)
"""
    assert run(program, cwd=tmp_path).splitlines()[-1] == "0 set()"


@pytest.mark.parametrize(
    "use",
    [
        "from turnkeeper_trio import Interval",
        "from turnkeeper_trio import *",
        "import turnkeeper_trio; turnkeeper_trio.Interval",
        "import turnkeeper_trio; turnkeeper_trio.schedules.Interval",
        "import turnkeeper_trio; dir(turnkeeper_trio)",
        "from turnkeeper_trio.testing import run",
        "import turnkeeper_trio.schedules",
        "pass",
    ],
)
def test_a_public_class_shows_its_public_path_whatever_was_imported_first(use: str) -> None:
    program = f"""
{use}
from turnkeeper_trio._model.run import RunRecord
from turnkeeper_trio.errors import ConfigurationError
from turnkeeper_trio.retries import FailedAttempt
print(RunRecord, ConfigurationError, FailedAttempt.__module__, RunRecord.unwrap.__module__)
"""
    assert run(program) == (
        "<class 'turnkeeper_trio.RunRecord'> <class 'turnkeeper_trio.ConfigurationError'> turnkeeper_trio.retries "
        "turnkeeper_trio\n"
    )


LOOPS = {"asyncio", "trio", "anyio", "anyio._backends._asyncio", "anyio._backends._trio"}


@pytest.mark.parametrize(
    ("use", "loaded"),
    [
        ("import turnkeeper_trio", set[str]()),
        ("import turnkeeper_trio.schedules", set[str]()),
        ("from turnkeeper_trio import Cron; Cron('0 9 * * *').next_after(NOW)", set[str]()),
        ("from turnkeeper_trio import RecurringJobRequest, Interval", set[str]()),
        ("from turnkeeper_trio import RunFinished", set[str]()),
        ("from turnkeeper_trio import Once, upcoming; upcoming(Once(NOW), start=NOW)", {"pendulum"}),
        ("from turnkeeper_trio import open_scheduler", {"anyio"}),
        ("from turnkeeper_trio import *", {"anyio"}),
    ],
)
def test_a_name_loads_what_it_needs_and_no_event_loop(use: str, loaded: set[str]) -> None:
    looked_at = LOOPS | {"pendulum"}
    now = "from datetime import UTC, datetime\nNOW = datetime(2026, 1, 5, 8, tzinfo=UTC)"
    program = f"{now}\n{use}\nprint(sorted({looked_at} & set(sys.modules)))"
    assert run(program) == f"{sorted(loaded | (loops_of_pendulum() if 'pendulum' in loaded else set()))}\n"


@pytest.mark.parametrize(("loop", "other"), [("asyncio", "trio"), ("trio", "asyncio")])
def test_a_scheduler_loads_only_the_event_loop_in_which_it_is_opened(loop: str, other: str) -> None:
    """Also where a job fails, is cancelled and times out, which is told from a cancellation by the classes of both."""
    program = f"""
import anyio, logging
from turnkeeper_trio import After, open_scheduler, RecurringJobRequest
logging.disable()

async def fail():
    raise ExceptionGroup("", [ValueError(), KeyError()])

async def last(begun):
    begun.set()
    await anyio.sleep_forever()

async def main():
    async with open_scheduler(max_workers=2, shutdown_grace=0) as scheduler:
        opened = set(sys.modules)
        await scheduler.add_job(RecurringJobRequest("fails", After(seconds=0)), fail)
        await scheduler.add_job(RecurringJobRequest("is late", After(seconds=0), timeout=0.001), anyio.sleep_forever)
        await scheduler.wait_idle()
        begun = anyio.Event()
        await scheduler.add_job(RecurringJobRequest("is cut off", After(seconds=0)), last, begun)
        await begun.wait()
        history = [record.outcome.value for record in await scheduler.get_run_history()]
    print(len(scheduler.shutdown_report.interrupted), sorted(history), {other!r} in sys.modules, "pendulum" in opened)

anyio.run(main, backend={loop!r})
"""
    assert run(program) == f"1 ['failed', 'timed_out'] {other in loops_of_pendulum()} True\n"


def test_each_public_name_has_the_home_that_type_checkers_see() -> None:
    public = importlib.import_module("turnkeeper_trio._public")
    tree = ast.parse(Path(public.__file__ or "").read_text("utf-8"))
    imported = {
        alias.name: node.module.removeprefix("turnkeeper_trio.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("turnkeeper_trio")
        for alias in node.names
    }
    assert sorted(public.HOMES) == sorted(public.__all__) == sorted(imported)
    # A function and a module have the same name there; the function is imported from the module for type checkers.
    assert imported | {"upcoming": "schedules"} == public.HOMES


def test_the_public_modules_are_found_as_attributes() -> None:
    names = ["abc", "errors", "events", "jobs", "policies", "retries", "schedules", "simulation", "verdicts"]
    program = f"import turnkeeper_trio\nprint([getattr(turnkeeper_trio, name).__name__ for name in {names}])"
    assert run(program) == f"{[f'turnkeeper_trio.{name}' for name in names]}\n"
    assert turnkeeper_trio.__getattr__("schedules") is turnkeeper_trio.schedules  # type: ignore[attr-defined]  # at run time only


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    for name in ("Intervall", "_private", "__path_of_nothing__"):
        with pytest.raises(AttributeError, match=f"module 'turnkeeper_trio' has no attribute '{name}'"):
            getattr(turnkeeper_trio, name)


def test_a_private_name_that_is_not_there_loads_nothing() -> None:
    program = f"import turnkeeper_trio\nhasattr(turnkeeper_trio, '__wrapped__')\nprint({HEAVY} & set(sys.modules))"
    assert run(program) == "set()\n"


def test_dir_shows_the_public_names() -> None:
    assert {*turnkeeper_trio.__all__, "__version__", "__compiled__"} <= set(dir(turnkeeper_trio))
    assert dir(turnkeeper_trio) == sorted(dir(turnkeeper_trio))


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert turnkeeper_trio.__version__ == project["version"]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "src").glob("turnkeeper_trio/*/__init__.py")), ids=lambda p: p.parent.name
)
def test_a_subpackage_can_be_imported_first(path: Path) -> None:
    run(f"import turnkeeper_trio.{path.parent.name}")
