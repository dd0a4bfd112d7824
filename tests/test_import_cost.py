"""What importing the library brings in: nothing, until something of it is used. Names, not times, are looked at."""

import subprocess
import sys
import tomllib
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
    ],
)
def test_the_first_use_of_a_name_loads_them_all(use: str) -> None:
    program = f"{use}\nfrom turnkeeper_trio._model.run import RunRecord\nprint(RunRecord)"
    assert run(program) == "<class 'turnkeeper_trio.RunRecord'>\n"


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
