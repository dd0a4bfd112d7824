"""The rules of the house that no linter knows: one door to the engine, modules of a size, rows and words."""

import ast
import dataclasses
import functools
import importlib
import inspect
import pkgutil
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import turnkeeper_trio
from turnkeeper_trio import Scheduler

PACKAGE = Path(turnkeeper_trio.__file__).parent
MOST_LINES = 300
"""Lines of code that a module may have: docstrings, comments and blank lines are not counted."""

DOOR = {"turnkeeper_trio._engine.engine", "turnkeeper_trio._engine"}
COMMANDS = {"control", "queries", "submission", "updates"}
"""The modules of the engine whose functions are given to `Engine.ask` and `Engine.decide`."""

COINED = ("House", "Desk", "Teller", "Bell", "Inlet", "Shelf", "Nesting", "Ledger", "Archive", "Closing",
          "Harness", "dueness", "asking", "telling", "Ground", "Pace", "Wall", "Line")  # fmt: skip


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def dotted(path: Path) -> str:
    return ".".join(("turnkeeper_trio", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


def lines_of_code(text: str) -> int:
    told: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            told.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    numbered = enumerate(text.splitlines(), 1)
    return sum(
        1 for number, line in numbered if number not in told and line.strip() and not line.strip().startswith("#")
    )


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_a_module_is_no_longer_than_a_reader_can_hold(path: Path) -> None:
    """`Scheduler` is the exception: its methods are the interface, and one class has one file."""
    if dotted(path) != "turnkeeper_trio._runtime.scheduler":
        assert lines_of_code(path.read_text("utf-8")) <= MOST_LINES


def test_each_module_says_what_it_is_in_words_of_its_own() -> None:
    """Where two modules had been made of one, both said what the one was."""
    said: dict[str | None, str] = {}
    for path in modules():
        doc = ast.get_docstring(ast.parse(path.read_text("utf-8")))
        assert doc, dotted(path)
        assert doc not in said, (dotted(path), said[doc])
        said[doc] = dotted(path)


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each module that a module imports from, and what: inside of functions and for type checkers, too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def test_the_engine_has_one_door() -> None:
    """`Engine`, what it takes and gives, and the functions that a caller asks for: nothing else is seen outside."""
    names = set(importlib.import_module("turnkeeper_trio._engine.engine").__all__)
    for path in modules():
        if dotted(path).startswith("turnkeeper_trio._engine"):
            continue
        for module, name in imports(path):
            if not module.startswith("turnkeeper_trio._engine"):
                continue
            what = f"{dotted(path)} imports {name} from {module}"
            if module == "turnkeeper_trio._engine":
                assert name in COMMANDS, what
            elif module == "turnkeeper_trio._engine.engine":
                assert name in names, what
            else:
                assert module.rpartition(".")[2] in COMMANDS, what
                function = getattr(importlib.import_module(module), name)
                assert inspect.isroutine(function) or dataclasses.is_dataclass(function), what


def test_nobody_reaches_past_the_door() -> None:
    for path in modules():
        if not dotted(path).startswith("turnkeeper_trio._engine"):
            assert not re.search(r"engine\.state\b", path.read_text("utf-8")), dotted(path)


def test_rows_are_dataclasses_with_slots_that_show_nothing_of_a_users() -> None:
    rows = importlib.import_module("turnkeeper_trio._engine.rows")
    found = [
        value for value in vars(rows).values() if dataclasses.is_dataclass(value) and value.__module__ == rows.__name__
    ]
    assert {"Attempt", "Job", "JobHistory", "NonRun", "Occurrence", "Run", "Shutdown"} <= {
        row.__name__ for row in found
    }
    for row in found:
        assert turnkeeper_trio.__compiled__ or "__slots__" in vars(row)
        assert row.__repr__ is object.__repr__, row
        assert row.__eq__ is object.__eq__, row


def test_now_is_the_second_argument() -> None:
    for path in sorted((PACKAGE / "_engine").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                names = [argument.arg for argument in node.args.posonlyargs + node.args.args]
                if "now" in names and node.name not in {"__post_init__", "decide"}:
                    assert names.index("now") == 1, f"{path.name}: {node.name}"


def test_no_coined_noun_stands_in_the_code() -> None:
    """Names are the words that a newcomer would search for; prose may use a word as the language does."""
    for path in modules():
        with path.open("rb") as file:
            names = {token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.NAME}
        assert not names & set(COINED), dotted(path)


def test_a_wrong_call_names_the_scheduler() -> None:
    """A mistaken call says ``Scheduler.add_job()``, and every method says that it is from the package."""
    for name, value in inspect.getmembers(Scheduler):
        function = inspect.unwrap(value.fget if isinstance(value, property) and value.fget else value)
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        assert function.__qualname__ == f"Scheduler.{name}"
        assert function.__module__ == "turnkeeper_trio", name
    with pytest.raises(TypeError, match=r"Scheduler\.add_job\(\) missing"):
        Scheduler.add_job()  # type: ignore[call-arg]


def public_modules() -> list[ModuleType]:
    names = [info.name for info in pkgutil.walk_packages(turnkeeper_trio.__path__, "turnkeeper_trio.")]
    public = [name for name in names if "._" not in name and not name.endswith("pytest_plugin")]
    return [importlib.import_module(name) for name in ("turnkeeper_trio", *public)]


@pytest.mark.parametrize("module", public_modules(), ids=lambda module: module.__name__)
def test_every_public_module_says_what_is_public(module: ModuleType) -> None:
    names = module.__all__
    assert len(names) == len(set(names))
    for name in names:
        assert getattr(module, name) is not None, name


TESTS = Path(__file__).parent

Functions = dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]]


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def functions_in(path: Path, found: Functions) -> None:
    """Add the functions and methods of a module, and of what it imports from tests/support, by their names."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            shared = TESTS / "support" / f"{node.module}.py"
            if shared.exists() and shared != path:
                functions_in(shared, found)


def asserts(node: ast.AST, functions: Functions, seen: frozenset[str] = frozenset()) -> bool:
    """Whether a function has an ``assert``, `pytest.raises`, or the name of a function that asserts."""
    for each in ast.walk(node):
        if isinstance(each, ast.Assert):
            return True
        name = each.id if isinstance(each, ast.Name) else each.attr if isinstance(each, ast.Attribute) else ""
        of_pytest = isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == "pytest"
        if name.startswith("assert_") or (of_pytest and name in {"raises", "warns", "fail"}):
            return True
        if name not in seen and any(asserts(one, functions, seen | {name}) for one in functions.get(name, ())):
            return True
    return False


@pytest.mark.parametrize("path", sorted(TESTS.rglob("test_*.py")), ids=lambda path: path.relative_to(TESTS).as_posix())
def test_every_test_asserts(path: Path) -> None:
    """A test that only calls something shows that nothing is raised, and no more."""
    functions: Functions = {}
    functions_in(path, functions)
    tests = [one for name, several in functions.items() if name.startswith("test_") for one in several]
    assert [test.name for test in tests if not asserts(test, functions)] == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def test_it(): run()", False),
        ("def test_it():\n    def job(): assert True\n    run(job)", True),
        ("def test_it():\n    with pytest.raises(ValueError): run()", True),
        ("def test_it(): driver.fail(attempt)", False),
        ("def check(): check()\ndef test_it(): check()", False),
        ("def check(): assert True\ndef test_it(): run(check)", True),
        (
            "class World:\n    def check(self): look(self)\ndef look(it): assert it\ndef test_it(): World().check()",
            True,
        ),
        ("def test_it(): assert_run_log(scheduler, '')", True),
    ],
)
def test_a_test_that_asserts_nothing_is_found(code: str, expected: bool, tmp_path: Path) -> None:
    path = tmp_path / "test_it.py"
    path.write_text(code, "utf-8")
    functions: Functions = {}
    functions_in(path, functions)
    assert asserts(functions["test_it"][0], functions) is expected
