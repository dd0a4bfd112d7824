"""The pages for contributors name files and functions that are there."""

import ast
import re
from pathlib import Path

import pytest

import turnkeeper_trio

PACKAGE = Path(turnkeeper_trio.__file__).parent
ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| \d+ \| (.*?) \| `([\w/]+\.py)` \| `(\w+)` \|$",
    (ROOT / "docs/internals/life-of-a-job.md").read_text("utf-8"),
    re.MULTILINE,
)


def test_both_ways_are_whole() -> None:
    assert len(ROWS) == 13 + 7


@pytest.mark.parametrize(("what", "file", "function"), ROWS)
def test_the_life_of_a_job_leads_through_functions_that_are_there(what: str, file: str, function: str) -> None:
    tree = ast.parse((PACKAGE / file).read_text("utf-8"))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert function in names, what


def test_the_architecture_names_tables_and_modules_that_are_there() -> None:
    text = (ROOT / "docs/internals/architecture.md").read_text("utf-8")
    state = (PACKAGE / "_engine/state.py").read_text("utf-8")
    for tables, writers in re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| [^|]* \| (.*?) \|$", text, re.MULTILINE):
        for table in re.findall(r"`(\w+)`", tables):
            assert f"self.{table}:" in state, table
        for writer in re.findall(r"`(\w+)`", writers):
            assert (PACKAGE / "_engine" / f"{writer}.py").exists(), writer


def test_the_modules_in_front_of_a_store_are_there() -> None:
    text = (ROOT / "docs/internals/architecture.md").read_text("utf-8")
    modules = re.findall(r"^\| `([\w/]+\.py)` \|", text, re.MULTILINE)
    assert len(modules) == 9
    assert [module for module in modules if not (PACKAGE / module).is_file()] == []


@pytest.mark.parametrize(
    "name", re.findall(r"`(\w+\.\w+)`", (ROOT / "docs/internals/architecture.md").read_text("utf-8"))
)
def test_the_functions_that_the_architecture_names_are_there(name: str) -> None:
    holder, function = name.split(".")
    sources = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    holds = re.search(rf"^class {holder}\b", sources, re.MULTILINE) or any(PACKAGE.rglob(f"{holder}.py"))
    assert function == "py" or holder in {"abc", "pyproject"} or (holds and f"def {function}(" in sources), name


@pytest.mark.parametrize("folder", re.findall(r"`(tests/\w+)`", (ROOT / "CONTRIBUTING.md").read_text("utf-8")))
def test_the_folders_of_tests_are_there(folder: str) -> None:
    assert (ROOT / folder).is_dir()
